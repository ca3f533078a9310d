"""The errors of the program, each of which knows what is to be done about it.

DistributaryError
├── RetryLater              the world was not ready; the same call may succeed in a while
│   ├── Throttled           the service asked us to slow down
│   ├── Unavailable         no answer, a reset, a timeout, or an answer of the 5xx kind
│   ├── NotSettled          a local write of the row is still in the change stream
│   ├── Contended           another transaction holds what a write needs
│   ├── ParentMissing       the row that a foreign key names has not arrived yet
│   ├── PoliciesAhead       a message made under policies that are newer than this region's
│   ├── TriggersBehind      a table's triggers still keep the policies before this function's
│   ├── SchemaDiffers       the table lacks a column of the change, or is not there yet
│   └── OutOfTime           the function's deadline is too near to take new work
├── Unacceptable            this change or record can never be taken; park it whole
│   ├── MalformedRecord     a stream record without what a change needs
│   ├── MalformedMessage    an inbox message that is not ours, or not whole
│   ├── UnknownFormat       a message of a format version that this release does not read
│   ├── UnknownDataset      a message for a dataset that this replica does not hold
│   ├── PoliciesDiffer      a message made under other policies of the same generation
│   ├── PolicyFailed        a policy's own function raised, was slow or gave what no row can hold
│   ├── UnknownTable        a change of a table that this replica does not publish
│   ├── ClockDrift          a version further in the future than max_clock_drift
│   ├── StaleChange         a change older than tombstones are trusted
│   ├── ItemTooLarge        the row with its stamp is over the database's limit
│   ├── RejectedByDatabase  the database refuses the row for another permanent reason
│   │   └── UniqueClash     another row has the value of a unique column
│   └── Defect              our own code failed on this change or record
└── Misconfigured           nothing will work until an operator acts; stop and say so
    ├── InvalidSettings     replication.toml or the environment is wrong
    ├── AccessDenied        the role lacks a permission
    ├── MissingResource     a table or queue is not there
    ├── NothingFound        what an operator names is not there
    ├── SlotLost            the replication slot is gone, or somebody else has consumed it
    ├── NotInstalled        the database was not prepared for replication
    └── MalformedStream     a database's change stream that cannot be read on, and of which nothing may be skipped

MalformedStamp (a ValueError) never leaves the domain: an unreadable stamp counts as none.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class Disposition(Enum):
    """What to do with the work that met an error."""

    RETRY = "retry"
    PARK = "park"
    STOP = "stop"


class DistributaryError(Exception):
    """Root of all errors that the program raises on purpose."""

    disposition: ClassVar[Disposition] = Disposition.RETRY
    hint: ClassVar[str] = "Look at the log line of this error."


class RetryLater(DistributaryError):
    """The same work may succeed later; nothing is wrong with it."""

    hint = "Nothing to do: the work is retried with growing pauses."


class Throttled(RetryLater):
    """The service asked to slow down."""

    hint = "Retried by itself. If it stays: raise the table's or queue's capacity."


class Unavailable(RetryLater):
    """A service gave no answer, or none that can be used."""

    hint = "Retried by itself. If it stays: look at the health of the service in that region."


class NotSettled(RetryLater):
    """A local write of this row is still in the change stream; it has to be settled first."""

    hint = "Retried shortly. If it stays: is the capture function of this region running?"


class Contended(RetryLater):
    """Another transaction holds what a write needs: a lock that was not to be had in time, or a circle of waiting."""

    hint = "Retried. If it stays: which transaction of an application is open for long (pg_stat_activity)?"


class ParentMissing(RetryLater):
    """The row that a foreign key names has not arrived yet."""

    hint = "Retried, then parked. If it stays: is the parent's table published, or was the parent deleted elsewhere?"


class SchemaDiffers(RetryLater):
    """The table lacks a column of the change, or is not there yet: DDL is not replicated."""

    hint = "Run the same DDL in this region; what was parked meanwhile can be redriven."


class PoliciesAhead(RetryLater):
    """The message was made under newer policies (`policies_generation`) than this region has; they are on their way."""

    hint = "Waits by itself. Deploy the newer replication.toml in this region too."


class TriggersBehind(RetryLater):
    """The triggers of a table keep earlier policies than this function has: they would write on what it decides."""

    hint = "Waits by itself. Run `distributary aurora install` in this region."


class OutOfTime(RetryLater):
    """The function's deadline is too near to take new work."""

    hint = "The rest of the batch is delivered again. If it stays: raise the timeout or lower the batch size."


