"""
What the risk rules do on the sandbox, in live mode.

A crash, three stops, an account that is lost, and half a day under water with a recovery.

``python -m rehearsals.risk_scenarios crash`` opens positions with an unmodified Freqtrade, moves
the market, kills the bot in the middle and starts it again, and prints the orders that the exchange
took, the locks, the messages, and what the bot says of itself.
"""

import itertools
import re
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from freqtrade_ext.adapters.risk_control import risk_control
from freqtrade_ext.cli._bot_process import BotProcess, api_server_section
from freqtrade_ext.risk import ExitState
from freqtrade_ext.sandbox import Credentials
from freqtrade_ext.sandbox.journal import OrderFilled, TriggerAccepted
from freqtrade_ext.sandbox.market import Depth, SyntheticMarket, SyntheticSpec
from freqtrade_ext.sandbox.rehearsal import Rehearsal, current_minute
from freqtrade_ext.sandbox.server import wall_clock
from rehearsals.fast_clock import FastClock
from rehearsals.regime_backtest import prepare

BTC, ETH, SOL = "BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"
MARKETS = (BTC, ETH, SOL)
MESSAGE = re.compile(r"Sending rpc strategy_msg: (.*)$")
PROTECTION = re.compile(r"Sending rpc message: (\{'type': protection_trigger.*)$")
PATIENCE = 90.0
HOUR_MS = 3_600_000


def symbol_of(market: str) -> str:
    """Return the exchange's own name."""
    return market.split("/")[0] + "USDT"


class MovedMarket(SyntheticMarket):
    """A market whose prices are led down, and up again, market by market."""

    def __init__(self, spec: SyntheticSpec) -> None:
        super().__init__(spec)
        self._paths: dict[str, list[tuple[int, Decimal]]] = {}

    def lead(self, symbol: str, *, to: str, from_ms: int, seconds: float) -> None:
        """Let a market's prices go to a multiple of what they would be, in a straight line."""
        known = self._paths.get(symbol, [(0, Decimal(1))])
        path = [point for point in known if point[0] <= from_ms]
        path.append((from_ms, self._factor(symbol, from_ms)))
        path.append((from_ms + round(seconds * 1000), Decimal(to)))
        self._paths[symbol] = path

    def _factor(self, symbol: str, now_ms: int) -> Decimal:
        path = self._paths.get(symbol)
        if path is None:
            return Decimal(1)
        for (begin, before), (end, after) in itertools.pairwise(path):
            if now_ms < end:
                share = Decimal(max(now_ms - begin, 0)) / Decimal(max(end - begin, 1))
                return before + (after - before) * min(share, Decimal(1))
        return path[-1][1]

    def _scaled(self, symbol: str, price: Decimal, now_ms: int) -> Decimal:
        tick = self.instruments[symbol].tick_size
        return (price * self._factor(symbol, now_ms) / tick).to_integral_value() * tick

    def price(self, symbol: str, now_ms: int) -> Decimal:
        """Last price."""
        return self._scaled(symbol, super().price(symbol, now_ms), now_ms)

    def mark_price(self, symbol: str, now_ms: int) -> Decimal:
        """Mark price."""
        return self._scaled(symbol, super().mark_price(symbol, now_ms), now_ms)

    def price_range(self, symbol: str, after_ms: int, until_ms: int) -> tuple[Decimal, Decimal]:
        """Lowest and highest price of a span."""
        low, high = super().price_range(symbol, after_ms, until_ms)
        ends = [self._factor(symbol, moment) for moment in (after_ms, until_ms)]
        tick = self.instruments[symbol].tick_size
        return tuple(  # type: ignore[return-value]
            (price * factor / tick).to_integral_value() * tick
            for price, factor in ((low, min(ends)), (high, max(ends)))
        )

    def depth(self, symbol: str, now_ms: int, levels: int) -> Depth:
        """Order book."""
        book = super().depth(symbol, now_ms, levels)
        bids, asks = (
            tuple((self._scaled(symbol, p, now_ms), q) for p, q in side)
            for side in (book.bids, book.asks)
        )
        return Depth(bids, asks)


