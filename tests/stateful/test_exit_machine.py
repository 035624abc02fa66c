"""The exits over random lives of a position, against the rules told over its whole history.

The machine keeps every look. Its oracle has no state: it works out stop, target and what is still
to be reduced from all looks so far, in gains instead of prices. Beside the position that is
restarted at random runs one that never is; both must decide the same.

Planted bugs, each of which turns the machine red: the best price forgotten in a restart, the stop
replaced instead of tightened, trailing stop switched off again when profit shrinks, a new stop
not compared with the close,
the reductions of the target counted down by a clock that goes back, the half asked for twice, the
aim raised by a later step, a stop decision forgotten while its order fails, an order asked for
while one is in transit.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from freqtrade_ext.risk import (
    Close,
    CloseReason,
    Direction,
    ExitState,
    PositionView,
    Reduce,
    RiskSettings,
    decide_exit,
    stop_price,
    target_price,
)

ENTRY, COST, MINUTE_MS = 1024.0, 2.0**-10, 60_000
# Powers of two throughout, so that oracle and rules agree to the last bit.
RULES = RiskSettings.model_validate(
    {
        "exits": {
            "exit_tightness": 1.25,
            "breakeven_atr": 1.0,
            "target_reduction": 0.5,
            "gradual_share": 0.25,
            "deep_loss": None,
            "adverse_hours": None,
            "emergency_loss": 0.125,
        },
        "kill_switch": {"partial_loss": 0.25, "full_loss": 0.5},
    }
)
K = RULES.exits.exit_tightness
GAINS = st.integers(-96, 96).map(lambda number: number / 4)
JUMPS = st.integers(-640, 640).map(lambda number: number / 4)
LEVERAGES = st.sampled_from([1.0, 2.0, 8.0, 8.0, 32.0])
SOMETIMES = st.integers(0, 3).map(lambda number: number == 3)


@dataclass(frozen=True)
class Past:
    """One look of the past, in gains: price units in the position's favour."""

    gain: float
    best: float
    worst: float
    atr: float
    hours: float
    held: float


