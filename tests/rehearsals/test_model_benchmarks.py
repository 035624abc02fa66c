"""How models are judged on recorded data: nothing of the future, every cost, every market.

Mutants of `benchmarks/`, each killed by the test named:
- model_outcomes: a trade known while its candle is open: a_trade_is_known_from_the_next_candle_on
- model_outcomes: all trades given to the learner at once: later_outcomes_change_no_earlier_answer
- model_outcomes: answers of different models compared: a_changing_level_is_...
- model_outcomes: a rate at its own moment: a_funding_rate_is_known_after_it_was_paid
- model_walk_forward: rows with an open label trained on: labels_are_known_when_the_test_begins
- model_walk_forward: markets one after the other in time: markets_are_traded_side_by_side
- model_walk_forward: trades on a move of 0 left out: a_move_of_nothing_pays_its_costs
- model_meta: legs counted alone: both_legs_are_one_spread
"""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import model_evidence, model_meta, model_outcomes, model_walk_forward
from benchmarks.model_outcomes import Entry, Judged, area_error, difference, funding_rate, walk
from benchmarks.model_walk_forward import Market, Predictions, pooled, scored, split
from freqtrade_ext.learning import OUTCOME_FEATURES, TradeOutcome, TrainingRows

HOUR = 3_600_000
RSI = OUTCOME_FEATURES.index("rsi")


def entry(number, *, hours=1, net=None, seed=0):
    """One entry an hour; the RSI tells whether it gains."""
    rsi = float(np.random.default_rng([seed, number]).uniform(0, 100))
    gain = 0.01 if rsi > 50 else -0.01
    features = [math.nan] * len(OUTCOME_FEATURES)
    features[RSI] = rsi
    decided = number * HOUR
    outcome = TradeOutcome(
        f"SOL {number}", decided + hours * HOUR, gain if net is None else net, tuple(features)
    )
    return Entry(decided, outcome, 100 * outcome.net)


def answers(trades):
    return [each.confidence for each in walk(trades)]


def test_a_trade_is_known_from_the_next_candle_on():
    """The 30th is closed within the candle that hour 30 opens: 31 is the first to be judged."""
    told = answers([entry(number) for number in range(40)])
    assert np.isnan(told[:31]).all()
    assert np.isfinite(told[31:]).all()


def test_later_outcomes_change_no_earlier_answer():
    trades = [entry(number, hours=5) for number in range(240)]
    # Entries before hour 100 know nothing of what is closed at hour 100 or later.
    turned = [each if each.outcome.closed_ms < 100 * HOUR
              else entry(number, hours=5, net=-each.outcome.net)
              for number, each in enumerate(trades)]  # fmt: skip
    before, after = answers(trades), answers(turned)
    np.testing.assert_array_equal(before[:101], after[:101])
    assert np.isfinite(before[60])


def test_a_planted_rule_is_found_out_of_sample():
    judged = [each for each in walk([entry(n) for n in range(200)]) if each.confidence >= 0]
    kept = [each for each in judged if each.confidence >= 0.5]
    refused = [each for each in judged if each not in kept]
    assert np.mean([each.entry.outcome.net > 0 for each in kept]) > 0.9
    assert "kept above refused +1" in difference(kept, refused)  # of 200 bps at most
    assert float(model_outcomes.skill(judged).split()[5]) > 0.9


def test_the_share_of_gains_is_that_of_the_trades_trained_on():
    trades = [entry(n, net=0.01 if n < 20 else -0.01) for n in range(40)]
    assert [each.share for each in walk(trades)][-1] == pytest.approx(20 / 30)


def test_a_changing_level_is_not_taken_for_a_wrong_order():
    """Two models that each know the order, the second of a better time, sure of less."""
    judged = [
        Judged(entry(n, net=0.01 if gains else -0.01), confidence, 0.5, training)
        for n, (training, confidence, gains) in enumerate(
            [(1, 0.8, False), (1, 0.9, True), (2, 0.1, False), (2, 0.2, True), (2, 0.3, True)]
        )
    ]
    # Of six combinations two are in the wrong order; none of those within one model.
    text = model_outcomes.skill(judged)
    assert text.startswith("area under the ROC curve 0.667 ±")
    assert "within one model 1.000 ± 0.000" in text


def test_error_of_the_area():
    """By hand, for the example of Hanley and McNeil: 0.893 with 51 and 58 cases.

    Q1 = 0.893 / 1.107 = 0.80668, Q2 = 2 * 0.797449 / 1.893 = 0.84252; the variance is
    (0.095551 + 50 * 0.009234 + 57 * 0.045075) / 2958 = 0.0010570.
    """
    gains = np.repeat([True, False], [51, 58])
    assert area_error(0.893, gains) == pytest.approx(math.sqrt(0.0010570), rel=1e-3)


def test_a_funding_rate_is_known_after_it_was_paid(tmp_path):
    (tmp_path / "futures").mkdir()
    dates = pd.to_datetime(["2024-01-01 00:00", "2024-01-01 08:00"], utc=True)
    pd.DataFrame({"date": dates, "open": [0.0001, 0.0003]}).to_feather(
        tmp_path / "futures" / "SOL_USDT_USDT-1h-funding_rate.feather"
    )
    eight = int(dates[1].timestamp() * 1000)
    assert funding_rate(tmp_path, "SOL/USDT:USDT", eight) == 0.0001
    assert funding_rate(tmp_path, "SOL/USDT:USDT", eight + 1) == 0.0003
    assert math.isnan(funding_rate(tmp_path, "SOL/USDT", eight))