@dataclass
class Scene:
    """A served market, a bot's folder, and what was seen."""

    folder: Path
    market: MovedMarket
    rehearsal: Rehearsal
    api: dict[str, Any]
    ext: dict[str, Any]
    report: list[str] = field(default_factory=list)
    clock: FastClock | None = None

    @classmethod
    def set_up(
        cls,
        folder: Path,
        ext: dict[str, Any],
        *,
        seed: int = 11,
        volatility: float = 2e-3,
        history_minutes: int = 6 * 1_440,
        clock: FastClock | None = None,
    ) -> "Scene":
        """Make the folder and the market anew; `volatility` is that of a minute's return."""
        market = MovedMarket(
            SyntheticSpec(
                seed=seed,
                anchor_ms=current_minute(),
                groups=0,
                extra_markets=3,
                extra_volatility=volatility,
                history_minutes=history_minutes,
                horizon_minutes=1_440,
            )
        )
        shutil.rmtree(folder, ignore_errors=True)
        account = Credentials(key=f"sandbox-{secrets.token_hex(8)}")
        folder.mkdir(parents=True)
        now = wall_clock if clock is None else clock.now_ms
        rehearsal = Rehearsal.on(market, credentials=account, clock=now)
        return cls(folder, market, rehearsal, api_server_section(), ext, clock=clock)

    @property
    def now_ms(self) -> int:
        """Time of exchange and bot, ms since 1970 UTC."""
        return wall_clock() if self.clock is None else self.clock.now_ms()

    @property
    def config(self) -> Path:
        """The bot's configuration file."""
        return self.folder / "config.json"

    def write_config(self, timeframe: str = "5m", **changes: Any) -> None:
        """Write a live bot's configuration; the server runs by then."""
        exchange = self.rehearsal.exchange_section("proxy")
        if self.clock is not None:  # a request of 50 ms takes three seconds of a fast clock
            exchange["ccxt_config"]["timeout"] = 600_000
            exchange["ccxt_config"]["options"]["recvWindow"] = 60_000
        given: dict[str, Any] = {"internals": {"process_throttle_secs": 1}, **changes}
        prepare(
            self.folder,
            exchange,
            timeframe=timeframe,
            dry_run=False,
            max_open_trades=3,
            stake_amount=900,
            tradable_balance_ratio=0.95,
            force_entry_enable=True,
            db_url=f"sqlite:///{self.folder / 'trades.sqlite'}",
            api_server=self.api,
            initial_state="running",
            ext=self.ext,
            **given,
        )

    @property
    def markets(self) -> list[str]:
        """Markets as Freqtrade names them."""
        return self.rehearsal.market_names

    @property
    def log(self) -> str:
        """What the bot has logged, over all its starts."""
        return (self.folder / "live.log").read_text(errors="replace")

    def bot(self) -> BotProcess:
        """Return a bot on this scene, not yet started."""
        variables = {"COLUMNS": "1000"} | (self.clock.environment if self.clock else {})
        return BotProcess(
            [self.config],
            self.api,
            self.folder / "live.log",
            module="rehearsals.fast_clock" if self.clock else "freqtrade",
            environment=variables,
        )

    def say(self, text: str) -> None:
        """Print and keep a line of the report."""
        self.report.append(text)
        click.echo(text)

    def move(self, market: str, to: str, seconds: float) -> None:
        """Lead a market's price away, from now on."""
        symbol, now_ms = symbol_of(market), self.now_ms
        self.rehearsal.server.call(
            lambda: self.market.lead(symbol, to=to, from_ms=now_ms, seconds=seconds)
        )

    def move_to_price(self, market: str, price: float, seconds: float) -> None:
        """Lead a market to about a price: what it does by itself meanwhile is added."""
        symbol, now_ms = symbol_of(market), self.now_ms
        unled = self.rehearsal.server.call(
            lambda: float(super(MovedMarket, self.market).price(symbol, now_ms))
        )
        self.move(market, f"{price / unled:.6f}", seconds)

    def fills(self) -> list[OrderFilled]:
        """Return all executions so far."""
        return self.rehearsal.server.call(lambda: self.rehearsal.journal.of(OrderFilled))

    def stops(self) -> list[TriggerAccepted]:
        """Return all stops that the exchange ever took."""
        return self.rehearsal.server.call(lambda: self.rehearsal.journal.of(TriggerAccepted))

    def held(self) -> dict[str, Decimal]:
        """Return positions on the exchange."""
        last = {fill.symbol: fill.position for fill in self.fills()}
        return {symbol: quantity for symbol, quantity in last.items() if quantity}

    def messages(self) -> list[str]:
        """Return what was sent to a person, and what protections told."""
        found = []
        for line in self.log.splitlines():
            match = MESSAGE.search(line) or PROTECTION.search(line)
            if match:
                found.append(match.group(1).strip())
        return found

    def print_orders(self) -> None:
        """Print every execution."""
        for fill in self.fills():
            self.say(
                f"  fill {fill.symbol} {fill.side} {fill.quantity} at {fill.price} "
                f"[{fill.client_order_id[:14]}] position {fill.position}"
            )

    def print_locks(self, bot: BotProcess) -> None:
        """Print every lock that holds."""
        for lock in bot.call("GET", "locks")["locks"]:
            end = lock["lock_end_time"]
            self.say(f"  lock {lock['pair']} until {end}: {lock['reason']}")

    def remembered(self, bot: BotProcess) -> dict[str, ExitState]:
        """Return what the bot's database holds of each open trade, by market."""
        found = {}
        for trade in bot.call("GET", "status"):
            (entry,) = bot.call("GET", f"trades/{trade['trade_id']}/custom-data?key=ext_exit")
            (data,) = entry["custom_data"]
            found[trade["pair"]] = ExitState.from_json(data["value"], place=trade["pair"])
        return found

    def print_restart(self, bot: BotProcess) -> None:
        """Print what a bot holds, remembers and has locked after it was killed."""
        self.say(f"after the restart: held {self.held()}")
        for market, state in self.remembered(bot).items():
            self.say(f"  state {market}: {state}")
        with risk_control([str(self.config)]) as control:
            self.say(f"  state of the account: {control.account}")
        self.print_locks(bot)

    def print_end(self, bot: BotProcess) -> None:
        """Print orders, locks, messages and trades."""
        self.print_orders()
        self.print_locks(bot)
        for text in self.messages():
            self.say(f"  message {text}")
        for trade in bot.call("GET", "trades")["trades"]:
            profit = trade["close_profit"] or 0.0
            self.say(f"  trade {trade['pair']}: {trade['exit_reason']} {profit:+.1%} of margin")


