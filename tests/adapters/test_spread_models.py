"""Which market's model predicts which spread, from what, and what it says.

Mutants of `_spread_models.py` and `_spread_advice.py`, each killed by the test named:
- one host for two spreads: a_market_hosts_one_spread
- the whole view used although a training goes further back: a_training_goes_back_further_...
- the label of another spread accepted: every_state_of_a_model
- the newest opinion instead of the candle's: an_opinion_belongs_to_its_candle
- price space not hedged by notional: a_spread_of_prices_is_hedged_by_notional
- a failing model lets the entry pass: an_error_is_a_veto
- net not related to notional: what_became_of_an_entry_is_learned
- other models thrown out of the queue: markets_with_a_model_of_their_own_stay_in_the_queue
"""

from collections import deque
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.adapters._candles import leg_candles
from freqtrade_ext.adapters._spread_advice import SpreadAdvice
from freqtrade_ext.adapters._spread_models import SpreadModels
from freqtrade_ext.adapters._spread_view import SpreadView
from freqtrade_ext.adapters._trade_outcomes import TradeOutcomes, entry_features
from freqtrade_ext.learning import (
    OUTCOME_FEATURES,
    LearningSettings,
    ModelState,
    OutcomeSettings,
    TradeOutcome,
    Verdict,
    explain,
)
from freqtrade_ext.spreads import Candidate, Direction, SpreadResult

from .doubles import (
    BTC,
    ETH,
    HOUR_MS,
    START_MS,
    Provider,
    bands_of,
    candles,
    cointegrated,
    settings_of,
    spec_of,
)

SOL, ADA = "SOL/USDT:USDT", "ADA/USDT:USDT"
COUNT = 400


def view_of(*specs, count: int = COUNT, tail: int | None = None) -> SpreadView:
    eth, btc = cointegrated(COUNT)
    frames = {ETH: candles(eth), BTC: candles(btc)}
    frames = {name: frame.iloc[:count].tail(tail or count) for name, frame in frames.items()}
    specs = specs or (spec_of(),)
    view = SpreadView({each.spread_id: each for each in specs}, settings_of(), HOUR_MS)
    view.refresh(Provider(frames), "1h", live=False)
    return view


def frame_of(count: int = COUNT) -> pd.DataFrame:
    return candles(cointegrated(COUNT)[0]).iloc[:count]


def nothing(market):
    raise AssertionError("the view goes back far enough")


def test_a_market_hosts_one_spread():
    specs = [
        spec_of("ETH-BTC", ETH, BTC),
        spec_of("ETH-SOL", ETH, SOL),
        spec_of("SOL-BTC", SOL, BTC),
        spec_of("BTC-ETH", BTC, ETH),
    ]
    view = SpreadView({each.spread_id: each for each in specs}, settings_of(), HOUR_MS)
    hosts = {pair: spec.spread_id for pair, spec in SpreadModels(view).hosts.items()}
    assert hosts == {ETH: "ETH-BTC", SOL: "ETH-SOL", BTC: "SOL-BTC"}


def test_a_market_without_a_spread_has_no_columns():
    assert SpreadModels(view_of()).columns(BTC, frame_of(), nothing) is None


def test_the_columns_are_those_of_the_track():
    view = view_of()
    columns = SpreadModels(view).columns(ETH, frame_of(), nothing)
    track = view.tracks["ETH-BTC"]
    np.testing.assert_array_equal(columns["z_score"], track.z_score)
    np.testing.assert_array_equal(columns["scale"], track.scale)
    row = 300
    assert columns["hedge_ratio"][row] == track.fit_at(row).hedge_ratio
    assert columns["half_life"][row] == track.fit_at(row).half_life
    assert np.isnan(columns["hedge_ratio"][:50]).all()
    eth, btc = cointegrated(COUNT)
    np.testing.assert_array_equal(columns["dependent"], eth)
    np.testing.assert_array_equal(columns["regressor"], btc)


@pytest.mark.parametrize("now", [200, 301, 399])
def test_columns_of_the_past_do_not_change(now):
    whole = SpreadModels(view_of()).columns(ETH, frame_of(), nothing)
    part = SpreadModels(view_of(count=now)).columns(ETH, frame_of(now), nothing)
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][:now], err_msg=name)


