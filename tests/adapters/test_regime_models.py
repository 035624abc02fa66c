"""Models in `RegimeStrategy`: on, off, failing, of the wrong kind; and what reaches the stake.

Bugs planted by hand, each caught by the test named:

1. long and short exchanged -> test_a_short_has_the_rest_of_the_confidence
2. hold counts for neither side -> test_hold_counts_half_for_each_side
3. the gain of a trade is taken for a direction -> test_a_gain_is_the_same_for_both_directions
4. a state that is not ready has a confidence -> test_only_a_ready_model_has_a_confidence
5. the effects of the states are not the settings' -> test_each_state_has_the_effect_of_its_setting
6. a model is asked although FreqAI is off -> test_without_freqai_nobody_is_asked
7. an error of FreqAI is swallowed in a backtest -> test_an_error_ends_a_backtest
8. an error of FreqAI ends a bot, or lets entries pass -> test_an_error_in_a_bot_is_a_missing_model
9. a model without probabilities is ignored in silence -> test_a_model_of_another_kind_is_refused
10. the model of a spread is taken for the market's -> test_a_host_of_a_spread_has_no_model_here
11. the size does not reach the stake -> test_a_drifted_model_halves_the_stake
12. a search forgets the model -> test_a_search_is_scored_with_the_model_too
13. nothing is logged -> test_what_a_model_does_to_a_live_signal_is_logged_once
14. a market of the spreads is trained -> test_the_markets_that_have_a_model
    ... or one that no model is asked about -> test_without_the_layer_no_market_is_trained
15. the outcome model is told its own points -> test_the_score_that_the_outcome_model_is_told
16. the leverage it is told is not that of the entry -> test_the_leverage_is_that_of_the_entry
17. an exit is explained, or an entry without its levels -> test_an_entry_of_a_bot_is_explained
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.persistence import PairLocks

from freqtrade_ext.adapters._model_answers import STATES, ModelAnswers, market_target
from freqtrade_ext.adapters._regime_models import RegimeModels, advice_of
from freqtrade_ext.adapters.strategies import CombinedStrategy, RegimeStrategy
from freqtrade_ext.learning import LearningSettings, ModelState, TradeLevels, explain

from .desk_doubles import config_of, write_book
from .doubles import BTC, ETH, candles
from .regime_doubles import Wallets, moment
from .test_regime_strategy import END, LOW, Dp, stake, walk

FREQAI = {"enabled": True, "identifier": "test"}
SETTINGS = LearningSettings()
NAN = float("nan")


def answers_of(up, down, state=ModelState.READY):
    up, down = (np.array(each, dtype=float, ndmin=1) for each in (up, down))
    states = np.full(len(up), STATES.index(state), dtype=np.int8)
    return ModelAnswers(np.arange(len(up)), states, up, down)


def advice(up, down, state=ModelState.READY, *, judges_trades=False, settings=SETTINGS):
    answers = answers_of(up, down, state)
    return advice_of(answers, len(answers.up), settings, judges_trades=judges_trades)


# From answers to advice


def test_a_short_has_the_rest_of_the_confidence():
    """A regressor knows two classes: 0.7 up is 0.3 down."""
    told = advice([0.7, 0.2], [0.3, 0.8])
    np.testing.assert_allclose(told.long, [0.7, 0.2])
    np.testing.assert_allclose(told.short, [0.3, 0.8])


def test_hold_counts_half_for_each_side():
    """Buy 0.5, hold 0.3, sell 0.2: 0.5 + 0.15 for a long, 0.2 + 0.15 for a short."""
    told = advice([0.5, 0.1], [0.2, 0.1])
    np.testing.assert_allclose(told.long, [0.65, 0.5])
    np.testing.assert_allclose(told.short, [0.35, 0.5])


def test_a_gain_is_the_same_for_both_directions():
    told = advice([0.8], [0.8], judges_trades=True)
    assert (told.long.tolist(), told.short.tolist()) == ([0.8], [0.8])


@pytest.mark.parametrize("state", [state for state in ModelState if state is not ModelState.READY])
def test_only_a_ready_model_has_a_confidence(state):
    told = advice([0.9], [0.1], state)
    assert np.isnan(told.long).all()
    assert np.isnan(told.short).all()
    assert told.reason(0).startswith(f"the model is {state}")


@pytest.mark.parametrize("state", [ModelState.MISSING, ModelState.STALE, ModelState.DRIFTED])
@pytest.mark.parametrize(
    ("effect", "factor"), [("veto", 0.0), ("no_veto", 1.0), ("smaller_size", 0.25)]
)
def test_each_state_has_the_effect_of_its_setting(state, effect, factor):
    settings = LearningSettings(**{f"when_{state}": effect, "smaller_size": 0.25})
    assert advice([0.9], [0.1], state, settings=settings).size_factor.tolist() == [factor]


def test_a_model_that_could_not_be_asked_is_missing_everywhere():
    told = advice_of(None, 3, SETTINGS, judges_trades=False)
    assert told.size_factor.tolist() == [0.0, 0.0, 0.0]
    assert "when_missing is 'veto'" in told.reason(2)


def test_a_ready_model_changes_no_size():
    told = advice([0.9], [0.1])
    assert (told.size_factor.tolist(), told.reason(0)) == ([1.0], "")


# In the strategy


@pytest.fixture(autouse=True)
def _books(backtest_books, monkeypatch):
    monkeypatch.setattr(PairLocks, "use_db", False)
    monkeypatch.setattr(PairLocks, "locks", [])
    monkeypatch.setattr(PairLocks, "timeframe", "1h")
    module = "freqtrade_ext.adapters.strategies._staged_strategy"
    monkeypatch.setattr(f"{module}.funding_gaps", lambda provider, markets: ())


class Answering:
    """Stands for FreqAI: one model that answers the same to every candle."""

    judges_trades = False

    def __init__(self, up=0.9, down=0.05, judged=1, drifted=0.0, target="ETH_USDT_USDT"):
        self.told = {
            f"&-{target}": 0.0, "probability_buy": up, "probability_sell": down,
            "do_predict": judged, "drifted": drifted,
        }  # fmt: skip
        self.asked, self.error = [], None

    def start(self, dataframe, metadata, strategy):
        self.asked.append(metadata["pair"])
        if self.error:
            raise self.error
        return dataframe.assign(**self.told)


def strategy_of(model=None, *, mode=RunMode.BACKTEST, freqai=FREQAI, learning=None, signals=None):
    config = {
        "stake_currency": "USDT", "trading_mode": "futures", "timeframe": "1h",
        "exchange": {"name": "binance", "pair_whitelist": [ETH]}, "freqaimodel": "SignalClassifier",
        "ext": {"signals": LOW | (signals or {}), "learning": learning or {}}, "freqai": freqai,
    }  # fmt: skip
    strategy = RegimeStrategy(config)
    strategy.dp, strategy.wallets = Dp(mode, {ETH: walk()}), Wallets()
    strategy.freqai = model or Answering()
    return strategy


def analysed(strategy):
    frame = strategy.populate_indicators(walk(), {"pair": ETH})
    return strategy.populate_entry_trend(frame, {"pair": ETH})


@pytest.mark.parametrize(("up", "down", "liked"), [(0.9, 0.05, 1), (0.05, 0.9, -1)])
def test_the_model_speaks_for_its_direction(up, down, liked):
    """0.925 and 0.075 of 1: (0.925 - 0.5) / 0.5 of 10 points; 0.075 is below the floor of 0.3."""
    low = {"base_score": 60.0, "layers": {"funding": {"enabled": False}}}
    without = analysed(strategy_of(freqai={}, signals=low))
    told = analysed(strategy_of(Answering(up, down), signals=low))
    for_it, against = without["direction"] == liked, without["direction"] == -liked
    assert min(for_it.sum(), against.sum()) > 5
    np.testing.assert_allclose(told["layer_model_confidence"][for_it], 8.5)
    np.testing.assert_allclose(told["layer_model_confidence"][against], -8.5)
    np.testing.assert_allclose(told["model_confidence"][for_it], 0.925)
    assert told["veto_model_confidence"][against].all()
    assert not told["veto_model_confidence"][for_it].any()
    wanted, other = ("enter_long", "enter_short")[::liked]
    assert told[wanted].sum() >= without[wanted].sum()
    assert told[wanted].sum() > 0
    assert told[other].sum() == 0


@pytest.mark.parametrize(
    ("freqai", "learning", "signals", "why"),
    [
        ({}, {}, {}, "FreqAI is off"),
        ({"enabled": False}, {}, {}, "FreqAI is off"),
        (FREQAI, {"entries": False}, {}, "ext.learning.entries is false"),
        (FREQAI, {}, {"layers": {"model_confidence": {"enabled": False}}}, "layers.model_conf"),
    ],
)
def test_without_freqai_nobody_is_asked(freqai, learning, signals, why, caplog):
    caplog.set_level("INFO")
    strategy = strategy_of(freqai=freqai, learning=learning, signals=signals)
    strategy.bot_start()
    assert "[MODEL] layer 23 is neutral: " in caplog.text
    assert why in caplog.text
    frame = analysed(strategy)
    assert strategy.freqai.asked == []
    assert not frame[["layer_model_confidence", "veto_model_confidence"]].to_numpy().any()
    scored = strategy._score(walk(), ETH, strategy._signals)
    if not signals:
        assert scored.neutral["model_confidence"] == why


@pytest.mark.parametrize(
    ("model", "entries", "size"),
    [
        (Answering(judged=0), 0, 1.0),
        (Answering(judged=2), 0, 1.0),
        (Answering(drifted=1.0), 1, 0.5),
    ],
    ids=["missing", "stale", "drifted"],
)
def test_every_state_has_its_default_effect(model, entries, size):
    without = analysed(strategy_of(freqai={}))
    found = analysed(strategy_of(model))
    signals = without["signal"] != 0
    assert signals.sum() > 3
    assert (found["signal"] != 0).sum() == entries * signals.sum()
    ratio = found["size_factor"][signals] / without["size_factor"][signals]
    np.testing.assert_allclose(ratio, size)


def stake_at(strategy, row):
    """The stake of an entry after a candle, whatever its score."""
    now = moment(END - (499 - row) * 3_600_000)
    strategy.bot_loop_start(now)
    return strategy.custom_stake_amount(
        pair=ETH,
        current_time=now,
        current_rate=100.0,
        proposed_stake=777.0,
        min_stake=5.0,
        max_stake=50_000.0,
        leverage=2.0,
        entry_tag="long 74",
        side="long",
    )


def test_a_drifted_model_halves_the_stake():
    calm, drifted = strategy_of(Answering()), strategy_of(Answering(drifted=1.0))
    frame = analysed(calm)
    analysed(drifted)
    row = int(np.flatnonzero(frame["direction"])[-1])
    assert stake_at(calm, row) > 100.0
    assert stake_at(drifted, row) == pytest.approx(stake_at(calm, row) / 2)


def test_an_error_ends_a_backtest():
    model = Answering()
    model.error = RuntimeError("shape mismatch")
    with pytest.raises(RuntimeError, match="shape mismatch"):
        analysed(strategy_of(model))


def live(model, **options):
    strategy = strategy_of(model, mode=RunMode.DRY_RUN, **options)
    strategy._desk = SimpleNamespace(tracks={}, barred=frozenset())
    return strategy


def test_an_error_in_a_bot_is_a_missing_model(caplog):
    model = Answering()
    model.error = RuntimeError("shape mismatch")
    frame = analysed(live(model))
    assert "shape mismatch" in caplog.text
    directed = frame["direction"] != 0
    assert frame["veto_model_confidence"][directed].all()
    assert not frame["signal"].any()
    smaller = analysed(live(model, learning={"when_missing": "smaller_size"}))
    assert smaller["signal"].any()
    assert (smaller["size_factor"][smaller["signal"] != 0] <= 0.5).all()


def test_a_model_of_another_kind_is_refused():
    strategy = strategy_of(SimpleNamespace())  # Freqtrade's own LightGBMClassifier, say
    strategy.config["freqaimodel"] = "LightGBMClassifier"
    with pytest.raises(OperationalException, match="freqaimodel LightGBMClassifier: gives no"):
        strategy.bot_start()


def test_the_model_is_named_at_the_start(caplog):
    caplog.set_level("INFO")
    strategy_of().bot_start()
    assert "[MODEL] layer 23 is the word of SignalClassifier" in caplog.text


def test_a_host_of_a_spread_has_no_model_here():
    frame = analysed(strategy_of(Answering(target="ETH-BTC")))
    assert frame["veto_model_confidence"][frame["direction"] != 0].all()


def test_the_outcome_model_speaks_for_both_directions():
    model = Answering(up=0.8, down=0.8)
    model.judges_trades = True
    frame = analysed(strategy_of(model))
    directed = frame["direction"] != 0
    np.testing.assert_allclose(frame["model_confidence"][directed], 0.8)
    np.testing.assert_allclose(frame["layer_model_confidence"][directed], 6.0)


def test_a_search_is_scored_with_the_model_too():
    strategy = strategy_of(Answering(), mode=RunMode.HYPEROPT)
    frame = strategy.populate_indicators(walk(), {"pair": ETH})
    scored = strategy.populate_entry_trend(frame, {"pair": ETH})
    np.testing.assert_allclose(scored["model_confidence"][scored["direction"] > 0], 0.925)
    assert strategy.freqai.asked == [ETH]


def newest(direction, columns, remark):
    frame = walk().assign(direction=0, veto_model_confidence=False, model_confidence=NAN)
    for name, value in {"direction": direction, **columns}.items():
        frame.loc[frame.index[-1], name] = value
    return SimpleNamespace(market=ETH, columns=frame, remarks={"model_confidence": remark})


@pytest.mark.parametrize(
    ("direction", "columns", "said"),
    [
        (1, {"veto_model_confidence": True}, "long: veto: why"),
        (-1, {"veto_model_confidence": True, "model_confidence": 0.2}, "short: veto: why"),
        (1, {}, "long: why"),  # a state without veto: smaller, or no say
        (1, {"model_confidence": 0.7}, None),  # a vote is in the score
        (0, {}, None),
    ],
)
def test_what_a_model_does_to_a_live_signal_is_logged_once(direction, columns, said, caplog):
    caplog.set_level("INFO")
    models = RegimeModels(strategy_of(), strategy_of()._signals)
    for _ in range(2):
        models.tell(newest(direction, columns, lambda row: "why"))
    lines = [each.message for each in caplog.records if each.message.startswith("[MODEL]")]
    assert lines == ([f"[MODEL] {ETH} {said}"] if said else [])


def test_a_bot_tells_of_its_newest_candle(monkeypatch):
    strategy, told = live(Answering(judged=0)), []
    monkeypatch.setattr(strategy._layer_models, "tell", told.append)
    analysed(strategy)
    assert [each.market for each in told] == [ETH]
    backtest = strategy_of(Answering(judged=0))
    monkeypatch.setattr(backtest._layer_models, "tell", told.append)
    analysed(backtest)
    assert len(told) == 1


class Changing(Answering):
    """A model whose answers and states differ from candle to candle."""

    def start(self, dataframe, metadata, strategy):
        rng = np.random.default_rng(4)
        up = rng.uniform(0, 1, 500)[: len(dataframe)]
        judged = rng.choice([0, 1, 1, 1, 2], 500)[: len(dataframe)]
        drifted = rng.choice([0.0, 0.0, 1.0], 500)[: len(dataframe)]
        told = self.told | {"probability_buy": up, "probability_sell": 1 - up}
        return dataframe.assign(**(told | {"do_predict": judged, "drifted": drifted}))


@pytest.mark.parametrize("now", [330, 401, 452, 499])
def test_a_later_candle_changes_no_earlier_row(now):
    whole, part = strategy_of(Changing()), strategy_of(Changing())
    part.dp.frames = {ETH: walk().head(now)}
    found = whole.populate_entry_trend(
        whole.populate_indicators(walk(), {"pair": ETH}), {"pair": ETH}
    )
    cut = part.populate_entry_trend(
        part.populate_indicators(walk().head(now), {"pair": ETH}), {"pair": ETH}
    )
    assert cut["model_confidence"].notna().any()
    assert cut["veto_model_confidence"].any()
    pd.testing.assert_frame_equal(cut, found.head(now), check_exact=True)


def test_the_markets_that_have_a_model():
    strategy = live(Answering())
    strategy.dp.frames[BTC] = candles([1.0])
    assert set(strategy.modelled_markets()) == {ETH, BTC}
    strategy.desk.barred = frozenset({BTC})
    assert set(strategy.modelled_markets()) == {ETH}


def test_without_the_layer_no_market_is_trained():
    """The models of spreads would wait for those of all other markets, and grow stale."""
    strategy = live(Answering(), signals={"layers": {"model_confidence": {"enabled": False}}})
    assert strategy.modelled_markets() == []


def test_the_model_of_a_spread_is_not_asked_again_for_its_host():
    strategy = live(Answering())
    strategy.dp.frames[BTC] = candles([1.0])
    strategy.desk.barred = frozenset({BTC})
    frame = walk()
    assert strategy._layer_models.predict(frame, {"pair": BTC}) is frame
    assert strategy._layer_models.predict(frame, {"pair": ETH}) is not frame


def test_one_class_can_have_both_kinds_of_models(tmp_path):
    """A strategy of spreads and of single markets: the spread's host keeps its own target."""
    write_book(tmp_path)
    both = CombinedStrategy(config_of(tmp_path) | {"freqai": FREQAI})
    assert both.model_target(ETH) == "ETH-BTC"
    assert market_target(ETH) == "ETH_USDT_USDT"
    assert both.model_target(BTC) == "BTC_USDT_USDT"
    assert both.learning == SETTINGS


