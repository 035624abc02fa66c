"""What Freqtrade knows of a leg's market: limits, fee, funding."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.spreads import LegLimits

__all__ = ["LegMarkets"]

# Freqtrade raises the exchange's minimum by 5 % and by the stop loss, at most by half
# (Exchange.get_min_pair_stake_amount); a leg planned below that would be refused or enlarged.
_FREQTRADE_MINIMUM = 1.5
_FUNDING_EVENTS = 3
_HOUR_MS = 3_600_000


class LegMarkets:
    """Limits and fees, read once at start; funding rates, read when asked for."""

    def __init__(self) -> None:
        self._limits: dict[str, LegLimits] = {}
        self._fees: dict[str, float] = {}
        self._funding: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    @property
    def known(self) -> Iterable[str]:
        """Markets that the exchange lists."""
        return self._limits.keys()

    def read(self, provider: Any, markets: Iterable[str], config: dict[str, Any]) -> None:
        """Read limits and fees of `markets`; a market that is not listed is left out."""
        for name in sorted(markets):
            market = provider.market(name)
            if market is None:
                continue
            self._limits[name] = _limits(market)
            fee = config.get("fee")
            self._fees[name] = float(fee if fee is not None else market.get("taker") or 0.0005)

    def limits(self, market: str) -> LegLimits:
        """Trading limits of a market."""
        return self._limits[market]

    def fee(self, market: str) -> float:
        """Fee of one market order as a ratio of its notional."""
        return self._fees[market]

    def expected_funding(
        self, provider: Any, market: str, at_ms: int, holding_ms: float, *, live: bool
    ) -> float:
        """
        Funding that a long position is expected to pay over `holding_ms`, per notional.

        The mean of the last events known at `at_ms`, paid at their own interval; 0 where no
        funding data exists.
        """
        times, rates = self._funding_of(provider, market, live=live)
        known = int(np.searchsorted(times, at_ms, side="right"))
        if known < 2:
            return 0.0
        recent = slice(max(0, known - _FUNDING_EVENTS), known)
        interval = max(float(np.median(np.diff(times[max(0, known - 10) : known]))), _HOUR_MS)
        return float(np.mean(rates[recent])) * holding_ms / interval

    def _funding_of(
        self, provider: Any, market: str, *, live: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        if market in self._funding and not live:
            return self._funding[market]
        frame = provider.get_pair_dataframe(
            market, provider.get_funding_rate_timeframe(), "funding_rate"
        )
        if len(frame) == 0:
            events = (np.empty(0, dtype=np.int64), np.empty(0))
        else:
            # Freqtrade fills the hours between two events with a rate of 0 in some sources.
            paid = frame.loc[frame["open"] != 0]
            events = (epoch_ms(paid["date"]), paid["open"].to_numpy(dtype=np.float64))
        self._funding[market] = events
        return events


def _limits(market: dict[str, Any]) -> LegLimits:
    amount, cost = market["limits"]["amount"], market["limits"]["cost"]
    step = market["precision"]["amount"]
    return LegLimits(
        step_size=float(step or amount.get("min") or 1e-8),
        min_quantity=float(amount.get("min") or 0.0),
        min_notional=float(cost.get("min") or 0.0) * _FREQTRADE_MINIMUM,
        max_notional=float(cost.get("max") or math.inf),
    )
