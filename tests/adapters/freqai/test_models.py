"""Our models as FreqAI calls them.

Mutants of `_learning_model.py`, each killed by the test named:
- FreqAI's forgetfulness about missing features kept: a_candle_with_a_missing_feature_is_not_judged
- label not compared: a_model_of_another_spread_says_nothing
- age counted from the last attempt: an_old_model_expires_by_its_own_age
- retraining although pinned: a_pinned_version_is_not_trained_over
- OpenMP not told anything: threads_are_told_to_sleep_before_a_stored_model_is_loaded
- predictions of the old spread kept: a_market_that_gets_another_spread_begins_anew
- candles watched for a model of trades: errors_of_a_model_of_trades_are_not_looked_for_on_candles
- the queue left as it is after a training: a_market_that_comes_first_meanwhile_is_not_passed_over
"""

import inspect
import os
from collections import deque
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.freqai_interface import IFreqaiModel

from freqtrade_ext.adapters.freqai import (
    CandleClassifier,
    DirectionRegressor,
    OutcomeClassifier,
)
from freqtrade_ext.adapters.freqai._outcome_columns import OUTCOME_COLUMNS, add_outcome_features
from freqtrade_ext.adapters.freqai._trained import ANSWERS
from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.learning import (
    OUTCOME_FEATURES,
    OutcomeLearner,
    OutcomeModel,
    OutcomeSettings,
    TradeOutcome,
    save_learner,
)
from tests.adapters.doubles import ETH, START_MS

from .freqai_doubles import Messages, config_of, frame_of, kitchen_of, trained_on

SELL, HOLD, BUY = ANSWERS
MODELS = [CandleClassifier, DirectionRegressor]


@pytest.fixture
def config(tmp_path):
    return config_of(tmp_path)


@pytest.mark.parametrize("kind", MODELS)
def test_it_trains_and_answers_probabilities(config, kind):
    model, frame = kind(config), frame_of()
    kitchen = trained_on(model, config, frame)
    answer, judged = model.predict(frame.tail(60).reset_index(drop=True), kitchen)
    assert list(answer.columns) == ["&-eth", SELL, HOLD, BUY, "drifted"]
    np.testing.assert_allclose(answer[list(ANSWERS)].sum(axis=1), 1)
    assert (answer[list(ANSWERS)] >= 0).all().all()
    assert (judged == 1).all()
    assert (answer["drifted"] == 0).all()


def test_the_regressor_answers_the_move_and_never_hold(config):
    model, frame = DirectionRegressor(config), frame_of()
    answer, _ = model.predict(frame.tail(60), trained_on(model, config, frame))
    assert (answer[HOLD] == 0).all()
    order = answer["&-eth"].rank()
    assert answer[BUY].rank().corr(order) > 0.99 or answer[BUY].nunique() == 1


def test_the_classifier_answers_the_expected_side(config):
    model, frame = CandleClassifier(config), frame_of()
    answer, _ = model.predict(frame.tail(60), trained_on(model, config, frame))
    np.testing.assert_allclose(answer["&-eth"], answer[BUY] - answer[SELL])


def test_no_answer_has_a_name_that_freqtrade_takes_for_a_signal():
    """`advise_entry` renames ``buy`` to ``enter_long``, `advise_exit` ``sell`` to ``exit_long``."""
    assert not {"buy", "sell", "enter_long", "exit_long"} & {*ANSWERS, "drifted"}


@pytest.mark.parametrize("kind", MODELS)
def test_a_candle_with_a_missing_feature_is_not_judged(config, kind):
    model, frame = kind(config), frame_of()
    kitchen = trained_on(model, config, frame)
    asked = frame.tail(5).reset_index(drop=True)
    asked.loc[2, "%-rsi_14"] = np.nan
    _, judged = model.predict(asked, kitchen)
    assert judged.tolist() == [1, 1, 0, 1, 1]


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_of_another_spread_says_nothing(config, kind):
    model, frame = kind(config), frame_of()
    kitchen = trained_on(model, config, frame)
    kitchen.label_list = ["&-another"]
    answer, judged = model.predict(frame.tail(5), kitchen)
    assert "&-another" in answer
    assert (judged == 0).all()


