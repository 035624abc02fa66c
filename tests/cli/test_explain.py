"""``freqtrade-ext explain``: the trace of a candle, and the trades of a backtest by layer.

Bugs planted by hand, each caught by the test named:

1. another candle is explained -> test_the_candle_of_a_time_is_explained
2. local time -> test_a_time_without_a_zone_is_utc
3. the candle of the entry instead of the signal's -> test_trades_are_explained_by_their_signal
4. trades of other strategies count -> the same
5. the parameter file is ignored -> test_the_strategys_parameters_count
6. rates are sought under one name -> test_funding_rates_are_read
7. a reduced trade counts by what was left of it -> test_a_reduced_trade_counts_by_its_whole_stake
8. the hour of the exit, or of another zone; a band of the close -> test_win_rates_by_hour_and_score
"""

import json
import os
import time

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.adapters import signal_explanations
from freqtrade_ext.adapters.signal_explanations import ScoredCandles
from freqtrade_ext.signals import LAYERS

SOL = "SOL/USDT:USDT"
LOW = {"min_score": 50.0, "min_score_low": 30.0, "z_score_threshold": 0.8, "entry_tightness": 1.0}
STRATEGY = """
from freqtrade_ext.adapters.strategies import RegimeStrategy


class RegimeScore(RegimeStrategy):
    pass
"""


@pytest.fixture
def bot(desk, write_candles):
    rng = np.random.default_rng(3)
    for coin in ("SOL", "BTC"):
        write_candles(coin, 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 600))))
    desk.configure(ext={"signals": LOW}, timeframe="1h", trading_mode="futures")
    return desk


def explained(bot, *arguments, code=0):
    result = bot.run("explain", *arguments, "-c", str(bot.config))
    assert result.exit_code == code, result.output
    return result.output


def signal_row(bot):
    columns = ScoredCandles([str(bot.config)]).score(SOL).columns
    return columns[columns["signal"] != 0].iloc[-1]


def test_the_last_candle_by_default(bot):
    assert explained(bot, SOL).startswith(f"{SOL} candle of 2024-01-25 23:00 UTC\nZ_")


def test_the_candle_of_a_time_is_explained(bot):
    row = signal_row(bot)
    shown = explained(bot, SOL, "--at", row["date"].isoformat())
    assert f"candle of {row['date']:%Y-%m-%d %H:%M} UTC" in shown
    assert f"SCORE_PASS {row['score']:.1f}" in shown
    for layer in LAYERS:
        assert layer.name in shown
    assert "neutral: no order-book readings" in shown


def test_a_time_without_a_zone_is_utc(bot, monkeypatch):
    monkeypatch.setitem(os.environ, "TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert "candle of 2024-01-20 12:00 UTC" in explained(bot, SOL, "--at", "2024-01-20T12:30")
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give a market, or --trades alone"),
        ((SOL, "--trades"), "give a market, or --trades alone"),
        ((SOL, "--at", "noon"), "--at: 'noon' is no time"),
        ((SOL, "--at", "2020-01-01"), "no candle had opened by 2020-01-01"),
        (("DOT/USDT:USDT",), "no 1h candles of DOT/USDT:USDT; get them with: freqtrade download"),
        (("--trades",), "no backtest result"),
    ],
)
def test_what_cannot_be_explained_is_said(bot, arguments, message):
    assert message in explained(bot, *arguments, code=2)


def test_a_wrong_setting_is_named(bot):
    bot.configure(ext={"signals": {"z_windw": 3}})
    assert "did you mean 'z_window'" in explained(bot, SOL, code=2)


def test_the_strategys_parameters_count(bot):
    folder = bot.folder / "strategies"
    folder.mkdir()
    (folder / "RegimeScore.py").write_text(STRATEGY)
    stored = {"strategy_name": "RegimeScore", "params": {"buy": {"z_score_threshold": 2.5}}}
    (folder / "RegimeScore.json").write_text(json.dumps(stored))
    bot.configure(strategy="RegimeScore", stake_currency="USDT")
    assert "threshold 2.50" in explained(bot, SOL)


