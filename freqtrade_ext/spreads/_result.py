"""What a closed spread earned: both trades, fees and funding included."""

import math
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["SpreadResult"]


@dataclass(frozen=True, slots=True)
class SpreadResult:
    """
    One closed spread.

    Money is in settlement currency: `net` = `gross` - `fees` + `funding`. `notional` is the gross
    notional of both legs at entry. `realised_share` is the gross move over the move that the entry
    promised (to its exit band), None where it promised nothing. `z_at_exit` is NaN (None in JSON)
    when the spread was not left on a z-score. `naked_exposure` is notional without a hedge times
    seconds (see `naked_time`), `naked_seconds` the time with any.
    """

    spread_id: str
    direction: str
    reason: str
    signal_ms: int
    closed_ms: int
    z_at_entry: float
    z_at_exit: float | None
    hedge_ratio: float
    fills: int
    gross: float
    fees: float
    funding: float
    net: float
    notional: float
    realised_share: float | None
    naked_exposure: float = 0.0
    naked_seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Render as JSON values; NaN and the infinities are none."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }

    def line(self) -> str:
        """Say it in one line."""
        unknown = self.z_at_exit is None or math.isnan(self.z_at_exit)
        z_exit = "?" if unknown else f"{self.z_at_exit:.2f}"
        return (
            f"{self.spread_id} {self.direction} closed: {self.reason}, "
            f"z {self.z_at_entry:.2f} -> {z_exit}, gross {self.gross:.4f}, fees {self.fees:.4f}, "
            f"funding {self.funding:.4f}, net {self.net:.4f}, "
            f"{self._naked()}"
        )

    def _naked(self) -> str:
        if not self.naked_seconds:
            return "never naked"
        mean = self.naked_exposure / self.naked_seconds
        return f"naked {self.naked_seconds:.1f} s ({mean:.2f} without a hedge on average)"