def test_a_training_goes_back_further_than_the_view_and_sees_the_same():
    """A live view has the last 250 candles; FreqAI's own history has all."""
    eth, btc = cointegrated(COUNT)
    history = {ETH: leg_candles(candles(eth)), BTC: leg_candles(candles(btc))}
    models = SpreadModels(view_of(tail=250))
    trained = models.columns(ETH, frame_of(), history.get)
    live = models.columns(ETH, frame_of().tail(250), nothing)
    known = np.isfinite(live["z_score"])
    assert known.sum() > 50
    for name in ("z_score", "scale", "hedge_ratio", "pvalue"):
        np.testing.assert_array_equal(live[name][known], trained[name][-250:][known])
    assert np.isfinite(trained["z_score"][150:250]).all()


def test_a_market_without_history_has_unknown_columns():
    models = SpreadModels(view_of(tail=250))
    columns = models.columns(ETH, frame_of(), lambda market: None)
    assert all(np.isnan(values).all() for values in columns.values())


def test_a_spread_of_prices_is_hedged_by_notional():
    view = view_of(spec_of(hedge_space="price"))
    columns = SpreadModels(view).columns(ETH, frame_of(), nothing)
    eth, btc = cointegrated(COUNT)
    row = 300
    beta = view.tracks["ETH-BTC"].fit_at(row).hedge_ratio
    assert columns["hedge_ratio"][row] == pytest.approx(beta * btc[row] / eth[row])


def candidate(row: int = 300, direction: Direction = Direction.LONG) -> Candidate:
    z_score = -2.5 if direction is Direction.LONG else 2.5
    return Candidate(START_MS + row * HOUR_MS, "ETH-BTC", ETH, BTC, direction, z_score, 0.01)


def predicted(judged=1.0, drifted=0.0, up=0.7, label="ETH-BTC") -> pd.DataFrame:
    return frame_of().assign(
        **{f"&-{label}": 0.5, "probability_buy": up, "probability_sell": 1 - up},
        do_predict=judged,
        drifted=drifted,
    )


def listening(**changes) -> SpreadModels:
    models = SpreadModels(view_of())
    models.listen(ETH, predicted(**changes))
    return models


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, ModelState.READY),
        ({"judged": 0}, ModelState.MISSING),
        ({"judged": np.nan}, ModelState.MISSING),
        ({"judged": 2}, ModelState.STALE),
        ({"drifted": 1.0}, ModelState.DRIFTED),
        ({"drifted": 1.0, "judged": 2}, ModelState.DRIFTED),
        ({"label": "ETH-SOL"}, ModelState.MISSING),
    ],
)
def test_every_state_of_a_model(changes, state):
    assert listening(**changes).opinion(candidate()).state is state


def test_an_opinion_has_both_probabilities():
    opinion = listening(up=0.7).opinion(candidate())
    assert (opinion.probability_up, opinion.probability_down) == pytest.approx((0.7, 0.3))


def test_an_opinion_belongs_to_its_candle():
    up = np.linspace(0, 1, COUNT)
    models = listening(up=up)
    assert models.opinion(candidate(100)).probability_up == pytest.approx(up[100])
    assert models.opinion(candidate(COUNT + 5)).state is ModelState.MISSING


def test_a_model_that_has_not_been_asked_is_missing():
    models = SpreadModels(view_of())
    assert models.opinion(candidate()).state is ModelState.MISSING
    models.listen(ETH, frame_of())  # FreqAI had no model: no columns of ours
    assert models.opinion(candidate()).state is ModelState.MISSING
    models.listen(ETH, predicted())
    models.forget(ETH)
    assert models.opinion(candidate()).state is ModelState.MISSING
    models.listen(BTC, predicted())  # hosts nothing
    assert models.opinion(candidate()).state is ModelState.MISSING


def test_only_hosts_are_trained():
    queue = deque([BTC, SOL])
    models = SpreadModels(view_of())
    models.align(queue)
    assert list(queue) == [ETH]
    models.align(queue)
    assert list(queue) == [ETH]


def test_a_new_host_comes_first():
    """FreqAI trains the head of its queue only, and only when that one is due."""
    queue = deque([SOL])
    SpreadModels(view_of()).align(queue, [SOL])
    assert list(queue) == [ETH, SOL]


def test_markets_with_a_model_of_their_own_stay_in_the_queue():
    queue = deque([BTC, SOL])
    SpreadModels(view_of()).align(queue, [SOL, ETH])
    assert sorted(queue) == sorted([SOL, ETH])


def test_a_market_that_has_left_the_spreads_is_trained_again():
    """As the leg B of a spread it was nobody's to train; who is new comes before who is known."""
    queue = deque([SOL])
    SpreadModels(view_of()).align(queue, [SOL, "ADA/USDT:USDT"])
    assert list(queue) == ["ADA/USDT:USDT", ETH, SOL]