def wait(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.3)
    raise AssertionError(f"after {seconds:.0f} s still not: {what}")


def demand(holds: bool, what: str) -> None:
    """Fail unless something holds."""
    if not holds:
        raise AssertionError(what)


def open_longs(scene: Scene, bot: BotProcess) -> None:
    """Let a person open a long in every market, and wait for the stops on the exchange."""
    # REST answers before the first loop, and an account that nobody has looked at enters nothing.
    wait(lambda: "Bot heartbeat" in scene.log, "the first loop")
    for market in scene.markets:
        bot.call("POST", "forceenter", {"pair": market, "side": "long"})
    wait(lambda: len(scene.held()) == len(scene.markets), "every market is held")
    wait(lambda: len(scene.stops()) >= len(scene.markets), "every position has its stop")


def crash(folder: Path) -> Scene:
    """
    −10 % in one minute at 5×: half goes at −6 %, the rest at −10 %, each market is locked for 24 h.

    The rest is closed by the bot, or by the stop that it keeps at the same level on the exchange,
    whichever is first.
    The bot is killed after the halves and started again: nothing is halved twice.
    """
    ext = {
        "signals": {"leverage": {"max_leverage": 5.0, "assumed_spread_bps": 1.0}},
        "risk": {
            "exits": {"sl_atr": 5.0, "exit_tightness": 2.0},
            "account": {"enabled": False},
            "balance": {"max_positions": 3},
        },
    }
    # The market moves so much that ten ATR, the widest stop, lie beyond -10 %.
    scene = Scene.set_up(folder, ext, volatility=2.8e-3)
    with scene.rehearsal.server:
        scene.write_config()
        bot = scene.bot()
        with bot:
            bot.wait_until_running(60)
            open_longs(scene, bot)
            leverages = {trade["leverage"] for trade in bot.call("GET", "status")}
            demand(leverages == {5.0}, f"leverage {leverages}")
            entered = dict(scene.held())
            scene.say(f"entered {entered}")
            for market in scene.markets:
                scene.move(market, to="0.925", seconds=45)
            wait(lambda: _are_halved(scene, entered), "every position is halved")
            scene.say("every position is halved; the bot is killed")
            bot.kill()
        again = scene.bot()
        with again:
            again.wait_until_running(60)
            time.sleep(8)  # some loops, in which nothing may be halved again
            scene.print_restart(again)
            demand(_are_halved(scene, entered), f"nothing is halved twice: {scene.held()}")
            states = scene.remembered(again)
            demand(
                len(states) == 3 and all(state.halved for state in states.values()),
                f"every half is remembered: {states}",
            )
            demand(_are_locked_for_a_day(again, scene.markets), "every market stays locked")
            for market in scene.markets:
                scene.move(market, to="0.885", seconds=15)
            wait(lambda: not scene.held(), "everything is closed")
            wait(lambda: not again.call("GET", "status"), "every trade is closed in the books")
            # Freqtrade books the exchange's fill in its own words; the next loop names it.
            wait(lambda: _reasons(again) <= {"KILL_SWITCH_FULL", "SL_HIT"}, "every close is named")
            # Also those that the killed bot had not sent.
            wait(lambda: _told(scene, "half was closed") >= 3, "a message for every half")
            scene.print_end(again)
            demand(_are_locked_for_a_day(again, scene.markets), "every market is locked")
            _check_losses(scene)
    return scene


