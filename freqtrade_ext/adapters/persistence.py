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
        """Write one record, or remove it when `record` is None."""
        with self._engine.begin() as connection:
            connection.execute(delete(_RECORDS).where(_RECORDS.c.spread_id == spread_id))
            if record is not None:
                connection.execute(
                    insert(_RECORDS).values(
                        spread_id=spread_id,
                        record=json.dumps(record, sort_keys=True),
                        updated_at=datetime.now(UTC),
                    )
                )

    def add_result(self, spread_id: str, result: Mapping[str, Any]) -> None:
        """Keep the result of a closed spread."""
        with self._engine.begin() as connection:
            connection.execute(
                insert(_RESULTS).values(
                    spread_id=spread_id, result=json.dumps(result, sort_keys=True)
                )
            )

    def results(self) -> list[dict[str, Any]]:
        """Read the results of all closed spreads, oldest first."""
        return read_results(self._engine)


def read_results(engine: Engine) -> list[dict[str, Any]]:
    """Read the results of all closed spreads from a bot's database, oldest first."""
    with engine.connect() as connection:
        rows = connection.execute(select(_RESULTS.c.result).order_by(_RESULTS.c.id)).all()
    return [json.loads(result) for (result,) in rows]
