"""
Spreads and scored positions in one live bot on the sandbox: opened, killed, gone on with, closed.

``python -m rehearsals.combined_bot`` lets an unmodified Freqtrade trade planted spreads and extra
markets in live mode with fewer trade slots than both want. While legs and scored positions are open
at once, the bot is killed with -9 and started again; it has to go on with all of them, and to enter
and leave further ones. Then a person stops the account: everything is closed. At the end exchange,
journal and database are compared.
"""

import json
import re
import secrets
import sys
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from freqtrade_ext.adapters._regime_frames import ScoreTag
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.adapters.lab_books import BotBooks, read_bot_books
from freqtrade_ext.adapters.market_data import load_bot_configuration, load_leg_candles
from freqtrade_ext.adapters.risk_control import risk_control
from freqtrade_ext.cli._bot_process import BotProcess, api_server_section, run_freqtrade
from freqtrade_ext.cli.crashlab._judge import differences, lost_orders
from freqtrade_ext.cli.crashlab._session import exchange_view
from freqtrade_ext.risk import CloseReason, coin_of
from freqtrade_ext.sandbox import Credentials, SpreadLegs, audit
from freqtrade_ext.sandbox.journal import OrderFilled, TriggerAccepted
from freqtrade_ext.sandbox.market import SyntheticMarket, SyntheticSpec
from freqtrade_ext.sandbox.rehearsal import Rehearsal, current_minute
from freqtrade_ext.sandbox.server import wall_clock
from freqtrade_ext.spreads import FittedMarkets, SpreadBook, fit_spec, save_book
from rehearsals.regime_backtest import prepare
from rehearsals.risk_scenarios import demand, wait

TIMEFRAME = "3m"  # the shortest that a score has enough history for
CANDLE_SECONDS = 180
EXPECTED = "Failed to enter position for"  # what a person is answered who enters a leg
FIRST_STOP = 0.5  # risk.kill_switch.full_loss
NAKED_MS = 2_000  # both legs leave in one request; what is longer was a leg alone
EXT: dict[str, Any] = {
    "spreads": {
        "fit_window": 300, "refit_every_hours": 1.0, "max_open_spreads": 2, "min_half_life": 0.2,
        "sizing": {"max_risk_per_trade": 0.002},
    },
    "signals": {
        "min_score": 50.0, "min_score_low": 30.0, "z_score_threshold": 0.8, "entry_tightness": 1.0,
        "quiet": {"enabled": False},
    },
    "risk": {"recovery": {"enabled": False}},
}  # fmt: skip


@dataclass
class Stage:
    """A served market with planted spreads and extra markets, a bot's folder, a report."""

    folder: Path
    market: SyntheticMarket
    rehearsal: Rehearsal
    api: dict[str, Any]
    report: list[str] = field(default_factory=list)

    @classmethod
    def set_up(cls, folder: Path, seed: int) -> "Stage":
        """Make a market that begins with the current minute."""
        market = SyntheticMarket(
            SyntheticSpec(
                seed=seed,
                anchor_ms=current_minute(),
                groups=5,
                markets_per_group=2,
                extra_markets=24,  # one score in forty market candles is high enough
                half_life_minutes=5.0,
                spread_sigma=0.006,
                factor_volatility=2e-3,
                extra_volatility=2e-3,
                history_minutes=6 * 1_440,
                horizon_minutes=1_440,
            )
        )
        account = Credentials(key=f"sandbox-{secrets.token_hex(8)}")
        return cls(folder, market, Rehearsal.on(market, credentials=account), api_server_section())

    @property
    def config(self) -> Path:
        """The bot's configuration file."""
        return self.folder / "config.json"

    @property
    def database(self) -> Path:
        """The bot's database."""
        return self.folder / "trades.sqlite"

    @property
    def log(self) -> str:
        """What the bot has logged, over all its starts."""
        return (self.folder / "live.log").read_text(errors="replace")

    @property
    def legs(self) -> list[SpreadLegs]:
        """Legs of every planted spread, for the exchange's audit."""
        return [
            SpreadLegs(each.symbol_a, each.symbol_b, each.hedge_ratio)
            for each in self.market.planted_spreads()
        ]

    def write(self) -> None:
        """Write configuration, candles and book; the server runs by then."""
        prepare(
            self.folder,
            self.rehearsal.exchange_section("proxy"),
            strategy="SpreadsAndScores",
            timeframe=TIMEFRAME,
            dry_run=False,
            max_open_trades=7,
            tradable_balance_ratio=0.9,
            force_entry_enable=True,
            db_url=f"sqlite:///{self.database}",
            api_server=self.api,
            initial_state="running",
            internals={"process_throttle_secs": 2},
            ext=EXT,
        )
        asked = ["download-data", "-c", str(self.config), "--timeframes", TIMEFRAME, "--days", "3"]
        run_freqtrade(asked, self.folder / "freqtrade.log")
        now = datetime.now(UTC).replace(microsecond=0)
        book = SpreadBook(created_at=now, timeframe=TIMEFRAME)
        configuration = load_bot_configuration([str(self.config)])
        for planted in self.market.planted_spreads():
            legs = [self.name_of(symbol) for symbol in (planted.symbol_a, planted.symbol_b)]
            candles = (load_leg_candles(configuration, leg) for leg in legs)
            options = {"z_score_threshold": 1.2}
            book = book.add(fit_spec(FittedMarkets(*legs, *candles), now=now, options=options))
        save_book(book, self.folder / "pairs_config.json")

    @property
    def singles(self) -> list[str]:
        """Markets of no planted spread."""
        legs = {self.name_of(name) for each in self.legs for name in (each.leg_a, each.leg_b)}
        return [name for name in self.rehearsal.market_names if name not in legs]

    def name_of(self, symbol: str) -> str:
        """Return a market as Freqtrade names it."""
        one = self.market.instruments[symbol]
        return f"{one.base}/{one.quote}:{one.quote}"

    def bot(self) -> BotProcess:
        """Return a bot on this stage, not yet started."""
        wide = {"COLUMNS": "1000"}
        return BotProcess([self.config], self.api, self.folder / "live.log", environment=wide)

    def fills(self) -> list[OrderFilled]:
        """Return all executions so far."""
        return self.rehearsal.server.call(lambda: self.rehearsal.journal.of(OrderFilled))

    def say(self, text: str) -> None:
        """Print and keep a line of the report."""
        line = f"{datetime.now(UTC):%H:%M:%S} {text}"
        self.report.append(line)
        click.echo(line)