def test_stakes_need_a_score(caplog):
    """A person's entry keeps its size, whatever a model says."""
    assert stake(strategy_of(Answering(drifted=1.0)), "force_entry") == 777.0


def test_an_entry_of_a_bot_is_explained_with_its_levels(caplog):
    caplog.set_level("INFO")
    strategy, why = live(Answering()), ["rsi_14"]
    answer = explain(np.array([0.2, 0.0]), why, [0.3], answer="ETH_USDT_USDT: buy, 70% probable")
    strategy.freqai.explanations = {ETH: answer}
    strategy._desk.levels = lambda trade, now_ms: TradeLevels(100.0, 98.0, 104.0)
    trade = SimpleNamespace(entry_side="buy", exit_side="sell", exit_reason="", is_open=True)
    for side in ("buy", "sell"):
        order = SimpleNamespace(ft_order_side=side)
        strategy.order_filled(ETH, trade, order, moment(END))
    (line,) = [each.message for each in caplog.records if "For it" in each.message]
    assert line.startswith(
        f"[MODEL] {ETH}: ETH_USDT_USDT: buy, 70% probable. For it: rsi_14 at 0.3"
    )
    assert line.endswith("Long from 100: stop 98, target 104, risk/reward 1:2.00.")


# What the outcome model is told beside candles


