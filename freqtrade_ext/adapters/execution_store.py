"""Intents, inbox and lease in the bot's own database, beside Freqtrade's tables.

Each call is its own transaction on its own connection: what `save` returns from is on disk,
whatever Freqtrade's session is doing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from freqtrade_ext.errors import ConfigError, StoreError
from freqtrade_ext.execution import (
    Decision,
    InboxItem,
    Intent,
    IntentState,
    Lease,
    is_of_ghost,
)

__all__ = ["InboxTable", "IntentTable", "LeaseTable"]

_METADATA = MetaData()
_INTENTS = Table(
    "ext_intents",
    _METADATA,
    Column("client_order_id", String(64), primary_key=True),
    Column("market", String(64), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("is_booked", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False, index=True),
    Column("venue_order_id", String(64), index=True),
    Column("intent", Text, nullable=False),
)
_INBOX = Table(
    "ext_inbox",
    _METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("closed_ms", BigInteger, index=True),
    Column("decision", String(16)),
    Column("item", Text, nullable=False),
)
_LEASES = Table(
    "ext_lease",
    _METADATA,
    Column("account", String(64), primary_key=True),
    Column("lease", Text, nullable=False),
)

_INTENT = TypeAdapter(Intent)
_ITEM = TypeAdapter(InboxItem)
_LEASE = TypeAdapter(Lease)
_OPEN_QUESTIONS = [state.value for state in IntentState if state.is_open_question]


class _Tables:
    """Base: the tables exist, and an error of the database is a `StoreError`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with self._errors():
            _METADATA.create_all(engine)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise StoreError(f"the bot's database did not take it: {error}") from error
        except ValidationError as error:
            raise StoreError(f"a row of the bot's database cannot be read: {error}") from error

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._errors(), self._engine.connect() as connection:
            yield connection


class IntentTable(_Tables):
    """Every order that was ever meant to be sent."""

    def save(self, intent: Intent) -> None:
        """Write or overwrite one intent; it is on disk when this returns, else StoreError."""
        with self._write() as connection:
            connection.execute(
                delete(_INTENTS).where(_INTENTS.c.client_order_id == intent.client_order_id)
            )
            connection.execute(
                insert(_INTENTS).values(
                    client_order_id=intent.client_order_id,
                    market=intent.market,
                    state=intent.state.value,
                    is_booked=intent.is_booked,
                    created_ms=intent.created_ms,
                    venue_order_id=intent.venue_order_id,
                    intent=_INTENT.dump_json(intent).decode(),
                )
            )

    def find(self, client_order_id: str) -> Intent | None:
        """Read one intent."""
        found = self._select(_INTENTS.c.client_order_id == client_order_id)
        return found[0] if found else None

    def pending(self) -> Sequence[Intent]:
        """Read open questions, and confirmed orders that are not booked, oldest first."""
        unbooked = (_INTENTS.c.state == IntentState.CONFIRMED.value) & ~_INTENTS.c.is_booked
        return self._select(or_(_INTENTS.c.state.in_(_OPEN_QUESTIONS), unbooked))

    def since(self, time_ms: int) -> Sequence[Intent]:
        """Read every intent created at or after a time, oldest first."""
        return self._select(_INTENTS.c.created_ms >= time_ms)

    def by_venue_order(self, market: str, venue_order_id: str) -> Intent | None:
        """Read the intent that became an order of the venue."""
        same_order = _INTENTS.c.venue_order_id == venue_order_id
        found = self._select((_INTENTS.c.market == market) & same_order)
        return found[-1] if found else None

    def _select(self, condition: Any) -> list[Intent]:
        statement = select(_INTENTS.c.intent).where(condition)
        statement = statement.order_by(_INTENTS.c.created_ms, _INTENTS.c.client_order_id)
        with self._read() as connection:
            rows = connection.execute(statement).scalars().all()
            return [_INTENT.validate_json(row) for row in rows]