@dataclass(frozen=True, slots=True)
class Held:
    """What a bot holds: trade numbers of legs and of single markets, and which of these scored."""

    legs: dict[tuple[str, str], int]
    singles: dict[str, int]
    scored: frozenset[str]

    @classmethod
    def of(cls, bot: BotProcess) -> "Held":
        """Ask the bot; a coin must never be in both."""
        legs, singles, scored = {}, {}, set()
        for trade in bot.call("GET", "status"):
            tag = EntryTag.parse(trade["enter_tag"])
            if tag is None:
                singles[trade["pair"]] = trade["trade_id"]
                scored |= {trade["pair"]} if ScoreTag.parse(trade["enter_tag"]) else set()
            else:
                legs[tag.spread_id, trade["pair"]] = trade["trade_id"]
        coins = {coin_of(pair) for _, pair in legs} & {coin_of(pair) for pair in singles}
        demand(not coins, f"in spreads and in single positions at once: {coins}")
        return cls(legs, singles, frozenset(scored))

    @property
    def spreads(self) -> set[str]:
        """Spreads that have both legs."""
        names = [spread_id for spread_id, _ in self.legs]
        return {name for name in names if names.count(name) == 2}

    @property
    def are_both(self) -> bool:
        """Whether a whole spread, a scored position and a person's are open."""
        return bool(self.spreads) and bool(self.scored) and len(self.singles) > len(self.scored)

    def __str__(self) -> str:
        """Render for the report."""
        persons = sorted(set(self.singles) - self.scored)
        return f"spreads {sorted(self.spreads)}, scored {sorted(self.scored)}, a person's {persons}"


def watch(bot: BotProcess, until: Callable[[Held], object], what: str, candles: float) -> Held:
    """Ask every two seconds, so that a coin in both would be seen, until something holds."""
    deadline = time.monotonic() + candles * CANDLE_SECONDS
    while time.monotonic() < deadline:
        held = Held.of(bot)
        if until(held):
            return held
        time.sleep(2)
    raise AssertionError(f"not within {candles:g} candles: {what}")


def try_to_enter(bot: BotProcess, market: str) -> str:
    """Let a person try to enter a market; what the bot answers."""
    try:
        bot.call("POST", "forceenter", {"pair": market, "side": "long"})
    except urllib.error.HTTPError as error:
        return f"refused ({error.code})"
    return "entered"