def test_what_is_told_of_trades():
    """Gains of 1 % and 3 %, a loss of 1 %: 2 of 3, 100 bps, sample deviation 200 bps."""
    judged = [Judged(entry(n, net=net), 0.5, 0.5, 1) for n, net in enumerate((0.01, 0.03, -0.01))]
    text = model_outcomes.told("all", judged)
    assert "3 trades, precision 0.667 ± 0.272, net     +3.00 USDT,  +100.0 ± 115.5 bps" in text
    assert "0 trades" in model_outcomes.told("none", [])


def market(size=200, ahead=5):
    start = np.arange(size)
    rows = TrainingRows(
        features=start[:, None].astype(float),
        side=np.zeros(size, dtype=np.int64),
        moves=np.zeros(size),
        start=start,
        end=start + ahead,
    )
    return Market(rows, np.zeros(size), np.zeros(size), ["number"])


def test_labels_are_known_when_the_test_begins(monkeypatch):
    monkeypatch.setattr(model_walk_forward, "TRAIN", 100)
    monkeypatch.setattr(model_walk_forward, "TEST", 20)
    train, test = split(market(), 150)
    assert (train.rows.start[0], train.rows.start[-1], train.rows.end[-1]) == (50, 144, 149)
    assert (test.rows.start[0], test.rows.start[-1]) == (150, 169)


def predictions(moves, positions=None):
    moves = np.asarray(moves, dtype=float)
    size = len(moves)
    return Predictions(
        truth=(moves > 0).astype(np.int64),
        probabilities=np.tile([0.4, 0.6], (size, 1)),
        chosen=np.ones(size, dtype=np.int64),
        positions=np.ones(size, dtype=np.int64) if positions is None else np.asarray(positions),
        moves=moves,
        start=np.arange(size),
    )


def test_markets_are_traded_side_by_side():
    """Ten candles held five at a time are two trades, of each market."""
    both = pooled([predictions([0.01] * 10), predictions([0.01] * 10)])
    assert scored(both)["trades"] == 4
    assert scored(both)["bps"] == pytest.approx(100 - 12)


def test_a_move_of_nothing_pays_its_costs():
    """It has no direction that could be right, but a trade on it costs 12 bps."""
    found = scored(predictions([0.0, 0.01, 0.01, -0.01, 0.01], [1, 0, 0, 0, 0]))
    assert (found["rows"], found["accuracy"]) == (4, 0.75)
    assert (found["trades"], found["bps"]) == (1, pytest.approx(-12))


def test_no_trades_have_no_mean():
    assert math.isnan(scored(predictions([0.01], [0]))["bps"])


def test_both_legs_are_one_spread(monkeypatch):
    """+30 and -10 on 2 x 100 and 2 x 300: one gain of 250 bps."""
    leg = {"enter_tag": "ETH-BTC long A", "open_timestamp": 1, "close_timestamp": 5,
           "profit_abs": 30.0, "stake_amount": 100.0, "leverage": 2.0}  # fmt: skip
    other = leg | {"enter_tag": "ETH-BTC long B", "profit_abs": -10.0, "stake_amount": 40.0,
                   "max_stake_amount": 300.0, "close_timestamp": 6}  # fmt: skip
    monkeypatch.setattr(model_meta, "last_backtest", lambda folder: {"trades": [leg, other]})
    monkeypatch.setattr(model_meta, "make_book", lambda stage, case: None)
    stage = SimpleNamespace(
        folder=model_meta.Path("absent"),
        configure=lambda **changes: None,
        freqtrade=lambda *arguments: None,
    )
    (spread,) = model_meta.backtest(stage, model_meta.CASES["B"], "no model", 0)
    assert (spread.net, spread.notional, spread.closed_ms) == (20.0, 800.0, 6)
    assert "1 spreads, precision 1.000" in model_meta.told("all", [spread])
    assert "+250.0" in model_meta.told("all", [spread])


@pytest.mark.parametrize("name", ["evidence", "walk-forward", "meta", "outcomes", "model-speed"])
def test_a_benchmark_without_recorded_candles_says_so(name, monkeypatch, tmp_path, capsys):
    module = benchmarks.import_module(f"benchmarks.{benchmarks.BENCHMARKS[name]}")
    for constant in ("DATA", "SHARED"):
        if hasattr(module, constant):
            monkeypatch.setattr(module, constant, tmp_path / "absent")
    benchmarks.main([name])
    assert "skipped: recorded candles are absent" in capsys.readouterr().out


def test_an_unknown_benchmark_is_refused_before_any_is_run(monkeypatch):
    monkeypatch.setattr(model_evidence, "main", lambda: pytest.fail("it was run"))
    with pytest.raises(SystemExit, match="unknown benchmark 'speed'; there are: cointegration"):
        benchmarks.main(["evidence", "speed"])
