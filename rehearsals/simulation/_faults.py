"""What goes wrong in an episode, drawn from its seed: odds for each request, and planned blows."""

from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

__all__ = ["BLOWS", "KILL_POINTS", "FaultClass", "Odds", "Plan", "draw"]


class FaultClass(StrEnum):
    """The main fault of an episode; MIXED is a little of everything."""

    NONE = "none"
    LOST_AFTER = "answer lost, executed"
    LOST_BEFORE = "lost on the way"
    BUSY = "503 / -1007"
    REJECT_ONE = "one leg rejected"
    REJECT_BOTH = "both legs rejected"
    RATE_LIMIT = "rate limit"
    OUTAGE = "outage"
    HIDDEN = "order hidden"
    LATE_FILLS = "late fill reports"
    PARTIAL = "partial fill, stall"
    CANCEL_RACE = "cancel races fill"
    LOST_CANCEL = "cancel answer lost"
    EXTERNAL_CLOSE = "external close"
    PARTIAL_CLOSE = "external partial close"
    MANUAL_ADD = "manual add"
    LIQUIDATION = "liquidation"
    ADL = "ADL"
    FOREIGN_ORDER = "foreign order"
    STOP_FILLED = "stop filled"
    STOP_STALLED = "stop triggered, not filled"
    STORE_DOWN = "database fails"
    KILL = "kill -9"
    KILL_TWICE = "kill -9 twice"
    KILL_RECOVERY = "kill -9 in recovery"
    FORCED_EXIT = "forced exit"
    MIXED = "mixed"


KILL_POINTS = (
    "before_intent",
    "after_intent",
    "before_send",
    "after_send",
    "after_answer",
    "before_commit",
    "after_commit",
    "record_saved",
    "request",
    "sleep",
)
# What happens to a leg from outside, at a planned time.
BLOWS = {
    FaultClass.EXTERNAL_CLOSE: "close",
    FaultClass.PARTIAL_CLOSE: "part",
    FaultClass.MANUAL_ADD: "add",
    FaultClass.LIQUIDATION: "liquidate",
    FaultClass.ADL: "adl",
    FaultClass.FOREIGN_ORDER: "order",
    FaultClass.STOP_FILLED: "stop",
    FaultClass.STOP_STALLED: "stalled stop",
    FaultClass.STORE_DOWN: "database",
    FaultClass.FORCED_EXIT: "force",
}


@dataclass(slots=True)
class Odds:
    """Probability of each fault at each request, or each order, while the weather is foul."""

    lost_after: float = 0.0
    lost_before: float = 0.0
    busy: float = 0.0
    lost_in_batch: float = 0.0  # one answer of several
    reject: float = 0.0
    rate_limit: float = 0.0  # begins, for some seconds
    outage: float = 0.0
    hide: float = 0.0
    hide_long: float = 0.0  # for longer than the guard's settling time
    late: float = 0.0
    partial: float = 0.0
    ended: float = 0.0  # the exchange cancels the order after a while
    cancel_race: float = 0.0
    lost_cancel: float = 0.0
    query: float = 0.0  # a query fails
    not_a_number: float = 0.0  # a position without a mark price
    lag: float = 0.0  # positions are shown as they were a moment ago
    slow: float = 0.0  # a request takes seconds


@dataclass(slots=True)
class Plan:
    """Everything about an episode that is decided before it begins."""

    fault: FaultClass
    odds: Odds
    foul_ms: int
    entries: list[tuple[int, int]]  # (ms after the start, spread number)
    exits: list[tuple[int, int]]
    blows: list[tuple[int, str, int]]  # (ms, what, market number)
    kills: list[tuple[str, int]] = field(default_factory=list)
    down_ms: int = 3_000
    is_limit: bool = False
    has_stops: bool = True
    batch: bool = True
    is_small: bool = False
    shared_leg: bool = False


