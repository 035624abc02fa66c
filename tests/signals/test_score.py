"""
From layers to a signal.

Mutants, each red here: a weight ignored, a layer that is off but counts, a veto not heard, points
without direction, the score not clipped, the required score not bounded or not raised, `>` for
`>=` at it, strength left out, factors summed, no distance kept, an error of a layer swallowed. A
gate that is not heard is red in test_gate.
"""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.errors import ExtensionError, InfeasibleError
from freqtrade_ext.signals import LAYERS, LayerError, SignalSettings, macro_context, score_market
from freqtrade_ext.signals import _score as scoring
from freqtrade_ext.signals._layer import Layer, LayerOutput, failing_as

from .doubles import LIVELY, frame, inputs_of, rich_inputs, walk

OFF = {layer.name: {"enabled": False} for layer in LAYERS}


def with_layers(monkeypatch, *outputs):
    """Replace the registry by layers that answer what they are told; keep names of real ones."""
    names = [layer.name for layer in LAYERS]
    fakes = tuple(
        Layer(name, lambda view, settings, output=output: broadcast(output, len(view.candles)),
              "what it is told", vetoes=output.veto is not None)
        for name, output in zip(names, outputs, strict=False)
    )  # fmt: skip
    monkeypatch.setattr(scoring, "LAYERS", fakes)
    return names[: len(outputs)]


def broadcast(output, n_candles):
    filled = {
        field.name: np.full(n_candles, value)
        for field in dataclasses.fields(output)
        if (value := getattr(output, field.name)) is not None and field.name != "neutral"
    }
    return dataclasses.replace(output, **filled)


def fixed(**values):
    return LayerOutput(**values)


def settings_of(**changes):
    base = {"min_signal_interval_minutes": 0.0, "quiet": {"enabled": False}, "base_score": 60.0,
            "strength_points": 0.0, "z_score_threshold": 0.8, "entry_tightness": 1.0}  # fmt: skip
    return SignalSettings.model_validate({**base, **changes})


def scored_with(monkeypatch, *outputs, **changes):
    names = with_layers(monkeypatch, *outputs)
    columns = score_market(inputs_of(walk(1, 400)), settings_of(**changes)).columns
    return names, columns, columns[columns["direction"] != 0]


def test_the_score_is_base_plus_strength_plus_layers(monkeypatch):
    names, columns, directed = scored_with(
        monkeypatch, fixed(points=5.0), fixed(points=-2.0), strength_points=20.0
    )
    strength = 20.0 * (directed["strength"] - 1.0).clip(0.0, 1.0)
    assert (directed["strength"] > 2.0).any()
    assert ((directed["strength"] > 1.0) & (directed["strength"] < 2.0)).any()
    np.testing.assert_allclose(directed["pre_score"], 60.0 + strength + 5.0 - 2.0)
    assert (directed[f"layer_{names[0]}"] == 5.0).all()
    undirected = columns[columns["direction"] == 0]
    assert (undirected[f"layer_{names[0]}"] == 0.0).all()
    assert undirected[["pre_score", "score"]].isna().all(axis=None)
    assert (undirected["signal"] == 0).all()


def test_a_weight_multiplies_points_and_leaves_vetoes_and_factors(monkeypatch):
    name = LAYERS[0].name
    output = fixed(points=8.0, veto=True, size_factor=0.5)
    _, _, directed = scored_with(monkeypatch, output, layers={name: {"weight": 0.25}})
    assert (directed[f"layer_{name}"] == 2.0).all()
    assert directed[f"veto_{name}"].all()
    assert (directed["size_factor"] == 0.5).all()


def test_a_layer_that_is_off_does_nothing_and_is_not_even_asked(monkeypatch):
    name = LAYERS[0].name
    output = fixed(points=8.0, veto=True, size_factor=0.5, score_factor=1.2, leverage_factor=0.8)
    _, columns, directed = scored_with(monkeypatch, output, layers={name: {"enabled": False}})
    assert (columns[f"layer_{name}"] == 0.0).all()
    assert not columns[f"veto_{name}"].any()
    assert (columns[["size_factor", "leverage_factor"]] == 1.0).all(axis=None)
    assert (columns["required_score"] == 68.0).all()
    assert (directed["pre_score"] == 60.0).all()


@pytest.mark.parametrize(("points", "stands"), [(8.0, True), (7.999, False), (20.0, True)])
def test_a_signal_reaches_the_required_score(monkeypatch, points, stands):
    """60 and 8 are 68, the default."""
    _, _, directed = scored_with(monkeypatch, fixed(points=points))
    assert ((directed["signal"] == directed["direction"]).all()) == stands
    assert (directed["signal"] != 0).all() == stands


