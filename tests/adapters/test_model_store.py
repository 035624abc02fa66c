"""Priming the outcome model from a backtest, and the commands for models.

Mutants of `model_store.py` and `cli/_models.py`, each killed by the test named:
- legs counted as two trades: both_legs_of_a_spread_are_one_trade
- features of the entry candle instead of the signal's: features_are_those_before_the_entry
- edge in prices: the_edge_of_a_spread_is_that_of_the_bots_candidates
- primed twice counts twice: priming_twice_changes_nothing
- a reduced trade by what is left of it: a_reduced_trade_counts_by_all_that_was_put_in
"""

import json
from datetime import timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from freqtrade_ext.adapters._spread_view import SpreadView
from freqtrade_ext.adapters._trade_outcomes import entry_features
from freqtrade_ext.adapters.model_store import model_registry, prime_outcomes
from freqtrade_ext.cli import main
from freqtrade_ext.cli._models import quality
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.learning import OUTCOME_FEATURES, ModelCard, OutcomeSettings, load_learner
from freqtrade_ext.spreads import SpreadBook, save_book

from .doubles import (
    BTC,
    ETH,
    HOUR_MS,
    START,
    START_MS,
    Provider,
    bands_of,
    candles,
    cointegrated,
    settings_of,
    spec_of,
)

HOURS = 600
SOL = "SOL/USDT:USDT"