@pytest.mark.parametrize("kind", MODELS)
def test_what_errors_to_expect_is_stored_with_the_model(config, kind):
    model, frame = kind(config), frame_of()
    trained_on(model, config, frame)
    expected = model.model.expected
    assert expected.share == pytest.approx(model.model.model.errors.mean())
    assert 0 < expected.share < 1
    assert expected.rows >= 90
    assert expected.inflation >= 1


@pytest.mark.parametrize("kind", MODELS)
def test_what_a_training_was_is_recorded(config, kind):
    model, frame = kind(config), frame_of()
    kitchen = trained_on(model, config, frame)
    kitchen.set_new_model_names(ETH, 1_700_000_000)
    model.dd.save_data(model.model, ETH, kitchen)
    card = model.dd.registry.card(ETH, 1)
    assert (card.kind, card.target, card.market) == (kind.__name__, "eth", ETH)
    assert (card.data_start_ms, card.data_end_ms) == (START_MS, START_MS + 499 * 3_600_000)
    assert card.parameters["n_estimators"] == 10
    assert card.parameters["learning_rate"] == 0.05
    assert card.metrics.keys() <= {"folds", "held_out"}
    assert sum(card.importance.values()) == pytest.approx(1)
    assert {f"%-{name}" for name in ("rsi_14", "atr")} <= card.importance.keys()


def test_a_training_of_a_backtest_that_keeps_no_models_is_recorded_too(config):
    model, frame = CandleClassifier(config), frame_of()
    kitchen = trained_on(model, config, frame)
    kitchen.set_new_model_names(ETH, 1_700_000_000)
    model.dd.save_metadata(kitchen)
    assert model.dd.registry.card(ETH, 1).rows > 400


def test_labels_that_look_beyond_the_data_are_not_learned(config):
    """500 candles: 33 warm up, 5 have no label yet."""
    model, frame = CandleClassifier(config), frame_of()
    trained_on(model, config, frame)
    warm_up = int(frame.filter(like="%-").isna().any(axis=1).sum())
    assert len(model.dk.data_dictionary["train_features"]) == 500 - warm_up - 5


def test_candles_without_labels_cannot_be_learned(config):
    model, frame = CandleClassifier(config), frame_of()
    with pytest.raises(InfeasibleError, match="no candle has both all features and a label"):
        trained_on(model, config, frame.assign(**{"&-eth": np.nan}), live=True)


def test_weights_of_freqai_are_obeyed(tmp_path):
    config = config_of(tmp_path)
    frame = frame_of()
    plain = CandleClassifier(config)
    even = plain.predict(frame.tail(50), trained_on(plain, config, frame))[0]
    config["freqai"]["feature_parameters"]["weight_factor"] = 0.2
    recent = plain.predict(frame.tail(50), trained_on(plain, config, frame))[0]
    assert not np.allclose(even[BUY], recent[BUY])


