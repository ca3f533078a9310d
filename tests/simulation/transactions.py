"""Applications of an SQL database: transactions of one statement or many, which others may run into."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from distributary.adapters.memory.stamped_table import Aborted, Transaction
from distributary.domain.errors import RetryLater
from distributary.domain.image import Image

if TYPE_CHECKING:
    from tests.simulation.logs import LogRegion, LogWorld

KEYS: tuple[Image, ...] = ({"pk": {"S": "x"}}, {"pk": {"S": "y"}}, {"pk": {"S": "z"}})
LARGE = frozenset({"big"})
STATEMENTS = (1, 1, 1, 2, 2, 3, 7)
"""How many a transaction has; that of seven is told in several portions."""

Statement: TypeAlias = Callable[[Transaction], None]


class Clients:
    """Draws transactions and lets them run. keys: two or three, so that transactions share rows and may deadlock.

    operations: all, or a few that find what hides among all.
    """

    def __init__(self, world: LogWorld) -> None:
        self.world, self.choices = world, world.choices
        self.keys = KEYS[: world.setting.rows + 1]
        self.operations = self.choices.pick((OPERATIONS, OPERATIONS, CHURN, RENAMES))
        self._values = 0

    def write(self, region: LogRegion) -> None:
        """Begin a transaction, which others may run beside."""
        statements = [self._draw() for _ in range(self.choices.pick(STATEMENTS))]
        thinking = self.choices.pick((0, 0, 1, 4))
        self._values += 1
        transaction = region.table.begin()
        told = ", ".join(name for name, _ in statements)
        name = f"transaction {self._values} in {region.name}: {told}"
        self.world.start(
            name, lambda: self._run(transaction, statements, thinking), lambda _: None, transaction.rollback
        )

    def restate(self, region: LogRegion) -> None:
        """Write every row again as an application, and delete it again where it was absent."""
        for key in self.keys:
            absent = region.table.get(key) is None
            region.table.put(key, {**key, "a": self._value(), "big": self._value()})
            if absent:
                region.table.delete(key)

    def _run(self, transaction: Transaction, statements: list[tuple[str, Statement]], thinking: int) -> None:
        io = self.world.io
        try:
            for _, statement in statements:
                io("statement")
                statement(transaction)
            for _ in range(thinking):
                io("thinks")
            io("commit")
            if not transaction.over:  # its client was given up, and its connection with it
                transaction.commit()
        except (Aborted, RetryLater) as trouble:
            error = str(trouble)
            self.world.note(lambda: f"taken back: {error}")
        finally:
            transaction.rollback()

    def _draw(self) -> tuple[str, Statement]:
        statement = self.choices.pick(self.operations)
        key = self.choices.pick(self.keys)
        name = statement.__name__.strip("_").replace("_", " ")
        return f"{name} {key['pk']['S']}", statement(self, key)

    def _value(self) -> dict[str, Any]:
        self._values += 1
        return {"S": str(self._values)}

    def _nothing(self, key: Image) -> Statement:
        del key
        return lambda _: None

    def _put(self, key: Image) -> Statement:
        """INSERT … ON CONFLICT DO UPDATE of all columns."""
        image = {**key, "a": self._value(), "big": self._value()}
        return lambda transaction: transaction.put(key, image)

    def _insert(self, key: Image) -> Statement:
        """INSERT, which fails where the key is there."""
        image = {**key, "a": self._value(), "big": self._value()}
        return lambda transaction: transaction.put(key, image, only_new=True)

    def _update(self, key: Image) -> Statement:
        """UPDATE of the small column, which leaves the large one out of the log."""
        columns = {"a": self._value()}
        return lambda transaction: transaction.update(key, columns)

    def _update_large(self, key: Image) -> Statement:
        columns = {"big": self._value()}
        return lambda transaction: transaction.update(key, columns)

    def _update_of_nothing(self, key: Image) -> Statement:
        """UPDATE that sets what is there; it is stamped all the same."""
        return lambda transaction: transaction.update(key, {})

    def _delete(self, key: Image) -> Statement:
        return lambda transaction: transaction.delete(key)

    def _delete_and_insert(self, key: Image) -> Statement:
        image = {**key, "a": self._value(), "big": {"NULL": True}}

        def both(transaction: Transaction) -> None:
            transaction.delete(key)
            transaction.put(key, image)

        return both

    def _move(self, key: Image) -> Statement:
        """UPDATE of the key."""
        to = self.choices.pick([other for other in self.keys if other != key])
        return lambda transaction: transaction.move(key, to)

    def _read_and_write(self, key: Image) -> Statement:
        """Read, think, and write all columns: what others have written since is lost, as the application wants it."""
        value = self._value()

        def both(transaction: Transaction) -> None:
            image = transaction.get(key)
            if image is not None:
                self.world.io("thinks")
                transaction.update(key, {**image, "a": value})

        return both


_C = Clients
OPERATIONS: tuple[Callable[[Clients, Image], Statement], ...] = (
    _C._nothing, _C._put, _C._put, _C._update, _C._update, _C._update, _C._update_large, _C._update_of_nothing,
    _C._insert, _C._delete, _C._delete, _C._delete_and_insert, _C._move, _C._read_and_write,
)  # fmt: skip
CHURN = (_C._nothing, _C._put, _C._delete, _C._put, _C._delete, _C._update)
RENAMES = (_C._nothing, _C._move, _C._update, _C._move, _C._update, _C._delete, _C._put)