def test_without_a_spread_the_queue_is_left_alone():
    queue = deque([BTC])
    SpreadModels(SpreadView({}, settings_of(), HOUR_MS)).align(queue)
    assert list(queue) == [BTC]


# What it means for an entry


class Strategy:
    """As much of the strategy as advice asks for."""

    timeframe = "1h"
    asked_leverage = 2.0
    judges_trades = False
    explanation = None

    def __init__(self):
        self.dp = SimpleNamespace(get_analyzed_dataframe=lambda pair, tf: (frame_of(), None))

    def explanation_of(self, spread_id):
        return self.explanation


def advice(models=None, outcomes=None, **settings) -> SpreadAdvice:
    return SpreadAdvice(Strategy(), LearningSettings(**settings), models, outcomes)


def test_a_long_spread_needs_a_rise_and_a_short_one_a_fall():
    told = advice(listening(up=0.7))
    assert not told.verdict(candidate(), {}).vetoes
    assert told.verdict(candidate(direction=Direction.SHORT), {}).vetoes


def test_a_missing_model_has_its_stated_effect():
    assert advice(SpreadModels(view_of())).verdict(candidate(), {}).vetoes
    smaller = advice(SpreadModels(view_of()), when_missing="smaller_size")
    assert smaller.verdict(candidate(), {}).size_factor == 0.5


def test_without_models_nothing_is_said():
    assert advice().verdict(candidate(), {}) == Verdict(1.0)


def test_an_error_is_a_veto(caplog):
    class Broken:
        def opinion(self, candidate):
            raise RuntimeError("shape mismatch")

    verdict = advice(Broken()).verdict(candidate(), {})
    assert verdict.vetoes
    assert "the models could not be asked" in verdict.reason
    assert "shape mismatch" in caplog.text


def learned(path=None, **settings) -> TradeOutcomes:
    """Outcomes in which a high RSI gains."""
    outcome = OutcomeSettings(enabled=True, min_confidence=0.6, **settings)
    outcomes = TradeOutcomes(LearningSettings(outcome=outcome), path)
    rng = np.random.default_rng(0)
    trades = []
    for number in range(100):
        features = np.full(16, np.nan)
        features[OUTCOME_FEATURES.index("rsi")] = rsi = rng.uniform(0, 100)
        trades.append(TradeOutcome(f"t{number}", number, rsi / 100 - 0.5, tuple(features)))
    outcomes.learner.add(trades)
    return outcomes


def rsi_of(row: int) -> float:
    known = entry_features(frame_of(), START_MS + row * HOUR_MS, {})
    return known[OUTCOME_FEATURES.index("rsi")]


def test_the_outcome_model_refuses_what_has_lost_before():
    rows = range(100, COUNT)
    low, high = min(rows, key=rsi_of), max(rows, key=rsi_of)
    told = advice(outcomes=learned())
    refused = told.verdict(candidate(low), {})
    assert refused.vetoes
    assert "60% is wanted (ext.learning.outcome.min_confidence)" in refused.reason
    assert not told.verdict(candidate(high), {}).vetoes


def test_an_outcome_model_that_has_not_learned_has_no_say():
    settings = LearningSettings(outcome=OutcomeSettings(enabled=True, min_confidence=0.99))
    assert not advice(outcomes=TradeOutcomes(settings, None)).verdict(candidate(), {}).vetoes


def test_an_outcome_model_without_a_say_is_no_silent_pass(caplog):
    caplog.set_level("INFO")
    settings = LearningSettings(outcome=OutcomeSettings(enabled=True, min_confidence=0.6))
    told = advice(outcomes=TradeOutcomes(settings, None))
    verdict = told.verdict(candidate(), {})
    assert verdict.size_factor == 1.0
    assert verdict.reason == (
        "the outcome model has not learned yet (0 closed trades, 30 are needed): it has no say"
    )
    told.entered(candidate(), bands_of(), verdict)
    assert verdict.reason in caplog.text
    recording = OutcomeSettings(enabled=True)  # nothing was asked of it
    assert TradeOutcomes(LearningSettings(outcome=recording), None).verdict(
        tuple([1.0] * 16)
    ) == Verdict(1.0)


def test_both_models_are_heard(caplog):
    """A smaller size of FreqAI's model stays; so does its reason."""
    settings = {"when_missing": "smaller_size", "outcome": OutcomeSettings(min_confidence=0.6)}
    outcomes = TradeOutcomes(LearningSettings(**settings), None)
    verdict = advice(SpreadModels(view_of()), outcomes, **settings).verdict(candidate(), {})
    assert verdict.size_factor == 0.5
    assert verdict.reason.startswith("the model is missing: size times 0.5; the outcome model has")


