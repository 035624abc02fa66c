"""
`RegimeScore` with a model, by an unmodified Freqtrade on synthetic candles.

``python -m rehearsals.regime_models SignalClassifier`` makes hourly candles of three markets in
which a part of the next move is known from volume, backtests without and with the model, and prints
what layer 23 did to the scores; then it cuts the candles off and shows that nothing before the cut
has changed. ``--command lookahead-analysis`` (or ``recursive-analysis``) passes that command on.
"""

import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from freqtrade_ext.adapters._regime_frames import ScoreTag
from freqtrade_ext.adapters.market_data import last_backtest
from freqtrade_ext.adapters.signal_explanations import ScoredCandles
from rehearsals.model_stage import ModelStage, model_stage

MODELS = ("SignalClassifier", "SpreadDirectionRegressor", "TradeOutcomeModel")
COINS = {"BTC": 40_000.0, "ETH": 2_000.0, "SOL": 100.0}
DAYS = 75
RANGE = "20240205-20240312"
CUT = datetime(2024, 3, 1, tzinfo=UTC)
SHIM = Path(__file__).resolve().parents[1] / "user_data"
# Thresholds so low that there are some hundred signals to look at.
SIGNALS = {
    "min_score": 50.0,
    "min_score_low": 30.0,
    "z_score_threshold": 0.8,
    "entry_tightness": 1.0,
    "quiet": {"enabled": False},
}
LEARNING = {
    "folds": 2,
    "labels": {"volatility_window": 100},
    "drift": {"window": 60},
    "outcome": {"min_trades": 30},
}


def write_candles(folder: Path, days: int = DAYS, seed: int = 8) -> None:
    """
    Write hourly candles that revert to a moving mean.

    A high volume comes before a rise, a low one before a fall: something that a model can learn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    dates = pd.date_range("2024-01-01", periods=days * 24, freq="1h", tz="UTC")
    for coin, price in COINS.items():
        hint = rng.normal(0, 1, len(dates))
        noise = np.zeros(len(dates))
        for row in range(1, len(dates)):
            shock = 0.004 * hint[row - 1] + rng.normal(0, 0.004)
            noise[row] = 0.85 * noise[row - 1] + shock
        close = price * np.exp(np.cumsum(rng.normal(0, 0.002, len(dates))) + noise)
        frame = pd.DataFrame(
            {
                "date": dates.astype("datetime64[ms, UTC]"),
                "open": np.r_[close[0], close[:-1]],
                "close": close,
                "volume": (100.0 * np.exp(0.5 * hint)).round(3),
            }
        )
        frame["high"] = frame[["open", "close"]].max(axis=1) * 1.002
        frame["low"] = frame[["open", "close"]].min(axis=1) * 0.998
        names = ["open", "high", "low", "close", "volume"]
        frame = frame[["date"]].join(frame[names].round(4))
        frame.to_feather(folder / f"{coin}_USDT-1h.feather")


def write_strategies(stage: ModelStage) -> None:
    """Copy the shipped strategy and its protections into the bot's folder."""
    for name in ("strategies", "protections"):
        shutil.copytree(SHIM / name, stage.folder / name, dirs_exist_ok=True)


def configure(
    stage: ModelStage, identifier: str, *, learning: dict[str, Any] | None = None, **freqai: Any
) -> None:
    """Write a configuration; keys of the section freqai replace its own."""
    stage.configure(
        timeframe="1h",
        strategy="RegimeScore",
        model={"n_estimators": 60},
        ext={
            "signals": SIGNALS,
            "learning": LEARNING | (learning or {}),
            "risk": {"account": {"enabled": False}},
        },
        fee=0.0005,
        freqai={
            "identifier": identifier,
            "train_period_days": 15,
            "backtest_period_days": 7,
            "save_backtest_models": False,
        }
        | freqai,
    )


def backtest(stage: ModelStage, *arguments: str, timerange: str = RANGE) -> list[dict[str, Any]]:
    """Run a backtest and return its trades."""
    run = stage.freqtrade(
        "backtesting", "--timerange", timerange, "--cache", "none", "--enable-protections",
        *arguments,
    )  # fmt: skip
    (stage.folder / "backtest.log").write_text(run.log)
    trades: list[dict[str, Any]] = last_backtest(stage.folder / "backtest_results")["trades"]
    return trades


def scores(stage: ModelStage) -> dict[str, pd.DataFrame]:
    """Score each market with the answers that the last backtest has stored."""
    logging.disable(logging.WARNING)  # of funding rates, which these markets have not
    try:
        candles = ScoredCandles([str(stage.stage.config)])
        return {market: candles.score(market).columns for market in stage.markets}
    finally:
        logging.disable(logging.NOTSET)


def summary(found: dict[str, pd.DataFrame]) -> str:
    """Say what layer 23 did in a backtest."""
    both = pd.concat(found.values())
    told = both[both["model_confidence"].notna()]
    points = told["layer_model_confidence"]
    return (
        f"{len(told)} candles with a direction and an answer: confidence from "
        f"{told['model_confidence'].min():.2f} to {told['model_confidence'].max():.2f}, points "
        f"from {points.min():+.1f} to {points.max():+.1f}, {int((points > 0).sum())} above 0, "
        f"{int((points < 0).sum())} below, {int(told['veto_model_confidence'].sum())} vetoes"
    )


