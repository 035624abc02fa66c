"""Fit two markets into a row of the spread book."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.spreads._spec import HedgeSpace, SpreadSpec
from freqtrade_ext.spreads._walk_forward import LegCandles, observations
from freqtrade_ext.stats import engle_granger, half_life, hurst

__all__ = ["FittedMarkets", "fit_spec"]

_MIN_CANDLES = 100


@dataclass(frozen=True, slots=True)
class FittedMarkets:
    """Two markets by name, with their closed candles."""

    leg_a: str
    leg_b: str
    candles_a: LegCandles
    candles_b: LegCandles


def fit_spec(
    markets: FittedMarkets,
    *,
    now: datetime,
    spread_id: str | None = None,
    hedge_space: HedgeSpace = "log",
    options: Mapping[str, Any] | None = None,
) -> SpreadSpec:
    """
    Fit a spread on all candles that both markets have.

    Parameters
    ----------
    markets : FittedMarkets
        The legs; A is the dependent market.
    now : datetime
        Time of writing, UTC.
    spread_id : str, optional
        Name in the book; built from the base currencies by default.
    hedge_space : {"log", "price"}
        Space of the regression.
    options : mapping, optional
        Further fields of `SpreadSpec`, e.g. ``z_score_threshold``.

    Raises
    ------
    InfeasibleError
        If the markets share too few candles, or a series allows no fit.
    """
    times, y, x = _common(markets, hedge_space)
    forward, backward = engle_granger(y, x), engle_granger(x, y)
    weaker = max(forward, backward, key=lambda result: result.pvalue)
    if forward.near_collinear:
        raise InfeasibleError(
            f"{markets.leg_a} and {markets.leg_b} are the same price twice (pegged or wrapped); "
            "there is no spread to trade"
        )
    if forward.hedge_ratio <= 0:
        raise InfeasibleError(
            f"{markets.leg_a} and {markets.leg_b} move against each other (hedge ratio "
            f"{forward.hedge_ratio:.4g}): both legs would be on the same side of the market"
        )
    reversion = half_life(forward.resid)
    if not 0 < reversion < np.inf:
        raise InfeasibleError(
            f"{markets.leg_a} and {markets.leg_b} do not revert to each other "
            f"(half-life {reversion})"
        )
    return SpreadSpec(
        spread_id=spread_id or f"{_base(markets.leg_a)}-{_base(markets.leg_b)}",
        leg_a=markets.leg_a,
        leg_b=markets.leg_b,
        hedge_space=hedge_space,
        hedge_ratio=float(forward.hedge_ratio),
        intercept=float(forward.intercept),
        cointegration_stat=float(weaker.stat),
        pvalue=float(weaker.pvalue),
        half_life=float(reversion),
        hurst=float(hurst(forward.resid)),
        fit_start=_moment(times[0]),
        fit_end=_moment(times[-1]),
        last_updated=now,
        **dict(options or {}),
    )


def _common(
    markets: FittedMarkets, hedge_space: HedgeSpace
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    times, y, x = observations(markets.candles_a, markets.candles_b, hedge_space)
    if len(times) < _MIN_CANDLES:
        raise InfeasibleError(
            f"{markets.leg_a} and {markets.leg_b} share {len(times)} candles; "
            f"at least {_MIN_CANDLES} are needed"
        )
    return times, y, x


def _base(market: str) -> str:
    return market.split("/")[0]


def _moment(time_ms: np.int64) -> datetime:
    return datetime.fromtimestamp(int(time_ms) / 1000, UTC)