def test_the_outcome_model_is_told_score_and_leverage():
    strategy = strategy_of()
    strategy.freqai.judges_trades = True
    frame = strategy.feature_engineering_standard(walk(), {"pair": ETH})
    scored = analysed(strategy_of(freqai={}))
    directed = scored["direction"] != 0
    np.testing.assert_array_equal(
        frame["%-signal_score"][directed], np.floor(scored["score"][directed])
    )
    assert frame["%-signal_score"][~directed].isna().all()
    assert set(frame["%-leverage"][directed]) == {3.0}  # the default cap
    assert frame["%-leverage"][~directed].isna().all()
    assert not {"signal_score", "leverage"} & set(frame.columns)


def test_the_leverage_is_that_of_the_entry():
    high = {"leverage": {"max_leverage": 20.0}}
    strategy = strategy_of(signals=high)
    told = strategy.trade_columns(ETH, walk())
    analysed(strategy)
    strategy.bot_loop_start(moment(END))
    for row in np.flatnonzero(np.isfinite(told["leverage"]))[-5:]:
        close = float(walk()["close"].iloc[row])
        asked = strategy.leverage(
            pair=ETH,
            current_time=moment(END - (499 - row) * 3_600_000),
            current_rate=close,
            proposed_leverage=1.0,
            max_leverage=125.0,
            entry_tag="long 74",
            side="long",
        )
        assert told["leverage"][row] == pytest.approx(asked)
        assert asked != 3.0