def net(trades: list[dict[str, Any]]) -> str:
    """Sum trades up."""
    profit = sum(trade["profit_abs"] for trade in trades)
    won = sum(trade["profit_abs"] > 0 for trade in trades)
    return f"{len(trades)} trades, {won} won, net {profit:+.1f} USDT"


def play(folder: Path, model: str, say: Any = click.echo) -> dict[str, Any]:
    """Backtest without and with a model, and once more on candles that are cut off."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_candles(folder / "candles")
    with model_stage(folder / "user_data", folder / "candles", "1h", list(COINS)) as stage:
        write_strategies(stage)
        configure(stage, "none", enabled=False)
        alone = backtest(stage)
        say(f"FreqAI off: {net(alone)}")
        if model == "TradeOutcomeModel":
            say(prime(stage))
        configure(stage, "whole")
        told = backtest(stage, "--freqaimodel", model)
        say(f"{model}: {net(told)}")
        whole = scores(stage)
        say(summary(whole))
        check_tags(told, whole)
        rows, trades = cut_off(stage, model, whole, told)
        say(
            f"cut off at {CUT:%Y-%m-%d}: {rows} answers and {trades} trades before it, none has "
            "changed"
        )
        return {"alone": alone, "told": told, "scores": whole, "rows": rows}


def prime(stage: ModelStage) -> str:
    """Teach the outcome model the trades of the backtest before, which end before the next."""
    from freqtrade_ext.adapters.model_store import prime_outcomes

    done = prime_outcomes([str(stage.stage.config)], stage.folder / "backtest_results")
    return f"primed with {done.added} trades of {done.read}"


def check_tags(trades: list[dict[str, Any]], whole: dict[str, pd.DataFrame]) -> None:
    """
    Compare the score in each trade's tag with the one that an explanation shows.

    Raises
    ------
    AssertionError
        If one differs: the strategy would have scored otherwise than is told.
    """
    for trade in trades:
        tag = ScoreTag.parse(trade["enter_tag"])
        frame = whole[trade["pair"]]
        opened = pd.Timestamp(trade["open_timestamp"], unit="ms", tz="UTC")
        row = int(frame["date"].searchsorted(opened)) - 1
        if tag is None or tag.score != int(frame["score"].iloc[row]):
            raise AssertionError(f"{trade['pair']} {opened}: {tag}, {frame.iloc[row]}")


def cut_off(
    stage: ModelStage,
    model: str,
    whole: dict[str, pd.DataFrame],
    trades: list[dict[str, Any]],
) -> tuple[int, int]:
    """
    Backtest again on candles that end earlier, and compare all rows and trades before.

    Raises
    ------
    AssertionError
        If one differs: it would have known something that came later.
    """
    for file in (stage.folder / "data" / "binance" / "futures").glob("*.feather"):
        frame = pd.read_feather(file)
        file.unlink()  # a link to the whole file
        frame[frame["date"] < CUT].reset_index(drop=True).to_feather(file)
    configure(stage, "cut")
    fewer = backtest(stage, "--freqaimodel", model, timerange=f"20240205-{CUT:%Y%m%d}")
    compared = 0
    for market, part in scores(stage).items():
        before = whole[market][whole[market]["date"] < CUT]
        pd.testing.assert_frame_equal(part, before, check_exact=True)
        compared += int(part["model_confidence"].notna().sum())
    first, second = _closed_before_the_cut(trades), _closed_before_the_cut(fewer)
    if first != second or not first or not compared:
        raise AssertionError(f"{len(first)} and {len(second)} trades, {compared} rows")
    return compared, len(first)


def _closed_before_the_cut(trades: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = ("pair", "open_timestamp", "close_timestamp", "enter_tag", "stake_amount")
    last = CUT.timestamp() * 1000 - 3_600_000  # what is open at the end is closed by force there
    return [
        tuple(trade[name] for name in names) for trade in trades if trade["close_timestamp"] < last
    ]


@click.command()
@click.argument("model", type=click.Choice(MODELS))
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo_run/regime_models"))
@click.option("--command", help="Of Freqtrade, instead of the backtests.")
@click.argument("more", nargs=-1)
def main(model: str, folder: Path, command: str | None, more: tuple[str, ...]) -> None:
    """Play a model, or run one command of Freqtrade's on the same stage."""
    folder = folder.resolve()
    if command is None:
        play(folder, model)
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_candles(folder / "candles")
    with model_stage(folder / "user_data", folder / "candles", "1h", list(COINS)) as stage:
        write_strategies(stage)
        configure(stage, command)
        run = stage.freqtrade(command, "--timerange", RANGE, "--freqaimodel", model, *more)
        click.echo(run.log)


if __name__ == "__main__":
    main()
