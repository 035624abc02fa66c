"""Models in the strategy: on, off, failing.

Mutants of `_spread_strategy.py` and `_model_strategy.py`, each killed by the test named:
- models have a say although FreqAI is off: without_freqai_no_model_has_a_say
- an error of FreqAI ends the analysis: a_failing_model_is_a_missing_one_and_exits_go_on
- predictions of a market that hosts nothing are asked for: only_hosts_are_asked
- a backtest starts with what is remembered: a_backtest_begins_with_no_closed_trades
- probabilities of a gain compared with each other: a_model_of_trades_judges_either_direction
- leg B's candles describe a trade, z-score or edge left out, edge not on leg A's notional:
  a_model_of_trades_is_asked_what_it_was_taught
- a model without probabilities accepted: a_model_of_another_kind_is_refused
"""

from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.persistence import PairLocks
from pandas import to_datetime

from freqtrade_ext.adapters._trade_outcomes import TradeOutcomes
from freqtrade_ext.adapters.freqai._frames import OWN_COLUMNS
from freqtrade_ext.learning import (
    CANDLE_FEATURES,
    OUTCOME_FEATURES,
    SPREAD_FEATURES,
    LearningSettings,
)
from freqtrade_ext.spreads import Refusal, size_entry

from .desk_doubles import Shim, config_of, strategy_of, write_book
from .doubles import BTC, ETH, candles, spec_of

FREQAI = {"enabled": True, "identifier": "test"}


@pytest.fixture(autouse=True)
def _books(backtest_books):
    PairLocks.use_db = False
    PairLocks.timeframe = "1h"
    PairLocks.reset_locks()
    yield
    PairLocks.reset_locks()
    PairLocks.use_db = True


def with_models(
    tmp_path,
    *,
    learning=None,
    count=400,
    mode=RunMode.BACKTEST,
    freqai=None,
    model=None,
    **spec,
):
    """A strategy with FreqAI replaced by a model that answers the same to every candle."""
    write_book(tmp_path, spec_of(**spec))
    strategy = strategy_of(tmp_path, count=count, mode=mode)
    config = strategy.config | {"freqai": FREQAI if freqai is None else freqai}
    config["ext"] = strategy.config["ext"] | {"learning": learning or {}}
    again = Shim(config)
    again.dp, again.wallets, again.max_open_trades = strategy.dp, strategy.wallets, 4
    again.dp.get_analyzed_dataframe = lambda pair, timeframe: (candles([]), None)
    again.freqai = model or Answering()
    again.bot_start()
    return again


class Answering:
    """Stands for FreqAI: adds the columns of a model of ours."""

    judges_trades = False

    def __init__(self, up=0.9, fails=False):
        self.up, self.fails = up, fails
        self.asked = []
        self.train_queue = deque([ETH, BTC])
        self.dd = SimpleNamespace(historic_data={})

    def start(self, dataframe, metadata, strategy):
        self.asked.append(metadata["pair"])
        if self.fails:
            raise RuntimeError("shape mismatch")
        frame = strategy.feature_engineering_standard(dataframe, metadata)
        frame = strategy.set_freqai_targets(frame, metadata)
        plain = frame[[name for name in frame if not name.startswith("%")]]
        return plain.assign(
            probability_buy=self.up, probability_sell=1 - self.up, do_predict=1, drifted=0.0
        )


class TradeModel(Answering):
    """Stands for FreqAI with a model of trades: both probabilities are that of a gain."""

    judges_trades = True

    def start(self, dataframe, metadata, strategy):
        return super().start(dataframe, metadata, strategy).assign(probability_sell=self.up)


def verdicts(strategy):
    """What the models say of every candidate of the backtest."""
    frame = strategy.dp.frames[ETH]
    strategy.populate_indicators(frame.copy(), {"pair": ETH})
    board = strategy._view.board(strategy._bands())
    asked = [each for some in board.by_time.values() for each in some]
    assert asked
    return [(each, strategy.broker.advice.verdict(each, strategy._bands())) for each in asked]


def test_entries_need_the_models_agreement(tmp_path):
    for candidate, verdict in verdicts(with_models(tmp_path)):
        assert verdict.vetoes == (candidate.direction.sign < 0)