class InboxTable(_Tables):
    """Differences between the exchange and the books, for a person to see and decide."""

    def open_items(self) -> list[InboxItem]:
        """Read the items that are not closed, oldest first."""
        return self._select(_INBOX.c.closed_ms.is_(None))

    def all_items(self, limit: int = 100) -> list[InboxItem]:
        """Read the last items, open or closed, oldest first."""
        return self._select(_INBOX.c.id.is_not(None))[-limit:]

    def save(self, item: InboxItem) -> InboxItem:
        """Keep a new item (id 0) or a changed one; returned with its id."""
        # The decision is a person's: it is written by `decide` alone.
        values = {"closed_ms": item.closed_ms, "item": _ITEM.dump_json(item).decode()}
        with self._write() as connection:
            if item.id:
                connection.execute(update(_INBOX).where(_INBOX.c.id == item.id).values(**values))
                return item
            key = connection.execute(insert(_INBOX).values(**values)).inserted_primary_key
        return replace(item, id=int(key[0]) if key else 0)

    def decide(self, item_id: int, decision: str) -> None:
        """
        Note what a person decided; the bot acts on it in its next pass.

        Raises
        ------
        ConfigError
            If there is no open item of this number, no such decision, or nothing to decide.
        """
        if decision not in set(Decision):
            raise ConfigError(f"inbox: {decision!r} is no decision; valid: {', '.join(Decision)}")
        if any(item.id == item_id and is_of_ghost(item) for item in self.open_items()):
            raise ConfigError(
                f"inbox: item {item_id} is about an order whose outcome is not known; the bot goes "
                "on asking the exchange, and closes the item then: there is nothing to decide"
            )
        chosen = (_INBOX.c.id == item_id) & _INBOX.c.closed_ms.is_(None)
        with self._write() as connection:
            changed = connection.execute(update(_INBOX).where(chosen).values(decision=decision))
        if not changed.rowcount:
            numbers = ", ".join(str(item.id) for item in self.open_items()) or "none"
            raise ConfigError(f"inbox: there is no open item {item_id}; open items: {numbers}")

    def _select(self, condition: Any) -> list[InboxItem]:
        columns = (_INBOX.c.id, _INBOX.c.decision, _INBOX.c.item)
        statement = select(*columns).where(condition).order_by(_INBOX.c.id)
        with self._read() as connection:
            rows = connection.execute(statement).all()
            return [
                replace(
                    _ITEM.validate_json(document),
                    id=number,
                    decision=None if decision is None else Decision(decision),
                )
                for number, decision, document in rows
            ]


class LeaseTable(_Tables):
    """Who runs on an account."""

    def read(self, account: str) -> Lease | None:
        """Read the lease of an account."""
        statement = select(_LEASES.c.lease).where(_LEASES.c.account == account)
        with self._read() as connection:
            row = connection.execute(statement).scalar_one_or_none()
            return None if row is None else _LEASE.validate_json(row)

    def take(self, existing: Lease | None, new: Lease) -> bool:
        """Write `new` if the lease still is `existing`; False if someone else was faster."""
        document = _LEASE.dump_json(new).decode()
        if existing is not None:
            same = (_LEASES.c.account == existing.account) & (
                _LEASES.c.lease == _LEASE.dump_json(existing).decode()
            )
            with self._write() as connection:
                changed = connection.execute(update(_LEASES).where(same).values(lease=document))
            return changed.rowcount == 1
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(_LEASES).values(account=new.account, lease=document))
        except IntegrityError:
            return False
        except SQLAlchemyError as error:
            raise StoreError(f"the bot's database did not take the lease: {error}") from error
        return True

    def remove(self, lease: Lease) -> None:
        """Give a lease back; that of another process stays."""
        kept = self.read(lease.account)
        if kept is None or not kept.is_same_process(lease):
            return
        mine = (_LEASES.c.account == lease.account) & (
            _LEASES.c.lease == _LEASE.dump_json(kept).decode()
        )
        with self._write() as connection:
            connection.execute(delete(_LEASES).where(mine))