def test_a_veto_stops_a_signal_whatever_its_score(monkeypatch):
    _, _, directed = scored_with(monkeypatch, fixed(points=40.0), fixed(veto=True))
    assert (directed["score"] == 100.0).all()
    assert (directed["signal"] == 0).all()
    _, _, allowed = scored_with(monkeypatch, fixed(points=40.0), fixed(veto=False))
    assert (allowed["signal"] != 0).all()


@pytest.mark.parametrize(("points", "score"), [(70.0, 100.0), (-90.0, 0.0), (5.0, 65.0)])
def test_the_score_is_clipped_and_the_sum_is_kept(monkeypatch, points, score):
    _, _, directed = scored_with(monkeypatch, fixed(points=points))
    assert (directed["pre_score"] == 60.0 + points).all()
    assert (directed["score"] == score).all()


@pytest.mark.parametrize(
    ("factor", "required"),
    [(1.15, 68.0 * 1.15), (1.5, 85.0), (0.9, 61.2), (0.5, 55.0), (1.0, 68.0)],
)
def test_the_required_score_stays_between_its_bounds(monkeypatch, factor, required):
    _, columns, _ = scored_with(monkeypatch, fixed(score_factor=factor))
    assert columns["required_score"].tolist() == pytest.approx([required] * 400)


def test_factors_multiply(monkeypatch):
    _, columns, directed = scored_with(
        monkeypatch,
        fixed(size_factor=0.5, leverage_factor=1.2),
        fixed(size_factor=0.75, leverage_factor=0.5),
    )
    np.testing.assert_allclose(directed["size_factor"], 0.375)
    np.testing.assert_allclose(directed["leverage_factor"], 0.6)
    undirected = columns[columns["direction"] == 0]
    assert (undirected[["size_factor", "leverage_factor"]] == 1.0).all(axis=None)


def test_a_signal_too_close_to_the_one_before_is_marked(monkeypatch):
    _, columns, _ = scored_with(monkeypatch, fixed(points=20.0), min_signal_interval_minutes=60.0)
    assert (columns.loc[columns["gate"] == 6, "signal"] == 0).all()
    assert (columns["gate"] == 6).any()
    times = columns.loc[columns["signal"] != 0, "date"]
    assert (times.diff().dropna() >= pd.Timedelta(hours=1)).all()


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_every_layer_can_be_switched_off_alone(layer):
    on = score_market(rich_inputs(3, 300), LIVELY).columns
    changes = {**LIVELY.model_dump(), "layers": {layer.name: {"enabled": False}}}
    off = score_market(rich_inputs(3, 300), SignalSettings.model_validate(changes)).columns
    own = {f"layer_{layer.name}", f"veto_{layer.name}"} & set(on)
    assert (off[[*own]] == 0).all(axis=None)
    others = [name for name in on if name.startswith(("layer_", "veto_")) and name not in own]
    pd.testing.assert_frame_equal(on[others], off[others])


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_layer_that_fails_is_named_with_market_and_cause(monkeypatch, layer):
    def broken(view, settings):
        raise ZeroDivisionError("a planted fault")

    broken_layers = tuple(
        dataclasses.replace(each, judge=broken) if each is layer else each for each in LAYERS
    )
    monkeypatch.setattr(scoring, "LAYERS", broken_layers)
    with pytest.raises(LayerError) as failure:
        score_market(rich_inputs(1, 100), LIVELY)
    assert str(failure.value) == (
        f"layer {layer.name} failed for SOL/USDT:USDT: ZeroDivisionError: a planted fault"
    )
    assert (failure.value.layer, failure.value.market) == (layer.name, "SOL/USDT:USDT")
    assert isinstance(failure.value.__cause__, ZeroDivisionError)
    assert isinstance(failure.value, ExtensionError)


def test_an_interruption_is_not_turned_into_a_failed_layer():
    with pytest.raises(KeyboardInterrupt), failing_as("gate", "SOL/USDT"):
        raise KeyboardInterrupt


