"""Stock Freqtrade backtests with our models: trained, recorded, used, and read by our commands."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from freqtrade_ext.adapters.market_data import last_backtest
from freqtrade_ext.cli import main
from freqtrade_ext.risk import CloseReason
from rehearsals.model_stage import model_stage

pytestmark = [pytest.mark.rehearsal, pytest.mark.xdist_group("models")]

DAYS = 75
SETTINGS = {
    "spreads": {
        "fit_window": 300, "max_pvalue": 1.0, "max_qvalue": None, "both_directions": False,
        "relation_broken_pvalue": 1.0, "edge": {"cost_multiple": 0.0},
    },
    "learning": {
        "folds": 2, "labels": {"volatility_window": 100}, "drift": {"window": 60},
        "outcome": {"enabled": True},
    },
}  # fmt: skip
RANGE = ("--timerange", "20240205-20240314", "--cache", "none")


def write_candles(folder):
    """Two cointegrated markets, hourly."""
    rng = np.random.default_rng(0)
    size = DAYS * 24
    btc = np.log(100) + 0.005 * rng.standard_normal(size).cumsum()
    spread = np.zeros(size)
    for hour in range(1, size):
        spread[hour] = 0.85 * spread[hour - 1] + 0.01 * rng.standard_normal()
    dates = pd.date_range("2024-01-01", periods=size, freq="1h", tz="UTC")
    for name, logs in (("ETH", 1 + 1.2 * btc + spread), ("BTC", btc)):
        close = np.exp(logs)
        frame = pd.DataFrame(
            {
                "date": dates.astype("datetime64[ms, UTC]"),
                "open": np.concatenate([close[:1], close[:-1]]),
                "high": close * 1.002,
                "low": close * 0.998,
                "close": close,
                "volume": rng.exponential(1000, size).round(3),  # the lot is read off it
            }
        )
        frame["high"] = frame[["open", "high"]].max(axis=1)
        frame["low"] = frame[["open", "low"]].min(axis=1)
        frame.to_feather(folder / f"{name}_USDT-1h.feather")


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    (folder / "candles").mkdir()
    write_candles(folder / "candles")
    with model_stage(folder / "user_data", folder / "candles", "1h") as stage:
        configure(stage, "none", enabled=False)
        command(
            stage, "book", "add", "ETH/USDT:USDT", "BTC/USDT:USDT",
            "--timerange", "20240101-20240201",
        )  # fmt: skip
        yield stage


def command(stage, *arguments):
    done = CliRunner().invoke(main, [*arguments, "-c", str(stage.stage.config)])
    assert done.exit_code == 0, done.output
    return done.output


def configure(stage, identifier, strategy="SpreadArbitrage", enabled=True):
    freqai = {"enabled": enabled, "identifier": identifier, "train_period_days": 15}
    stage.configure(
        timeframe="1h", strategy=strategy, model={"n_estimators": 30}, ext=SETTINGS, freqai=freqai
    )


def backtest(stage, *arguments):
    log = stage.freqtrade("backtesting", *arguments, *RANGE).log
    assert "Traceback" not in log, log[-3000:]
    assert " - ERROR - " not in log, log[-3000:]
    return log, last_backtest(stage.folder / "backtest_results")["trades"]


def test_spreads_with_models_without_and_primed(stage):
    configure(stage, "none", enabled=False)
    _, alone = backtest(stage)
    assert len(alone) >= 40

    configure(stage, "regressor")
    log, agreed = backtest(stage, "--freqaimodel", "SpreadDirectionRegressor")
    assert log.count("SpreadDirectionRegressor trained on") >= 3
    assert 0 < len(agreed) < len(alone)
    # No column of ours is taken for an exit signal of Freqtrade's.
    allowed = {reason.value for reason in CloseReason} | {"force_exit"}
    assert {trade["exit_reason"] for trade in agreed} <= allowed
    assert "ETH-BTC" in command(stage, "models", "list", "--last", "1")
    assert "spread_z" in command(stage, "models", "show", "ETH/USDT:USDT")

    primed = command(stage, "models", "prime", "--backtest", str(stage.folder / "backtest_results"))
    assert f"{len(agreed) // 2} trades read" in primed


def test_spreads_with_the_model_of_their_own_trades(stage):
    """Taught the trades without a model, it lets some of them pass once it knows thirty."""
    configure(stage, "untaught", enabled=False)
    # From the first fit on, so that thirty are closed before the last training.
    stage.freqtrade("backtesting", "--timerange", "20240114-20240314", "--cache", "none")
    alone = last_backtest(stage.folder / "backtest_results")["trades"]
    command(stage, "models", "prime", "--backtest", str(stage.folder / "backtest_results"))
    configure(stage, "trades")
    run = stage.freqtrade("backtesting", "--freqaimodel", "TradeOutcomeModel", *RANGE)
    assert "closed trades are known before" in run.log  # the first windows: no model, a veto
    passed = last_backtest(stage.folder / "backtest_results")["trades"]
    assert 0 < len(passed) < len(alone)
    assert "num_leaves" in command(stage, "models", "show", "ETH/USDT:USDT")


@pytest.mark.parametrize("model", ["SignalClassifier", "SpreadDirectionRegressor"])
def test_coins_with_a_model(stage, model):
    configure(stage, f"coins-{model}", strategy="CoinModels")
    log, _ = backtest(stage, "--freqaimodel", model)
    assert log.count(f"{model} trained on") >= 4
    cards = list((stage.folder / "models" / f"coins-{model}" / "registry").rglob("card.json"))
    assert {json.loads(card.read_text())["target"] for card in cards} == {
        "ETH_USDT_USDT", "BTC_USDT_USDT",
    }  # fmt: skip


def test_models_change_nothing_where_freqai_cannot_train(stage):
    """Fewer candles than a fold needs: no model, so the stated effect, a veto; no crash."""
    configure(stage, "starved")
    config = json.loads(stage.stage.config.read_text())
    config["ext"]["learning"]["labels"]["horizon"] = 400
    stage.stage.config.write_text(json.dumps(config))
    log = stage.freqtrade("backtesting", "--freqaimodel", "SpreadDirectionRegressor", *RANGE).log
    assert (
        "labelled rows leave" in log
        or "no candle has both" in log
        or "training data dropped" in log
    )
    assert last_backtest(stage.folder / "backtest_results")["trades"] == []