def test_a_veto_reaches_the_decision_of_an_entry(tmp_path):
    strategy = with_models(tmp_path)
    strategy.freqai.up = 0.1
    candidate = next(each for each, _ in verdicts(strategy) if each.direction.sign > 0)
    case = strategy.broker._case(candidate, (), strategy._bands(), candidate.time_ms + 3_600_000)
    assert case.model.vetoes
    refusal = size_entry(case, strategy._spread_settings.model_copy(update={"max_open_spreads": 9}))
    assert isinstance(refusal, Refusal)


def test_without_freqai_no_model_has_a_say(tmp_path):
    strategy = with_models(tmp_path, freqai={})
    assert strategy.broker.advice is None
    strategy.populate_indicators(strategy.dp.frames[ETH].copy(), {"pair": ETH})
    assert strategy.freqai.asked == []


def test_the_say_of_models_can_be_switched_off(tmp_path):
    strategy = with_models(tmp_path, learning={"entries": False})
    assert strategy.broker.advice is None
    strategy.populate_indicators(strategy.dp.frames[ETH].copy(), {"pair": ETH})
    assert strategy.freqai.asked == []


def test_only_hosts_are_asked(tmp_path):
    strategy = with_models(tmp_path)
    for market in (ETH, BTC):
        strategy.populate_indicators(strategy.dp.frames[market].copy(), {"pair": market})
    assert strategy.freqai.asked == [ETH]
    assert list(strategy.freqai.train_queue) == [ETH]


def test_a_failing_model_is_a_missing_one_and_exits_go_on(tmp_path, caplog):
    strategy = with_models(tmp_path)
    strategy.freqai.fails = True
    for _, verdict in verdicts(strategy):
        assert verdict.reason.startswith("the model is missing")
    assert "shape mismatch" in caplog.text
    frame = strategy.populate_indicators(strategy.dp.frames[ETH].copy(), {"pair": ETH})
    assert frame["z_score"].notna().any()


def test_the_frame_keeps_its_rows_and_loses_our_own_columns(tmp_path):
    strategy = with_models(tmp_path)
    frame = strategy.populate_indicators(strategy.dp.frames[ETH].copy(), {"pair": ETH})
    assert len(frame) == 400
    assert not set(OWN_COLUMNS) & set(frame.columns)
    assert {"z_score", "probability_buy", "do_predict"} <= set(frame.columns)


def test_a_host_learns_its_spread_and_others_themselves(tmp_path):
    strategy = with_models(tmp_path)
    strategy.populate_indicators(strategy.dp.frames[ETH].copy(), {"pair": ETH})
    host = strategy.feature_engineering_standard(strategy.dp.frames[ETH].copy(), {"pair": ETH})
    other = strategy.feature_engineering_standard(strategy.dp.frames[BTC].copy(), {"pair": BTC})
    names = {name.removeprefix("%-") for name in host if name.startswith("%-")}
    assert names == {*CANDLE_FEATURES, *SPREAD_FEATURES}
    assert not {f"%-{name}" for name in SPREAD_FEATURES} & set(other.columns)
    assert "&-ETH-BTC" in strategy.set_freqai_targets(host, {"pair": ETH})
    assert "&-BTC_USDT_USDT" in strategy.set_freqai_targets(other, {"pair": BTC})


def test_training_in_live_mode_uses_freqais_own_history(tmp_path):
    strategy = with_models(tmp_path)
    whole = {market: {"1h": frame} for market, frame in strategy.dp.frames.items()}
    strategy.freqai.dd.historic_data = whole
    strategy._view.tracks = {}
    host = strategy.feature_engineering_standard(strategy.dp.frames[ETH].copy(), {"pair": ETH})
    assert host["%-spread_z"].notna().sum() > 200


def test_the_outcome_model_gets_its_sixteen_features(tmp_path):
    strategy = with_models(tmp_path)
    strategy.freqai.judges_trades = True
    frame = strategy.feature_engineering_standard(strategy.dp.frames[ETH].copy(), {"pair": ETH})
    names = {name.removeprefix("%-") for name in frame if name.startswith("%-")}
    assert names == set(OUTCOME_FEATURES)


@pytest.mark.parametrize(("gain", "refused"), [(0.6, False), (0.5, False), (0.4, True)])
def test_a_model_of_trades_judges_either_direction(tmp_path, gain, refused):
    strategy = with_models(tmp_path, model=TradeModel(gain))
    judged = verdicts(strategy)
    assert {candidate.direction.sign for candidate, _ in judged} == {1, -1}
    for _, verdict in judged:
        assert verdict.vetoes == refused
        assert verdict.reason == (
            "the model disagrees: it gives a gain 40%, 50% is wanted (ext.learning.min_confidence)"
            if refused
            else ""
        )


