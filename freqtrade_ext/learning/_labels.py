"""What a model learns: the move after a candle, and whether it was worth a trade.

The target may be a market or a spread. For a spread the move is taken with the hedge ratio in
force at the candle, so that a later fit cannot change what was to be learned.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["candle_moves", "forward_move", "move_threshold", "rolling_volatility", "sides"]

FloatArray = npt.NDArray[np.float64]
# Closes of a market, or of a spread: dependent closes, regressor closes, hedge ratio in force.
Target = FloatArray | tuple[FloatArray, FloatArray, FloatArray]


def forward_move(target: Target, *, horizon: int) -> FloatArray:
    r"""
    Measure the move over the next candles.

    Parameters
    ----------
    target : ndarray of shape (n,), or three of them
        Closes of a market; or closes of the dependent market, closes of the regressor, and the
        hedge ratio in force at each candle. NaN where there is none.
    horizon : int
        Candles ahead, at least 1.

    Returns
    -------
    ndarray of shape (n,)
        :math:`\ln A_{t+h} - \ln A_t - \beta_t (\ln B_{t+h} - \ln B_t)`, the return of a spread
        on leg A's notional; NaN for the last `horizon` candles and where a price is missing.

    Raises
    ------
    ValueError
        If `horizon` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> forward_move(np.exp(np.array([0.0, 0.1, 0.3])), horizon=1).round(3)
    array([0.1, 0.2, nan])
    """
    if horizon < 1:
        raise ValueError(f"horizon must be at least 1, got {horizon}")
    if isinstance(target, tuple):
        dependent, regressor, hedge_ratio = target
        return _ahead(dependent, horizon) - hedge_ratio * _ahead(regressor, horizon)
    return _ahead(target, horizon)


def _ahead(close: FloatArray, horizon: int) -> FloatArray:
    moves = np.full(len(close), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.where(close > 0, close, np.nan))
    if horizon < len(close):
        moves[:-horizon] = logs[horizon:] - logs[:-horizon]
    return moves


def candle_moves(target: Target) -> FloatArray:
    """
    Measure the move of each candle against the one before it.

    A spread's move is taken with the hedge ratio in force at the candle before; causal, NaN for
    the first candle. Shapes as in `forward_move`.
    """
    ahead = forward_move(target, horizon=1)
    return np.concatenate([[np.nan], ahead[:-1]]) if len(ahead) else ahead


def rolling_volatility(moves: FloatArray, window: int) -> FloatArray:
    """
    Measure the standard deviation (ddof 1) of the last `window` moves; causal.

    Returns
    -------
    ndarray of shape (n,)
        NaN until the window is full and where a move in it is missing.

    Raises
    ------
    ValueError
        If `window` is below 2.
    """
    if window < 2:
        raise ValueError(f"window must be at least 2, got {window}")
    return pd.Series(moves).rolling(window).std().to_numpy(dtype=np.float64)


def move_threshold(
    volatility: FloatArray, *, horizon: int, multiple: float, fallback: float
) -> FloatArray:
    r"""
    Choose the move that counts as worth a trade.

    Returns
    -------
    ndarray of shape (n,)
        :math:`k \sigma_t \sqrt h`, the volatility of one candle scaled to the horizon; `fallback`
        where the volatility is unknown or zero. Ratios, as `volatility`.

    Examples
    --------
    >>> import numpy as np
    >>> move_threshold(np.array([0.01, np.nan]), horizon=4, multiple=0.5, fallback=0.002)
    array([0.01 , 0.002])
    """
    known = np.isfinite(volatility) & (volatility > 0)
    return np.where(known, multiple * volatility * np.sqrt(horizon), fallback)


def sides(moves: FloatArray, threshold: FloatArray) -> FloatArray:
    """
    Label moves: 1 (buy) above the threshold, -1 (sell) below its negative, 0 (hold) between.

    A move of exactly the threshold is not worth a trade. NaN where the move is unknown.
    """
    labels = np.where(moves > threshold, 1.0, np.where(moves < -threshold, -1.0, 0.0))
    labels[~np.isfinite(moves) | ~np.isfinite(threshold)] = np.nan
    return labels