class Unacceptable(DistributaryError):
    """This change can never be taken as it is; it is parked with its payload."""

    disposition = Disposition.PARK
    hint = "Read the parked payload, remove the cause and redrive it, or discard it."


class MalformedRecord(Unacceptable):
    """A stream record lacks what a change needs."""

    hint = "Set the stream's view type to NEW_AND_OLD_IMAGES; then write the rows of the parked keys again."


class MalformedMessage(Unacceptable):
    """An inbox message is not ours, or not whole."""

    hint = "Find who sends to the inbox. Only capture and forward functions of the peers may."


class UnknownFormat(Unacceptable):
    """The message has a format version that this release does not read."""

    hint = "Deploy the newer release in this region too, then redrive."


class UnknownDataset(Unacceptable):
    """The message is for a dataset that this replica does not hold."""

    hint = "Deploy the same replication.toml in every region, then redrive."


class PoliciesDiffer(Unacceptable):
    """The message was made under other policies of the same generation, so nothing tells which are to hold."""

    hint = "Deploy one replication.toml in every region, or raise policies_generation with each change; then redrive."


class PolicyFailed(Unacceptable):
    """A function of a custom policy raised an error, took too long or gave what no row can hold."""

    hint = "Try it with `distributary policy check`, deploy the repaired function in every region, then redrive."


class UnknownTable(Unacceptable):
    """The change is of a table that this replica does not publish."""

    hint = "Create the table here too, run `distributary aurora install` and redrive."


class ClockDrift(Unacceptable):
    """The version lies further in the future than max_clock_drift."""

    hint = "Repair the clock of the home region; redrive when the version's time has come."


class StaleChange(Unacceptable):
    """The change is older than tombstones are trusted."""

    hint = "Do not redrive, its tombstones may be gone: write the row again in its home region."


class ItemTooLarge(Unacceptable):
    """The row, with our stamp, is over the size that the database takes."""

    hint = "Make the item smaller in its home region: the stamp needs about 200 bytes and 70 a region."


class RejectedByDatabase(Unacceptable):
    """The database refuses the row and always will."""

    hint = "Compare the tables' key schemas and the row's types with the parked payload."


class UniqueClash(RejectedByDatabase):
    """Another row has the value of a unique column. constraint: its name, as far as the database tells."""

    hint = "The clash could not be resolved by versions: change one of the two rows, then redrive."

    def __init__(self, message: str, constraint: str = "") -> None:
        super().__init__(message)
        self.constraint = constraint


class Defect(Unacceptable):
    """Our own code failed on this change or record. Decisions are pure, so it would fail again."""

    hint = "Report the parked payload; redrive it with the release that has the repair."


class Misconfigured(DistributaryError):
    """Nothing will work until an operator has acted."""

    disposition = Disposition.STOP
    hint = "Repair the deployment; the work waits."


class InvalidSettings(Misconfigured):
    """replication.toml or the environment of the function is wrong."""

    hint = "Repair the named key and deploy again."


class AccessDenied(Misconfigured):
    """The role of the function lacks a permission."""

    hint = "Compare the role with template.yaml, tables' policies and keys; for databases run `aurora install`."


class MissingResource(Misconfigured):
    """A table, stream or queue does not exist."""

    hint = "Deploy the stack of this region, or correct the name in its parameters."


class NothingFound(Misconfigured):
    """What an operator names is not there, or not any more."""

    hint = "Compare the name, the dataset and the region with what a list shows."


class SlotLost(Misconfigured):
    """The replication slot is gone, invalid, or was consumed by somebody else: changes are missing."""

    hint = 'Follow "The slot is lost" in docs/runbook.md: a new slot alone would leave the regions different.'


class NotInstalled(Misconfigured):
    """The database was not prepared for replication, or lacks a right that it takes."""

    hint = "Run `distributary aurora doctor`, then `distributary aurora install`."


class MalformedStream(Misconfigured):
    """The change stream of a database cannot be read on; what follows depends on it, so nothing is skipped."""

    hint = "Read the slot by pgoutput, proto_version 1 or 2, binary off, client_encoding UTF8; else report the bytes."


class MalformedStamp(ValueError):
    """The text is not a stamp of ours; the row counts as unstamped."""
