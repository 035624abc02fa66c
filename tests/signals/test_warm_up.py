"""
The declared warm-up is enough: with it the last row is as with any longer history.

Mutants, each red here: the need of fading or volatility left out, the half-seen first higher
candle forgotten.
"""

import dataclasses

import pytest

from freqtrade_ext.signals import SignalSettings, score_market, startup_candles

from .doubles import LIVELY, part_of, rich_inputs

EAGER = SignalSettings.model_validate(
    {
        "z_score_threshold": 0.8,
        "entry_tightness": 0.5,
        "hurst": {"reversion": 0.5, "trend": 0.5},
    }
)


def cut(inputs, begin):
    """The same market, seen from a later candle on."""
    return dataclasses.replace(
        inputs,
        candles=inputs.candles.iloc[begin:],
        benchmark=inputs.benchmark.iloc[begin:],
        references={name: of.iloc[begin:] for name, of in inputs.references.items()},
        imbalance=inputs.imbalance[begin:],
        advice=part_of(inputs.advice, slice(begin, None)),
    )


@pytest.mark.parametrize("settings", [EAGER, LIVELY], ids=["default windows", "short windows"])
@pytest.mark.parametrize("seed", range(12))
def test_a_longer_history_changes_nothing(seed, settings):
    need = startup_candles("5m", settings)
    inputs = rich_inputs(seed, need + 400)
    begin = 400 - seed % 5
    whole = score_market(inputs, settings)
    part = score_market(cut(inputs, begin), settings)
    for name, values in part.columns.iloc[need - 1 :].items():
        if name in {"date", "signal", "gate"}:  # a day of memory more, see test_gate
            continue
        longer = whole.columns[name].iloc[begin + need - 1 :]
        assert values.tolist() == pytest.approx(longer.tolist(), rel=1e-6, nan_ok=True), name
    for name in ("multi_timeframe", "strong_trend", "volatile_market", "smt_divergence"):
        assert part.known[name][need - 1], name


@pytest.mark.parametrize(
    ("timeframe", "higher", "expected"),
    [
        ("5m", (), 22 * 48),
        ("1h", (), 400),
        ("5m", ("1h", "4h"), 72 * 12 + 1),
        ("1m", ("1h", "4h"), 72 * 60 + 1),
        ("4h", (), 400),
    ],
)
def test_the_need_by_hand(timeframe, higher, expected):
    assert startup_candles(timeframe, SignalSettings(), higher=higher) == expected