def play(stage: Stage) -> list[dict[str, Any]]:
    """Trade, be killed, go on, and close everything; all trades."""
    with stage.bot() as bot:
        bot.wait_until_running(120)
        stage.say("the bot runs")
        wait(lambda: "Bot heartbeat" in stage.log, "the first loop")
        stage.say(f"a person enters a market: {try_to_enter(bot, stage.singles[-1])}")
        answer = try_to_enter(bot, stage.name_of(stage.legs[0].leg_a))
        stage.say(f"a person enters a leg: {answer}")
        demand(answer.startswith("refused"), "a person has entered a leg")
        held = watch(bot, lambda each: each.are_both, "spreads and positions at once", 12)
        stage.say(f"open at once: {held}")
        # Its stop is not on the exchange yet when the bot dies.
        stage.say(f"a person enters one more: {try_to_enter(bot, stage.singles[-2])}")
        held = Held.of(bot)
        bot.kill()
        stage.say("killed with -9")
    again = stage.bot()
    with again:
        again.wait_until_running(120)
        after = Held.of(again)
        stage.say(f"after the restart: {after}")
        demand(after == held, f"the books have changed: {held} before, {after} after")
        fills = len(stage.fills())
        watch(again, lambda each: not each.legs.items() & held.legs.items(), "old spreads left", 8)
        stage.say(f"the spreads of before are closed; {len(stage.fills()) - fills} fills since")
        held = watch(again, lambda each: each.are_both, "both open once more", 8)
        stage.say(f"open at once again: {held}")
        with risk_control([str(stage.config)]) as control:
            control.stop_account("the rehearsal ends")
        stage.say("a person has stopped the account")
        wait(lambda: "Account kill switch" in stage.log, "the bot obeys")
        wait(lambda: not again.call("GET", "status"), "everything is closed", 120)
        time.sleep(10)  # stops and questions come to rest
        trades = again.call("GET", "trades?limit=500")["trades"]
        closed = closed_since_the_stop(stage, trades)
        reasons = {each["enter_tag"]: each["exit_reason"] for each in closed}
        stage.say(f"closed by the kill switch: {reasons}")
        demand(set(reasons.values()) == {CloseReason.KILL_SWITCH_FULL.value}, f"reasons {reasons}")
        demand(any(map(EntryTag.parse, reasons)), "a spread was closed by the kill switch")
        print_trades(stage, trades)
    return trades


def closed_since_the_stop(stage: Stage, trades: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Trades that were closed since the account was stopped; until then by their own rules."""
    with risk_control([str(stage.config)]) as control:
        stopped_ms = control.account.stopped_since_ms or 0
    return [each for each in trades if each["close_timestamp"] >= stopped_ms]


def wide_stops(stage: Stage, trades: list[dict[str, Any]]) -> list[str]:
    """Stops of single positions that lay further away than half of their margin."""
    events = stage.rehearsal.server.call(lambda: stage.rehearsal.journal.of(TriggerAccepted))
    found = []
    for trade in trades:
        if EntryTag.parse(trade["enter_tag"]):
            continue
        room = trade["open_rate"] * FIRST_STOP / trade["leverage"] * 1.01  # ticks
        for stop in events:
            is_own = stage.name_of(stop.symbol) == trade["pair"]
            if is_own and abs(float(stop.trigger_price) - trade["open_rate"]) > room:
                found.append(f"{stop.symbol}: stop at {stop.trigger_price}")
    return found


def print_trades(stage: Stage, trades: list[dict[str, Any]]) -> None:
    """Print how many trades there were, by kind and by reason."""
    count: dict[str, int] = {}
    for trade in trades:
        kind = "leg" if EntryTag.parse(trade["enter_tag"]) else "single"
        name = f"{kind} {trade['exit_reason']}"
        count[name] = count.get(name, 0) + 1
    stage.say(f"trades: {json.dumps(count, sort_keys=True)}")


def judge(stage: Stage, trades: list[dict[str, Any]], begin_ms: int) -> bool:
    """Print what exchange, journal and database say; whether all is well."""
    server = stage.rehearsal.server
    events = server.call(lambda: tuple(stage.rehearsal.journal.events))
    report = audit(events, spreads=stage.legs)
    books = read_bot_books(stage.database) or BotBooks()
    view = server.call(lambda: exchange_view(stage.rehearsal.exchange))
    apart = differences(view, books.held, books.known_orders)
    lost = lost_orders(events, books.known_orders, begin_ms)
    spans = [(one.until_ms or wall_clock()) - one.since_ms for one in report.orphans]
    naked = [span for span in spans if span > NAKED_MS]
    trouble = re.compile(r" - (ERROR|CRITICAL) - |Traceback")
    found = [line for line in stage.log.splitlines() if trouble.search(line)]
    errors = [line for line in found if EXPECTED not in line]
    wide = wide_stops(stage, trades)
    stage.say(
        f"audit: orphans {sum(each.is_orphan for each in apart)}, duplicates "
        f"{len(report.duplicates)}, naked legs {len(naked)} (longest {max(spans, default=0)} ms), "
        f"lost orders {len(lost)}, phantoms {sum(not each.is_orphan for each in apart)}, open "
        f"orders {len(report.open_orders)}, positions {len(report.positions)}, errors {len(errors)}"
        f", stops of positions too far away {len(wide)}"
    )
    for line in (
        *(each.text for each in apart),
        *map(str, report.duplicates),
        *lost,
        *errors,
        *wide,
    ):
        stage.say(f"  {line}")
    wrong = (
        apart,
        report.duplicates,
        naked,
        lost,
        report.open_orders,
        report.positions,
        errors,
        wide,
    )
    return not any(wrong)


@click.command()
@click.option("--seed", default=5, show_default=True, help="Seed of the market.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo_run/combined_bot"))
def main(seed: int, folder: Path) -> None:
    """Play it through; exit code 1 if anything was lost, left over or alone."""
    stage = Stage.set_up(folder.resolve(), seed)
    with stage.rehearsal.server:
        stage.write()
        begin_ms = wall_clock()
        trades = play(stage)
        is_well = judge(stage, trades, begin_ms)
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
