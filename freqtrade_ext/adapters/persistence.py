"""Spread records and results in the bot's own database, beside Freqtrade's tables."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from freqtrade.persistence import Trade
from sqlalchemy import (
    Column,
    DateTime,
    Engine,
    Integer,
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

__all__ = ["DatabaseStore", "read_results"]

_METADATA = MetaData()
_RECORDS = Table(
    "ext_spread_records",
    _METADATA,
    Column("spread_id", String(255), primary_key=True),
    Column("record", Text, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)
_RESULTS = Table(
    "ext_spread_results",
    _METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("spread_id", String(255), nullable=False),
    Column("result", Text, nullable=False),
)


class DatabaseStore:
    """
    Keeps spread records and results in the database that Freqtrade has opened.

    Each call is its own transaction on its own connection, so that a record is on disk before the
    order that it describes is sent, whatever Freqtrade's session is doing.
    """

    def __init__(self) -> None:
        self._engine = Trade.session.get_bind()
        _METADATA.create_all(self._engine)

    def load(self) -> dict[str, dict[str, Any]]:
        """Read every record, by spread id."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_RECORDS.c.spread_id, _RECORDS.c.record)).all()
        return {spread_id: json.loads(record) for spread_id, record in rows}

    def save(self, spread_id: str, record: Mapping[str, Any] | None) -> None:
        """
        Write one record, or remove it when `record` is None.

        Raises
        ------
        StoreError
            If the database does not take it.
        """
        statements: list[Any] = [delete(_RECORDS).where(_RECORDS.c.spread_id == spread_id)]
        if record is not None:
            statements.append(
                insert(_RECORDS).values(
                    spread_id=spread_id,
                    record=json.dumps(record, sort_keys=True),
                    updated_at=datetime.now(UTC),
                )
            )
        self._write(statements)

    def add_result(self, spread_id: str, result: Mapping[str, Any]) -> None:
        """Keep the result of a closed spread; raises StoreError like `save`."""
        document = json.dumps(result, sort_keys=True)
        self._write([insert(_RESULTS).values(spread_id=spread_id, result=document)])

    def _write(self, statements: list[Any]) -> None:
        try:
            with self._engine.begin() as connection:
                for statement in statements:
                    connection.execute(statement)
        except SQLAlchemyError as error:
            raise StoreError(f"the bot's database did not take it: {error}") from error

    def results(self) -> list[dict[str, Any]]:
        """Read the results of all closed spreads, oldest first."""
        return read_results(self._engine)


def read_results(engine: Engine) -> list[dict[str, Any]]:
    """Read the results of all closed spreads from a bot's database, oldest first."""
    with engine.connect() as connection:
        rows = connection.execute(select(_RESULTS.c.result).order_by(_RESULTS.c.id)).all()
    return [json.loads(result) for (result,) in rows]
