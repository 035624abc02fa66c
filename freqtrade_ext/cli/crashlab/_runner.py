"""Plays scenarios on a stage, one after the other, and judges each run."""

from dataclasses import dataclass
from random import Random
from typing import Final

from freqtrade_ext.cli.crashlab._faults import Scenario
from freqtrade_ext.cli.crashlab._judge import Verdict, judge, longest_span, recovered_at
from freqtrade_ext.cli.crashlab._session import NotFiredError, NotTradedError, Sample, Session
from freqtrade_ext.errors import VenueError

__all__ = ["Patience", "RunResult", "play"]

_SETTLE_MS: Final = 6_000
_CALM_SECONDS: Final = 4.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for rest after a fault, and for the end of a spread, seconds."""

    rest: float = 90.0
    end: float = 60.0


@dataclass(frozen=True, slots=True)
class RunResult:
    """
    One run of a scenario.

    `recovery_s` is None when exchange and books never agreed again with every leg hedged.
    """

    scenario: str
    seed: int
    run: int
    fired: bool
    traded: bool
    verdict: Verdict
    recovery_s: float | None
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """The fault happened, and nothing was lost, orphaned, duplicated or invented."""
        return self.fired and self.traded and self.verdict.is_clean


def play(
    session: Session, scenario: Scenario, *, seed: int, run: int, patience: Patience
) -> RunResult:
    """Play one run of a scenario; afterwards the stage is clean again, whatever happened."""
    random = Random(f"{seed}:{scenario.name}:{run}")
    _begin(session)
    traded, happened = True, True
    recovery: float | None = None
    try:
        scenario.script(session, random)
        recovery = _recovery(session, patience)
    except NotTradedError as error:
        traded = happened = False
        session.notes.append(str(error))
    except NotFiredError as error:
        happened = False
        session.notes.append(str(error))
    except VenueError as error:  # the bot does not start again: never recovered
        session.notes.append(str(error))
    verdict = _end(session, patience)
    result = RunResult(
        scenario=scenario.name,
        seed=seed,
        run=run,
        fired=happened and session.fired,
        traded=traded,
        verdict=verdict,
        recovery_s=recovery,
        seconds=(session.now_ms() - session.begin_ms) / 1_000,
        notes=tuple(session.notes),
    )
    if not (session.look().is_pristine and session.bot.is_alive):
        session.clean_up()
    return result


def _begin(session: Session) -> None:
    """Begin a run; a bot that does not start is given a clean stage, once."""
    try:
        session.begin()
    except VenueError:
        session.clean_up()
        session.begin()


def _end(session: Session, patience: Patience) -> Verdict:
    """Let the spread end without faults, and judge what is left."""
    session.disarm()
    session.drop_faults()
    session.end_spread(patience.end)
    session.pause(_CALM_SECONDS)
    return _judge(session, session.look())


def _recovery(session: Session, patience: Patience) -> float | None:
    """Time from the end of the fault until all was well and stayed so; None: it never was."""
    end_ms = session.fault_end_ms

    def recovered() -> int | None:
        session.keep_alive()
        samples = ((one.time_ms, one.is_well) for one in session.samples)
        return recovered_at((one for one in samples if one[0] >= end_ms), _SETTLE_MS)

    session.waits(lambda: recovered() is not None, patience.rest)
    at_ms = recovered()
    return None if at_ms is None else (at_ms - end_ms) / 1_000


def _judge(session: Session, last: Sample) -> Verdict:
    legs = {leg: one for one in session.spreads for leg in (one.leg_a, one.leg_b)}
    alone = [
        symbol
        for symbol in last.view.held
        if symbol not in legs or not {legs[symbol].leg_a, legs[symbol].leg_b} <= set(last.view.held)
    ]
    return judge(
        session.events(),
        session.spreads,
        since_ms=session.begin_ms,
        until_ms=session.now_ms(),
        last=last.differences or (),
        alone=alone,
        known_orders=session.known_orders(),
        unknown_ms=longest_span((one.time_ms, one.has_unknown) for one in session.samples),
    )