def test_threads_are_told_to_sleep_before_a_stored_model_is_loaded(config, monkeypatch):
    """A stored model brings LightGBM, and OpenMP with it, without asking for a training."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    DirectionRegressor(config)
    assert os.environ["OMP_WAIT_POLICY"] == "passive"


def test_a_mistake_in_the_settings_stops_the_bot(tmp_path):
    with pytest.raises(OperationalException, match=r"ext\.learning\.foldz"):
        CandleClassifier(config_of(tmp_path, learning={"foldz": 3}))


@pytest.mark.parametrize("step", ["DI_threshold", "principal_component_analysis"])
def test_steps_that_measure_distances_get_freqais_scaling(tmp_path, step):
    config = config_of(tmp_path)
    config["freqai"]["feature_parameters"][step] = 1
    names = [name for name, _ in CandleClassifier(config).define_data_pipeline().steps]
    assert "scaler" in names
    plain = CandleClassifier(config_of(tmp_path)).define_data_pipeline().steps
    assert [name for name, _ in plain] == ["const"]


def test_outliers_that_freqai_finds_are_not_judged(tmp_path):
    config = config_of(tmp_path)
    config["freqai"]["feature_parameters"]["DI_threshold"] = 0.5
    model, frame = CandleClassifier(config), frame_of()
    kitchen = trained_on(model, config, frame)
    asked = frame.tail(3).copy()
    asked.loc[asked.index[1], "%-rsi_14"] = 50.0  # far from everything seen
    _, judged = model.predict(asked, kitchen)
    assert judged[1] == 0
    assert len(kitchen.DI_values) == 3


# Live


def live_model(config, kind=DirectionRegressor, size=500):
    model, frame = kind(config), frame_of(size)
    kitchen = trained_on(model, config, frame, live=True)
    model.data_provider = Messages()
    return model, frame, kitchen


def predict_live(model, kitchen, frame):
    model.build_strategy_return_arrays(frame, kitchen, ETH, 1)
    return kitchen.return_dataframe


def test_live_predictions_reach_the_strategys_frame(config):
    model, frame, kitchen = live_model(config)
    predict_live(model, kitchen, frame)
    shown = predict_live(model, kitchen, frame_of(501))
    assert {SELL, BUY, "do_predict", "drifted", "&-eth"} <= set(shown.columns)
    assert shown["do_predict"].iloc[-1] == 1
    assert shown[BUY].iloc[-1] + shown[SELL].iloc[-1] == pytest.approx(1)


def test_live_statistics_of_freqai_do_not_stumble_over_our_columns(tmp_path):
    config = config_of(tmp_path, fit_live_predictions_candles=10)
    model, frame, kitchen = live_model(config)
    predict_live(model, kitchen, frame)
    shown = predict_live(model, kitchen, frame_of(501))
    assert shown["do_predict"].iloc[-1] == 1


def test_the_newest_live_prediction_is_explained(config):
    model, frame, kitchen = live_model(config)
    predict_live(model, kitchen, frame)
    told = model.explanations[ETH]
    assert told.answer.startswith("eth: ")
    assert "rsi_14" in [driver.name for driver in told.drivers]
    raw = model.model.model.predict(frame.tail(1)[[f"%-{d.name}" for d in told.drivers]])
    assert raw.shape == (1,)


def test_a_backtest_explains_nothing(config):
    model, frame = DirectionRegressor(config), frame_of()
    model.predict(frame.tail(50), trained_on(model, config, frame))
    assert model.explanations == {}


def shifted(frame: pd.DataFrame) -> pd.DataFrame:
    """The same candles with two features far off for the last two days."""
    changed = frame.copy()
    for name in ("%-rsi_14", "%-volume_delta", "%-atr"):
        changed.loc[changed.index[-50:], name] += 5.0
    return changed


def test_drift_is_told_and_the_model_is_trained_soon(config):
    model, frame, kitchen = live_model(config)
    predict_live(model, kitchen, frame)
    model.dd.pair_dict[ETH]["trained_timestamp"] = 1_700_000_000
    later = shifted(frame_of(501))
    shown = predict_live(model, kitchen, later)
    assert shown["drifted"].iloc[-1] == 1
    assert model.dd.pair_dict[ETH]["trained_timestamp"] == 0
    assert model.train_queue[0] == ETH
    (text,) = model.data_provider.sent
    assert text.startswith(f"[MODEL] {ETH} has drifted, training anew: ")
    assert "is distributed differently" in text


def test_drift_is_told_once_and_ends_with_the_next_model(config):
    model, frame, kitchen = live_model(config)
    predict_live(model, kitchen, frame)
    for size in (501, 502):
        predict_live(model, kitchen, shifted(frame_of(size)))
    assert len(model.data_provider.sent) == 1
    kitchen = trained_on(model, config, frame_of(503), live=True)
    shown = predict_live(model, kitchen, frame_of(503))
    assert shown["drifted"].iloc[-1] == 0


def test_an_unchanged_market_is_quiet(config):
    model, _, kitchen = live_model(config)
    for size in range(500, 505):
        predict_live(model, kitchen, frame_of(size))
    assert not model.data_provider.sent


def test_an_old_model_expires_by_its_own_age(tmp_path):
    """A fresh time stamp of an attempt does not make the candles of January 2024 younger."""
    config = config_of(tmp_path, expiration_hours=5)
    model, frame, kitchen = live_model(config)
    predict_live(model, kitchen, frame)
    model.build_strategy_return_arrays(frame_of(501), kitchen, ETH, 4_000_000_000)
    assert kitchen.return_dataframe["do_predict"].iloc[-1] == 2


def test_a_market_that_gets_another_spread_begins_anew(config):
    model, frame, kitchen = live_model(config)
    predict_live(model, kitchen, frame)
    other = frame_of(501, target="eth-sol")
    kitchen = trained_on(model, config, other, live=True)
    shown = predict_live(model, kitchen, other)
    assert "&-eth-sol" in shown
    assert "&-eth" not in shown


class Window:
    stopts = 1_800_000_000


def test_a_pinned_version_is_not_trained_over(config, monkeypatch):
    model, _, kitchen = live_model(config)
    kitchen.set_new_model_names(ETH, 1_700_000_000)
    model.dd.save_data(model.model, ETH, kitchen)
    trained = []
    monkeypatch.setattr(
        IFreqaiModel, "extract_data_and_train_model", lambda *args: trained.append(args[2])
    )
    model.extract_data_and_train_model(Window(), ETH, None, kitchen, None)
    assert trained == [ETH]
    model.dd.registry.pin(ETH, 1)
    model.extract_data_and_train_model(Window(), ETH, None, kitchen, None)
    assert trained == [ETH]
    assert model.dd.pair_dict[ETH]["trained_timestamp"] == Window.stopts


def test_drift_of_a_pinned_version_is_told_but_not_trained(config):
    model, frame, kitchen = live_model(config)
    kitchen.set_new_model_names(ETH, 1_700_000_000)
    model.dd.save_data(model.model, ETH, kitchen)
    model.dd.registry.pin(ETH, 1)
    model.dd.pair_dict[ETH]["trained_timestamp"] = 7
    predict_live(model, kitchen, frame)
    predict_live(model, kitchen, shifted(frame_of(501)))
    assert "its version is pinned, no training" in model.data_provider.sent[0]
    assert model.dd.pair_dict[ETH]["trained_timestamp"] == 7


# Outcome model


def remembered(config, count: int) -> None:
    """Trades that gain when RSI is low, closed one an hour."""
    learner = OutcomeLearner(OutcomeSettings())
    rng = np.random.default_rng(0)
    rsi = OUTCOME_FEATURES.index("rsi")
    trades = []
    for number in range(count):
        features = np.full(16, np.nan)
        features[rsi] = rng.uniform(20, 80)
        net = 0.01 if features[rsi] < 50 else -0.01
        closed = START_MS + number * 3_600_000
        trades.append(TradeOutcome(f"t{number}", closed, net, tuple(features)))
    learner.add(trades)
    save_learner(config["user_data_dir"] / "models" / "outcomes" / "tester.json", learner)


def outcome_frame(size: int = 300) -> pd.DataFrame:
    frame = frame_of(size)
    plain = frame.drop(columns=list(frame.filter(like="%-")))
    return add_outcome_features(plain)


def test_the_outcome_model_answers_from_closed_trades(config):
    remembered(config, 200)
    model, frame = OutcomeClassifier(config), outcome_frame()
    kitchen = trained_on(model, config, frame)
    answer, judged = model.predict(frame, kitchen)
    rsi = frame["%-rsi"]
    assert answer[BUY][rsi < 40].min() > 0.8
    assert answer[BUY][rsi > 60].max() < 0.2
    assert (answer[BUY] == answer[SELL]).all()
    assert (judged == rsi.notna()).all()
    assert list(frame.filter(like="%-")) == list(OUTCOME_COLUMNS)


def live_outcome(config, count: int = 200):
    """An outcome model of a trading bot, and its answer to the newest candle."""
    remembered(config, count)
    model, frame = OutcomeClassifier(config), outcome_frame()
    kitchen = trained_on(model, config, frame)
    model.live = True
    answer, _ = model.predict(frame, kitchen)
    return model, frame, float(answer[BUY].iloc[-1])


def test_the_newest_answer_of_the_outcome_model_is_explained(config):
    """The shares add up to the score, whose logistic function is the probability of a gain."""
    model, frame, gain = live_outcome(config)
    told = model.explanations[ETH]
    assert told.answer == f"eth: a trade entered now gains, {gain:.0%} probable"
    assert 1 / (1 + np.exp(-told.score)) == pytest.approx(gain)
    first = told.drivers[0]
    assert (first.name, first.value) == ("rsi", frame["%-rsi"].iloc[-1])
    assert (first.contribution > 0) == (first.value < 50)


def test_a_forest_of_the_outcome_model_explains_nothing(config, monkeypatch):
    monkeypatch.setattr(OutcomeModel, "contributions", lambda self, features: None)
    model, _, _ = live_outcome(config)
    assert model.explanations == {}


def test_trades_closed_after_the_training_window_are_not_known_yet(config):
    """300 hourly candles; of 600 trades the first 300 are closed by then."""
    remembered(config, 600)
    model, frame = OutcomeClassifier(config), outcome_frame()
    trained = trained_on(model, config, frame) and model.model
    assert trained.model.trained_on + trained.model.tested_on == 300


def test_a_training_of_the_outcome_model_is_recorded_whole(config):
    remembered(config, 200)
    model, frame = OutcomeClassifier(config), outcome_frame()
    kitchen = trained_on(model, config, frame, live=True)
    kitchen.set_new_model_names(ETH, 1_700_000_000)
    model.dd.save_data(model.model, ETH, kitchen)
    card = model.dd.registry.card(ETH, 1)
    assert (card.kind, card.rows) == ("OutcomeClassifier", 200)
    assert card.parameters["num_leaves"] == 31
    assert max(card.importance, key=card.importance.get) == "%-rsi"
    assert sum(card.importance.values()) == pytest.approx(1)
    assert len(model.model.feature_importances_) == 16  # what FreqAI plots
    again = OutcomeClassifier(config)
    again.live, again.model = True, again.dd.load_data(ETH, kitchen)
    answer, _ = again.predict(frame, kitchen)
    np.testing.assert_array_equal(answer[BUY], model.predict(frame, kitchen)[0][BUY])


def test_too_few_closed_trades_are_no_model(config):
    remembered(config, 29)
    model = OutcomeClassifier(config)
    with pytest.raises(InfeasibleError, match=r"29 closed trades are known .* 30 are needed"):
        trained_on(model, config, outcome_frame())


def test_errors_of_a_model_of_trades_are_not_looked_for_on_candles(config):
    """Sides of candles and gains of trades do not compare: a change of sides is no drift."""
    remembered(config, 200)
    model, frame, target = OutcomeClassifier(config), outcome_frame(500), "&-eth"
    kitchen = trained_on(model, config, frame, live=True)
    model.data_provider = Messages()
    predict_live(model, kitchen, frame)
    stored = model.dd.historic_predictions[ETH]
    stored["do_predict"] = 1
    stored[[SELL, HOLD, BUY]] = [0.8, 0.2, 0.8]  # taken for candles, it always says sell
    frame = frame.assign(label_side=np.where(np.arange(len(frame)) < 250, -1.0, 1.0))
    later = frame.assign(date=frame["date"] + pd.Timedelta(hours=1))
    assert target in later
    predict_live(model, kitchen, later)
    assert not model.data_provider.sent
    assert model.dd.historic_predictions[ETH]["do_predict"].iloc[-1] == 1


def test_a_kitchen_without_features_is_freqais_own_error(config):
    with pytest.raises(OperationalException, match="Could not find any features"):
        kitchen_of(config, frame_of()[["date", "close"]])


@pytest.mark.parametrize("fails", [False, True])
def test_a_market_that_comes_first_meanwhile_is_not_passed_over(config, monkeypatch, fails):
    """Drift of ETH is found while BTC is trained; FreqAI rotates its queue after a training."""
    btc = "BTC/USDT:USDT"
    model = DirectionRegressor(config)
    model.train_queue = deque([btc, "SOL/USDT:USDT", ETH])

    def train(self, timerange, pair, strategy, dk, load_timerange):
        model._put_first(ETH)
        if fails:
            raise InfeasibleError("too few rows")

    monkeypatch.setattr(IFreqaiModel, "extract_data_and_train_model", train)
    with pytest.raises(InfeasibleError) if fails else nullcontext():
        model.extract_data_and_train_model(None, btc, None, None, None)
    model.train_queue.rotate(-1)  # as `_start_scanning` does, also after an error
    assert list(model.train_queue) == [ETH, "SOL/USDT:USDT", btc]


def test_a_queue_of_one_market_is_never_empty(config):
    """The thread that trains reads the head after it has looked whether there is one."""

    class Watched(deque):
        def remove(self, value):
            super().remove(value)
            assert self, "the thread that trains would end here"

    model = DirectionRegressor(config)
    model.train_queue = Watched([ETH])
    model._put_first(ETH)
    assert list(model.train_queue) == [ETH]


def test_freqai_rotates_its_queue_after_a_training():
    source = inspect.getsource(IFreqaiModel._start_scanning)
    training = source.index("self.extract_data_and_train_model(")
    assert training < source.index("self.train_queue.rotate(-1)")
