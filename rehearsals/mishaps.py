"""
A live session on the sandbox in which things go wrong, one after the other.

``python -m rehearsals.mishaps`` waits for a spread to be entered under each mishap and for the
exchange to be flat again, then asks the exchange's audit: no orphan may be left. For each mishap it
says how long spreads were naked.
"""

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import click

from freqtrade_ext.cli._bot_process import BotProcess
from freqtrade_ext.cli._demo_stage import Stage, StageOptions
from freqtrade_ext.errors import VenueError
from freqtrade_ext.sandbox import AuditReport, Effect, Event, Fault, SpreadLegs, audit
from freqtrade_ext.sandbox.engine import Trigger
from freqtrade_ext.sandbox.journal import OrderFilled, PriceSeen
from freqtrade_ext.sandbox.market import SyntheticMarket
from freqtrade_ext.sandbox.server import wall_clock
from rehearsals.soak import prepare

PATIENCE_SECONDS = 420.0
SETTLE_SECONDS = 10.0  # some loops of the bot
ORDER = "POST /fapi/v1/order"
NAKED_SHARE = 0.25  # fits and lots leave a few percent unhedged in normal times


def naked_ms(events: Iterable[Event], spread: SpreadLegs, since_ms: int) -> int:
    """Time from a moment on in which more than `NAKED_SHARE` of a spread had no hedge, ms."""
    quantities = {spread.leg_a: 0.0, spread.leg_b: 0.0}
    prices = dict(quantities)
    total, last_ms, naked = 0, since_ms, False
    for event in events:
        if naked and event.time_ms > last_ms:
            total += event.time_ms - last_ms
        last_ms = max(event.time_ms, last_ms)
        if isinstance(event, OrderFilled | PriceSeen) and event.symbol in prices:
            prices[event.symbol] = float(event.price)
        if isinstance(event, OrderFilled) and event.symbol in quantities:
            quantities[event.symbol] = float(event.position)
        side_a = spread.hedge_ratio * quantities[spread.leg_a] * prices[spread.leg_a]
        side_b = quantities[spread.leg_b] * prices[spread.leg_b]
        naked = abs(side_a + side_b) > NAKED_SHARE * (abs(side_a) + abs(side_b))
    return total


