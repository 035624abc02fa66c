"""When funding is paid, how much, and what is expected of the next payment."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.sandbox.market._bars import Ints

__all__ = ["HOUR_MS", "FundingSchedule"]

HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class FundingSchedule:
    """
    Funding payments of one contract and the forecasts of their rates.

    Rates are fractions of the notional. The columns `times_ms` and `rates` are the payments; a
    forecast holds from its time until the next one, and 0 is forecast before the first.
    """

    times_ms: Ints
    rates: NDArray[np.float64]
    forecast_ms: Ints
    forecasts: NDArray[np.float64]
    interval_ms: int

    def between(self, start_ms: int, end_ms: int) -> list[tuple[int, float]]:
        """(time, rate) of the payments due in (start_ms, end_ms]."""
        start, stop = np.searchsorted(self.times_ms, [start_ms, end_ms], side="right")
        return list(
            zip(self.times_ms[start:stop].tolist(), self.rates[start:stop].tolist(), strict=True)
        )

    def coming(self, now_ms: int) -> tuple[int, float]:
        """
        Time of the next payment after `now_ms` and the rate forecast now.

        The dates of payments are announced, so the schedule may say them ahead; the rate is not.
        Past the last known payment the schedule goes on in its interval.
        """
        index = int(np.searchsorted(self.times_ms, now_ms, side="right"))
        if index < self.times_ms.size:
            time_ms = int(self.times_ms[index])
        else:
            last = int(self.times_ms[-1]) if self.times_ms.size else 0
            time_ms = now_ms + self.interval_ms - (now_ms - last) % self.interval_ms
        known = int(np.searchsorted(self.forecast_ms, now_ms, side="right")) - 1
        return time_ms, float(self.forecasts[known]) if known >= 0 else 0.0
