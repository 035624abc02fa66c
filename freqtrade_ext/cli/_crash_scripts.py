"""What a scenario of the crash lab does: functions of a session and a seeded generator."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random
from typing import Any, Final, Literal

from freqtrade_ext.cli._crash_effects import After
from freqtrade_ext.cli._crash_session import FIRE_SECONDS, NotFiredError, Session
from freqtrade_ext.sandbox import Effect, Fault
from freqtrade_ext.sandbox.engine import Exchange, Trigger
from freqtrade_ext.sandbox.faults import FaultEffect
from freqtrade_ext.sandbox.server import wall_clock

__all__ = [
    "ORDER",
    "Purpose",
    "Script",
    "armed_on_entry",
    "armed_on_exit",
    "die_at",
    "die_in_recovery",
    "die_sent",
    "locked_database",
    "older_books",
    "on_entry",
    "on_exit",
    "restart_open",
    "restart_twice",
    "stop_fires",
    "while_open",
]

Purpose = Literal["entry", "exit", "unwind"]
Script = Callable[[Session, Random], None]

ORDER: Final = "POST /fapi/v1/order"
REDUCING: Final[Mapping[str, str]] = {"reduceOnly": "true"}
_NATURAL_EXIT_SECONDS: Final = 60.0


def on_entry(effect: FaultEffect, leg: int | None = None, *, then: Script | None = None) -> Script:
    """Let the order of the first (1) or second (2) leg of an entry go wrong, or of either."""

    def script(session: Session, random: Random) -> None:
        session.inject(Fault(ORDER, occurrence=leg or random.choice((1, 2)), effect=effect))
        session.trade()
        session.wait_order()
        session.wait_fired()
        if then is not None:
            then(session, random)

    return script


def on_exit(effect: FaultEffect, leg: int | None = None, *, then: Script | None = None) -> Script:
    """Let an exit order go wrong: of the leg that leaves first (1), second (2), or of either."""

    def script(session: Session, random: Random) -> None:
        session.trade()
        session.wait_open()
        occurrence = leg or random.choice((1, 2))
        session.inject(Fault(ORDER, occurrence=occurrence, effect=effect, match=REDUCING))
        _leave(session, lambda: not session.pending())
        session.wait_fired()
        if then is not None:
            then(session, random)

    return script


def while_open(act: Script) -> Script:
    """Do something while a spread is open and at rest."""

    def script(session: Session, random: Random) -> None:
        session.trade()
        session.wait_open()
        session.stop_entries()
        act(session, random)

    return script


def _leave(session: Session, done: Callable[[], bool]) -> None:
    """Let the spread end: by the strategy, or after a while by /forceexit."""
    session.stop_entries()
    if not session.waits(done, _NATURAL_EXIT_SECONDS):
        session.ask("POST", "forceexit", {"tradeid": "all"})


def die_at(step: str, purpose: Purpose) -> Script:
    """Kill -9 from inside, at a named step of sending an order."""

    def script(session: Session, random: Random) -> None:
        occurrence = 1 if purpose == "unwind" else random.choice((1, 2))
        _with_purpose(
            session,
            purpose,
            lambda: session.arm(step, reduce_only=purpose != "entry", occurrence=occurrence),
            lambda: not session.bot.is_alive,
        )
        session.wait_dead()
        session.restart()

    return script


def die_sent(purpose: Purpose, kill: Callable[[Session], FaultEffect]) -> Script:
    """Kill -9 when the exchange has accepted an order and has not answered yet."""

    def script(session: Session, random: Random) -> None:
        occurrence = 1 if purpose == "unwind" else random.choice((1, 2))
        match = {} if purpose == "entry" else REDUCING
        fault = Fault(ORDER, occurrence=occurrence, effect=kill(session), match=match)
        _with_purpose(
            session, purpose, lambda: session.inject(fault), lambda: not session.bot.is_alive
        )
        session.wait_dead()
        session.restart()

    return script


def _with_purpose(
    session: Session, purpose: Purpose, arm: Callable[[], None], done: Callable[[], bool]
) -> None:
    """Arm something, then bring about orders of a purpose."""
    if purpose == "exit":
        session.trade()
        session.wait_open()
        arm()
        _leave(session, done)
        return
    if purpose == "unwind":  # the second leg is refused, so the first has to go
        session.inject(Fault(ORDER, occurrence=2, effect=Effect.REJECT(-2019)))
    arm()
    session.trade()
    session.wait_order()


def die_in_recovery(kill: Callable[[Session], FaultEffect]) -> Script:
    """Kill -9 after an order was sent, and again while the bot looks what became of it."""

    def script(session: Session, random: Random) -> None:
        occurrence = random.choice((1, 2))
        session.inject(Fault(ORDER, occurrence=occurrence, effect=kill(session)))
        session.trade()
        session.wait_order()
        session.wait_dead()
        session.arm("recovery", occurrence=random.randint(3, 14))
        session.bot.start()
        session.wait_dead()
        session.restart()

    return script


def restart_open(before: Script | None = None) -> Script:
    """Kill -9 with a spread open and at rest; `before` acts while the bot is down."""

    def act(session: Session, random: Random) -> None:
        session.kill_now()
        session.wait_dead()
        if before is not None:
            before(session, random)
        session.restart()

    return while_open(act)


def restart_twice(session: Session, random: Random) -> None:
    """Restart, wait for rest, restart: the second time nothing may be sent."""
    while_open(lambda session, random: None)(session, random)
    for _ in range(2):
        session.kill_now()
        session.wait_dead()
        before = session.orders_sent()
        session.restart()
        session.pause(8.0)
    if sent := session.orders_sent() - before:
        session.notes.append(f"the second reconciliation sent {sent} order(s)")


def armed_on_entry(step: str, **order: Any) -> Script:
    """Let something fail inside the bot when the orders of an entry have been sent."""

    def script(session: Session, random: Random) -> None:
        session.arm(step, reduce_only=False, occurrence=random.choice((1, 2)), **order)
        session.trade()
        session.wait_order()
        session.wait_marked()
        session.pause(order.get("seconds", 0.0))
        session.mark_fired()

    return script


def armed_on_exit(step: str, **order: Any) -> Script:
    """Let something fail inside the bot while a spread is open and leaves."""

    def script(session: Session, random: Random) -> None:
        session.trade()
        session.wait_open()
        session.arm(step, reduce_only=True, occurrence=random.choice((1, 2)), **order)
        _leave(session, session.fired_file.exists)
        session.wait_marked()

    return script


def locked_database(seconds: float) -> Script:
    """Lock the bot's database in the moment in which the exchange accepts an entry."""

    def script(session: Session, random: Random) -> None:
        from freqtrade_ext.adapters.lab_books import DatabaseLock

        lock = DatabaseLock(session.stage.stage.database)
        fault = Fault(
            ORDER, occurrence=random.choice((1, 2)), effect=After(lambda call: lock.take())
        )
        session.inject(fault)
        try:
            session.trade()
            session.wait_order()
            session.wait_fired()
            session.pause(seconds)
        finally:
            lock.release()
        session.mark_fired()

    return script


