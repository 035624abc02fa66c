"""What must survive a restart of one spread: its position, its frozen fit, its orders' names."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from pydantic import TypeAdapter

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads._events import LegName
from freqtrade_ext.spreads._position import SpreadPosition
from freqtrade_ext.spreads._walk_forward import Coefficients

__all__ = [
    "Leaving",
    "MemoryStore",
    "RecordStore",
    "SpreadRecord",
    "record_from_dict",
    "record_to_dict",
]


@dataclass(frozen=True, slots=True)
class Leaving:
    """How a spread became flat; `z_at_exit` is None where it was not left on a z-score."""

    closed_ms: int
    reason: CloseReason
    z_at_exit: float | None


@dataclass(frozen=True, slots=True)
class SpreadRecord:
    """
    One episode of a spread, from the signal to flat.

    Attributes
    ----------
    position : SpreadPosition
        State of the coordinator.
    leg_a, leg_b : str
        Markets of the legs.
    frozen : Coefficients
        The fit in force at the signal; exits use it to the end.
    signal_ms : int
        Open time of the candle that gave the signal.
    scale : float
        Spread units per unit of z at the signal.
    exit_z : float
        Exit band at the signal; what the entry promised to reach.
    max_holding : float
        Longest holding time, candles.
    equity : float
        Equity at the signal, in settlement currency.
    names : mapping
        Freqtrade's orders as ``leg:order_id``, and what the coordinator calls those orders.
    filled : mapping
        Signed quantity of each of these orders that has been reported to the coordinator.
    sent : mapping
        Orders of ours that Freqtrade has been told to send and has not shown yet, and when (ms).
    trade_ids : mapping
        Freqtrade's trade of each leg.
    stop_value : float, optional
        Spread value at which the stop band lay at the signal: what the size was computed for.
    candle_ms : int
        Length of a candle at the signal; 0: not known.
    left : Leaving, optional
        When and why the spread became flat; it stays saved until its result is booked.

    Raises
    ------
    IllegalRequest
        If a number is not finite: JSON has no such numbers, so it would not survive a restart.
    """

    position: SpreadPosition
    leg_a: str
    leg_b: str
    frozen: Coefficients
    signal_ms: int
    scale: float
    exit_z: float
    max_holding: float
    equity: float
    names: Mapping[str, str] = field(default_factory=dict)
    filled: Mapping[str, Decimal] = field(default_factory=dict)
    sent: Mapping[str, int] = field(default_factory=dict)
    trade_ids: Mapping[LegName, int] = field(default_factory=dict)
    stop_value: float | None = None
    candle_ms: int = 0
    left: Leaving | None = None

    def __post_init__(self) -> None:
        own = {name: getattr(self, name) for name in ("scale", "exit_z", "max_holding", "equity")}
        own["stop_value"] = 0.0 if self.stop_value is None else self.stop_value
        for name, value in (own | asdict(self.frozen)).items():
            if not math.isfinite(value):
                raise IllegalRequest(
                    f"{self.position.spread_id}: {name} must be finite, not {value}"
                )

    def market(self, leg: LegName) -> str:
        """Market of a leg."""
        return self.leg_a if leg is LegName.A else self.leg_b


_ADAPTER = TypeAdapter(SpreadRecord)


def record_to_dict(record: SpreadRecord) -> dict[str, Any]:
    """Express a record in JSON types."""
    document: dict[str, Any] = _ADAPTER.dump_python(record, mode="json")
    return document


def record_from_dict(document: Mapping[str, Any]) -> SpreadRecord:
    """Restore a record from `record_to_dict`."""
    return _ADAPTER.validate_python(document)


class RecordStore(Protocol):
    """Where records are kept; durable when `save` returns, `StoreError` when it cannot be."""

    def load(self) -> Mapping[str, Mapping[str, Any]]:
        """Read every record, by spread id."""

    def save(self, spread_id: str, record: Mapping[str, Any] | None) -> None:
        """Write one record; None removes it."""

    def add_result(self, spread_id: str, result: Mapping[str, Any]) -> None:
        """Keep the result of a closed spread."""

    def results(self) -> Sequence[Mapping[str, Any]]:
        """Read the results of all closed spreads, oldest first."""


class MemoryStore:
    """Records of a backtest: they end with it, so nothing is written."""

    def load(self) -> Mapping[str, Mapping[str, Any]]:
        """Return nothing: a backtest starts flat."""
        return {}

    def save(self, spread_id: str, record: Mapping[str, Any] | None) -> None:
        """Forget the record; the desk holds it in memory."""

    def add_result(self, spread_id: str, result: Mapping[str, Any]) -> None:
        """Forget the result; it is in the backtest's report."""

    def results(self) -> Sequence[Mapping[str, Any]]:
        """Return nothing: a backtest starts without a history."""
        return ()