@pytest.fixture
def folder(tmp_path):
    """A user folder with candles, a book, a configuration."""
    data = tmp_path / "data" / "binance" / "futures"
    data.mkdir(parents=True)
    eth, btc = cointegrated(HOURS)
    for market, closes in ((ETH, eth), (BTC, btc), (SOL, btc * 2)):
        name = market.replace("/", "_").replace(":", "_")
        candles(closes).to_feather(data / f"{name}-1h-futures.feather")
    config = {
        "user_data_dir": str(tmp_path),
        "bot_name": "my bot",
        "timeframe": "1h",
        "trading_mode": "futures",
        "margin_mode": "isolated",
        "stake_currency": "USDT",
        "exchange": {"name": "binance", "pair_whitelist": [ETH, BTC, SOL]},
        "freqai": {"identifier": "mine"},
        "ext": {"spreads": {"fit_window": 100}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_book(
        SpreadBook(created_at=START, timeframe="1h", spreads=(spec_of(),)),
        tmp_path / "pairs_config.json",
    )
    (tmp_path / "backtest_results").mkdir()
    return tmp_path


def trade(market, tag, opened_hour, profit, *, hours=4, stake=100.0):
    opened = START + timedelta(hours=opened_hour)
    closed = opened + timedelta(hours=hours)
    return {
        "pair": market, "enter_tag": tag, "stake_amount": stake, "leverage": 2.0,
        "open_date": opened.isoformat(), "close_date": closed.isoformat(),
        "open_timestamp": int(opened.timestamp() * 1000),
        "close_timestamp": int(closed.timestamp() * 1000),
        "profit_abs": profit, "profit_ratio": profit / stake, "is_short": False, "is_open": False,
        "open_rate": 1.0, "close_rate": 1.0, "amount": 1.0, "exit_reason": "MEAN_REVERSION",
        "trade_duration": 240, "orders": [],
    }  # fmt: skip


def backtest(folder, trades):
    """A result as Freqtrade's older versions wrote it, one JSON file."""
    path = folder / "backtest_results" / "result.json"
    path.write_text(json.dumps({"strategy": {"SpreadArbitrage": {"trades": trades}}}))
    return path


def spread(hour, net_a, net_b):
    return [
        trade(BTC, "ETH-BTC long B", hour, net_b),
        trade(ETH, "ETH-BTC long A", hour, net_a, hours=5),
    ]


def prime(folder, trades):
    return prime_outcomes([str(folder / "config.json")], backtest(folder, trades))


def remembered(folder):
    path = folder / "models" / "outcomes" / "my_bot.json"
    return load_learner(path, OutcomeSettings()).outcomes


def test_both_legs_of_a_spread_are_one_trade(folder):
    """3 and -1 on 2 x 100 x 2 of notional: +0.5 %; closed when the later leg is."""
    done = prime(folder, spread(300, 3.0, -1.0))
    assert (done.read, done.added, done.model) == (1, 1, None)
    (outcome,) = remembered(folder)
    assert outcome.net == pytest.approx(2.0 / 400)
    assert outcome.key == f"ETH-BTC {START_MS + 299 * 3_600_000}"
    assert outcome.closed_ms == START_MS + 305 * 3_600_000


def test_features_are_those_before_the_entry(folder):
    """Entered at the open of hour 300, on the signal of the candle that opened at 299."""
    prime(folder, spread(300, 3.0, -1.0))
    (outcome,) = remembered(folder)
    frame = candles(cointegrated(HOURS)[0])
    bot = entry_features(frame.iloc[:300], START_MS + 299 * 3_600_000, {"leverage": 2.0})
    same = [name for name in OUTCOME_FEATURES if name not in ("zscore", "signal_score")]
    for name in same:
        index = OUTCOME_FEATURES.index(name)
        assert outcome.features[index] == pytest.approx(bot[index], nan_ok=True), name
    zscore = outcome.features[OUTCOME_FEATURES.index("zscore")]
    assert np.isfinite(zscore)
    assert zscore != pytest.approx(bot[OUTCOME_FEATURES.index("zscore")])  # the spread's own


@pytest.mark.parametrize("space", ["log", "price"])
def test_the_edge_of_a_spread_is_that_of_the_bots_candidates(folder, space):
    """A distance of prices counts on leg A's notional, as in the ranking of the candidates."""
    spec = spec_of(hedge_space=space)
    book = SpreadBook(created_at=START, timeframe="1h", spreads=(spec,))
    save_book(book, folder / "pairs_config.json")
    frames = dict(zip((ETH, BTC), map(candles, cointegrated(HOURS)), strict=True))
    view = SpreadView({spec.spread_id: spec}, settings_of(), HOUR_MS)
    view.refresh(Provider(frames), "1h", live=False)
    board = view.board({spec.spread_id: bands_of(entry_z=spec.z_score_threshold)})
    candidate = next(each for some in board.by_time.values() for each in some)
    entered = (candidate.time_ms - START_MS) // HOUR_MS + 1
    prime(folder, spread(entered, 3.0, -1.0))
    (outcome,) = remembered(folder)
    found = [outcome.features[OUTCOME_FEATURES.index(n)] for n in ("zscore", "signal_score")]
    assert found == pytest.approx([candidate.z_score, candidate.edge])


def test_single_trades_are_learned_too(folder):
    prime(folder, [trade(SOL, "momentum", 200, -4.0), trade(SOL, "", 300, 2.0)])
    first, second = remembered(folder)
    assert (first.net, second.net) == pytest.approx((-0.02, 0.01))
    assert first.key.startswith(SOL)


def test_a_reduced_trade_counts_by_all_that_was_put_in(folder):
    """-8 on 100 x 2, of which a quarter was left at the end: -4 %, not -16 %."""
    reduced = trade(SOL, "", 200, -8.0, stake=25.0) | {"max_stake_amount": 100.0}
    older = trade(SOL, "", 300, 2.0) | {"max_stake_amount": None}  # not in older results
    prime(folder, [reduced, older])
    assert [outcome.net for outcome in remembered(folder)] == pytest.approx([-0.04, 0.01])


def test_trades_without_candles_are_left_out(folder):
    done = prime(folder, [trade("XRP/USDT:USDT", "", 200, 1.0), trade(SOL, "", 300, 2.0)])
    assert (done.read, done.added, done.without_candles) == (2, 1, 1)


def test_enough_trades_make_a_model(folder):
    rng = np.random.default_rng(0)
    trades = [trade(SOL, "", 100 + 8 * n, rng.choice([-1.0, 1.0])) for n in range(40)]
    done = prime(folder, trades)
    assert (done.model.trained_on, done.model.tested_on) == (32, 8)


def test_priming_twice_changes_nothing(folder):
    prime(folder, spread(300, 3.0, -1.0))
    assert prime(folder, spread(300, 3.0, -1.0)).added == 0
    assert len(remembered(folder)) == 1


def test_a_book_is_not_needed_for_single_trades(folder):
    (folder / "pairs_config.json").unlink()
    assert prime(folder, [trade(SOL, "", 300, 2.0)]).added == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "cannot be read as a backtest"),
        ("[1]", "cannot be read as a backtest"),
        ('{"strategy": {"A": {"trades": []}}}', "has no closed trades"),
    ],
)
def test_what_is_no_backtest_is_refused(folder, content, message):
    path = folder / "backtest_results" / "result.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        prime_outcomes([str(folder / "config.json")], path)


