"""
A live bot with a model on the sandbox: it trades, its market changes, it is killed.

``python -m rehearsals.model_scenarios trade`` (``drift``, ``kill-training``, ``kill-save``) runs an
unmodified Freqtrade in live mode with `RegimeScore` and `SignalClassifier` on one-minute candles of
three synthetic markets. A scenario takes some minutes, because a minute's candle takes a minute.

The hour that ``drift`` needs to have passed since the shift is not waited for: while the bot is
down, the exchange's candles of the last hour are replaced by those of a wild hour.
"""

import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import numpy as np
from click.testing import CliRunner

from freqtrade_ext.adapters.model_store import model_registry
from freqtrade_ext.cli import main as command_line
from freqtrade_ext.cli._bot_process import BotProcess, api_server_section
from freqtrade_ext.learning import ModelRegistry, RegistrySettings
from freqtrade_ext.sandbox import Credentials
from freqtrade_ext.sandbox.market import Candle, SyntheticSpec
from freqtrade_ext.sandbox.market._types import PriceKind
from freqtrade_ext.sandbox.rehearsal import Rehearsal, current_minute
from freqtrade_ext.sandbox.server import wall_clock
from rehearsals.regime_backtest import USER_DATA, prepare
from rehearsals.risk_scenarios import MovedMarket, Scene, demand, wait

MINUTE_MS = 60_000
# Two candles after a training, and what an analysis takes.
PATIENCE = 480.0
IDENTIFIER = "live"
# Every candle that leaves its mean at all has a direction; only the model can say no.
SIGNALS: dict[str, Any] = {
    "z_score_threshold": 0.8,
    "entry_tightness": 0.5,
    "min_score": 50.0,
    "min_score_low": 30.0,
    "base_score": 70.0,
    "min_signal_interval_minutes": 1.0,
    "quiet": {"enabled": False},
    "hurst": {"reversion": 0.5, "trend": 0.5},
    "volatile_market": {"short_hours": 0.5, "long_hours": 4.0},
    "multi_timeframe": {"timeframes": ["15m", "1h"], "fast": 2, "slow": 4},
    "strong_trend": {"closes": 3},
    "model_confidence": {"floor": 0.1},
    "layers": {
        name: {"enabled": False}
        for name in ("regime_veto", "multi_timeframe", "strong_trend", "funding")
    },
}


_MISSING = "veto: the model is missing"
_DRIFTED = "has drifted, training anew"


