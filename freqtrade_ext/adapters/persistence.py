"""Spread records in the bot's own database, beside Freqtrade's tables."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from freqtrade.persistence import Trade
from sqlalchemy import Column, DateTime, MetaData, String, Table, Text, delete, insert, select

__all__ = ["DatabaseRecordStore"]

_METADATA = MetaData()
_RECORDS = Table(
    "ext_spread_records",
    _METADATA,
    Column("spread_id", String(255), primary_key=True),
    Column("record", Text, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)


class DatabaseRecordStore:
    """
    Keeps one JSON record a spread in the database that Freqtrade has opened.

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