def stop_fires(fraction: Decimal) -> Script:
    """Let one leg's stop on the exchange be triggered, and this share of it be filled."""

    def script(session: Session, random: Random) -> None:
        session.trade()
        session.wait_open()
        session.stop_entries()

        def stops() -> int:
            return int(session.on_exchange(lambda exchange: len(exchange.book.waiting())))

        session.wait("two stops on the exchange", lambda: stops() >= 2, FIRE_SECONDS)
        place = random.randint(0, 1)
        stop = session.on_exchange(lambda exchange: _reach(exchange, place, fraction))
        session.wait("the stop to be triggered", lambda: not stop.is_open, FIRE_SECONDS)
        if stop.order is None:
            raise NotFiredError("the spread was left in the moment before its stop")
        session.mark_fired()

    return script


def _reach(exchange: Exchange, place: int, fraction: Decimal) -> Trigger:
    """Move a stop to the price, in place of a jump of the price to it."""
    stop = sorted(exchange.book.waiting(), key=lambda one: one.symbol)[place]
    if fraction < 1:
        exchange.fill_next_order_partially(fraction)
    stop.trigger_price = exchange.market.price(stop.symbol, wall_clock())
    return stop


def older_books(session: Session, random: Random) -> None:
    """Make the stopped bot's books three days older: the entry candle leaves the window."""
    from freqtrade_ext.adapters.lab_books import age_books

    age_books(session.stage.stage.database, days=3)
