"""How much history the scores need."""

from collections.abc import Container
from math import ceil

from freqtrade_ext.signals._candles import milliseconds_of
from freqtrade_ext.signals._settings import SignalSettings

__all__ = ["startup_candles"]

# Exponential averages never forget; after so many candles what was before counts 1e-9.
_FADING = 400


def startup_candles(
    timeframe: str, settings: SignalSettings, *, higher: Container[str] = ()
) -> int:
    """
    Count the candles before the first one whose score no longer depends on where history begins.

    Parameters
    ----------
    timeframe : str
        Of the candles.
    settings : SignalSettings
        Windows of the layers.
    higher : container of str
        Higher timeframes whose candles are given (`MarketInputs.higher`), so that they need not be
        taken from the candles.

    Returns
    -------
    int
        Candles, for Freqtrade's ``startup_candle_count``.

    Raises
    ------
    ValueError
        If a timeframe cannot be read.

    Examples
    --------
    >>> startup_candles("5m", SignalSettings())  # 22 candles of 4 hours
    1056
    >>> startup_candles("5m", SignalSettings(), higher=("1h", "4h"))  # 72 hours of volatility
    865
    """
    own = milliseconds_of(timeframe)
    needs = [
        _FADING,
        settings.hurst.window,
        settings.z_window,
        settings.vwap_distance.window,
        settings.point_of_control.window,
        settings.smt_divergence.lookback + settings.smt_divergence.fresh,
        settings.volume_spike.window + 1,
        settings.imbalance_trend.recent + settings.imbalance_trend.before,
        ceil(settings.volatile_market.long_hours * 3_600_000 / own) + 1,
    ]
    spans = dict.fromkeys(settings.multi_timeframe.timeframes, settings.multi_timeframe.slow)
    spans["4h"] = max(spans.get("4h", 0), settings.strong_trend.closes)
    veto = settings.regime_veto
    if veto.timeframe is not None:
        spans[veto.timeframe] = max(spans.get(veto.timeframe, 0), veto.closes)
    for name, closes in spans.items():
        if name not in higher:  # one more, because the first one is seen in part
            needs.append((closes + 1) * ceil(milliseconds_of(name) / own))
    return max(needs)