def run(folder, *arguments):
    arguments = [*arguments, "-c", str(folder / "config.json")]
    return CliRunner().invoke(main, ["models", *arguments], env={"COLUMNS": "240"})


def card(**changes):
    fields = {
        "market": ETH, "target": "ETH-BTC", "kind": "SignalClassifier", "trained_ms": START_MS,
        "data_start_ms": START_MS - 10**9, "data_end_ms": START_MS, "rows": 900,
        "parameters": {"max_depth": 6},
        "metrics": {"folds": [{"accuracy": 0.4, "f1": 0.3, "net": -0.02, "profit_factor": None},
                              {"accuracy": 0.6, "f1": 0.5, "net": 0.05, "profit_factor": 1.5}]},
        "importance": {"%-rsi_14": 0.625},
    }  # fmt: skip
    return ModelCard(**(fields | changes))


def test_a_scored_trade_is_learned_with_its_score(folder):
    prime(folder, [trade(SOL, "long 74", 200, 1.0), trade(SOL, "momentum", 300, 2.0)])
    index = OUTCOME_FEATURES.index("signal_score")
    scores = [each.features[index] for each in remembered(folder)]
    assert scores == pytest.approx([74.0, float("nan")], nan_ok=True)


def test_the_command_primes(folder):
    result = run(folder, "prime", "--backtest", str(backtest(folder, spread(300, 3.0, -1.0))))
    assert result.exit_code == 0, result.output
    assert "my_bot.json: 1 trades read, 1 new" in result.output
    assert "no model yet" in result.output


def test_models_are_listed_with_their_quality_and_which_is_in_use(folder):
    assert "no models in" in run(folder, "list").output
    registry = model_registry([str(folder / "config.json")])
    assert registry.folder == folder / "models" / "mine" / "registry"
    for _ in range(2):
        registry.add(card(), {"m": b"1"})
    output = run(folder, "list").output
    assert "accuracy 0.500, F1 0.400, net +3.00%" in output
    first, second = (line for line in output.splitlines() if "SignalClassifier" in line)
    assert "in use" in second
    assert "in use" not in first


def test_two_trainings_are_shown_side_by_side(folder):
    registry = model_registry([str(folder / "config.json")])
    registry.add(card(), {"m": b"1"})
    registry.add(card(rows=1234, importance={"%-atr": 0.25}), {"m": b"1"})
    output = run(folder, "show", ETH, "1", "2").output
    for text in ("version 1", "version 2", "900", "1234", "importance %-rsi_14", "62.5%",
                 "fold 2 profit_factor", "1.5000", "parameter max_depth"):  # fmt: skip
        assert text in output
    assert "version 2" in run(folder, "show", ETH).output
    assert "version 1" not in run(folder, "show", ETH).output


def test_going_back_and_forward_again(folder):
    registry = model_registry([str(folder / "config.json")])
    for _ in range(2):
        registry.add(card(), {"m": b"1"})
    result = run(folder, "rollback", ETH, "1")
    assert result.exit_code == 0
    assert "version 1 is in use until: freqtrade-ext models release" in result.output
    assert "pinned" in run(folder, "list", "--market", ETH).output
    assert run(folder, "release", ETH).exit_code == 0
    assert registry.pinned(ETH) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rollback", ETH, "9"), "has no model version 9; versions: 1"),
        (("release", ETH), "no version is pinned"),
        (("show", SOL), "has no models in"),
        (("list", "--identifier", ""), "no models in"),
    ],
)
def test_a_mistake_is_one_line(folder, arguments, message):
    model_registry([str(folder / "config.json")]).add(card(market=ETH), {"m": b"1"})
    if "--identifier" in arguments:
        arguments = ("list", "--identifier", "another")
    result = run(folder, *arguments)
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_configuration_without_models_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["freqai"]
    (folder / "config.json").write_text(json.dumps(config))
    result = run(folder, "list")
    assert result.exit_code == 2
    assert "freqai.identifier: is missing" in result.output


def test_quality_in_words():
    assert quality({"held_out": {"hit_rate": 0.53, "correlation": -0.1}}) == (
        "hit rate 0.530, correlation -0.100"
    )
    assert quality({"accuracy": 0.6, "base_rate": 0.5}) == "accuracy 0.600, gains 0.500"
    assert quality({}) == ""
