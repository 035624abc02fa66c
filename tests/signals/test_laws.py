"""Laws of the score: what must hold whatever the market does."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freqtrade_ext.signals import LAYERS, SignalSettings, score_market

from .doubles import LIVELY, rich_inputs

SEEDS = st.integers(0, 10_000)
SPACELESS = {**LIVELY.model_dump(), "min_signal_interval_minutes": 0.0}


def columns(seed, **changes):
    chosen = SignalSettings.model_validate({**SPACELESS, **changes})
    return score_market(rich_inputs(seed, 200), chosen).columns


@settings(max_examples=15)
@given(SEEDS, st.floats(1.0, 3.0))
def test_a_stricter_entry_only_takes_directions_away(seed, tightness):
    loose, tight = columns(seed), columns(seed, entry_tightness=tightness)
    kept = tight["direction"] != 0
    assert (tight["direction"][kept] == loose["direction"][kept]).all()


@settings(max_examples=15)
@given(SEEDS, st.floats(50.0, 95.0))
def test_a_higher_required_score_only_takes_signals_away(seed, min_score):
    low, high = columns(seed), columns(seed, min_score=min_score)
    kept = high["signal"] != 0
    assert (high["signal"][kept] == low["signal"][kept]).all()
    assert (high["score"].dropna() == low["score"].dropna()).all()


@settings(max_examples=15)
@given(SEEDS)
def test_quiet_hours_only_take_signals_away(seed):
    noisy = columns(seed, quiet={"enabled": False})
    quiet = columns(seed)
    kept = quiet["signal"] != 0
    assert (quiet["signal"][kept] == noisy["signal"][kept]).all()
    assert (quiet["score"].dropna() == noisy["score"].dropna()).all()


@settings(max_examples=15)
@given(SEEDS)
def test_a_signal_has_passed_everything_and_nothing_else_has(seed):
    found = columns(seed)
    vetoed = found.filter(like="veto_").any(axis=1)
    passed = (found["gate"] == 0) & ~vetoed & (found["score"] >= found["required_score"])
    assert ((found["signal"] != 0) == passed).all()
    assert (found.loc[passed, "signal"] == found.loc[passed, "direction"]).all()


@pytest.mark.parametrize("name", ["regime_veto", "multi_timeframe", "funding", "model_confidence"])
def test_a_veto_of_every_layer_that_has_one_is_heard(name):
    """The layers that the specification lets reject a signal, each of them alone."""
    alone = {layer.name: {"enabled": layer.name == name} for layer in LAYERS}
    for seed in range(10):
        found = columns(seed, layers=alone, base_score=100.0)
        vetoed = found[found[f"veto_{name}"]]
        if len(vetoed):
            assert (vetoed["signal"] == 0).all()
            assert (found[~found[f"veto_{name}"]]["signal"] != 0).any()
            return
    pytest.fail(f"{name} rejected nothing")


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_twice_the_weight_is_twice_the_points(layer):
    once = columns(4)
    twice = columns(4, layers={layer.name: {"weight": 2.0}})
    name = f"layer_{layer.name}"
    np.testing.assert_allclose(twice[name], 2.0 * once[name])
    np.testing.assert_allclose(twice["pre_score"], once["pre_score"] + once[name], atol=1e-9)


@settings(max_examples=15)
@given(SEEDS)
def test_factors_stay_within_their_promises(seed):
    found = columns(seed)
    assert found["size_factor"].between(0.25, 1.0).all()
    assert found["leverage_factor"].between(0.8, 1.2).all()
    assert found["required_score"].between(30.0, 85.0).all()
    assert found["score"].dropna().between(0.0, 100.0).all()


NEEDED = {
    "imbalance": "imbalance_trend",
    "funding": "funding",
    "record": "own_record",
    "confidence": "model_confidence",
}


@pytest.mark.parametrize(("field", "name"), NEEDED.items())
def test_taking_an_input_away_makes_its_layer_neutral_and_no_other(field, name):
    """Without imbalance the neutral regime has no direction either, so those candles are left."""
    inputs = rich_inputs(6, 300)
    chosen = SignalSettings.model_validate(SPACELESS)
    full = score_market(inputs, chosen)
    less = score_market(dataclasses.replace(inputs, **{field: None}), chosen)
    assert name in less.neutral
    assert name not in full.neutral
    assert (less.columns[f"layer_{name}"] == 0.0).all()
    kept = less.columns["direction"] != 0
    for layer in LAYERS:
        if layer.name != name:
            column = f"layer_{layer.name}"
            assert (less.columns[column][kept] == full.columns[column][kept]).all()
