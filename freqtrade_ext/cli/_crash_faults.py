"""The catalogue of the crash lab: what can go wrong, in sixteen classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Final

from freqtrade_ext.cli._crash_effects import After, Hold, Respond
from freqtrade_ext.cli._crash_scripts import (
    Script,
    armed_on_entry,
    armed_on_exit,
    die_at,
    die_in_recovery,
    die_sent,
    locked_database,
    older_books,
    on_entry,
    on_exit,
    restart_open,
    restart_twice,
    stop_fires,
    while_open,
)
from freqtrade_ext.cli._crash_session import Session
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox import Effect
from freqtrade_ext.sandbox.engine import CloseExternally
from freqtrade_ext.sandbox.faults import FaultEffect
from freqtrade_ext.sandbox.server import wall_clock

__all__ = ["CLASSES", "SCENARIOS", "Scenario", "chosen"]

CLASSES: Final = {
    1: "accepted, answer lost",
    2: "kill -9 at every step",
    3: "partial fill, then stall or cancel",
    4: "a leg definitively rejected",
    5: "fill reported late or only by polling",
    6: "cancel races fill",
    7: "no such order, right after acceptance",
    8: "another hand on the account",
    9: "restart with a spread open",
    10: "rate limits, latency, outage",
    11: "stale or missing prices",
    12: "clock skew",
    13: "a strategy callback that raises",
    14: "stop on the exchange",
    15: "database locked, disk full",
    16: "reconcile twice",
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    One way in which things go wrong.

    Attributes
    ----------
    name : str
        Name on the command line.
    fault_class : int
        Its class in the specification, see `CLASSES`.
    sentence : str
        What happens.
    script : callable
        Brings it about and returns when it is over.
    """

    name: str
    fault_class: int
    sentence: str
    script: Script


def _kill(session: Session) -> FaultEffect:
    return After(lambda call: session.kill_now(), answered=False)


def _nothing(session: Session, random: Random) -> None:
    session.trade()
    session.wait_open()


def _person_closes(session: Session, random: Random) -> None:
    symbol = random.choice(sorted(session.held()))
    session.on_exchange(
        lambda exchange: exchange.handle(CloseExternally(symbol, Decimal(1)), wall_clock())
    )
    session.mark_fired()


_STEPS: Final = {
    "before_intent": "before the intent is written",
    "after_intent": "after the intent, before the order is sent",
    "after_answer": "after the answer, before anything is booked",
    "before_commit": "before the database is committed",
    "after_commit": "after the database is committed",
}
_UNKNOWN_1007: Final = {"code": -1007, "msg": "Timeout waiting for response from backend server."}

_ANSWERS: Final = (
    Scenario("none", 0, "nothing goes wrong", _nothing),
    Scenario("lost_entry_1", 1, "answer to the first leg's entry is lost",
             on_entry(Effect.LOSE_RESPONSE, 1)),
    Scenario("lost_entry_2", 1, "answer to the second leg's entry is lost",
             on_entry(Effect.LOSE_RESPONSE, 2)),
    Scenario("lost_exit_1", 1, "answer to the first exit is lost",
             on_exit(Effect.LOSE_RESPONSE, 1)),
    Scenario("lost_exit_2", 1, "answer to the second exit is lost",
             on_exit(Effect.LOSE_RESPONSE, 2)),
    Scenario("time_out", 1, "an entry is not answered until ccxt gives up", on_entry(Hold())),
    Scenario("unknown_1007", 1, "an entry is accepted and answered with -1007",
             on_entry(Respond(408, _UNKNOWN_1007))),
    Scenario("unknown_503", 1, "an entry is accepted and answered with HTTP 503",
             on_entry(Effect.UNKNOWN_STATUS)),
    Scenario("garbled", 1, "the answer to an entry cannot be parsed",
             on_entry(Respond(200, "<html>Service Unavailable"))),
)  # fmt: skip

