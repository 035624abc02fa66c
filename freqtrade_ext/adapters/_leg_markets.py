"""What Freqtrade knows of a leg's market: limits, fee, funding."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.spreads import LegLimits

__all__ = ["PRICE_ROOM", "LegMarkets"]

# Freqtrade raises the exchange's minimum by 5 % and by the stop loss, at most by half
# (Exchange.get_min_pair_stake_amount); a leg planned below that would be refused or enlarged.
_FREQTRADE_MINIMUM = 1.5
_FUNDING_EVENTS = 3
_USUAL_TAKER_FEE = 0.0005
# Room for the price to move between the signal's close and the order: a stake that no longer fits
# would be cut by Freqtrade, for one leg only.
PRICE_ROOM = 0.97
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class _Rules:
    """An exchange's rules for one market; quantities in base units, notionals in quote."""

    step: float
    min_quantity: float
    max_quantity: float
    min_notional: float
    max_notional: float
    fee: float


class LegMarkets:
    """Limits and fees, read once at start; funding rates, read when asked for."""

    def __init__(self) -> None:
        self._rules: dict[str, _Rules] = {}
        self._funding: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    @property
    def known(self) -> Iterable[str]:
        """Markets that the exchange lists."""
        return self._rules.keys()

    def read(
        self, provider: Any, markets: Iterable[str], config: dict[str, Any], leverage: float
    ) -> None:
        """Read the rules of `markets`; a market that is not listed is left out."""
        for name in sorted(markets):
            market = provider.market(name)
            if market is not None:
                self._rules[name] = _rules(market, config, _tier_cap(provider, name, leverage))

    def limits(self, market: str, price: float) -> LegLimits:
        """Limits of one leg at a price, as Freqtrade will apply them to its stake."""
        rules = self._rules[market]
        return LegLimits(
            step_size=rules.step,
            min_quantity=rules.min_quantity,
            min_notional=rules.min_notional,
            max_notional=min(rules.max_notional, rules.max_quantity * price),
        )

    def fee(self, market: str) -> float:
        """Fee of one market order as a ratio of its notional."""
        return self._rules[market].fee

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
        # Not `get_pair_dataframe` in a backtest: it ends at the candle of the first entry, and what
        # is kept here would never learn of a later event.
        frames = provider.get_pair_dataframe if live else provider.historic_ohlcv
        frame = frames(market, provider.get_funding_rate_timeframe(), "funding_rate")
        if len(frame) == 0:
            events = (np.empty(0, dtype=np.int64), np.empty(0))
        else:
            # Freqtrade fills the hours between two events with a rate of 0 in some sources.
            paid = frame.loc[frame["open"] != 0]
            events = (epoch_ms(paid["date"]), paid["open"].to_numpy(dtype=np.float64))
        self._funding[market] = events
        return events


def _rules(market: dict[str, Any], config: dict[str, Any], tier_cap: float) -> _Rules:
    if market.get("contractSize") not in (None, 1, 1.0):
        raise ConfigError(
            f"{market['symbol']}: a contract is {market['contractSize']} units of the base; "
            "only markets with contracts of one unit are supported"
        )
    amount, cost = market["limits"]["amount"], market["limits"]["cost"]
    # A market order may be smaller than a limit order at most; Freqtrade does not look at that.
    largest = (amount.get("max"), (market["limits"].get("market") or {}).get("max"))
    fee = config.get("fee")
    return _Rules(
        step=float(market["precision"]["amount"] or amount.get("min") or 1e-8),
        min_quantity=float(amount.get("min") or 0.0),
        max_quantity=min(float(quantity or math.inf) for quantity in largest),
        min_notional=float(cost.get("min") or 0.0) * _FREQTRADE_MINIMUM,
        max_notional=min(float(cost.get("max") or math.inf), tier_cap) * PRICE_ROOM,
        fee=float(fee if fee is not None else market.get("taker") or _USUAL_TAKER_FEE),
    )


def _tier_cap(provider: Any, market: str, leverage: float) -> float:
    """Largest notional that the exchange's leverage brackets allow at this leverage."""
    cap = provider._exchange._get_max_notional_from_tiers(market, leverage=leverage)
    return float(cap) if cap else math.inf
