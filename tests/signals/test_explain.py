"""
The trace of a decision: every number, and why there was no signal.

Mutants, each red here: a gate that is not named, a veto that is not named, SCORE_PASS for a score
that is too low, another candle.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.signals import LAYERS, Gate, SignalSettings, explain, score_market

from .doubles import LIVELY, frame, inputs_of, rich_inputs, walk

LOUD = SignalSettings.model_validate(
    {**LIVELY.model_dump(), "layers": {"own_record": {"enabled": False}}}
)


@pytest.fixture(scope="module")
def scored():
    return score_market(rich_inputs(2, 1_500), LOUD)


def first(scored, **wanted):
    """Index of the first candle whose columns have these values."""
    found = np.ones(len(scored.columns), bool)
    for name, value in wanted.items():
        found &= scored.columns[name].to_numpy() == value
    return int(np.flatnonzero(found)[0])


def traced(scored, row):
    return explain(scored, scored.columns["date"].iloc[row].to_pydatetime())


def test_a_signal_is_traced_from_gate_to_score(scored):
    row = first(scored, signal=1)
    values = scored.columns.iloc[row]
    lines = traced(scored, row).lines()
    assert lines[0].startswith("SOL/USDT:USDT, candle of 2024-01-0")
    assert lines[1].startswith("Z_PASS: long")
    assert f"z {values['z_score']:+.2f}" in lines[1]
    assert f"H {values['hurst']:.2f}" in lines[1]
    for layer in LAYERS:
        (line,) = (line for line in lines if line.split()[:2] == ["layer", layer.name])
        assert f" {values[f'layer_{layer.name}']:+.1f}" in line
    assert f"PRE_SCORE {values['pre_score']:.1f}" in lines
    assert lines[-2] == f"SCORE_PASS {values['score']:.1f} >= {values['required_score']:.1f}"
    assert lines[-1].startswith("signal: long, size x ")


def test_the_parts_add_up_to_the_score(scored):
    for row in np.flatnonzero(scored.columns["direction"])[:200].tolist():
        trace = traced(scored, row)
        parts = trace.base + trace.strength_points + sum(each.points for each in trace.layers)
        assert trace.pre_score == pytest.approx(parts)
        assert [each.name for each in trace.layers] == [layer.name for layer in LAYERS]


def test_a_low_score_is_named(scored):
    low = scored.columns["score"] < scored.columns["required_score"]
    row = int(np.flatnonzero(low & (scored.columns["gate"] == 0))[0])
    lines = traced(scored, row).lines()
    values = scored.columns.iloc[row]
    assert f"SCORE_LOW {values['score']:.1f} < {values['required_score']:.1f}" in lines
    assert lines[-1].startswith("no signal: ")
    assert "the score is too low" in lines[-1]


@pytest.mark.parametrize("name", [layer.name for layer in LAYERS if layer.vetoes])
def test_a_veto_is_named(scored, name):
    row = first(scored, **{f"veto_{name}": True})
    trace = traced(scored, row)
    assert name in trace.vetoes
    (line,) = (line for line in trace.lines() if line.split()[:2] == ["layer", name])
    assert " VETO" in line
    assert f"veto of {name}" in trace.lines()[-1]


GATES = [
    (Gate.WARMING_UP, "Z_FAIL: too few candles so far, or the price does not move"),
    (Gate.Z_FAIL, "Z_FAIL: the z-score is within its threshold"),
    (Gate.NEUTRAL, "Z_FAIL: neutral market, and the order book does not lean far enough"),
]


@pytest.mark.parametrize(("gate", "text"), GATES)
def test_a_candle_without_direction_says_why(scored, gate, text):
    lines = traced(scored, first(scored, gate=int(gate))).lines()
    assert lines[1].startswith(text)
    assert lines[-1] == "no signal: no direction"
    assert not [line for line in lines if line.startswith("layer")]


def test_quiet_hours_are_named_beside_the_score(scored):
    row = int(np.flatnonzero((scored.columns["gate"] == 3) & (scored.columns["direction"] != 0))[0])
    assert "quiet hours" in traced(scored, row).lines()[-1]


def test_a_signal_too_soon_is_named(scored):
    trace = traced(scored, first(scored, gate=int(Gate.TOO_SOON)))
    assert trace.lines()[-1] == "no signal: too soon after the market's last one"
    assert "SCORE_PASS" in trace.lines()[-2]


def test_a_candle_without_trades_is_named():
    log_close = np.random.default_rng(1).normal(0.0, 0.004, 400).cumsum()
    volume = np.where(np.arange(400) % 2, 10.0, 0.0)
    scored = score_market(inputs_of(frame(np.exp(log_close), volume=volume)), LOUD)
    row = int(np.flatnonzero((scored.columns["gate"] == 2) & (scored.columns["direction"] != 0))[0])
    assert "nobody traded" in traced(scored, row).lines()[-1]


def test_neutral_and_switched_off_layers_say_so(scored):
    trace = traced(scored, first(scored, signal=1))
    remarks = {each.name: each.remark for each in trace.layers}
    assert remarks["own_record"] == "off"
    assert remarks["ema_cross"] == ""
    bare = score_market(inputs_of(walk(1, 400)), LIVELY)
    row = int(np.flatnonzero(bare.columns["direction"])[0])
    assert {each.name: each.remark for each in traced(bare, row).layers}["funding"] == (
        "neutral: no funding rates"
    )


def test_the_order_book_is_named_where_it_gave_the_direction(scored):
    neutral = (scored.columns["hurst"] >= 0.45) & (scored.columns["hurst"] <= 0.5)
    row = int(np.flatnonzero(neutral & (scored.columns["direction"] != 0))[0])
    assert "order book" in traced(scored, row).lines()[1]


def test_the_last_candle_is_explained_by_default_and_a_time_within_one_finds_it(scored):
    dates = scored.columns["date"]
    assert explain(scored).opened_at == dates.iloc[-1]
    within = dates.iloc[10].to_pydatetime() + timedelta(minutes=4, seconds=59)
    assert explain(scored, within).opened_at == dates.iloc[10]


def test_a_time_before_the_candles_or_without_zone_is_refused(scored):
    with pytest.raises(InfeasibleError) as refusal:
        explain(scored, datetime(2023, 12, 31, tzinfo=UTC))
    assert str(refusal.value) == (
        "SOL/USDT:USDT: no candle had opened by 2023-12-31 00:00; the first one is of "
        "2024-01-01 00:00 UTC"
    )
    with pytest.raises(ValueError, match="at has no time zone"):
        explain(scored, datetime(2024, 1, 1))  # noqa: DTZ001