class Session:
    """A running bot on a stage."""

    def __init__(self, stage: Stage, bot: BotProcess) -> None:
        self.stage, self.bot = stage, bot

    def audit(self) -> AuditReport:
        """Let the exchange judge the session so far."""
        stage = self.stage
        return stage.rehearsal.server.call(
            lambda: audit(stage.rehearsal.journal.events, spreads=stage.legs())
        )

    def naked_ms(self, since_ms: int) -> int:
        """Time from a moment on in which a spread was naked, summed over the spreads, ms."""
        stage, market = self.stage, self.stage.rehearsal.market
        planted = market.planted_spreads() if isinstance(market, SyntheticMarket) else ()
        legs = [SpreadLegs(each.symbol_a, each.symbol_b, each.hedge_ratio) for each in planted]
        return stage.rehearsal.server.call(
            lambda: sum(naked_ms(stage.rehearsal.journal.events, each, since_ms) for each in legs)
        )

    def held(self) -> int:
        """Number of positions on the exchange."""
        return len(self.audit().positions)

    def inject(self, fault: Fault) -> None:
        """Let a request go wrong from now on."""
        server = self.stage.rehearsal.server
        server.call(lambda: server.faults.add(fault))

    def wait(self, what: str, done: Callable[[], bool]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not done():
            self.bot.check_alive()
            if time.monotonic() > deadline:
                raise VenueError(f"waited in vain: {what}; see {self.stage.folder}")
            time.sleep(0.5)

    def flat(self) -> None:
        """Stop entries and wait until nothing is held."""
        self.bot.call("POST", "stopentry")
        self.wait("everything closed", lambda: self.held() == 0)
        self.bot.call("POST", "start")


def first_leg_is_rejected(session: Session) -> None:
    """The first leg is refused for want of margin; the second must not stay."""
    session.inject(Fault(ORDER, occurrence=1, effect=Effect.REJECT(-2019)))
    server = session.stage.rehearsal.server
    session.wait("the rejection", lambda: not server.faults.pending)
    time.sleep(SETTLE_SECONDS)  # nothing is held yet: a second leg would be sent now


def second_leg_fills_in_part(session: Session) -> None:
    """40 % of the second leg's market order are filled; the rest expires."""
    session.inject(Fault(ORDER, occurrence=2, effect=Effect.PARTIAL_FILL("0.4")))
    session.wait("two legs", lambda: session.held() >= 2)


def second_leg_is_rejected(session: Session) -> None:
    """The second leg is refused for want of margin; the first must go at once."""
    session.inject(Fault(ORDER, occurrence=2, effect=Effect.REJECT(-2019)))
    server = session.stage.rehearsal.server
    session.wait("the rejection", lambda: not server.faults.pending)


def stop_on_exchange_fills(session: Session) -> None:
    """One leg's stop order on the exchange is filled; the other leg must follow."""
    server, exchange = session.stage.rehearsal.server, session.stage.rehearsal.exchange
    waiting = exchange.book.waiting
    session.wait("two stops", lambda: server.call(lambda: len(waiting())) >= 2)

    def reach() -> Trigger:
        stop = waiting()[0]  # the stop goes to the price, instead of a jump of the price to it
        stop.trigger_price = exchange.market.price(stop.symbol, wall_clock())
        return stop

    stop = server.call(reach)
    session.wait("the stop to be reached", lambda: not stop.is_open)
    if stop.order is None:
        raise VenueError("the spread was left in the moment before its stop; play it again")


def person_closes_one_leg(session: Session) -> None:
    """A person closes one leg with /forceexit; the other must follow."""
    session.wait("two legs", lambda: session.held() >= 2)
    trade = session.bot.call("GET", "status")[0]
    session.bot.call("POST", "forceexit", {"tradeid": str(trade["trade_id"])})


def bot_is_killed(session: Session) -> None:
    """Kill -9 with a spread open; the next start must go on with it."""
    session.wait("two legs", lambda: session.held() >= 2)
    session.bot.kill()
    session.bot.start()
    session.bot.wait_until_running(90.0)


MISHAPS = (
    first_leg_is_rejected,
    second_leg_fills_in_part,
    second_leg_is_rejected,
    stop_on_exchange_fills,
    person_closes_one_leg,
    bot_is_killed,
)


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo_run/mishaps"))
@click.option("--seed", default=5, show_default=True)
def main(folder: Path, seed: int) -> None:
    """Play every mishap; exit code 1 if the exchange is not flat and clean after any of them."""
    stage = Stage.set_up(folder.resolve(), replace(StageOptions(), seed=seed, max_open_spreads=1))
    clean = True
    with stage.rehearsal.server:
        prepare(stage)
        with BotProcess([stage.config], stage.api, stage.folder / "live.log") as bot:
            bot.wait_until_running(90.0)
            session = Session(stage, bot)
            for mishap in MISHAPS:
                begin_ms = wall_clock()
                mishap(session)
                session.flat()
                report = session.audit()
                standing = sum(orphan.until_ms is None for orphan in report.orphans)
                clean &= not standing and not report.duplicates and not report.positions
                click.echo(
                    f"{mishap.__name__}: orphans {standing}, duplicates {len(report.duplicates)}, "
                    f"positions {len(report.positions)}, open orders {len(report.open_orders)}, "
                    f"naked {session.naked_ms(begin_ms) / 1000:.1f} s, "
                    f"longest single leg so far {report.longest_orphan_ms / 1000:.1f} s"
                )
    sys.exit(0 if clean else 1)


if __name__ == "__main__":
    main()