def test_a_broken_reference_fails_by_name():
    inputs = inputs_of(walk(1, 100), benchmark=walk(2, 100).head(0))
    with pytest.raises(LayerError, match=r"layer indicators failed .* candles of BTC: no candles"):
        score_market(inputs, SignalSettings())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.head(0), "candles: no candles"),
        (lambda data: data.iloc[::-1], "candles: the dates do not ascend, first at row 1"),
        (lambda data: data.assign(close=data["close"].where(data.index != 7)),
         "candles: close has 1 value(s) that are no price or volume, first at row 7"),
        (lambda data: data.assign(low=data["low"].where(data.index < 8, 0.0)),
         "candles: low has 12 value(s) that are no price or volume, first at row 8"),
        (lambda data: data.assign(volume=np.inf),
         "candles: volume has 20 value(s) that are no price or volume, first at row 0"),
    ],
)  # fmt: skip
def test_unusable_candles_are_refused_at_the_door(change, message):
    with pytest.raises(InfeasibleError) as refusal:
        score_market(inputs_of(change(walk(1, 20))), SignalSettings())
    assert str(refusal.value) == message


@pytest.mark.parametrize("n_candles", [1, 2, 3, 8, 15, 27, 34, 60, 199, 201])
def test_short_histories_have_columns_but_no_signals_before_the_warm_up(n_candles):
    scored = score_market(
        rich_inputs(
            1,
            210,
        ),
        SignalSettings(),
    ).columns
    short = score_market(inputs_of(walk(1, n_candles)), SignalSettings()).columns
    assert list(short) == list(scored)
    assert len(short) == n_candles
    assert (short["direction"][:199] == 0).all()
    assert (short["gate"][:199] == 1).all()


def test_columns_keep_the_index_and_the_dates():
    candles = walk(1, 300)
    candles.index = np.arange(1_000, 1_300)
    columns = score_market(inputs_of(candles), SignalSettings()).columns
    assert columns.index.equals(candles.index)
    assert columns["date"].equals(candles["date"])


def test_every_layer_has_its_column_and_the_types_are_small():
    columns = score_market(rich_inputs(1, 300), LIVELY).columns
    assert [name for name in columns if name.startswith("layer_")] == [
        f"layer_{layer.name}" for layer in LAYERS
    ]
    assert [name for name in columns if name.startswith("veto_")] == [
        f"veto_{layer.name}" for layer in LAYERS if layer.vetoes
    ]
    kinds = columns.dtypes.astype(str)
    assert set(kinds[["direction", "signal", "gate"]]) == {"int8"}
    assert set(kinds[kinds.index.str.startswith("veto_")]) == {"bool"}


def test_missing_inputs_are_neutral_and_named():
    scored = score_market(inputs_of(walk(1, 300)), LIVELY)
    assert set(scored.neutral) == {
        "volatile_market", "smt_divergence", "imbalance_trend", "funding", "own_record",
        "model_confidence",
    }  # fmt: skip
    for name in scored.neutral:
        assert (scored.columns[f"layer_{name}"] == 0.0).all()
    assert not scored.columns[["veto_funding", "veto_model_confidence"]].any(axis=None)


def test_a_context_prepared_once_gives_the_same_as_the_candles():
    inputs = rich_inputs(5, 300)
    macro = macro_context(inputs.benchmark, inputs.references["ETH"], "5m", LIVELY)
    prepared = dataclasses.replace(inputs, macro=macro, benchmark=None, references={})
    pd.testing.assert_frame_equal(
        score_market(prepared, LIVELY).columns, score_market(inputs, LIVELY).columns
    )


def test_nothing_of_the_inputs_is_changed():
    inputs = rich_inputs(5, 300)
    before = inputs.candles.copy(), inputs.imbalance.copy(), inputs.funding.copy()
    score_market(inputs, LIVELY)
    pd.testing.assert_frame_equal(inputs.candles, before[0])
    np.testing.assert_array_equal(inputs.imbalance, before[1])
    pd.testing.assert_frame_equal(inputs.funding, before[2])


def test_a_mirrored_market_gives_the_mirrored_direction():
    """Log prices turned upside down: what was long is short, at the same candles."""
    log_close = np.random.default_rng(12).normal(0.0, 0.004, 500).cumsum()
    chosen = settings_of()
    up, down = (
        score_market(inputs_of(frame(100.0 * np.exp(side * log_close))), chosen).columns
        for side in (1.0, -1.0)
    )
    assert (up["direction"] != 0).sum() > 20
    assert (up["direction"] == -down["direction"]).all()


def test_price_units_and_volume_units_do_not_matter():
    candles = walk(7, 400)
    scaled = candles.copy()
    scaled[["open", "high", "low", "close"]] *= 1e-4
    scaled["volume"] *= 1e6
    one, other = (
        score_market(inputs_of(each), settings_of()).columns for each in (candles, scaled)
    )
    assert (one["signal"] == other["signal"]).all()
    np.testing.assert_allclose(one["score"], other["score"], atol=1e-6)