@dataclass
class Oracle:
    """The rules told over the whole history of one position."""

    leverage: float
    looks: list[Past] = field(default_factory=list)

    def earned(self, multiple: float, until: int) -> bool:
        """Whether profit after costs ever reached this many ATR, up to a look."""
        needed = K * multiple * self.looks[0].atr
        return any(each.best - COST * ENTRY >= needed for each in self.looks[: until + 1])

    def stop(self) -> float:
        """Gain at the tightest stop that any look gave."""
        exits, kill = RULES.exits, RULES.kill_switch
        stops = [
            -K * exits.sl_atr * self.looks[0].atr,
            -exits.emergency_loss * ENTRY,
            -kill.full_loss * ENTRY / self.leverage,
        ]
        for now, look in enumerate(self.looks):
            if self.earned(exits.breakeven_atr, now):
                stops.append(COST * ENTRY)
            if self.earned(exits.trail_activation, now):
                best = max(each.best for each in self.looks[: now + 1])
                stops.append(best - K * exits.trail_distance * look.atr)
        return max(stops)

    def target(self) -> float:
        """Gain at the target, lowered by the greatest age ever seen."""
        oldest = max(look.hours for look in self.looks)
        reductions = (oldest >= 4) + (oldest >= 8)
        return K * RULES.exits.tp_atr * self.looks[0].atr * 0.5**reductions

    def halves(self) -> int:
        """Return which look was the first at the kill switch's first level; -1: none."""
        lost = [-look.worst * self.leverage / ENTRY >= 0.25 for look in self.looks]
        return lost.index(True) if True in lost else -1

    def aim(self) -> float:
        """Share of the entered quantity that may be held, by the worst loss and greatest age."""
        aim = 1.0
        for now, look in enumerate(self.looks):
            if now == self.halves():
                aim = min(aim, look.held / 2)
            if look.hours >= 12:
                aim = min(aim, max(0.0, 1 - 0.25 * (1 + (look.hours - 12) // 4)))
        return aim


class ExitMachine(RuleBasedStateMachine):
    """One position after the other: prices, time, failing orders, restarts."""

    @initialize(short=st.booleans(), leverage=LEVERAGES, atr=st.sampled_from([8.0, 32.0]))
    def enter(self, short, leverage, atr):
        """Enter a new position; its first look is at the entry price."""
        self.direction = Direction.SHORT if short else Direction.LONG
        self.oracle = Oracle(leverage)
        self.state = self.shadow = ExitState()
        self.held, self.gain, self.minutes = 1.0, 0.0, 0
        self.action = self.closing = self.tightest = None
        self.look(0.0, 0.0, 0.0, 0, atr, in_transit=False)

    def view(self, up, down, atr, in_transit):
        sign = self.direction.sign
        edges = [ENTRY + sign * (self.gain + up), ENTRY + sign * (self.gain - down)]
        return PositionView(
            market="M",
            direction=self.direction,
            entry_price=ENTRY,
            price=ENTRY + sign * self.gain,
            profit_ratio=self.oracle.leverage * (self.gain / ENTRY - COST),
            opened_ms=0,
            now_ms=self.minutes * MINUTE_MS,
            leverage=self.oracle.leverage,
            atr=atr,
            high=max(edges),
            low=min(edges),
            round_trip_cost=COST,
            held_share=self.held,
            in_transit=in_transit,
        )

    def look(self, change, up, down, minutes, atr, *, in_transit):
        """Let the market move, let time pass, decide."""
        self.gain = min(max(self.gain + change, -700.0), 700.0)
        self.minutes += minutes
        before = self.oracle.stop() if self.oracle.looks else None
        view = self.view(up, down, atr, in_transit)
        self.state, self.action = decide_exit(view, self.state, RULES)
        self.shadow, shadow_action = decide_exit(view, self.shadow, RULES)
        assert (self.shadow, shadow_action) == (self.state, self.action)
        if self.closing is not None:
            assert self.action == Close(self.closing)
            return
        hours = max(0, self.minutes) / 60
        past = Past(self.gain, self.gain + up, self.gain - down, atr, hours, self.held)
        self.oracle.looks.append(past)
        self.judge(view, past, before, in_transit)

    def judge(self, view, past, before, in_transit):
        """Compare the decision with the oracle's."""
        stop, target = self.oracle.stop(), self.oracle.target()
        halving = self.oracle.halves() == len(self.oracle.looks) - 1 and not in_transit
        sign = self.direction.sign
        first_stop = Oracle(self.oracle.leverage, self.oracle.looks[:1]).stop()
        stopped = past.worst <= (first_stop if before is None else before) or past.gain <= stop
        killed = -past.gain * self.oracle.leverage / ENTRY >= 0.5
        protective = isinstance(self.action, Close) and self.action.reason.is_stop_like
        # Closing the rest in quarters is no stop; the kill switch's half never closes all.
        assert protective == (stopped or killed), (self.action, past, before, stop)
        if protective:
            self.closing = self.action.reason
            assert not killed or self.closing is CloseReason.KILL_SWITCH_FULL
            return
        assert sign * (stop_price(view, self.state, RULES) - ENTRY) == stop
        assert sign * (target_price(view, self.state, RULES) - ENTRY) == target
        if halving:
            assert self.action == Reduce(0.5, CloseReason.KILL_SWITCH_PARTIAL)
        elif past.best >= target or past.hours >= 24:
            assert isinstance(self.action, Close)
        elif in_transit:
            assert self.action is None
        else:
            self.judge_reduction()

    def judge_reduction(self):
        aim = self.oracle.aim()
        if self.held - aim <= 0.01:
            assert self.action is None
        elif aim <= 0.01:
            assert self.action == Close(CloseReason.TIME_GRADUAL)
        else:
            assert isinstance(self.action, Reduce)
            assert abs(self.held * (1 - self.action.share) - aim) < 1e-12

    @rule(change=GAINS, up=st.just(0.0) | GAINS, down=st.just(0.0) | GAINS, transit=SOMETIMES)
    def market_moves(self, change, up, down, transit):
        """A minute with wicks."""
        self.look(change, abs(up), abs(down), 1, 8.0, in_transit=transit)

    @rule(change=JUMPS, atr=st.sampled_from([4.0, 8.0, 16.0]))
    def market_jumps(self, change, atr):
        """A gap, and another volatility."""
        self.look(change, 0.0, 0.0, 1, atr, in_transit=False)

    @rule(change=st.sampled_from([0.0, 1.0, -1.0]), hours=st.integers(1, 9))
    def time_passes(self, change, hours):
        """Hours without much movement."""
        self.look(change, 0.0, 0.0, hours * 60, 8.0, in_transit=False)

    @rule(minutes=st.integers(1, 600))
    def clock_goes_back(self, minutes):
        """The host's clock is set."""
        self.look(0.0, 0.0, 0.0, -minutes, 8.0, in_transit=False)

    @rule()
    def rise_slowly(self):
        """Often enough to arm break-even and trailing stop before anything else."""
        self.look(5.0, 0.0, 0.0, 1, 8.0, in_transit=False)

    @precondition(lambda self: self.state.trailing)
    @rule(atr=st.sampled_from([2.0, 4.0, 8.0]))
    def sag_above_the_trailing_stop(self, atr):
        """Two looks below the best price, the market calmer in the second."""
        room = self.gain - self.oracle.stop()
        self.look(-room / 4, 0.0, 0.0, 1, 8.0, in_transit=False)
        self.look(0.0, 0.0, 0.0, 1, atr, in_transit=False)

    @rule(transit=SOMETIMES, share=st.sampled_from([0.25, 0.3125, 0.375]))
    def sink_to_the_half(self, transit, share):
        """To a loss between both levels of the kill switch; often the stop is nearer."""
        gain = -share * ENTRY / self.oracle.leverage
        self.look(gain - self.gain, 0.0, 0.0, 1, 8.0, in_transit=transit)

    @rule(transit=SOMETIMES, hours=st.integers(12, 23))
    def grow_old(self, transit, hours):
        """Into the gradual exit, back and forth."""
        self.look(0.0, 0.0, 0.0, hours * 60 - self.minutes, 8.0, in_transit=transit)

    @rule()
    def price_is_missing(self):
        """Nothing is decided on it, except what stands."""
        self.gain, kept = float("nan"), self.gain
        view = self.view(0.0, 0.0, 8.0, in_transit=False)
        expected = None if self.closing is None else Close(self.closing)
        assert decide_exit(view, self.state, RULES) == (self.state, expected)
        self.gain = kept

    @rule()
    def restart(self):
        """Only the stored line is left."""
        self.state = ExitState.from_json(self.state.to_json())

    @precondition(lambda self: isinstance(self.action, Reduce))
    @rule(part=st.sampled_from([1.0, 0.5]))
    def reduction_is_filled(self, part):
        """Wholly or in part; where this rule does not run, the order has failed."""
        sold = self.held * self.action.share * part
        assert 0 < sold < self.held
        self.held -= sold
        self.action = None

    @precondition(lambda self: isinstance(self.action, Close))
    @rule(short=st.booleans(), leverage=LEVERAGES, atr=st.sampled_from([8.0, 32.0]))
    def close_is_filled(self, short, leverage, atr):
        """The next position begins; where this rule does not run, the order has failed."""
        self.enter(short, leverage, atr)

    @invariant()
    def what_is_stored_can_be_read(self):
        assert ExitState.from_json(self.state.to_json()) == self.state


TestExitMachine = ExitMachine.TestCase
TestExitMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