_KILLS: Final = (
    *(
        Scenario(f"kill_{purpose}_{step}", 2, f"kill -9 on {purpose}, {text}",
                 die_at(step, purpose))
        for purpose in ("entry", "exit", "unwind")
        for step, text in _STEPS.items()
    ),
    *(
        Scenario(f"kill_{purpose}_after_send", 2,
                 f"kill -9 on {purpose}, after the order arrived, before its answer",
                 die_sent(purpose, _kill))
        for purpose in ("entry", "exit", "unwind")
    ),
    Scenario("kill_recovery", 2, "kill -9 after an order was sent, and again in the recovery",
             die_in_recovery(_kill)),
)  # fmt: skip

_ORDERS: Final = (
    Scenario("partial_fill", 3, "40 % of the second leg are filled, the rest expires",
             on_entry(Effect.PARTIAL_FILL("0.4"), 2)),
    Scenario("partial_first", 3, "40 % of the first leg are filled, the rest expires",
             on_entry(Effect.PARTIAL_FILL("0.4"), 1)),
    Scenario("no_margin_2", 4, "the second leg is refused for want of margin (-2019)",
             on_entry(Effect.REJECT(-2019), 2)),
    Scenario("no_margin_1", 4, "the first leg is refused for want of margin (-2019)",
             on_entry(Effect.REJECT(-2019), 1)),
    Scenario("min_notional_2", 4, "the second leg is refused as too small (-4164)",
             on_entry(Effect.REJECT(-4164), 2)),
)  # fmt: skip

_ACCOUNT: Final = (
    Scenario("person_closes", 8, "a person closes one leg on the exchange",
             while_open(_person_closes)),
    Scenario("restart_open", 9, "kill -9 with a spread open", restart_open()),
    Scenario("restart_old", 9, "kill -9 with a spread open, restart after three days",
             restart_open(older_books)),
)  # fmt: skip

_INSIDE: Final = (
    *(
        Scenario(f"raises_{name}", 13, f"the strategy's {name} raises during an entry",
                 armed_on_entry("callback", callback=name))
        for name in ("custom_stake_amount", "confirm_trade_entry", "order_filled")
    ),
    *(
        Scenario(f"raises_{name}", 13, f"the strategy's {name} raises with a spread open",
                 armed_on_exit("callback", callback=name))
        for name in ("custom_exit", "bot_loop_start")
    ),
    Scenario("stop_fires", 14, "the stop of one leg is triggered and filled",
             stop_fires(Decimal(1))),
    Scenario("stop_unfilled", 14, "the stop of one leg is triggered and its order not filled",
             stop_fires(Decimal(0))),
    Scenario("database_locked", 15, "the database is locked for 12 s from an entry on",
             locked_database(12.0)),
    Scenario("disk_full", 15, "nothing can be written for 8 s from an entry on",
             armed_on_entry("disk_full", seconds=8.0)),
    Scenario("reconcile_twice", 16, "two restarts with a spread open; the second must do nothing",
             restart_twice),
)  # fmt: skip

SCENARIOS: Final[Sequence[Scenario]] = (*_ANSWERS, *_KILLS, *_ORDERS, *_ACCOUNT, *_INSIDE)


def chosen(names: str) -> list[Scenario]:
    """
    Look scenarios up: ``all``, or names and numbers of classes, separated by commas.

    Raises
    ------
    ConfigError
        If there is no such scenario or class.
    """
    if names.strip() == "all":
        return list(SCENARIOS)
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = {scenario.name for scenario in SCENARIOS} | {str(number) for number in CLASSES}
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise ConfigError(
            f"--faults: no such fault: {', '.join(unknown) or 'none given'}; "
            f"known: all, 1 to 16, {', '.join(scenario.name for scenario in SCENARIOS)}"
        )
    return [one for one in SCENARIOS if {one.name, str(one.fault_class)} & set(wanted)]