@pytest.mark.parametrize("space", ["log", "price"])
def test_a_model_of_trades_is_asked_what_it_was_taught(tmp_path, monkeypatch, space):
    """The columns at a candidate's candle are the sixteen features that its trade is kept with."""
    strategy = with_models(tmp_path, model=TradeModel(0.9), hedge_space=space)
    monkeypatch.setattr(strategy.exit_scale, "value", 1.5)
    raw = strategy.dp.frames[ETH]
    candidates = [candidate for candidate, _ in verdicts(strategy)]
    asked = strategy.feature_engineering_standard(raw.copy(), {"pair": ETH})
    outcomes = TradeOutcomes(LearningSettings(), None)
    strategy.dp.get_analyzed_dataframe = lambda pair, timeframe: (strategy.dp.frames[pair], None)
    for candidate in candidates:
        kept = strategy.broker.advice._features(candidate, outcomes)
        row = asked.index[asked["date"] == to_datetime(candidate.time_ms, unit="ms", utc=True)]
        given = asked.loc[row[0], [f"%-{name}" for name in OUTCOME_FEATURES]].to_numpy(float)
        np.testing.assert_allclose(given, kept, rtol=1e-6)
    assert np.isfinite(asked[["%-zscore", "%-signal_score", "%-leverage"]].iloc[-1]).all()


def test_a_model_of_trades_has_leg_a_as_its_host(tmp_path):
    """Trades are described by leg A's candles: leg B's would be other questions."""
    strategy = with_models(tmp_path, model=TradeModel())
    specs = [spec_of("ETH-BTC"), spec_of("again", ETH, BTC)]
    strategy._view.specs = {each.spread_id: each for each in specs}
    assert {pair: spec.spread_id for pair, spec in strategy._models.hosts.items()} == {
        ETH: "ETH-BTC"
    }


def test_a_model_of_another_kind_is_refused(tmp_path):
    with pytest.raises(OperationalException, match="gives no probabilities that an entry could"):
        with_models(tmp_path, model=SimpleNamespace())


def test_a_model_of_another_kind_is_no_matter_where_nobody_asks_it(tmp_path):
    learning = {"entries": False}
    assert with_models(tmp_path, learning=learning, model=SimpleNamespace())._models is None


def test_models_do_not_follow_a_search_of_the_universe(tmp_path):
    config = config_of(tmp_path, select="universe") | {"freqai": FREQAI}
    config["exchange"] = {"pair_whitelist": [ETH, BTC]}
    with pytest.raises(OperationalException, match=r"ext\.learning\.entries: models follow"):
        Shim(config)
    config["ext"] = config["ext"] | {"learning": {"entries": False}}
    assert Shim(config)._models is None


def test_a_mistake_in_the_section_stops_the_bot(tmp_path):
    write_book(tmp_path)
    config = config_of(tmp_path)
    config["ext"] = config["ext"] | {"learning": {"when_missing": "perhaps"}}
    with pytest.raises(OperationalException, match=r"ext\.learning\.when_missing"):
        Shim(config)


def test_a_backtest_begins_with_no_closed_trades(tmp_path):
    remembered = tmp_path / "models" / "outcomes" / "freqtrade.json"
    remembered.parent.mkdir(parents=True)
    remembered.write_text("damaged")
    strategy = with_models(tmp_path, learning={"outcome": {"enabled": True}}, freqai={})
    outcomes = strategy.broker.advice._outcomes
    assert outcomes.learner.outcomes == []
    assert outcomes._path is None


def test_a_spread_without_a_free_leg_has_no_model(tmp_path):
    strategy = with_models(tmp_path)
    specs = [spec_of("ETH-BTC"), spec_of("BTC-ETH", BTC, ETH), spec_of("third", ETH, BTC)]
    strategy._view.specs = {each.spread_id: each for each in specs}
    assert {spec.spread_id for spec in strategy._models.hosts.values()} == {"ETH-BTC", "BTC-ETH"}
    assert strategy.model_target(BTC) == "BTC-ETH"
    assert strategy.explanation_of("third") is None
