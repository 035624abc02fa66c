"""The one function that says how high the leverage of a position may be."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from freqtrade_ext.signals._leverage_settings import LeverageSettings

__all__ = [
    "balance_factor",
    "base_leverage",
    "price_factor",
    "unified_leverage",
    "volatility_factor",
]

FloatArray = NDArray[np.float64]

LEAST, MOST = 3.0, 75.0

# Bid/ask spread up to which (basis points) -> base leverage; beyond the last: LEAST.
SPREAD_LEVELS: Final = ((1.0, 50.0), (2.0, 40.0), (3.0, 30.0), (5.0, 20.0), (10.0, 10.0),
                        (20.0, 5.0))  # fmt: skip
_LOW_PRICE, _HIGH_PRICE = 0.001, 100.0  # quote currency; factors 0.3 and 1.0
_CALM_ATR_PCT, _WILD_ATR_PCT = 0.5, 5.0  # factors 1.0 and 0.3


def unified_leverage(
    *,
    price: ArrayLike,
    atr_pct: ArrayLike,
    drawdown: ArrayLike,
    exchange_max: ArrayLike,
    settings: LeverageSettings,
    spread_bps: ArrayLike | None = None,
    mtf_factor: ArrayLike = 1.0,
) -> FloatArray | float:
    r"""
    Say how high the leverage of a position may be.

    Parameters
    ----------
    price : float or array
        Price in quote currency.
    atr_pct : float or array
        Average true range in percent of the price (column ``atr_pct``).
    drawdown : float or array
        Drawdown of the account from its peak, as a share: 0 at the peak, 0.1 ten percent below.
    exchange_max : float or array
        Largest leverage that the exchange allows for the position (its bracket), at least 1.
    settings : LeverageSettings
        Cap, and the spread that is assumed where none is known.
    spread_bps : float or array, optional
        Bid/ask spread in basis points of the price. None: ``settings.assumed_spread_bps``.
    mtf_factor : float or array
        Factor of the higher timeframes (column ``leverage_factor``); clipped to 0.6 to 1.2.

    Returns
    -------
    float or ndarray
        A float where all inputs are scalars. Never above `exchange_max`, never above
        ``settings.max_leverage``, never below 1.

    Raises
    ------
    ValueError
        If `exchange_max` is below 1 or not finite.

    Notes
    -----
    base(spread) · price_factor · volatility_factor · balance_factor · mtf_factor, clamped to 3 to
    75, then to the exchange's bracket, then to the cap. The two caps come last, so that a bracket
    or a cap below 3 holds. An input that is unknown (NaN), or makes no sense (a price of 0, a
    negative spread), counts as the most careful value of its factor.

    Examples
    --------
    >>> unified_leverage(price=60_000.0, atr_pct=0.5, drawdown=0.0, exchange_max=125.0,
    ...                  settings=LeverageSettings(max_leverage=75.0), spread_bps=0.5)
    50.0
    >>> unified_leverage(price=60_000.0, atr_pct=0.5, drawdown=0.0, exchange_max=125.0,
    ...                  settings=LeverageSettings(), spread_bps=0.5)
    3.0
    """
    bracket = np.asarray(exchange_max, dtype=np.float64)
    if not (np.isfinite(bracket) & (bracket >= 1.0)).all():
        raise ValueError(f"exchange_max must be at least 1 and finite, got {exchange_max!r}")
    spread = settings.assumed_spread_bps if spread_bps is None else spread_bps
    trend = np.asarray(mtf_factor, dtype=np.float64)
    leverage = (
        base_leverage(spread)
        * price_factor(price)
        * volatility_factor(atr_pct)
        * balance_factor(drawdown, settings.full_loss_drawdown)
        * np.clip(np.where(np.isnan(trend), 0.6, trend), 0.6, 1.2)
    )
    capped = np.minimum(np.clip(leverage, LEAST, MOST), np.minimum(bracket, settings.max_leverage))
    return float(capped) if capped.ndim == 0 else capped


def base_leverage(spread_bps: ArrayLike) -> FloatArray:
    """Base leverage, 50 to 3, of a bid/ask spread (see `SPREAD_LEVELS`)."""
    spread = np.asarray(spread_bps, dtype=np.float64)
    bounds = np.array([bound for bound, _ in SPREAD_LEVELS])
    bases = np.array([*(base for _, base in SPREAD_LEVELS), LEAST])
    careful = np.where(spread >= 0.0, spread, np.inf)
    result: FloatArray = bases[np.searchsorted(bounds, careful, side="left")]
    return result


def price_factor(price: ArrayLike) -> FloatArray:
    """0.3 up to a price of 0.001, 1.0 from 100 on, linear in its logarithm between."""
    value = np.asarray(price, dtype=np.float64)
    known = np.where(value > 0.0, value, _LOW_PRICE)
    span = np.log10(_HIGH_PRICE / _LOW_PRICE)
    share: FloatArray = np.log10(known / _LOW_PRICE) / span
    return 0.3 + 0.7 * np.clip(share, 0.0, 1.0)


def volatility_factor(atr_pct: ArrayLike) -> FloatArray:
    """1.0 up to an average true range of 0.5 %, 0.3 from 5 % on, linear between."""
    value = np.asarray(atr_pct, dtype=np.float64)
    known = np.where(value >= 0.0, value, _WILD_ATR_PCT)
    share = (known - _CALM_ATR_PCT) / (_WILD_ATR_PCT - _CALM_ATR_PCT)
    return 1.0 - 0.7 * np.clip(share, 0.0, 1.0)


def balance_factor(drawdown: ArrayLike, full_loss_drawdown: float) -> FloatArray:
    """1.0 at the peak of the account, 0.5 from `full_loss_drawdown` on, linear between."""
    value = np.asarray(drawdown, dtype=np.float64)
    known = np.where(np.isnan(value), full_loss_drawdown, value)
    return 1.0 - 0.5 * np.clip(known / full_loss_drawdown, 0.0, 1.0)
