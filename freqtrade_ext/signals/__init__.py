"""Scored single-coin signals: candles in, scores and their reasons out; no clock, no Freqtrade."""

from freqtrade_ext.signals._earnings import LayerEarnings, ResultSum, layer_earnings, result_sum
from freqtrade_ext.signals._explain import Explanation, LayerShare, explain
from freqtrade_ext.signals._gate import Gate
from freqtrade_ext.signals._inputs import MarketInputs
from freqtrade_ext.signals._layer import Layer, LayerError, LayerOutput
from freqtrade_ext.signals._leverage import unified_leverage
from freqtrade_ext.signals._leverage_settings import LeverageSettings
from freqtrade_ext.signals._macro import MacroContext, macro_context
from freqtrade_ext.signals._model_advice import ModelAdvice, ModelEffect
from freqtrade_ext.signals._record import ClosedTrade, OwnRecord, WinCount, own_record
from freqtrade_ext.signals._registry import LAYERS
from freqtrade_ext.signals._score import ScoredMarket, score_market
from freqtrade_ext.signals._settings import LayerSwitch, SignalSettings
from freqtrade_ext.signals._warm_up import startup_candles

__all__ = [
    "LAYERS",
    "ClosedTrade",
    "Explanation",
    "Gate",
    "Layer",
    "LayerEarnings",
    "LayerError",
    "LayerOutput",
    "LayerShare",
    "LayerSwitch",
    "LeverageSettings",
    "MacroContext",
    "MarketInputs",
    "ModelAdvice",
    "ModelEffect",
    "OwnRecord",
    "ResultSum",
    "ScoredMarket",
    "SignalSettings",
    "WinCount",
    "explain",
    "layer_earnings",
    "macro_context",
    "own_record",
    "result_sum",
    "score_market",
    "startup_candles",
    "unified_leverage",
]
