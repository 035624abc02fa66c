"""Defaults and ranges of the specification, and what a mistake in them is told."""

import doctest
import importlib
import pkgutil

import pytest

import freqtrade_ext.risk
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.risk import RiskSettings
from freqtrade_ext.settings import load_part, load_settings

# key of ext.risk, default, least, greatest; from the specification of the exits
SPECIFIED = [
    ("exits.sl_atr", 2.0, 1.0, 5.0),
    ("exits.tp_atr", 3.0, 1.5, 6.0),
    ("exits.trail_activation", 1.5, 0.5, 3.0),
    ("exits.trail_distance", 1.0, 0.3, 2.0),
    ("exits.exit_tightness", 1.2, 0.5, 2.0),
]
DEFAULTS = [
    ("exits.emergency_loss", 0.15),
    ("exits.reduce_first_hours", 4.0),
    ("exits.reduce_second_hours", 8.0),
    ("exits.target_reduction", 0.1),
    ("exits.adverse_hours", 8.0),
    ("kill_switch.partial_loss", 0.3),
    ("kill_switch.full_loss", 0.5),
    ("kill_switch.lock_hours", 24.0),
    ("stoploss_guard.stops", 3),
    ("stoploss_guard.window_minutes", 60),
    ("stoploss_guard.lock_minutes", 30),
    ("recovery.under_water_hours", 12.0),
    ("recovery.activation", 0.5),
    ("recovery.min_distance", 0.015),
    ("recovery.max_distance", 0.05),
    ("recovery.rest_hours", 6.0),
    ("balance.risk_per_trade", 0.01),
    ("balance.min_factor", 0.5),
]


def load(risk: object) -> RiskSettings:
    return load_part({"risk": risk}, "risk", RiskSettings)


def nested(key: str, value: object) -> dict:
    section, name = key.split(".")
    return {section: {name: value}}


def value_of(settings: RiskSettings, key: str) -> object:
    section, name = key.split(".")
    return getattr(getattr(settings, section), name)


@pytest.mark.parametrize(("key", "default"), [*DEFAULTS, *((k, d) for k, d, _, _ in SPECIFIED)])
def test_default(key, default):
    assert value_of(load({}), key) == default
    assert value_of(load_part(None, "risk", RiskSettings), key) == default


@pytest.mark.parametrize(("key", "default", "least", "greatest"), SPECIFIED)
def test_range(key, default, least, greatest):
    for value in (least, greatest):
        assert value_of(load(nested(key, value)), key) == value
    for value in (least - 0.01, greatest + 0.01):
        with pytest.raises(ConfigError, match=rf"ext\.risk\.{key}: .*allowed: number from"):
            load(nested(key, value))


@pytest.mark.parametrize(
    ("risk", "text"),
    [
        ({"exits": {"sl_art": 2.0}}, "did you mean 'sl_atr'"),
        ({"exits": {"sl_atr": "2"}}, "ext.risk.exits.sl_atr: "),
        ({"exits": {"sl_atr": float("nan")}}, "ext.risk.exits.sl_atr: "),
        (
            {"exits": {"reduce_first_hours": 9.0}},
            r"reduce_first_hours \(9.0\) must be below reduce_second_hours \(8.0\)",
        ),
        (
            {"exits": {"gradual_hours": 24.0}},
            r"gradual_hours \(24.0\) must be below force_hours \(24.0\)",
        ),
        (
            {"kill_switch": {"partial_loss": 0.6}},
            r"partial_loss \(0.6\) must be below full_loss \(0.5\)",
        ),
        (
            {"recovery": {"min_distance": 0.1}},
            r"min_distance \(0.1\) must not be above max_distance \(0.05\)",
        ),
        (
            {"balance": {"shrink_from": 0.3}},
            r"shrink_from \(0.3\) must be below shrink_to \(0.2\)",
        ),
        ({"stoploss_guard": {"scope": "pair"}}, "'global'"),
        ({"excluded": "DOGE"}, "ext.risk.excluded: "),
        ({"excluded": [1]}, "ext.risk.excluded"),
        ({"account": {"max_drawdown": 1.0}}, "ext.risk.account.max_drawdown: "),
    ],
)
def test_mistakes_are_named(risk, text):
    with pytest.raises(ConfigError, match=text):
        load(risk)


@pytest.mark.parametrize(
    "name",
    [
        "breakeven_atr",
        "reduce_first_hours",
        "reduce_second_hours",
        "gradual_hours",
        "force_hours",
        "adverse_hours",
        "deep_loss",
    ],
)
def test_optional_exits_can_be_switched_off(name):
    assert getattr(load({"exits": {name: None}}).exits, name) is None


def test_excluded_is_a_list_in_json():
    assert load({"excluded": ["DOGE", "SHIB"]}).excluded == ("DOGE", "SHIB")


def test_the_section_ext_knows_the_part():
    """Its own keys are checked by `load_part`."""
    assert load_settings({"risk": {"excluded": ["DOGE"]}}).risk == {"excluded": ["DOGE"]}


def test_the_examples_in_the_docstrings_are_right():
    attempted = 0
    for module in pkgutil.iter_modules(freqtrade_ext.risk.__path__):
        loaded = importlib.import_module(f"freqtrade_ext.risk.{module.name}")
        result = doctest.testmod(loaded)
        assert result.failed == 0
        attempted += result.attempted
    assert attempted >= 10
