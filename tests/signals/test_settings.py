"""The section ``ext.signals``: defaults of the specification, limits, messages."""

import pytest
from pydantic import BaseModel

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.settings import load_part
from freqtrade_ext.signals import LAYERS, SignalSettings
from freqtrade_ext.signals._settings import LayerSwitches


def load(**section):
    return load_part({"signals": section}, "signals", SignalSettings)


def at(settings, path):
    for name in path.split("."):
        settings = getattr(settings, name)
    return settings


SPECIFIED = {
    "z_score_threshold": 1.6,
    "entry_tightness": 1.8,
    "min_score": 68.0,
    "hurst.reversion": 0.45,
    "hurst.trend": 0.55,
    "quiet.from_hour": 2,
    "quiet.until_hour": 6,
    "quiet.exempt": ("BTC", "ETH"),
    "regime_veto.adx": 30.0,
    "regime_veto.hurst": 0.55,
    "multi_timeframe.leverage_change": 0.2,
    "multi_timeframe.veto_points": 100.0,
    "strong_trend.closes": 20,
    "strong_trend.mild": 0.05,
    "strong_trend.strong": 0.10,
    "strong_trend.extreme": 0.20,
    "strong_trend.mild_points": 10.0,
    "strong_trend.strong_points": 20.0,
    "strong_trend.extreme_points": 30.0,
    "strong_trend.mild_size": 0.75,
    "strong_trend.strong_size": 0.50,
    "strong_trend.extreme_size": 0.25,
    "volatile_market.volatile_factor": 1.15,
    "imbalance_trend.recent": 10,
    "imbalance_trend.before": 20,
    "imbalance_trend.points": 5.0,
    "imbalance_trend.strong_points": 8.0,
    "imbalance_trend.against_points": 5.0,
    "funding.extreme": 0.0008,
    "funding.strong": 0.0003,
    "funding.mild": 0.0001,
    "funding.strong_points": 8.0,
    "funding.crowd_points": 5.0,
    "funding.mild_points": 3.0,
    "funding.extreme_points": 10.0,
    "own_record.min_trades": 20,
    "own_record.poor_points": 5.0,
    "own_record.worst_points": 15.0,
    "own_record.good_points": 5.0,
    "own_record.weaker_points": 5.0,
    "macd_cross.points": 8.0,
    "bollinger_position.position": 0.8,
    "bollinger_position.points": 8.0,
    "stochastic_rsi_cross.low": 20.0,
    "stochastic_rsi_cross.points": 8.0,
    "ema_cross.points": 5.0,
    "leverage.max_leverage": 3.0,
}


@pytest.mark.parametrize(("path", "value"), SPECIFIED.items())
def test_defaults_are_those_specified(path, value):
    assert at(SignalSettings(), path) == value


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("z_score_threshold", 0.8, 3.0),
        ("entry_tightness", 0.5, 4.0),
        ("min_score", 50.0, 95.0),
        ("min_score_low", 30.0, 60.0),
        ("min_score_high", 60.0, 95.0),
    ],
)
def test_ranges_are_those_specified(name, low, high):
    others = {"z_score_threshold": {"entry_tightness": 0.5}, "entry_tightness": {
        "z_score_threshold": 0.8}}.get(name, {})  # fmt: skip
    for value in (low, high):
        assert getattr(load(**{name: value}, **others), name) == value
    for value in (low - 0.01, high + 0.01):
        with pytest.raises(ConfigError, match=rf"ext\.signals\.{name}: .* allowed: number from"):
            load(**{name: value}, **others)


def test_every_layer_of_the_registry_has_a_switch_and_nothing_else_has():
    assert set(LayerSwitches.model_fields) == {layer.name for layer in LAYERS}
    numbers = {layer.number for layer in LAYERS if layer.number}
    assert numbers == {16, 17, 18, 19, 20, 21, 22, 23}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"layers": {"fundin": {"enabled": False}}},
         "ext.signals.layers.fundin: unknown key (got {'enabled': False}); "
         "did you mean 'funding'?"),
        ({"layers": {"funding": {"weight": 9}}},
         "ext.signals.layers.funding.weight: Input should be less than or equal to 5 (got 9); "
         "allowed: number from 0 up to 5"),
        ({"funding": {"mild": 0.01}},
         "ext.signals.funding: must be in ascending order: mild (0.01), strong (0.0003), "
         "extreme (0.0008)"),
        ({"hurst": {"reversion": 0.6}},
         "ext.signals.hurst: hurst.reversion (0.6) must not be above hurst.trend (0.55)"),
        ({"hurst": {"window": 50, "max_lag": 26}},
         "ext.signals.hurst: hurst.max_lag (26) must be at most half of hurst.window (50)"),
        ({"multi_timeframe": {"timeframes": ["1h", "1q"]}},
         "ext.signals.multi_timeframe: timeframe '1q' is none: want a number and m, h, d or w "
         "(5m)"),
        ({"volatile_market": {"short_hours": 72.0}},
         "ext.signals.volatile_market: short_hours (72.0) must be below long_hours (72.0)"),
        ({"vwap_distance": {"near": 2.0}},
         "ext.signals.vwap_distance: near (2.0) must be below far (2.0)"),
        ({"point_of_control": {"near": 4.0}},
         "ext.signals.point_of_control: near (4.0) must be below far (4.0)"),
        ({"entry_tightness": 4.0, "z_window": 10},
         "ext.signals: z_score_threshold times entry_tightness is 6.40, but a z-score over "
         "z_window (10) candles cannot exceed 2.85: there would never be a signal"),
        ({"z_score_threshold": "1.6"},
         "ext.signals.z_score_threshold: Input should be a valid number (got '1.6'); allowed: "
         "number from 0.8 up to 3.0"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_says_what_would_be_right(section, message):
    with pytest.raises(ConfigError) as refusal:
        load(**section)
    assert str(refusal.value) == f"config.json: {message}"


@pytest.mark.parametrize(
    "section",
    [
        {"strong_trend": {"mild": 0.3}},
        {"rsi_momentum": {"deep": 45.0}},
        {"rsi_momentum": {"exhausted": 50.0, "strong": 60.0}},
        {"volume_spike": {"spike": 4.0}},
        {"imbalance_trend": {"change": 0.5}},
        {"own_record": {"poor": 0.1}},
        {"multi_timeframe": {"fast": 50}},
    ],
)
def test_thresholds_out_of_order_are_refused(section):
    with pytest.raises(ConfigError, match="must be in ascending order"):
        load(**section)


def test_an_absent_section_means_all_defaults():
    assert load_part(None, "signals", SignalSettings) == SignalSettings() == load()


def test_a_part_of_a_section_keeps_the_other_defaults():
    settings = load(ema_cross={"fresh": 5}, quiet={"exempt": ["SOL"]})
    assert (settings.ema_cross.fresh, settings.ema_cross.points) == (5, 5.0)
    assert settings.macd_cross.points == 8.0
    assert settings.quiet.exempt == ("SOL",)


def sections(model):
    for name, field in model.model_fields.items():
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            yield name, nested
            yield from sections(nested)


@pytest.mark.parametrize(("name", "model"), list(sections(SignalSettings)))
def test_every_section_is_frozen_strict_and_closed(name, model):
    assert model.model_config["frozen"]
    assert model.model_config["strict"]
    assert model.model_config["extra"] == "forbid"