_MAIN: dict[FaultClass, dict[str, float]] = {
    FaultClass.LOST_AFTER: {"lost_after": 0.45, "lost_in_batch": 0.3, "lag": 0.3},
    FaultClass.LOST_BEFORE: {"lost_before": 0.45},
    FaultClass.BUSY: {"busy": 0.5},
    FaultClass.REJECT_ONE: {"reject": 0.25},
    FaultClass.REJECT_BOTH: {"reject": 0.75},
    FaultClass.RATE_LIMIT: {"rate_limit": 0.04},
    FaultClass.OUTAGE: {"outage": 0.03, "lost_after": 0.15, "hide": 0.3},
    FaultClass.HIDDEN: {"hide": 0.5, "lost_after": 0.25, "lost_in_batch": 0.15, "hide_long": 0.1},
    FaultClass.LATE_FILLS: {"late": 0.6},
    FaultClass.PARTIAL: {"partial": 0.5, "ended": 0.15, "lag": 0.3},
    FaultClass.CANCEL_RACE: {"partial": 0.6, "cancel_race": 0.7},
    FaultClass.LOST_CANCEL: {"partial": 0.6, "lost_cancel": 0.6},
}
_MIXED: dict[str, float] = {
    "lost_after": 0.06,
    "lost_before": 0.05,
    "busy": 0.05,
    "lost_in_batch": 0.06,
    "reject": 0.06,
    "rate_limit": 0.004,
    "outage": 0.003,
    "hide": 0.1,
    "late": 0.1,
    "partial": 0.12,
    "ended": 0.05,
    "cancel_race": 0.15,
    "lost_cancel": 0.15,
    "query": 0.03,
    "not_a_number": 0.02,
    "slow": 0.02,
}


def draw(rng: Random, fault: FaultClass) -> Plan:
    """Draw an episode of a fault class."""
    odds = Odds(**(_MIXED if fault is FaultClass.MIXED else _MAIN.get(fault, {})))
    plan = Plan(
        fault=fault,
        odds=odds,
        foul_ms=rng.randrange(25_000, 70_000),
        entries=_entries(rng),
        exits=[],
        blows=[],
        down_ms=rng.choice([500, 3_000, 3_000, 20_000, 60_000]),
        is_limit=rng.random() < 0.15,
        has_stops=rng.random() < 0.75,
        batch=rng.random() < 0.75,
        is_small=rng.random() < 0.15,
        shared_leg=rng.random() < 0.1,
    )
    for begin_ms, spread in plan.entries:
        if rng.random() < 0.6:
            plan.exits.append((begin_ms + rng.randrange(2_000, 45_000), spread))
    _add_blows(rng, plan)
    _add_kills(rng, plan)
    return plan


def _entries(rng: Random) -> list[tuple[int, int]]:
    entries = [(rng.randrange(100, 3_000), 0)]
    if rng.random() < 0.35:
        entries.append((rng.randrange(100, 15_000), 1))
    if rng.random() < 0.15:
        entries.append((rng.randrange(20_000, 60_000), 0))
    return entries


def _add_blows(rng: Random, plan: Plan) -> None:
    kinds = [BLOWS[plan.fault]] if plan.fault in BLOWS else []
    kinds += kinds * (rng.random() < 0.25)
    if plan.fault is FaultClass.MIXED:
        kinds = [kind for kind in BLOWS.values() if rng.random() < 0.12]
    for kind in kinds:
        plan.blows.append((rng.randrange(500, plan.foul_ms - 2_000), kind, rng.randrange(4)))


def _add_kills(rng: Random, plan: Plan) -> None:
    counts = {
        FaultClass.KILL: 1,
        FaultClass.KILL_TWICE: 2,
        FaultClass.KILL_RECOVERY: 1,
        FaultClass.MIXED: rng.choice([0, 0, 1, 1, 2]),
    }
    for _ in range(counts.get(plan.fault, 0)):
        point = rng.choice(KILL_POINTS)
        passes = rng.randrange(60) if point in {"request", "sleep"} else rng.randrange(6)
        plan.kills.append((point, passes))
    if plan.fault is FaultClass.KILL_RECOVERY:
        plan.kills.append(("in_recovery", rng.randrange(6)))
    if plan.fault in {FaultClass.KILL, FaultClass.KILL_TWICE, FaultClass.KILL_RECOVERY}:
        plan.odds.lost_after = rng.choice([0.0, 0.0, 0.2])
        plan.odds.hide = rng.choice([0.0, 0.0, 0.3])
        plan.odds.partial = rng.choice([0.0, 0.0, 0.3])
