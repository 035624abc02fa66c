"""One pass over one market: gate, layers, score, signal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from freqtrade_ext.signals._candles import candle_arrays
from freqtrade_ext.signals._gate import Gate, Gating, gating_of, spaced
from freqtrade_ext.signals._indicators import indicators_of
from freqtrade_ext.signals._inputs import MarketInputs
from freqtrade_ext.signals._layer import LayerOutput, failing_as
from freqtrade_ext.signals._macro import MacroContext, macro_context
from freqtrade_ext.signals._registry import LAYERS
from freqtrade_ext.signals._settings import SignalSettings
from freqtrade_ext.signals._view import MarketView

__all__ = ["ScoredMarket", "score_market"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_ETHER = "ETH"


@dataclass(frozen=True, slots=True)
class ScoredMarket:
    """
    Scores and signals of one market; every value is known at the close of its candle.

    Attributes
    ----------
    market : str
        Its name.
    settings : SignalSettings
        With which it was scored.
    columns : DataFrame
        One row a candle, in the order and with the index of the candles given:

        ``date``
            Time of the candle's open (UTC).
        ``hurst``, ``z_score``, ``direction``, ``strength``, ``gate``
            See `Gating`.
        ``layer_<name>``
            Points of each layer of the registry, weighted; 0 where it is off or neutral.
        ``veto_<name>``
            For each layer that can reject: True where it does.
        ``<name>``
            For each layer that measures: the number that it judged, NaN where there was none.
        ``pre_score``, ``score``
            Sum of base, strength and layers, and the same clipped to 0 to 100; NaN without
            direction.
        ``required_score``
            What the score has to reach.
        ``signal``
            1 long, -1 short, 0 none.
        ``size_factor``, ``leverage_factor``
            Products of the layers' factors; 1 is neutral.
        ``rsi``, ``adx``, ``atr_pct``, ``volume_ratio``
            Indicators; ``atr_pct`` is the average true range in percent of the close.
    neutral : mapping of str to str
        Layers that were neutral at every candle for want of data, and why.
    known : mapping of str to ndarray of bool
        For each layer that is on: False at the candles where it was neutral for want of data.
    remarks : mapping of str to callable
        ``remark(row)`` of the layers that have something to say of a candle.
    """

    market: str
    settings: SignalSettings
    columns: pd.DataFrame
    neutral: Mapping[str, str]
    known: Mapping[str, BoolArray]
    remarks: Mapping[str, Callable[[int], str]] = field(default_factory=dict)


def score_market(inputs: MarketInputs, settings: SignalSettings) -> ScoredMarket:
    """
    Score every candle of a market.

    Parameters
    ----------
    inputs : MarketInputs
        Candles, and what else is there.
    settings : SignalSettings
        The section ``ext.signals``.

    Returns
    -------
    ScoredMarket
        Row t depends on nothing later than the close of candle t.

    Raises
    ------
    InfeasibleError
        If the candles themselves are not usable: none, not ascending, prices that are not positive
        and finite.
    LayerError
        If the gate, the indicators or a layer fails, naming it and the market. The market then has
        no score at all: nothing of it may be traded.

    Notes
    -----
    ``pre_score = base_score + strength_points · min(1, strength - 1) + Σ layers``; the required
    score is ``min_score`` times the layers' factors, not below ``min_score_low`` and not above
    ``min_score_high``. A signal has passed the gate, has no veto, reaches the required score and
    keeps its distance from the one before (`spaced`).
    """
    candles = candle_arrays(inputs.candles, inputs.timeframe)
    with failing_as("indicators", inputs.market):
        indicators = indicators_of(candles, settings)
        macro = _macro_of(inputs, settings)
    with failing_as("gate", inputs.market):
        gating = gating_of(candles, inputs, settings)
    view = MarketView(
        inputs, candles, indicators, gating.hurst, gating.direction, gating.mode, macro
    )
    outputs: dict[str, LayerOutput] = {}
    for layer in LAYERS:
        if settings.layers.of(layer.name).enabled:
            with failing_as(layer.name, inputs.market):
                outputs[layer.name] = layer.judge(view, settings)
    return _scored(view, gating, outputs, settings)


def _macro_of(inputs: MarketInputs, settings: SignalSettings) -> MacroContext | None:
    if inputs.macro is not None or inputs.benchmark is None:
        return inputs.macro
    return macro_context(
        inputs.benchmark, inputs.references.get(_ETHER), inputs.timeframe, settings
    )


def _scored(
    view: MarketView, gating: Gating, outputs: Mapping[str, LayerOutput], settings: SignalSettings
) -> ScoredMarket:
    directed = gating.direction != 0.0
    points = _points(outputs, directed, settings)
    vetoes = _vetoes(outputs, directed)
    pre_score = np.where(
        directed, base_points(gating.strength, settings) + sum(points.values()), np.nan
    )
    score = np.clip(pre_score, 0.0, 100.0)
    required = _required(outputs, directed.size, settings)
    stands = (gating.gate == Gate.PASSED) & (score >= required)
    for veto in vetoes.values():
        stands &= ~veto
    kept = spaced(stands, view.candles.closed_ms, settings.min_signal_interval_minutes)
    columns = {
        "date": view.inputs.candles["date"].array,
        "hurst": gating.hurst,
        "z_score": gating.z_score,
        "strength": gating.strength,
        "direction": gating.direction.astype(np.int8),
        "gate": np.where(stands & ~kept, np.int8(Gate.TOO_SOON), gating.gate),
        **{f"layer_{name}": values for name, values in points.items()},
        **{f"veto_{name}": values for name, values in vetoes.items()},
        **_readings(outputs, directed),
        "pre_score": pre_score,
        "score": score,
        "required_score": required,
        "signal": np.where(kept, gating.direction, 0.0).astype(np.int8),
        "size_factor": _product(outputs, "size_factor", directed),
        "leverage_factor": _product(outputs, "leverage_factor", directed),
        **_features(view),
    }
    return ScoredMarket(
        market=view.inputs.market,
        settings=settings,
        columns=pd.DataFrame(columns, index=view.inputs.candles.index, copy=False),
        neutral={name: output.neutral for name, output in outputs.items() if output.neutral},
        known={name: _known(output, directed.size) for name, output in outputs.items()},
        remarks={name: each.remark for name, each in outputs.items() if each.remark is not None},
    )


def _known(output: LayerOutput, n_candles: int) -> BoolArray:
    return np.ones(n_candles, np.bool_) if output.known is None else output.known


def base_points(strength: FloatArray, settings: SignalSettings) -> FloatArray:
    """Points before any layer, by the strength of the z-score or imbalance."""
    more = np.clip(strength - 1.0, 0.0, 1.0)
    return settings.base_score + settings.strength_points * more


def _points(
    outputs: Mapping[str, LayerOutput], directed: BoolArray, settings: SignalSettings
) -> dict[str, FloatArray]:
    """Weighted points of every layer of the registry."""
    points = {}
    for layer in LAYERS:
        output = outputs.get(layer.name)
        if output is None or output.points is None:
            points[layer.name] = np.zeros(directed.size)
        else:
            weight = settings.layers.of(layer.name).weight
            points[layer.name] = np.where(directed, weight * output.points, 0.0)
    return points


def _vetoes(outputs: Mapping[str, LayerOutput], directed: BoolArray) -> dict[str, BoolArray]:
    vetoes = {}
    for layer in LAYERS:
        if layer.vetoes:
            output = outputs.get(layer.name)
            veto = None if output is None else output.veto
            vetoes[layer.name] = np.zeros_like(directed) if veto is None else veto & directed
    return vetoes


def _readings(outputs: Mapping[str, LayerOutput], directed: BoolArray) -> dict[str, FloatArray]:
    """Return the numbers that layers judged, where there was a direction to judge."""
    readings = {}
    for layer in LAYERS:
        if layer.measures:
            output = outputs.get(layer.name)
            reading = None if output is None else output.reading
            known = np.nan if reading is None else reading
            readings[layer.name] = np.where(directed, known, np.nan)
    return readings


def _required(
    outputs: Mapping[str, LayerOutput], n_candles: int, settings: SignalSettings
) -> FloatArray:
    required = np.full(n_candles, settings.min_score)
    for output in outputs.values():
        if output.score_factor is not None:
            required *= output.score_factor
    bounded: FloatArray = np.clip(required, settings.min_score_low, settings.min_score_high)
    return bounded


def _product(outputs: Mapping[str, LayerOutput], factor: str, directed: BoolArray) -> FloatArray:
    product = np.ones(directed.size)
    for output in outputs.values():
        values = getattr(output, factor)
        if values is not None:
            product *= np.where(directed, values, 1.0)
    return product


def _features(view: MarketView) -> dict[str, FloatArray]:
    indicators, candles = view.indicators, view.candles
    return {
        "rsi": indicators.rsi,
        "adx": indicators.adx,
        "atr_pct": 100.0 * indicators.atr / candles.close,
        "volume_ratio": indicators.volume_ratio,
    }