class ShiftedMarket(MovedMarket):
    """A market that is calm until a moment, and wild from then on: prices, candles and volume."""

    def __init__(self, spec: SyntheticSpec) -> None:
        super().__init__(spec)
        self._since_ms: int | None = None
        steps = np.random.default_rng([spec.seed, 23]).normal(0.0, 0.01, spec.horizon_minutes)
        self._swing = [Decimal(f"{factor:.6f}") for factor in np.exp(np.cumsum(steps))]

    def shift(self, since_ms: int) -> None:
        """Be wild from this moment on; it may lie in the past."""
        self._since_ms = since_ms - since_ms % MINUTE_MS

    def _factor(self, symbol: str, now_ms: int) -> Decimal:
        calm = super()._factor(symbol, now_ms)
        if self._since_ms is None or now_ms < self._since_ms:
            return calm
        return calm * self._swing[(now_ms - self._since_ms) // MINUTE_MS % len(self._swing)]

    def candles(
        self,
        symbol: str,
        interval_ms: int,
        start_ms: int,
        end_ms: int,
        now_ms: int,
        kind: PriceKind = "last",
    ) -> list[Candle]:
        """Candles as the shift has left them; exact for those of a minute."""
        found = super().candles(symbol, interval_ms, start_ms, end_ms, now_ms, kind)
        return [self._moved(symbol, candle) for candle in found]

    def _moved(self, symbol: str, candle: Candle) -> Candle:
        if self._since_ms is None or candle.open_ms < self._since_ms:
            return candle
        names = ("open", "high", "low", "close")
        factor = float(self._factor(symbol, candle.open_ms))
        prices = {name: getattr(candle, name) * factor for name in names}
        return replace(candle, volume=candle.volume * 20, **prices)


class ModelScene(Scene):
    """A served market and a bot with a model."""

    market: ShiftedMarket

    @classmethod
    def play(cls, folder: Path, *, seed: int = 5) -> "ModelScene":
        """Make the folder and the market anew."""
        market = ShiftedMarket(
            SyntheticSpec(
                seed=seed,
                anchor_ms=current_minute(),
                groups=0,
                extra_markets=3,
                history_minutes=5 * 1_440,
                horizon_minutes=1_440,
            )
        )
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        account = Credentials(key=f"sandbox-{secrets.token_hex(8)}")
        rehearsal = Rehearsal.on(market, credentials=account)
        return cls(folder, market, rehearsal, api_server_section(), {})

    def configure(
        self, *, retrain_hours: float = 2.0, trees: int = 40, learning: dict[str, Any] | None = None
    ) -> None:
        """Write the configuration of a live bot."""
        self.ext = {
            "signals": SIGNALS,
            "risk": {"account": {"enabled": False}, "balance": {"max_positions": 3}},
            "learning": {
                "folds": 2,
                "labels": {"volatility_window": 60},
                "drift": {"window": 60, "check_every": 1},
            }
            | (learning or {}),
        }
        database = self.folder / "trades.sqlite"
        kept = self.folder.with_name(f"{self.folder.name}.kept")
        shutil.rmtree(kept, ignore_errors=True)
        # `prepare` makes the folder anew; what a bot has written stays.
        if self.folder.exists():
            shutil.copytree(self.folder, kept)
        prepare(
            self.folder,
            self.rehearsal.exchange_section("proxy"),
            timeframe="1m",
            dry_run=False,
            max_open_trades=3,
            stake_amount=900,
            tradable_balance_ratio=0.95,
            db_url=f"sqlite:///{database}",
            api_server=self.api,
            initial_state="running",
            internals={"process_throttle_secs": 1},
            freqaimodel="SignalClassifier",
            freqai={
                "enabled": True,
                "identifier": IDENTIFIER,
                "train_period_days": 1,
                "live_retrain_hours": retrain_hours,
                "expiration_hours": 3,
                "purge_old_models": 2,
                "activate_tensorboard": False,
                "wait_for_training_iteration_on_reload": True,
                "feature_parameters": {
                    "include_timeframes": ["1m"],
                    "include_corr_pairlist": [],
                    "indicator_periods_candles": [14],
                },
                "data_split_parameters": {"test_size": 0.1, "shuffle": False},
                "model_training_parameters": {"n_estimators": trees},
            },
            ext=self.ext,
        )
        shutil.copytree(USER_DATA / "freqaimodels", self.folder / "freqaimodels")
        if kept.exists():
            written = self.config.read_text()
            shutil.copytree(kept, self.folder, dirs_exist_ok=True)
            self.config.write_text(written)
            shutil.rmtree(kept)

    @property
    def models(self) -> Path:
        """Where FreqAI keeps its models."""
        return self.folder / "models" / IDENTIFIER

    @property
    def registry(self) -> ModelRegistry:
        """Every training so far."""
        return model_registry([str(self.config)])

    def versions(self) -> dict[str, list[int]]:
        """Return the recorded versions of each market."""
        registry = self.registry
        return {name: [card.version for card in registry.cards(name)] for name in self.markets}

    def in_use(self) -> dict[str, str]:
        """Return the model that FreqAI's dictionary names for each market."""
        pairs = json.loads((self.models / "pair_dictionary.json").read_text())
        return {name: pairs[name]["model_filename"] for name in self.markets if name in pairs}

    def half_written(self) -> list[str]:
        """Return what lies under another name than its own, as a killed process leaves it."""
        if not self.models.is_dir():
            return []
        names = [
            Path(path, name).relative_to(self.models)
            for path, folders, files in os.walk(self.models)
            for name in (*folders, *files)
        ]
        return sorted(str(name) for name in names if "partial" in name.name)

    def lines(self, text: str, since: int = 0) -> list[str]:
        """Return the log's lines with a text, from a place in the log on."""
        return [line for line in self.log[since:].splitlines() if text in line]

    def newest(self, bot: BotProcess, market: str) -> dict[str, Any]:
        """Return the newest candle that the strategy has analysed; empty before the first."""
        answer = bot.call("GET", f"pair_candles?pair={market}&timeframe=1m&limit=1")
        rows = [dict(zip(answer["columns"], row, strict=True)) for row in answer["data"]]
        return rows[-1] if rows else {}

    def wait_for_answers(self, bot: BotProcess) -> None:
        """Wait until each market's model has judged a candle that opened from now on, as calm."""
        begin = f"{datetime.now(UTC):%Y-%m-%dT%H:%M}"

        def judged() -> bool:
            found = [self.newest(bot, name) for name in self.markets]
            return all(
                row.get("date", "") >= begin and row["do_predict"] == 1 and not row["drifted"]
                for row in found
            )

        wait(judged, "every market's model has judged a new candle", PATIENCE)

    def print_answers(self, bot: BotProcess) -> None:
        """Print what each model says now, and what layer 23 makes of it."""
        for name in self.markets:
            row = self.newest(bot, name)
            self.say(
                f"  {name} {row['date']}: buy {_number(row['probability_buy'])}, sell "
                f"{_number(row['probability_sell'])}, drifted {row['drifted']:g}, direction "
                f"{row['direction']}, confidence {_number(row['model_confidence'])}, layer 23 "
                f"{row['layer_model_confidence']:+.1f}, size x {row['size_factor']:g}"
            )

    def print_registry(self) -> None:
        """Print what the user sees, and demand that all of it can be read and used."""
        shown = CliRunner().invoke(command_line, ["models", "list", "-c", str(self.config)])
        self.say(shown.output)
        demand(shown.exit_code == 0, f"freqtrade-ext models list: {shown.output}")
        registry = self.registry
        for name in registry.markets():
            cards = registry.cards(name)
            numbers = [card.version for card in cards]
            demand(numbers == list(range(1, len(cards) + 1)), f"{name}: versions {numbers}")
            for card in cards[-RegistrySettings().keep :]:
                files = list(registry.files(name, card.version).iterdir())
                demand(len(files) >= 4, f"{name} {card.version}: {files}")


def _number(value: float | None) -> str:
    return "none" if value is None or math.isnan(value) else f"{value:.2f}"


@contextmanager
def running(scene: ModelScene) -> Iterator[BotProcess]:
    """Start the bot, and stop it at the end, if it has not been killed before."""
    with scene.bot() as bot:
        bot.wait_until_running(180)
        yield bot


def catch(condition: Callable[[], object], what: str, seconds: float) -> None:
    """Wait for something that lasts some milliseconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        demand(time.monotonic() < deadline, f"after {seconds:.0f} s still not {what}")
        time.sleep(0.001)


def train_first(scene: ModelScene, bot: BotProcess) -> None:
    """Wait until every market has a model that has judged a candle."""
    wait(lambda: all(scene.versions().values()), "every market has a model", PATIENCE)
    scene.say(f"first models: {scene.in_use()}")
    scene.wait_for_answers(bot)
    scene.print_answers(bot)


def trade(folder: Path) -> ModelScene:
    """Nothing is entered before there are models; then the bot trades, with their word in it."""
    scene = ModelScene.play(folder)
    with scene.rehearsal.server:
        scene.configure()
        with running(scene) as bot:
            wait(lambda: scene.lines(_MISSING), "a veto without a model", PATIENCE)
            demand(not scene.fills(), "nothing is entered without a model")
            scene.say(scene.lines(_MISSING)[0])
            wait(lambda: all(scene.versions().values()), "every market has a model", PATIENCE)
            wait(scene.fills, "an entry", PATIENCE)
            scene.print_answers(bot)
            scene.print_orders()
            for each in bot.call("GET", "status"):
                scene.say(f"  trade {each['pair']}: {each['enter_tag']}, {each['stake_amount']}")
            scene.print_registry()
    demand("Traceback" not in scene.log, "no error")
    return scene


def drift(folder: Path) -> ModelScene:
    """A wild hour: a message, and a training at once, after which all is well again."""
    scene = ModelScene.play(folder)
    with scene.rehearsal.server:
        scene.configure()
        with running(scene) as bot:
            train_first(scene, bot)
        calm, place = scene.versions(), len(scene.log)
        demand(not scene.lines(_DRIFTED), "no drift in a calm market")
        # An hour later; FreqAI's own candles of that hour would be those of the calm market.
        shutil.rmtree(scene.folder / "data")
        since = wall_clock() - 61 * MINUTE_MS
        scene.rehearsal.server.call(lambda: scene.market.shift(since))
        with running(scene) as bot:
            _see_drift(scene, place)
            wait(
                lambda: all(
                    len(numbers) > len(calm[name]) for name, numbers in scene.versions().items()
                ),
                "every drifted market is trained again",
                PATIENCE,
            )
            scene.say(f"versions before {calm}, after {scene.versions()}")
            scene.wait_for_answers(bot)
            scene.print_answers(bot)
            scene.print_registry()
    demand("Traceback" not in scene.log, "no error")
    return scene


def _see_drift(scene: ModelScene, place: int) -> None:
    wait(
        lambda: all(
            scene.lines(f"Sending rpc strategy_msg: [MODEL] {name} {_DRIFTED}", place)
            for name in scene.markets
        ),
        "a message about each market through Freqtrade's channel",
        PATIENCE,
    )
    for text in scene.messages():
        if _DRIFTED in text:
            scene.say(f"message: {text}")


def killed_in(
    folder: Path, is_there: Callable[[ModelScene, int], bool], what: str, *, trees: int
) -> ModelScene:
    """
    Kill the bot in the middle of a training or of a save, and start it again.

    Trainings follow each other, so that there is one at any moment; after the restart none is due,
    so that what answers is what was there before.
    """
    scene = ModelScene.play(folder)
    with scene.rehearsal.server:
        scene.configure(trees=trees)
        with running(scene) as bot:
            train_first(scene, bot)
        scene.configure(retrain_hours=0.0, trees=trees)
        place = len(scene.log)
        with running(scene) as bot:
            catch(lambda: is_there(scene, place), what, PATIENCE)
            bot.kill()
        before, versions = scene.in_use(), scene.versions()
        scene.say(f"killed {what}; in use {before}, recorded {versions}")
        scene.say(f"left behind: {scene.half_written()}")
        scene.configure(trees=trees)
        place = len(scene.log)
        with running(scene) as bot:
            scene.wait_for_answers(bot)
            demand(scene.in_use() == before, f"another model is in use: {scene.in_use()}")
            demand(not scene.lines("trained on", place), "nothing had to be trained")
            demand(scene.versions() == versions, f"versions {scene.versions()}")
            demand(not scene.half_written(), f"left behind still: {scene.half_written()}")
            scene.print_answers(bot)
            scene.print_registry()
        demand(not scene.lines("Traceback", place), "no error after the restart")
    return scene


def _is_training(scene: ModelScene, place: int) -> bool:
    """Whether a training has begun whose end is not in the log yet."""
    begun, ended = (len(scene.lines(text, place)) for text in ("training begins", "trained on"))
    return begun > ended


def _is_saving(scene: ModelScene, place: int) -> bool:
    return any(".partial-" in name for name in scene.half_written())


def kill_training(folder: Path) -> ModelScene:
    """SIGKILL in the middle of a training: the previous model answers after the restart."""
    return killed_in(folder, _is_training, "in the middle of a training", trees=400)


def kill_save(folder: Path) -> ModelScene:
    """SIGKILL in the middle of a save: the previous model, or the whole new one."""
    return killed_in(folder, _is_saving, "in the middle of a save", trees=40)


SCENARIOS: dict[str, Callable[[Path], ModelScene]] = {
    "trade": trade,
    "drift": drift,
    "kill-training": kill_training,
    "kill-save": kill_save,
}


@click.command()
@click.argument("name", type=click.Choice(list(SCENARIOS)))
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo_run/models"))
def main(name: str, folder: Path) -> None:
    """Play one scenario."""
    SCENARIOS[name](folder.resolve())


if __name__ == "__main__":
    main()
