"""A seeded synthetic futures market with planted cointegrated groups."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.sandbox.market._bar_market import BarMarket, Listing
from freqtrade_ext.sandbox.market._bars import Bars
from freqtrade_ext.sandbox.market._filters import Step, instrument
from freqtrade_ext.sandbox.market._funding import HOUR_MS, FundingSchedule
from freqtrade_ext.sandbox.market._liquidity import Liquidity
from freqtrade_ext.sandbox.market._noise import key_of, normal, uniform
from freqtrade_ext.sandbox.market._processes import reverting, walk
from freqtrade_ext.sandbox.market._synthetic_spec import (
    PlantedSpread,
    SyntheticSpec,
    nominal_coins,
)
from freqtrade_ext.sandbox.market._tape import Tape

__all__ = ["SyntheticMarket"]

_MINUTE_MS: Final = 60_000
_WICK: Final = 0.6  # mean length of a wick, relative to the volatility per minute
_FUNDING_HALF_LIFE_HOURS: Final = 24.0
_FUNDING_LIMIT: Final = 0.003
_NOTIONAL_PER_MINUTE: Final = 500_000.0  # quote currency; the contracts differ by a factor of ~3

Floats = NDArray[np.float64]


class SyntheticMarket(BarMarket):
    """
    A market drawn from a seed.

    Every minute's draws are a function of the seed and of the minute counted from the anchor, and
    all processes start at the anchor and run both ways. So neither moving the anchor nor changing
    the length of history or horizon changes any other minute. (Candles of more than a minute and
    funding times lie on the calendar's grid, which the anchor may cut elsewhere.)

    Prices are rounded to ticks of 1e-5 to 1e-4 of the price at the anchor. The mark price is the
    last price.

    Parameters
    ----------
    spec : SyntheticSpec
        What to draw.
    """

    def __init__(self, spec: SyntheticSpec) -> None:
        self.spec = spec
        coins = nominal_coins(spec)
        logs, self._planted = _log_prices(spec, coins)
        volatilities = [_volatility(spec, position) for position in range(len(coins))]
        listings = (
            _listing(spec, name, price, level, volatility)
            for (name, price), level, volatility in zip(coins, logs, volatilities, strict=True)
        )
        super().__init__({listing.instrument.symbol: listing for listing in listings})

    def planted_spreads(self) -> tuple[PlantedSpread, ...]:
        """
        All cointegrated pairs of contracts, as they were built.

        Of a group of n members these are n (n - 1) / 2: those with the first member as `symbol_b`
        by definition, the others because two spreads of one half-life add up to one.
        """
        return self._planted


def _volatility(spec: SyntheticSpec, position: int) -> float:
    if position < spec.groups * spec.markets_per_group:
        return math.hypot(spec.market_volatility, spec.factor_volatility)
    return spec.extra_volatility


def _minutes(spec: SyntheticSpec) -> NDArray[np.int64]:
    """Minutes from the anchor at which bars close; the price at the anchor is that of minute 0."""
    return np.arange(-spec.history_minutes, spec.horizon_minutes + 1)


def _log_prices(
    spec: SyntheticSpec, coins: list[tuple[str, float]]
) -> tuple[list[Floats], tuple[PlantedSpread, ...]]:
    """Log prices of all contracts at the closes of all minutes, and the relations among them."""
    minutes = _minutes(spec)
    common = walk(key_of(spec.seed, "market"), minutes) * spec.market_volatility
    logs: list[Floats] = []
    planted: list[PlantedSpread] = []
    for group in range(spec.groups):
        members = coins[len(logs) : len(logs) + spec.markets_per_group]
        factor = walk(key_of(spec.seed, "factor", group), minutes) * spec.factor_volatility
        first = math.log(members[0][1]) + common + factor
        logs.append(first)
        relations = [_relation(spec, members[0], member) for member in members[1:]]
        for relation in relations:
            key = key_of(spec.seed, "spread", relation.symbol_a)
            spread = reverting(key, minutes, spec.half_life_minutes) * spec.spread_sigma
            logs.append(relation.intercept + relation.hedge_ratio * first + spread)
        planted += _all_pairs(relations)
    for name, price in coins[len(logs) :]:
        own = walk(key_of(spec.seed, "extra", name), minutes) * spec.extra_volatility
        logs.append(math.log(price) + own)
    return logs, tuple(planted)


def _relation(
    spec: SyntheticSpec, first: tuple[str, float], member: tuple[str, float]
) -> PlantedSpread:
    draw = float(uniform(key_of(spec.seed, "hedge ratio", member[0]), 0)[0])
    hedge_ratio = spec.hedge_ratio_low + (spec.hedge_ratio_high - spec.hedge_ratio_low) * draw
    return PlantedSpread(
        symbol_a=f"{member[0]}USDT",
        symbol_b=f"{first[0]}USDT",
        hedge_ratio=hedge_ratio,
        intercept=math.log(member[1]) - hedge_ratio * math.log(first[1]),
        half_life_minutes=spec.half_life_minutes,
        sigma=spec.spread_sigma,
    )


def _all_pairs(relations: list[PlantedSpread]) -> list[PlantedSpread]:
    """Add what follows for two members that are not the first: eliminate the first."""
    pairs = list(relations)
    for index, one in enumerate(relations):
        for other in relations[index + 1 :]:
            ratio = other.hedge_ratio / one.hedge_ratio
            pairs.append(
                PlantedSpread(
                    symbol_a=other.symbol_a,
                    symbol_b=one.symbol_a,
                    hedge_ratio=ratio,
                    intercept=other.intercept - ratio * one.intercept,
                    half_life_minutes=other.half_life_minutes,
                    sigma=math.hypot(other.sigma, ratio * one.sigma),
                )
            )
    return pairs


def _listing(
    spec: SyntheticSpec, name: str, price: float, logs: Floats, volatility: float
) -> Listing:
    tick = Step(4 - math.floor(math.log10(price)))
    step = Step(max(math.ceil(math.log10(price)), 0))
    bars = _bars(spec, name, price, logs, volatility, tick, step)
    tape = Tape(
        bars,
        base_ms=_MINUTE_MS,
        key=key_of(spec.seed, "path", name),
        origin_ms=spec.anchor_ms,
    )
    return Listing(
        instrument=instrument(
            name,
            "USDT",
            tick=tick,
            step=step,
            typical_price=price,
            listed_at_ms=spec.start_ms,
            funding_interval_hours=spec.funding_interval_hours,
        ),
        last=tape,
        mark=tape,
        tick=tick,
        step=step,
        funding=_funding(spec, name),
        liquidity=Liquidity(tape, tick=tick, step=step, spread_bps=spec.book_spread_bps),
    )


def _bars(
    spec: SyntheticSpec,
    name: str,
    price: float,
    logs: Floats,
    volatility: float,
    tick: Step,
    step: Step,
) -> Bars:
    """Bars whose closes are the given log prices; the open is the close before."""
    minutes = _minutes(spec)[1:]
    ends = np.maximum(tick.counts(np.exp(logs)), 1)
    start, end = ends[:-1], ends[1:]
    wicks = [
        -np.log(uniform(key_of(spec.seed, side, name), minutes)) * (_WICK * volatility)
        for side in ("upper wick", "lower wick")
    ]
    high = np.rint(np.maximum(start, end) * (1 + wicks[0])).astype(np.int64)
    low = np.rint(np.minimum(start, end) * (1 - np.minimum(wicks[1], 0.5))).astype(np.int64)
    surprise = (logs[1:] - logs[:-1]) / volatility
    size = 2.0 * float(uniform(key_of(spec.seed, "size", name), 0)[0]) - 1.0
    activity = 0.6 * normal(key_of(spec.seed, "volume", name), minutes)
    notional = _NOTIONAL_PER_MINUTE * np.exp(size + activity + 0.3 * np.abs(surprise))
    volume = np.maximum(step.counts(notional / price), 1)
    lean = 0.06 * np.clip(surprise, -3, 3)
    share = 0.5 + lean + 0.2 * (uniform(key_of(spec.seed, "taker", name), minutes) - 0.5)
    return Bars(
        open_ms=spec.anchor_ms + (minutes - 1) * _MINUTE_MS,
        open=start,
        high=high,
        low=np.maximum(low, 1),
        close=end,
        volume=volume,
        buy_volume=np.rint(volume * share).astype(np.int64),
    )


def _funding(spec: SyntheticSpec, name: str) -> FundingSchedule:
    """Payments on the calendar's grid; their rates follow the hours counted from the anchor."""
    hours = np.arange(-(spec.history_minutes // 60) - 1, spec.horizon_minutes // 60 + 2)
    process = reverting(key_of(spec.seed, "funding", name), hours, _FUNDING_HALF_LIFE_HOURS)
    rates = spec.funding_rate_mean + spec.funding_rate_sigma * process
    rates = np.clip(rates, -_FUNDING_LIMIT, _FUNDING_LIMIT).round(8)
    forecast_ms = spec.anchor_ms + hours * HOUR_MS
    interval_ms = spec.funding_interval_hours * HOUR_MS
    end_ms = spec.anchor_ms + spec.horizon_minutes * _MINUTE_MS
    first_ms = -(-spec.start_ms // interval_ms) * interval_ms
    times_ms = np.arange(first_ms, end_ms + 1, interval_ms)
    known = np.searchsorted(forecast_ms, times_ms, side="right") - 1
    return FundingSchedule(
        times_ms=times_ms,
        rates=rates[known],
        forecast_ms=forecast_ms,
        forecasts=rates,
        interval_ms=interval_ms,
    )