def test_the_score_that_the_outcome_model_is_told_has_no_word_of_it():
    strategy = strategy_of(Answering(up=0.05, down=0.9))
    without = strategy.trade_columns(ETH, walk())["signal_score"]
    told = strategy.trade_columns(ETH, walk().assign(**strategy.freqai.told))["signal_score"]
    np.testing.assert_array_equal(told, without)


@pytest.mark.parametrize(("enabled", "warned"), [(False, False), (True, False), (True, True)])
def test_a_bot_remembers_its_trades_where_that_is_wanted(enabled, warned, tmp_path, caplog):
    outcome = {"enabled": enabled, "min_confidence": 0.6 if warned else 0.0}
    strategy = strategy_of(freqai={}, learning={"outcome": outcome})
    strategy.config["user_data_dir"] = tmp_path
    strategy._scored_outcomes = strategy._new_scored_outcomes()
    assert (strategy._scored_outcomes is not None) == enabled
    assert ("min_confidence refuses no scored entry" in caplog.text) == warned
    if enabled:
        filled = []
        strategy._scored_outcomes = SimpleNamespace(
            filled=lambda trade, order: filled.append(order)
        )
        strategy._desk = SimpleNamespace()
        trade = SimpleNamespace(entry_side="buy", exit_side="sell", exit_reason="", is_open=True)
        order = SimpleNamespace(ft_order_side="buy")
        strategy.order_filled(ETH, trade, order, moment(END))
        assert filled == [order]
