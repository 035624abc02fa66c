"""What a scenario of the crash lab does: functions of a session and a seeded generator."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final, Literal

from freqtrade_ext.cli.crashlab._session import FIRE_SECONDS, NotFiredError, Session
from freqtrade_ext.sandbox import Effect, Fault
from freqtrade_ext.sandbox.engine import (
    Command,
    Exchange,
    FillAtOnce,
    Order,
    PlaceExternally,
    Trigger,
)
from freqtrade_ext.sandbox.faults import FaultedCall, FaultEffect
from freqtrade_ext.sandbox.server import wall_clock

__all__ = [
    "ORDER",
    "STOP",
    "Purpose",
    "Script",
    "already_holds",
    "another_hand",
    "armed_on_entry",
    "armed_on_exit",
    "die_at",
    "die_in_recovery",
    "die_sent",
    "locked_database",
    "nothing",
    "older_books",
    "on_entry",
    "on_exit",
    "on_unwind",
    "restart_open",
    "restart_twice",
    "stop_is_reached",
    "while_open",
    "with_fault",
]

Purpose = Literal["entry", "exit", "unwind"]
Script = Callable[[Session, Random], None]

ORDER: Final = "ORDER"
CANCEL: Final = "CANCEL"
STOP: Final = "POST /fapi/v1/algoOrder"
REDUCING: Final[Mapping[str, str]] = {"reduceOnly": "true"}
_NATURAL_EXIT_SECONDS: Final = 60.0


def nothing(session: Session, random: Random) -> None:
    """Open a spread and let nothing go wrong."""
    session.trade()
    session.wait_open()
    session.mark_fired()


def on_entry(
    effect: FaultEffect,
    leg: int | None = None,
    *,
    lasts: float = 0.0,
    further: Sequence[Fault] = (),
) -> Script:
    """
    Let the order of the first (1) or second (2) leg of an entry go wrong, or of either.

    `lasts` is how long the effect stands, seconds; `further` are faults that must happen too.
    """

    def script(session: Session, random: Random) -> None:
        occurrence = leg or random.choice((1, 2))
        session.inject(Fault(ORDER, occurrence=occurrence, effect=effect), *further)
        session.trade()
        session.wait_order()
        session.wait_fired()
        session.pause(lasts)
        session.mark_fired()

    return script


def on_exit(effect: FaultEffect, leg: int | None = None, *, lasts: float = 0.0) -> Script:
    """Let an exit order go wrong: of the leg that leaves first (1), second (2), or of either."""

    def script(session: Session, random: Random) -> None:
        session.trade()
        session.wait_open()
        occurrence = leg or random.choice((1, 2))
        session.inject(Fault(ORDER, occurrence=occurrence, effect=effect, match=REDUCING))
        _leave(session, lambda: not session.pending())
        session.wait_fired()
        session.pause(lasts)
        session.mark_fired()

    return script


def on_unwind(effect: FaultEffect, *, lasts: float = 0.0) -> Script:
    """Refuse the second leg, and let the order that takes the first one back go wrong."""
    refused = Fault(ORDER, occurrence=2, effect=Effect.REJECT(-2019))
    unwinding = Fault(ORDER, effect=effect, match=REDUCING)

    def script(session: Session, random: Random) -> None:
        session.inject(refused, unwinding)
        session.trade()
        session.wait_order()
        session.wait_fired()
        session.pause(lasts)
        session.mark_fired()

    return script


def while_open(act: Script) -> Script:
    """Do something while a spread is open and at rest."""

    def script(session: Session, random: Random) -> None:
        session.trade()
        session.wait_open()
        session.stop_entries()
        act(session, random)

    return script


def with_fault(fault: Fault, script: Script) -> Script:
    """Let a request go wrong during another scenario."""

    def both(session: Session, random: Random) -> None:
        session.inject(fault)
        script(session, random)

    return both


def another_hand(command: Callable[[str], Command]) -> Script:
    """Let somebody else, or the exchange, act on one leg of an open spread."""

    def act(session: Session, random: Random) -> None:
        symbol = random.choice(sorted(session.held()))
        session.on_exchange(lambda exchange: exchange.handle(command(symbol), wall_clock()))
        session.mark_fired()

    return while_open(act)


def already_holds(session: Session, random: Random) -> None:
    """Let somebody hold a little of the second leg before the bot enters it."""
    partners = {one.leg_a: one.leg_b for one in session.spreads}
    partners |= {leg_b: leg_a for leg_a, leg_b in partners.items()}

    def hold(call: FaultedCall) -> None:
        symbol = partners[call.params["symbol"]]
        placed = call.exchange.handle(PlaceExternally(symbol), call.now_ms)
        if isinstance(placed, Order):
            call.exchange.handle(FillAtOnce(symbol, placed.venue_order_id), call.now_ms)

    session.inject(Fault(ORDER, effect=Effect.CALL(before=hold)))
    session.trade()
    session.wait_order()
    session.wait_fired()


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


def die_sent(purpose: Purpose) -> Script:
    """Kill -9 when the exchange has accepted an order and has not answered yet."""

    def script(session: Session, random: Random) -> None:
        occurrence = 1 if purpose == "unwind" else random.choice((1, 2))
        match = {} if purpose == "entry" else REDUCING
        fault = Fault(ORDER, occurrence=occurrence, effect=_death_of(session), match=match)
        _with_purpose(
            session, purpose, lambda: session.inject(fault), lambda: not session.bot.is_alive
        )
        session.wait_dead()
        session.restart()

    return script


def _death_of(session: Session) -> FaultEffect:
    return Effect.CALL(after=lambda call: session.kill_now())


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


def die_in_recovery(session: Session, random: Random) -> None:
    """Kill -9 after an order was sent, and again while the bot looks what became of it."""
    occurrence = random.choice((1, 2))
    session.inject(Fault(ORDER, occurrence=occurrence, effect=_death_of(session)))
    session.trade()
    session.wait_order()
    session.wait_dead()
    session.arm("recovery", occurrence=random.randint(3, 14))
    session.bot.start()
    session.wait_dead()
    session.restart()


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
    """Restart with an order to be found, come to rest, restart: nothing may be sent then."""
    session.inject(Fault(ORDER, occurrence=2, effect=_death_of(session)))
    session.trade()
    session.wait_order()
    session.wait_dead()
    session.restart()
    session.stop_entries()
    session.pause(_NATURAL_EXIT_SECONDS / 4)
    session.kill_now()
    session.wait_dead()
    before = session.orders_sent()
    session.restart()
    if sent := session.orders_sent() - before:
        session.notes.append(f"the second start sent {sent} order(s)")
    session.stop_entries()


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
        effect = Effect.CALL(after=lambda call: lock.take())
        session.inject(Fault(ORDER, occurrence=random.choice((1, 2)), effect=effect))
        try:
            session.trade()
            session.wait_order()
            session.wait_fired()
            session.pause(seconds)
        finally:
            lock.release()
        session.mark_fired()

    return script


def stop_is_reached(session: Session, random: Random) -> None:
    """Let the stop of the leg that got its stop first be triggered."""
    session.trade()
    session.wait_open()
    session.stop_entries()

    def stops() -> int:
        return int(session.on_exchange(lambda exchange: len(exchange.book.waiting())))

    session.wait("two stops on the exchange", lambda: stops() >= 2, FIRE_SECONDS)
    stop = session.on_exchange(_reach)
    session.wait("the stop to be triggered", lambda: not stop.is_open, FIRE_SECONDS)
    if stop.order is None:
        raise NotFiredError("the spread was left in the moment before its stop")
    session.mark_fired()


def _reach(exchange: Exchange) -> Trigger:
    """Move a stop to the price, in place of a jump of the price to it."""
    stop = min(exchange.book.waiting(), key=lambda one: one.trigger_id)
    stop.trigger_price = exchange.market.price(stop.symbol, wall_clock())
    return stop


def older_books(session: Session, random: Random) -> None:
    """Make the stopped bot's books three days older: the entry candle leaves the window."""
    from freqtrade_ext.adapters.lab_books import age_books

    age_books(session.stage.stage.database, days=3)
