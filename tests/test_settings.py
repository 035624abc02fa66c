"""A mistake in the ``ext`` section is one clear line; nothing is guessed."""

import json
from pathlib import Path

import pytest

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.settings import ExtSettings, load_settings

REPOSITORY = Path(__file__).resolve().parents[1]


def message(section: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(section, source="my.json")
    return str(caught.value)


def test_absent_section_means_defaults() -> None:
    assert load_settings(None) == ExtSettings()


def test_empty_section_means_defaults() -> None:
    assert load_settings({}) == ExtSettings()


def test_values_given_are_taken_and_the_rest_keeps_its_default() -> None:
    settings = load_settings({"spreads": {"fit_window": 500, "sizing": {"leverage": 2}}})
    assert settings.spreads.fit_window == 500
    assert settings.spreads.sizing.leverage == 2.0
    assert settings.spreads.sizing.max_risk_per_trade == 0.01
    assert settings.spreads.max_open_spreads == 2


def test_unknown_key_names_the_nearest_known_one() -> None:
    assert message({"spreads": {"fit_windw": 3}}) == (
        "my.json: ext.spreads.fit_windw: unknown key (got 3); did you mean 'fit_window'?"
    )


def test_unknown_key_without_a_near_one_lists_what_is_allowed() -> None:
    assert message({"foo": 1}) == (
        "my.json: ext.foo: unknown key (got 1); "
        "allowed: execution, learning, risk, scan, signals, spreads"
    )


def test_unknown_key_in_a_nested_section_is_found() -> None:
    assert "ext.spreads.sizing.levrage: unknown key (got 3); did you mean 'leverage'?" in message(
        {"spreads": {"sizing": {"levrage": 3}}}
    )


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        pytest.param(
            {"spreads": {"fit_window": 5}},
            "ext.spreads.fit_window: Input should be greater than or equal to 100 (got 5); "
            "allowed: whole number from 100 up to 2000",
            id="out of range",
        ),
        pytest.param(
            {"spreads": {"fit_window": "720"}},
            "ext.spreads.fit_window: Input should be a valid integer (got '720'); "
            "allowed: whole number from 100 up to 2000",
            id="wrong type",
        ),
        pytest.param(
            {"spreads": {"z_mode": "sliding"}},
            "ext.spreads.z_mode: Input should be 'rolling' or 'formation' (got 'sliding'); "
            "allowed: one of 'rolling', 'formation'",
            id="unknown choice",
        ),
        pytest.param(
            {"spreads": {"both_directions": 1}},
            "ext.spreads.both_directions: Input should be a valid boolean (got 1); "
            "allowed: true or false",
            id="number for a boolean",
        ),
        pytest.param(
            {"spreads": {"max_qvalue": "a"}},
            "ext.spreads.max_qvalue: Input should be a valid number (got 'a'); "
            "allowed: number above 0 up to 1 or null",
            id="optional number",
        ),
        pytest.param(
            {"spreads": {"sizing": {"max_risk_per_trade": float("nan")}}},
            "(got nan)",
            id="not a number",
        ),
        pytest.param(
            {"spreads": {"max_half_life": float("inf")}},
            "(got inf)",
            id="infinite",
        ),
        pytest.param([1], "my.json: ext: must be an object {...} (got [1])", id="a list"),
        pytest.param(
            {"spreads": {"min_half_life": 20, "max_half_life": 10}},
            "min_half_life (20.0) must be below max_half_life (10.0)",
            id="ranges crossed",
        ),
        pytest.param(
            {"spreads": {"max_pvalue": 0.2, "relation_broken_pvalue": 0.1}},
            "relation_broken_pvalue (0.1) must not be below max_pvalue (0.2)",
            id="exit stricter than entry",
        ),
    ],
)
def test_wrong_value_is_one_line_with_key_value_and_what_is_allowed(
    section: object, expected: str
) -> None:
    text = message(section)
    assert expected in text
    assert "\n" not in text


def test_every_problem_is_reported_at_once() -> None:
    text = message({"spreads": {"fit_window": 5, "max_open_spreads": 0, "nonsense": True}})
    assert len(text.splitlines()) == 3
    assert all(line.startswith("my.json: ext.spreads.") for line in text.splitlines())


def test_shipped_configuration_is_valid_and_safe() -> None:
    config = json.loads((REPOSITORY / "config.json").read_text(encoding="utf-8"))
    load_settings(config["ext"])
    assert config["dry_run"] is True
    assert config["trading_mode"] == "futures"
    assert config["margin_mode"] == "isolated"
    assert config["api_server"]["listen_ip_address"] == "127.0.0.1"
    secrets = [config["exchange"]["key"], config["exchange"]["secret"]]
    secrets += [config["api_server"][key] for key in ("username", "password")]
    assert not any(secrets)
    assert config["max_open_trades"] == 2 * load_settings(config["ext"]).spreads.max_open_spreads
