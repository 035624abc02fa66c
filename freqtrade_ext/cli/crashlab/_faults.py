"""The catalogue of the crash lab: what can go wrong, in sixteen classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from freqtrade_ext.cli.crashlab._scripts import (
    CANCEL,
    STOP,
    Script,
    already_holds,
    another_hand,
    armed_on_entry,
    armed_on_exit,
    die_at,
    die_in_recovery,
    die_sent,
    locked_database,
    nothing,
    older_books,
    on_entry,
    on_exit,
    on_unwind,
    restart_open,
    restart_twice,
    stop_is_reached,
    with_fault,
)
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox import Effect, Fault
from freqtrade_ext.sandbox.engine import (
    AddExternally,
    AutoDeleverage,
    CloseExternally,
    LiquidateByForce,
    PlaceExternally,
)

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


_LEGS: Final = {1: "first", 2: "second"}
_STEPS: Final = {
    "before_intent": "before the intent is written",
    "after_intent": "after the intent, before the order is sent",
    "after_answer": "after the answer, before anything is booked",
    "before_commit": "before the database is committed",
    "after_commit": "after the database is committed",
}
_HELD_BACK: Final = Effect.TIME_OUT(15)  # ccxt gives up after 10 s

_ANSWERS: Final = (
    Scenario("none", 0, "nothing goes wrong", nothing),
    *(
        Scenario(f"lost_entry_{leg}", 1, f"the answer to the {word} leg's entry is lost",
                 on_entry(Effect.LOSE_RESPONSE, leg))
        for leg, word in _LEGS.items()
    ),
    *(
        Scenario(f"lost_exit_{leg}", 1, f"the answer to the {word} exit is lost",
                 on_exit(Effect.LOSE_RESPONSE, leg))
        for leg, word in _LEGS.items()
    ),
    Scenario("lost_unwind", 1, "the answer to the order that unwinds a leg is lost",
             on_unwind(Effect.LOSE_RESPONSE)),
    Scenario("lost_cancel", 1, "an entry stalls, and the answer to its cancel is lost",
             on_entry(Effect.STALL("0.4", 3_600), 2,
                      further=[Fault(CANCEL, effect=Effect.LOST_CANCEL)])),
    Scenario("dropped_entry", 1, "an entry never reaches the exchange",
             on_entry(Effect.DROP_REQUEST)),
    Scenario("time_out_entry", 1, "an entry is accepted and not answered", on_entry(_HELD_BACK)),
    Scenario("time_out_exit", 1, "an exit is accepted and not answered", on_exit(_HELD_BACK)),
    Scenario("unknown_1007", 1, "an entry is accepted and answered with -1007",
             on_entry(Effect.UNKNOWN(-1007))),
    Scenario("unknown_503", 1, "an entry is accepted and answered with HTTP 503",
             on_entry(Effect.UNKNOWN_STATUS)),
    Scenario("unknown_exit", 1, "an exit is accepted and answered with -1007",
             on_exit(Effect.UNKNOWN(-1007))),
    Scenario("garbled", 1, "the answer to an entry cannot be parsed", on_entry(Effect.GARBLED)),
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
                 f"kill -9 on {purpose}, when the order has arrived, before its answer",
                 die_sent(purpose))
        for purpose in ("entry", "exit", "unwind")
    ),
    Scenario("kill_recovery", 2, "kill -9 after an order was sent, and again in the recovery",
             die_in_recovery),
)  # fmt: skip

_ORDERS: Final = (
    *(
        Scenario(f"partial_entry_{leg}", 3,
                 f"40 % of the {word} leg are filled, the rest expires or rests",
                 on_entry(Effect.PARTIAL_FILL("0.4"), leg))
        for leg, word in _LEGS.items()
    ),
    Scenario("partial_exit", 3, "40 % of an exit are filled, the rest expires or rests",
             on_exit(Effect.PARTIAL_FILL("0.4"))),
    Scenario("partial_crumb", 3, "all but 1 % of a leg is filled: less than may be ordered is left",
             on_entry(Effect.PARTIAL_FILL("0.99"))),
    Scenario("stall", 3, "40 % of an entry are filled, the rest only after 45 s",
             on_entry(Effect.STALL("0.4", 45))),
    Scenario("canceled", 3, "40 % of an entry are filled, then the exchange cancels it",
             on_entry(Effect.CANCEL_ORDER("0.4"))),
    *(
        Scenario(f"no_margin_{leg}", 4, f"the {word} leg is refused for want of margin (-2019)",
                 on_entry(Effect.REJECT(-2019), leg))
        for leg, word in _LEGS.items()
    ),
    Scenario("min_notional_1", 4, "the first leg is refused as too small (-4164)",
             on_entry(Effect.REJECT(-4164), 1)),
    Scenario("min_notional_2", 4, "the second leg is refused as too small (-4164)",
             on_entry(Effect.REJECT(-4164), 2)),
    Scenario("post_only", 4, "the second leg is refused as not post-only (-5022)",
             on_entry(Effect.REJECT(-5022), 2)),
    Scenario("delisted", 4, "the second leg is refused: the symbol is closed (-4141)",
             on_entry(Effect.REJECT(-4141), 2)),
    Scenario("late_fill", 5, "an entry is filled and shown as new for 20 s",
             on_entry(Effect.LATE_FILL_REPORT(20), lasts=20)),
    Scenario("fills_twice", 5, "the fills of an entry are reported twice",
             on_entry(Effect.LATE_FILL_REPORT(3), further=[
                 Fault("GET /fapi/v1/userTrades", effect=Effect.REPEAT_FILLS)])),
    Scenario("cancel_race", 6, "an entry stalls, and is filled just before its cancel arrives",
             on_entry(Effect.STALL("0.4", 3_600),
                      further=[Fault(CANCEL, effect=Effect.FILL_DURING_CANCEL)])),
    Scenario("hidden_lost", 7, "an entry's answer is lost and queries do not know it for 20 s",
             on_entry(Effect.HIDE_ORDER(20), lasts=20)),
    Scenario("hidden", 7, "an entry is answered, and queries do not know it for 20 s",
             on_entry(Effect.HIDE_ORDER(20, lost=False), lasts=20)),
)  # fmt: skip

_ACCOUNT: Final = (
    Scenario("person_closes", 8, "a person closes one leg", another_hand(CloseExternally)),
    Scenario("person_adds", 8, "a person adds to one leg",
             another_hand(lambda symbol: AddExternally(symbol, Decimal("0.5")))),
    Scenario("person_holds", 8, "a person holds some of the second leg already", already_holds),
    Scenario("foreign_order", 8, "a person places an order in a market of ours",
             another_hand(PlaceExternally)),
    Scenario("liquidation", 8, "one leg is liquidated", another_hand(LiquidateByForce)),
    Scenario("deleveraging", 8, "half of one leg is taken by auto-deleveraging",
             another_hand(lambda symbol: AutoDeleverage(symbol, Decimal("0.5")))),
    Scenario("restart_open", 9, "kill -9 with a spread open", restart_open()),
    Scenario("restart_old", 9, "kill -9 with a spread open, restart after three days",
             restart_open(older_books)),
)  # fmt: skip

_NETWORK: Final = (
    Scenario("rate_limit", 10, "429 for 20 s between the legs",
             on_entry(Effect.RATE_LIMIT(20, spare=True), 1, lasts=20)),
    Scenario("ban", 10, "418 for 40 s between the legs",
             on_entry(Effect.BAN(40, spare=True), 1, lasts=40)),
    Scenario("rate_limit_unwind", 10, "429 for 20 s on the order that unwinds a leg",
             on_unwind(Effect.RATE_LIMIT(20), lasts=20)),
    Scenario("ban_unwind", 10, "418 for 40 s on the order that unwinds a leg",
             on_unwind(Effect.BAN(40), lasts=40)),
    Scenario("latency", 10, "every request takes 3 s longer for 30 s, from the first leg on",
             on_entry(Effect.LATENCY(3_000, 30), 1, lasts=30)),
    Scenario("outage", 10, "no connection for 60 s between the legs",
             on_entry(Effect.OUTAGE(60, spare=True), 1, lasts=60)),
    Scenario("outage_exit", 10, "no connection for 60 s between the exits",
             on_exit(Effect.OUTAGE(60, spare=True), 1, lasts=60)),
    Scenario("maintenance", 10, "web pages for 20 s between the legs",
             on_entry(Effect.MAINTENANCE(20, spare=True), 1, lasts=20)),
    Scenario("stale_prices", 11, "prices stand still for 40 s between the legs",
             on_entry(Effect.STALE_PRICES(40, spare=True), 1, lasts=40)),
    Scenario("no_prices", 11, "no prices for 20 s between the legs",
             on_entry(Effect.NAN_PRICES(20, spare=True), 1, lasts=20)),
    Scenario("nan_prices_exit", 11, "prices are NaN for 20 s between the exits",
             on_exit(Effect.NAN_PRICES(20, "NaN", spare=True), 1, lasts=20)),
    Scenario("clock_skew", 12, "the exchange's clock is 15 s ahead for 30 s, between the legs",
             on_entry(Effect.CLOCK_SKEW(15_000, 30, spare=True), 1, lasts=30)),
    Scenario("clock_skew_back", 12, "the exchange's clock is 15 s behind for 30 s",
             on_entry(Effect.CLOCK_SKEW(-15_000, 30, spare=True), 1, lasts=30)),
)  # fmt: skip

_INSIDE: Final = (
    *(
        Scenario(f"raises_{name}", 13, f"the strategy's {name} raises during an entry",
                 armed_on_entry("callback", callback=name))
        for name in ("custom_stake_amount", "confirm_trade_entry", "leverage", "order_filled")
    ),
    *(
        Scenario(f"raises_{name}", 13, f"the strategy's {name} raises with a spread open",
                 armed_on_exit("callback", callback=name))
        for name in ("custom_exit", "bot_loop_start")
    ),
    Scenario("stop_fires", 14, "the stop of one leg is triggered and filled", stop_is_reached),
    Scenario("stop_unfilled", 14, "the stop of one leg is triggered; its order expires unfilled",
             with_fault(Fault(STOP, effect=Effect.PARTIAL_FILL(0)), stop_is_reached)),
    Scenario("stop_stalls", 14, "the stop of one leg is triggered; its order fills after 20 s",
             with_fault(Fault(STOP, effect=Effect.STALL(0, 20)), stop_is_reached)),
    Scenario("database_locked", 15, "the database is locked for 12 s from an entry on",
             locked_database(12.0)),
    Scenario("disk_full", 15, "nothing can be written for 8 s from an entry on",
             armed_on_entry("disk_full", seconds=8.0)),
    Scenario("reconcile_twice", 16, "kill -9 on an entry, two restarts; the second must do nothing",
             restart_twice),
)  # fmt: skip

SCENARIOS: Final[Sequence[Scenario]] = (
    *_ANSWERS,
    *_KILLS,
    *_ORDERS,
    *_ACCOUNT,
    *_NETWORK,
    *_INSIDE,
)


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