def _told(scene: Scene, text: str) -> int:
    return len({message for message in scene.messages() if text in message})


def _check_losses(scene: Scene) -> None:
    """Demand an entry and two exits in each market, at -6 % and at -10 %, each but little later."""
    for symbol in map(symbol_of, scene.markets):
        entry, *exits = (fill.price for fill in scene.fills() if fill.symbol == symbol)
        losses = [1 - price / entry for price in exits]
        levels = (Decimal("0.06"), Decimal("0.10"))
        demand(
            len(losses) == 2
            and all(
                level - Decimal("0.005") < loss < level + Decimal("0.02")
                for level, loss in zip(levels, losses, strict=True)
            ),
            f"{symbol} left at losses of {losses}",
        )


def _reasons(bot: BotProcess) -> set[str]:
    return {trade["exit_reason"] for trade in bot.call("GET", "trades")["trades"]}


def _are_locked_for_a_day(bot: BotProcess, markets: list[str]) -> bool:
    begin = wall_clock() + 23 * 3_600_000
    locks = bot.call("GET", "locks")["locks"]
    return set(markets) <= {lock["pair"] for lock in locks if lock["lock_end_timestamp"] > begin}


def _are_halved(scene: Scene, entered: dict[str, Decimal]) -> bool:
    held = scene.held()
    return all(
        symbol in held and abs(held[symbol] / quantity - Decimal("0.5")) < Decimal("0.02")
        for symbol, quantity in entered.items()
    )


