"""A PynamoDB base class for applications that want their writes ordered by the microsecond, without write-backs.

Nothing of the deployed functions imports this module: PynamoDB is the application's dependency.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self, TypeVar

from pynamodb.attributes import UnicodeAttribute
from pynamodb.constants import DELETE, ITEM, PUT
from pynamodb.exceptions import DeleteError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import BatchWrite, Model

from distributary.adapters.dynamodb.stamping import Stamper, digest_of_item
from distributary.domain.image import STAMP_ATTRIBUTE
from distributary.domain.stamp import UNKNOWN

Item = dict[str, dict[str, Any]]
"""An item as the SDK takes it: attribute name to typed value."""

_CONDITION_FAILED = "ConditionalCheckFailedException"


class ReplicatedModel(Model):
    """A `pynamodb.models.Model` that stamps what it writes. Subclass it as you would subclass `Model`.

    A write of an unmodified application takes its place among the regions by its record's creation time, in whole
    seconds, and the capture function then writes the stamp into the row. A `ReplicatedModel` brings the stamp along,
    in the attribute `replication_stamp`: a version of microseconds, above the version that the instance was loaded
    with, and what the writer had seen of other regions.

    - `save` and `batch.save` know the whole item and sign it: no write-back follows.
    - `update` does not know the item that results and cannot sign it: the capture function gives it the version one
      microsecond above its stamp, and writes that back.
    - `delete`, `batch.delete` and `transaction.delete` first stamp the stored row in a request of their own, because a
      deletion carries no stamp. That costs one more write unit, one more round trip and one more change for the
      peers, and needs the right to dynamodb:UpdateItem. The first request has the condition of the second, and is
      skipped where the row is missing. A row that is stamped but then not deleted (the second request failed, the
      transaction or the batch was not sent) counts as written at that moment; its content is what it was. A deletion
      whose condition names `replication_stamp` fails: the first request has changed it.
    - `TransactWrite` needs nothing special; it is stamped when the operation is added, and `transaction.delete` stamps
      the stored row at that moment, outside the transaction. A transaction that is built again has other stamps, so
      that its client request token does not match: send the same one again, or use a new token.

    An instance has its new stamp as soon as it is drawn, whether or not the request succeeds, so that its next write
    goes above this one even if the clock steps back. An instance that was not loaded, or was loaded without
    `replication_stamp` (a projection, a keys-only index), writes blindly: its version is the clock's, and a write of
    another region that it would have seen counts as concurrent.

    Not stamped is what goes past the instances: `BatchWrite(Model)` constructed by hand, calls to PynamoDB's
    `Connection` or `TableConnection`, the SDK, PartiQL. Such writes count as those of an unmodified application;
    they may be mixed with stamped ones.
    """

    replication_stamp = UnicodeAttribute(null=True)
    """The stamp of the row as loaded, or of the instance's latest write. Leave it alone."""

    replication_stamper: ClassVar[Stamper] = Stamper()
    """Clock and randomness; replaced in tests."""

    def update(
        self, actions: Sequence[Action], condition: Condition | None = None, *, add_version_condition: bool = True
    ) -> Any:
        """Update the row, as `Model.update` does, and its stamp with it."""
        return super().update(self._stamping(actions), condition, add_version_condition=add_version_condition)

    def get_update_kwargs_from_instance(
        self,
        actions: Sequence[Action],
        condition: Condition | None = None,
        return_values_on_condition_failure: str | None = None,
        *,
        add_version_condition: bool = True,
    ) -> dict[str, Any]:
        """What a transaction sends for an update, with the stamp."""
        return super().get_update_kwargs_from_instance(
            self._stamping(actions),
            condition,
            return_values_on_condition_failure,
            add_version_condition=add_version_condition,
        )

    def delete(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> Any:
        """Stamp the stored row, then delete it, as `Model.delete` does."""
        self.stamp_before_delete(condition, add_version_condition=add_version_condition)
        return super().delete(condition, add_version_condition=add_version_condition)

    def get_delete_kwargs_from_instance(
        self,
        condition: Condition | None = None,
        return_values_on_condition_failure: str | None = None,
        *,
        add_version_condition: bool = True,
    ) -> dict[str, Any]:
        """Stamp the stored row now; then what a transaction sends for a deletion."""
        self.stamp_before_delete(condition, add_version_condition=add_version_condition)
        return super().get_delete_kwargs_from_instance(
            condition, return_values_on_condition_failure, add_version_condition=add_version_condition
        )

    @classmethod
    def batch_write(cls, auto_commit: bool = True) -> StampingBatchWrite[Self]:
        """A batch of puts and deletions, as `Model.batch_write` makes it, that stamps them."""
        return StampingBatchWrite(cls, auto_commit=auto_commit)

    def stamp_before_delete(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> None:
        """Stamp the stored row, if it is there and the condition holds, so that its deletion is ordered after now.

        Raises DeleteError where the request fails for another reason.
        """
        hash_key, range_key = self._get_hash_range_key_serialized_values()
        guard: Condition = self.get_attributes()[str(self._hash_keyname)].exists()
        version_condition = self._handle_version_attribute() if add_version_condition else None
        for each in (condition, version_condition):
            if each is not None:
                guard &= each
        actions = [ReplicatedModel.replication_stamp.set(self._draw())]
        try:
            self._get_connection().update_item(hash_key, range_key=range_key, actions=actions, condition=guard)
        except UpdateError as error:
            if error.cause_response_code != _CONDITION_FAILED:
                raise DeleteError(f"Failed to stamp the item before its deletion: {error}", error.cause) from error

    def stamped_item(self) -> Item:
        """The whole item with a fresh stamp, as a batch puts it."""
        item: Item = self.serialize(null_check=True)
        item[STAMP_ATTRIBUTE] = {"S": self._draw(digest_of_item(item))}
        return item

    def _get_save_args(
        self, condition: Condition | None = None, *, add_version_condition: bool = True
    ) -> tuple[Iterable[Any], dict[str, Any]]:
        """What `save` and transactions put: the stamp signs exactly the attributes that are sent."""
        args, kwargs = super()._get_save_args(condition, add_version_condition=add_version_condition)
        (hash_key,) = args
        table = self._get_connection().get_meta_table()
        key: Item = table.get_identifier_map(hash_key, kwargs.get("range_key"), key=ITEM)[ITEM]
        attributes: Item = kwargs["attributes"]
        attributes[STAMP_ATTRIBUTE] = {"S": self._draw(digest_of_item({**key, **attributes}))}
        return args, kwargs

    def _stamping(self, actions: Sequence[Action]) -> list[Action]:
        """The actions and the one that sets the stamp; none stay none, which is the caller's error to hear of."""
        return [*actions, ReplicatedModel.replication_stamp.set(self._draw())] if actions else []

    def _draw(self, digest: str = UNKNOWN) -> str:
        region = self._get_connection().connection.client.meta.region_name
        stamp = self.replication_stamper.draw(self.replication_stamp, region, digest).text()
        self.replication_stamp = stamp
        return stamp


_R = TypeVar("_R", bound=ReplicatedModel)


class StampingBatchWrite(BatchWrite[_R]):
    """A batch whose puts are stamped when they are sent; rows to be deleted are stamped one by one before that."""

    def commit(self) -> None:
        """Write all that is pending; see `BatchWrite.commit`."""
        for operation in self.pending_operations:
            if operation["action"] == DELETE:
                operation["item"].stamp_before_delete(add_version_condition=False)
        self.pending_operations = [
            {**each, "item": _Sealed(each["item"].stamped_item())} if each["action"] == PUT else each
            for each in self.pending_operations
        ]
        super().commit()


class _Sealed:
    """An item that is serialized once, so that what was signed is what is sent."""

    def __init__(self, item: Item) -> None:
        self._item = item

    def serialize(self) -> Item:
        return self._item
