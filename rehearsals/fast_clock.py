"""
A stock Freqtrade in a process whose clock runs faster than the machine's.

``python -m rehearsals.fast_clock trade -c config.json`` takes Freqtrade's arguments; the clock is
in the environment (`FastClock.environment`). Every clock of the process follows it, so time-outs
shorten too; sleeps and waits are shortened alike.
"""

import datetime as dt
import os
import runpy
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import time_machine

_VARIABLE = "REHEARSAL_CLOCK"
_STEP_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class FastClock:
    """
    A clock that several processes of one machine share.

    Attributes
    ----------
    begin_ms : int
        What it showed, ms since 1970 UTC, when the machine's monotonic clock showed `begin`.
    begin : float
        Seconds.
    speed : float
        Its seconds in one of the machine's.
    """

    begin_ms: int
    begin: float
    speed: float

    @classmethod
    def from_now(cls, speed: float) -> "FastClock":
        """Start a clock that shows the time of the machine."""
        return cls(time.time_ns() // 1_000_000, time.monotonic(), speed)

    def now_ms(self) -> int:
        """Return what it shows, ms since 1970 UTC."""
        return self.at(time.monotonic())

    def at(self, monotonic: float) -> int:
        """Return what it shows when the machine's monotonic clock shows this."""
        return self.begin_ms + round((monotonic - self.begin) * self.speed * 1_000)

    @property
    def environment(self) -> dict[str, str]:
        """Variables for a process that is to share it."""
        return {_VARIABLE: f"{self.begin_ms} {self.begin!r} {self.speed!r}"}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "FastClock":
        """Read what `environment` has written."""
        begin_ms, begin, speed = environment[_VARIABLE].split()
        return cls(int(begin_ms), float(begin), float(speed))


def main() -> None:
    """Let this process's clocks follow, and run Freqtrade."""
    clock = FastClock.from_environment(os.environ)
    sleep = time.sleep
    coordinates = time_machine.travel(_moment(clock.now_ms()), tick=True).start()

    def follow() -> None:
        while True:
            sleep(_STEP_SECONDS)
            # The machine's own clock; to be read only once time is travelled.
            coordinates.move_to(_moment(clock.at(time_machine.escape_hatch.time.monotonic())))

    threading.Thread(target=follow, daemon=True).start()
    time.sleep = lambda seconds: sleep(seconds / clock.speed)  # type: ignore[assignment]
    wait = threading.Condition.wait  # events and queues wait with it
    threading.Condition.wait = lambda self, timeout=None: wait(  # type: ignore[method-assign]
        self, None if timeout is None else timeout / clock.speed
    )
    sys.argv[0] = "freqtrade"
    runpy.run_module("freqtrade", run_name="__main__")


def _moment(time_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(time_ms / 1_000, dt.UTC)


if __name__ == "__main__":
    main()