def three_stops(folder: Path) -> Scene:
    """Three stops within an hour lock all entries for 30 minutes; a restart is in the middle."""
    scene = Scene.set_up(folder, {"risk": {"account": {"enabled": False}}})
    with scene.rehearsal.server:
        scene.write_config()
        bot = scene.bot()
        with bot:
            bot.wait_until_running(60)
            open_longs(scene, bot)
            for market in scene.markets[:2]:
                scene.move(market, to="0.93", seconds=10)
            wait(lambda: len(scene.held()) == 1, "two stops have fired")
            wait(lambda: len(bot.call("GET", "status")) == 1, "both are in the books")
            reasons = [lock["reason"] for lock in bot.call("GET", "locks")["locks"]]
            scene.say(f"after two stops: locks {reasons}")
            demand(not _global_lock(bot), f"two stops lock nothing: {reasons}")
            bot.kill()
        again = scene.bot()
        with again:
            again.wait_until_running(60)
            scene.print_restart(again)
            demand(not _global_lock(again), "two stops lock nothing after a restart either")
            demand(len(scene.remembered(again)) == 1, "the third position is remembered")
            scene.move(scene.markets[2], to="0.93", seconds=10)
            wait(lambda: not scene.held(), "the third stop has fired")
            wait(lambda: _global_lock(again), "entries are locked")
            # As after the crash: the bot or the exchange, and a name from the next loop on.
            wait(lambda: _reasons(again) <= {"SL", "SL_HIT"}, "every stop has our name")
            wait(lambda: "Not creating new trades, reason: 3 losing" in scene.log, "no entries")
            wait(lambda: _told(scene, "losing stops"), "a message of the protection")
            scene.print_end(again)
    return scene


def _global_lock(bot: BotProcess) -> bool:
    locks = bot.call("GET", "locks")["locks"]
    return any(lock["pair"] == "*" and "losing stops" in lock["reason"] for lock in locks)


def account(folder: Path) -> Scene:
    """
    The account loses a fifth: everything is closed, and nothing is entered until a person resets.

    The bot is killed right after it has stopped, and started again: it stays stopped.
    """
    ext = {
        "signals": {"leverage": {"max_leverage": 5.0, "assumed_spread_bps": 1.0}},
        "risk": {
            "exits": {"sl_atr": 5.0, "exit_tightness": 2.0},
            "kill_switch": {"enabled": False},
            "account": {"max_drawdown": 0.05},
        },
    }
    scene = Scene.set_up(folder, ext)
    with scene.rehearsal.server:
        scene.write_config()
        bot = scene.bot()
        with bot:
            bot.wait_until_running(60)
            open_longs(scene, bot)
            for market in scene.markets:
                scene.move(market, to="0.95", seconds=20)
            wait(lambda: "Account kill switch" in scene.log, "the account is stopped")
            bot.kill()
            scene.say("the account is stopped; the bot is killed at once")
        again = scene.bot()
        with again:
            again.wait_until_running(60)
            scene.print_restart(again)
            wait(lambda: not scene.held(), "everything is closed")
            wait(lambda: not again.call("GET", "status"), "every trade is closed in the books")
            demand(_reasons(again) == {"KILL_SWITCH_FULL"}, f"reasons {_reasons(again)}")
            scene.say(f"a forced entry: {_try_to_enter(again, scene.markets[0])}")
            demand(not scene.held(), "a stopped account enters nothing")
            scene.print_end(again)
            with risk_control([str(scene.config)]) as control:
                demand(control.account.is_stopped, "the account is stopped after a restart")
                control.reset_account()
            wait(lambda: "reset by a person" in scene.log, "the reset is done")
            wait(lambda: not _is_locked(again), "the lock is gone")
            scene.say(f"after the reset: {_try_to_enter(again, scene.markets[0])}")
            wait(scene.held, "a market is held again")
    return scene


def _is_locked(bot: BotProcess) -> bool:
    locks = bot.call("GET", "locks")["locks"]
    return any(lock["pair"] == "*" for lock in locks)


def _try_to_enter(bot: BotProcess, market: str) -> str:
    import urllib.error

    try:
        answer = bot.call("POST", "forceenter", {"pair": market, "side": "long"})
    except urllib.error.HTTPError as error:
        return f"refused ({error.code}) {error.read().decode()[:120]}"
    return "entered" if answer.get("trade_id") else f"refused {answer}"