def test_features_of_an_entry_are_those_of_its_candle():
    features = entry_features(frame_of(), START_MS + 250 * HOUR_MS, {"zscore": -2.5})
    earlier = entry_features(frame_of(251), START_MS + 250 * HOUR_MS, {"zscore": -2.5})
    assert features == pytest.approx(earlier, nan_ok=True)
    assert features[OUTCOME_FEATURES.index("zscore")] == -2.5
    assert entry_features(frame_of(), START_MS + 1, {}) is None
    assert entry_features(frame_of(0), START_MS, {}) is None


def result(**changes) -> SpreadResult:
    fields = {
        "spread_id": "ETH-BTC", "direction": "long", "reason": "MEAN_REVERSION",
        "signal_ms": candidate().time_ms, "closed_ms": candidate().time_ms + 9 * HOUR_MS,
        "z_at_entry": -2.5, "z_at_exit": -0.4, "hedge_ratio": 1.2, "fills": 4, "gross": 5.0,
        "fees": 1.0, "funding": 0.0, "net": 4.0, "notional": 200.0, "realised_share": 0.5,
        "naked_exposure": 0.0, "naked_seconds": 0.0,
    }  # fmt: skip
    return SpreadResult(**(fields | changes))


def test_what_became_of_an_entry_is_learned():
    outcomes = TradeOutcomes(LearningSettings(), None)
    told = advice(outcomes=outcomes)
    told.entered(candidate(), bands_of(), Verdict(1.0))
    told.closed(result())
    (outcome,) = outcomes.learner.outcomes
    assert outcome.net == pytest.approx(0.02)
    assert outcome.closed_ms == result().closed_ms
    assert outcome.features[OUTCOME_FEATURES.index("leverage")] == 2.0
    assert outcomes.learner.pending == {}


def test_an_entry_that_was_never_filled_is_forgotten(tmp_path):
    """It taught nothing; remembered for ever, the file would grow with each."""
    outcomes = TradeOutcomes(LearningSettings(), tmp_path / "outcomes.json")
    told = advice(outcomes=outcomes)
    told.entered(candidate(), bands_of(), Verdict(1.0))
    told.dropped("ETH-BTC", candidate().time_ms + HOUR_MS)  # another episode's
    assert outcomes.learner.pending
    told.dropped("ETH-BTC", candidate().time_ms)
    assert outcomes.learner.outcomes == []
    assert TradeOutcomes(LearningSettings(), tmp_path / "outcomes.json").learner.pending == {}


def test_a_spread_whose_entry_was_not_seen_teaches_nothing():
    outcomes = TradeOutcomes(LearningSettings(), None)
    advice(outcomes=outcomes).closed(result())
    assert outcomes.learner.outcomes == []


def test_an_entry_is_remembered_over_a_restart(tmp_path):
    path = tmp_path / "outcomes.json"
    advice(outcomes=TradeOutcomes(LearningSettings(), path)).entered(
        candidate(), bands_of(), Verdict(1.0)
    )
    again = TradeOutcomes(LearningSettings(), path)
    advice(outcomes=again).closed(result())
    assert [each.net for each in again.learner.outcomes] == pytest.approx([0.02])
    assert len(TradeOutcomes(LearningSettings(), path).learner.outcomes) == 1


def test_a_full_disk_costs_memory_not_the_trade(tmp_path, caplog):
    (tmp_path / "blocked").write_text("a file where the folder should be")
    outcomes = TradeOutcomes(LearningSettings(), None)
    outcomes._path = tmp_path / "blocked" / "outcomes.json"
    advice(outcomes=outcomes).entered(candidate(), bands_of(), Verdict(1.0))
    assert "were not saved" in caplog.text


def test_an_entry_is_explained_with_its_bands(caplog):
    caplog.set_level("INFO")
    told = advice(listening())
    told._strategy.explanation = explain(
        np.array([0.2, 0.0]), ["spread_z"], [-2.5], answer="ETH-BTC: buy, 70% probable"
    )
    told.entered(candidate(), bands_of(), Verdict(0.5, "the model is drifted: size times 0.5"))
    assert "ETH-BTC: the model is drifted: size times 0.5" in caplog.text
    assert "For it: spread_z at -2.5 (+0.200)" in caplog.text
    bands = bands_of()
    ratio = (2.5 - bands.exit_z) / (bands.stop_z - 2.5)
    assert f"risk/reward 1:{ratio:.2f}" in caplog.text