@pytest.mark.parametrize("timeframe", ["1h", "8h"])
def test_funding_rates_are_read(bot, timeframe):
    folder = bot.folder / "data" / "binance" / "futures"
    dates = pd.date_range("2024-01-01", periods=80, freq="8h", tz="UTC")
    rates = pd.DataFrame({"date": dates, "open": 0.0009})
    for name in ("high", "low", "close", "volume"):
        rates[name] = 0.0
    rates.to_feather(folder / f"SOL_USDT_USDT-{timeframe}-funding_rate.feather")
    row = signal_row(bot)
    shown = explained(bot, SOL, "--at", row["date"].isoformat())
    assert "no funding rates" not in shown


# Trades


def trade_of(row):
    opened = row["date"] + pd.Timedelta(hours=1)
    return {
        "pair": SOL, "enter_tag": "long 70", "open_timestamp": int(opened.timestamp() * 1000),
        "profit_abs": 3.0, "stake_amount": 100.0, "leverage": 3.0, "exit_reason": "stop_loss",
    }  # fmt: skip


def test_a_reduced_trade_counts_by_its_whole_stake(bot, monkeypatch):
    # 100 of margin at 3x were bought; three quarters went before the rest: 3 of 300, not of 75.
    trade = trade_of(signal_row(bot)) | {"stake_amount": 25.0, "max_stake_amount": 100.0}
    monkeypatch.setattr(signal_explanations, "last_backtest", lambda folder: {"trades": [trade]})
    report = ScoredCandles([str(bot.config)]).last_trades()
    assert report.by_reason["SL"].mean == pytest.approx(100.0)


def test_trades_are_explained_by_their_signal(bot, monkeypatch):
    row = signal_row(bot)
    trade = trade_of(row)
    trades = [trade, trade | {"enter_tag": "force_entry", "profit_abs": -99.0}]
    monkeypatch.setattr(signal_explanations, "last_backtest", lambda folder: {"trades": trades})
    report = ScoredCandles([str(bot.config)]).last_trades()
    assert report.left_out == 1
    assert report.by_reason["SL"].mean == pytest.approx(100.0)  # 3 of 300: 100 basis points
    assert report.profit == {"SL": 3.0}
    for layer in report.layers:
        points = row[f"layer_{layer.name}"]
        side = layer.rewarded if points > 0 else layer.punished if points < 0 else layer.silent
        assert side.trades == 1, layer.name
    shown = explained(bot, "--trades")
    assert "Trades by close reason" in shown
    assert "1 trades without a score are left out" in shown


def test_win_rates_by_hour_and_score(bot, monkeypatch):
    """Three trades in the hour of the first, one of them lost, and one that a short won later."""
    first = trade_of(signal_row(bot))
    hour = pd.Timestamp(first["open_timestamp"], unit="ms", tz="UTC").hour
    later = first["open_timestamp"] - 5 * 3_600_000
    trades = [
        first,
        first | {"enter_tag": "long 79"},
        first | {"enter_tag": "long 80", "profit_abs": -1.0},
        first | {"enter_tag": "short 95", "is_short": True, "open_timestamp": later},
    ]
    monkeypatch.setattr(signal_explanations, "last_backtest", lambda folder: {"trades": trades})
    record = ScoredCandles([str(bot.config)]).last_trades().record
    assert {at: (n.trades, n.wins) for at, n in record.by_hour.items()} == {
        hour: (3, 2), (hour - 5) % 24: (1, 1)
    }  # fmt: skip
    assert {at: (n.trades, n.wins) for at, n in record.by_score.items()} == {
        70: (2, 2), 80: (1, 0), 90: (1, 1)
    }  # fmt: skip
    assert (record.long.trades, record.short.trades) == (3, 1)
    shown = [line.replace("│", " ").split() for line in explained(bot, "--trades").splitlines()]
    assert [str(hour), "3", "67%"] in shown
    assert ["80", "1", "0%"] in shown