def slow_drawdown(folder: Path) -> Scene:
    """
    Twelve hours under water, then back above it: the portfolio is closed when its profit turns.

    A second of the machine is a minute of exchange and bot. The bot is killed after half of the
    time and started again: the hours under water are not counted anew.
    """
    ext = {
        "signals": {"leverage": {"max_leverage": 2.0, "assumed_spread_bps": 1.0}},
        "risk": {
            # Wide exits, and none by age: what ends the positions is the portfolio's rule.
            "exits": {
                "sl_atr": 5.0, "exit_tightness": 2.0, "tp_atr": 6.0, "trail_activation": 3.0,
                "breakeven_atr": None, "deep_loss": None, "gradual_hours": None,
                "force_hours": None, "adverse_hours": None, "reduce_first_hours": None,
                "reduce_second_hours": None,
            },
        },
    }  # fmt: skip
    clock = FastClock.from_now(60.0)
    scene = Scene.set_up(folder, ext, volatility=3e-4, history_minutes=60 * 1_440, clock=clock)
    with scene.rehearsal.server:
        scene.write_config("1h", internals={"process_throttle_secs": 60})
        begin_ms = _go_under_water(scene)
        again = scene.bot()
        with again:
            again.wait_until_running(60)
            scene.print_restart(again)
            with risk_control([str(scene.config)]) as control:
                remembered = control.recovery.below_since_ms
            demand(
                remembered is not None and remembered < begin_ms + 2 * HOUR_MS,
                f"the time under water goes on: since {remembered}, entered at {begin_ms}",
            )
            wait(lambda: scene.now_ms > begin_ms + 13.5 * HOUR_MS, "half a day is over", 700)
            demand(len(scene.held()) == 3, f"nothing was closed under water: {scene.held()}")
            entries = {t["pair"]: t["open_rate"] for t in again.call("GET", "status")}
            for market in scene.markets:
                scene.move(
                    market, to=scene.multiple(market, entries[market] * 1.012), seconds=3_600
                )
            wait(lambda: _unrealised(again) > 30, "the portfolio has recovered", 240)
            scene.say(f"recovered: unrealised profit {_unrealised(again):.2f}")
            for market in scene.markets:
                scene.move(
                    market, to=scene.multiple(market, entries[market] * 1.003), seconds=1_800
                )
            wait(lambda: not scene.held(), "everything is closed", 120)
            wait(lambda: not again.call("GET", "status"), "every trade is closed in the books")
            demand(_reasons(again) == {"RECOVERY_EXIT"}, f"reasons {_reasons(again)}")
            wait(lambda: _is_locked(again), "entries rest")
            wait(lambda: _told(scene, "Portfolio recovery"), "a message")
            scene.print_end(again)
    return scene


def _go_under_water(scene: Scene) -> int:
    """Enter, lose a little for six hours, and be killed; return when that began."""
    bot = scene.bot()
    with bot:
        bot.wait_until_running(60)
        open_longs(scene, bot)
        begin_ms = scene.now_ms
        scene.say(f"entered {scene.held()}")
        for market in scene.markets:
            scene.move(market, to="0.994", seconds=1_200)
        wait(lambda: scene.now_ms > begin_ms + HOUR_MS // 2, "half an hour is over")
        for market in scene.markets:
            scene.move(market, to="0.988", seconds=12 * 3_600)
        wait(lambda: scene.now_ms > begin_ms + 6 * HOUR_MS, "six hours are over", 600)
        scene.say(f"six hours under water: unrealised profit {_unrealised(bot):.2f}; a kill")
        bot.kill()
    return begin_ms


def _unrealised(bot: BotProcess) -> float:
    return sum(float(trade["profit_abs"]) for trade in bot.call("GET", "status"))


SCENARIOS: dict[str, Callable[[Path], Scene]] = {
    "crash": crash,
    "three-stops": three_stops,
    "account": account,
    "slow-drawdown": slow_drawdown,
}


@click.command()
@click.argument("name", type=click.Choice(["all", *SCENARIOS]))
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo_run/risk"))
def main(name: str, folder: Path) -> None:
    """Play a scenario, or one after the other; exit code 1 where one does not hold."""
    failed = []
    for each in SCENARIOS if name == "all" else [name]:
        click.echo(f"scenario {each}")
        try:
            SCENARIOS[each]((folder / each).resolve())
        except AssertionError as error:
            failed.append(each)
            click.echo(f"scenario {each} FAILED: {error}")
    if failed:
        raise SystemExit(1)
    click.echo("every scenario held")


if __name__ == "__main__":
    main()
