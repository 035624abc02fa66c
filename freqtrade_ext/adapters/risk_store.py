"""What the risk rules remember of an account, in the bot's own database.

Two kinds of rows, so that nothing is lost when a person and the bot write at the same time: states
are the bot's alone, wishes are a person's (a command, later REST and Telegram). The bot takes a
wish and saves the state that follows from it in one transaction.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from freqtrade_ext.errors import StoreError

__all__ = ["MemoryRiskStore", "RiskStore", "RiskTable"]

Document = Mapping[str, Any]

_METADATA = MetaData()
_RISK: Final = Table(
    "ext_risk",
    _METADATA,
    Column("name", String(64), primary_key=True),
    Column("document", Text, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)


class RiskStore(Protocol):
    """Named JSON documents that survive a restart."""

    def read(self, name: str) -> Document | None:
        """Read a document; None where there is none."""

    def save(self, documents: Mapping[str, Document | None], now_ms: int) -> None:
        """Write documents, or remove those that are None, all of them or none."""


class MemoryRiskStore:
    """The same for a backtest, which must not open a database."""

    def __init__(self) -> None:
        self._documents: dict[str, Document] = {}

    def read(self, name: str) -> Document | None:
        """Read a document; None where there is none."""
        return self._documents.get(name)

    def save(self, documents: Mapping[str, Document | None], now_ms: int) -> None:
        """Write documents, or remove those that are None."""
        for name, document in documents.items():
            self._documents.pop(name, None)
            if document is not None:
                self._documents[name] = document


class RiskTable:
    """The documents in the bot's database; each call is its own transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        try:
            _METADATA.create_all(engine)
        except SQLAlchemyError as error:
            raise StoreError(f"the bot's database did not take it: {error}") from error

    def read(self, name: str) -> Document | None:
        """
        Read a document; None where there is none.

        Raises
        ------
        StoreError
            If the database or the row cannot be read.
        """
        statement = select(_RISK.c.document).where(_RISK.c.name == name)
        try:
            with self._engine.connect() as connection:
                text = connection.execute(statement).scalar_one_or_none()
            return None if text is None else dict(json.loads(text))
        except (SQLAlchemyError, ValueError, TypeError) as error:
            raise StoreError(f"ext_risk, row {name!r} cannot be read: {error}") from error

    def save(self, documents: Mapping[str, Document | None], now_ms: int) -> None:
        """
        Write documents, or remove those that are None, all of them or none.

        Raises
        ------
        StoreError
            If the database does not take it.
        """
        try:
            with self._engine.begin() as connection:
                for name, document in documents.items():
                    connection.execute(delete(_RISK).where(_RISK.c.name == name))
                    if document is None:
                        continue
                    text = json.dumps(document, sort_keys=True)
                    row = {"name": name, "document": text, "updated_ms": now_ms}
                    connection.execute(insert(_RISK).values(**row))
        except SQLAlchemyError as error:
            raise StoreError(f"the bot's database did not take it: {error}") from error
