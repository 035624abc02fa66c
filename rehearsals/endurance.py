"""
Hours of live trading on the sandbox while one thing after the other goes wrong.

``python -m rehearsals.endurance --minutes 120`` runs a stock Freqtrade with our strategy on eight
markets. Every half minute or so the script lets a request, the account or the connection suffer
something, and in the first half it kills the bot with -9 every ten minutes or so and starts it
again. At the end the exchange becomes fair, everything is closed, and exchange, journal and
database are compared. The bot's memory is read once a minute.
"""

import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
import psutil  # type: ignore[import-untyped]

from freqtrade_ext.adapters.lab_books import BotBooks, read_bot_books
from freqtrade_ext.cli._bot_process import BotProcess
from freqtrade_ext.cli._demo_stage import Stage, StageOptions
from freqtrade_ext.cli.crashlab._judge import differences, lost_orders
from freqtrade_ext.cli.crashlab._session import exchange_view
from freqtrade_ext.errors import VenueError
from freqtrade_ext.sandbox import Effect, Fault, FaultPlan, audit
from freqtrade_ext.sandbox.faults import FaultEffect
from freqtrade_ext.sandbox.server import wall_clock
from rehearsals.soak import prepare

ORDER_EFFECTS: dict[str, Callable[[], FaultEffect]] = {
    "lost answer": lambda: Effect.LOSE_RESPONSE,
    "503": lambda: Effect.UNKNOWN_STATUS,
    "-1007": lambda: Effect.UNKNOWN(-1007),
    "garbled": lambda: Effect.GARBLED,
    "dropped": lambda: Effect.DROP_REQUEST,
    "time-out": lambda: Effect.TIME_OUT(15),
    "hidden": lambda: Effect.HIDE_ORDER(20),
    "40 % filled": lambda: Effect.PARTIAL_FILL("0.4"),
    "refused": lambda: Effect.REJECT(-2019),
    "late report": lambda: Effect.LATE_FILL_REPORT(10),
    "rate limit": lambda: Effect.RATE_LIMIT(10, spare=True),
    "outage": lambda: Effect.OUTAGE(20, spare=True),
    "slow": lambda: Effect.LATENCY(1_000, 20, spare=True),
    "clock": lambda: Effect.CLOCK_SKEW(15_000, 20, spare=True),
    "maintenance": lambda: Effect.MAINTENANCE(10, spare=True),
    "person closes": lambda: Effect.CLOSE_POSITION(1),
    "person adds": lambda: Effect.ADD_POSITION("0.3"),
    "stale prices": lambda: Effect.STALE_PRICES(20, spare=True),
}


@dataclass(slots=True)
class Course:
    """What happened: faults by name, kills, memory in MB by minute."""

    faults: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    memory_mb: list[float] = field(default_factory=list)

    def growth_mb(self) -> float:
        """Median of the last quarter less that of the second, MB: the first is warming up."""
        quarter = len(self.memory_mb) // 4
        if not quarter:
            return 0.0
        middle = sorted(self.memory_mb[quarter : 2 * quarter])[quarter // 2]
        last = sorted(self.memory_mb[-quarter:])[quarter // 2]
        return last - middle


def trade(stage: Stage, minutes: float, seed: int, *, kills: bool) -> Course:
    """Trade and let things go wrong until the time is over; everything is closed at the end."""
    dice, course = random.Random(seed), Course()
    server = stage.rehearsal.server
    with BotProcess([stage.config], stage.api, stage.folder / "live.log") as bot:
        bot.wait_until_running(90.0)
        half, end = (time.monotonic() + minutes * share for share in (30, 60))
        next_fault = next_memory = time.monotonic() + 20
        next_kill = time.monotonic() + dice.uniform(300, 900)
        while (now := time.monotonic()) < end:
            if now >= next_fault and not server.call(lambda: list(server.faults.pending)):
                name = dice.choice(sorted(ORDER_EFFECTS))
                fault = Fault("ORDER", occurrence=dice.randint(1, 3), effect=ORDER_EFFECTS[name]())
                server.call(lambda fault=fault: server.faults.add(fault))  # type: ignore[misc]
                course.faults[name] = course.faults.get(name, 0) + 1
                next_fault = now + dice.uniform(10, 40)
            if now >= next_memory and bot.pid is not None:
                course.memory_mb.append(psutil.Process(bot.pid).memory_info().rss / 2**20)
                next_memory = now + 60
            if kills and next_kill <= now < half:  # the second half is for the memory
                bot.kill()
                course.kills += 1
                bot.start()
                bot.wait_until_running(120.0)
                course.memory_mb.clear()  # a new process warms up anew
                next_kill = now + dice.uniform(400, 1_200)
            bot.check_alive()
            time.sleep(0.5)
        close_all(stage, bot)
    return course


def close_all(stage: Stage, bot: BotProcess) -> None:
    """Let the exchange be fair, close everything, and wait until nothing is held."""
    server = stage.rehearsal.server
    server.faults = FaultPlan()
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            bot.call("POST", "stopentry")
            if bot.call("GET", "status"):
                bot.call("POST", "forceexit", {"tradeid": "all"})
            held = server.call(lambda: len(stage.rehearsal.exchange.account.held))
            if not held and not bot.call("GET", "status"):
                break
        except (VenueError, OSError) as error:  # while the exchange is away, REST answers 500
            click.echo(f"not yet: {error}")
        time.sleep(10)
    time.sleep(40)  # the watcher and the guard's questions come to rest


def judge(stage: Stage, course: Course, begin_ms: int) -> bool:
    """Print what exchange, journal and database say; whether all is well."""
    server = stage.rehearsal.server
    events = server.call(lambda: tuple(stage.rehearsal.journal.events))
    report = audit(events, spreads=stage.legs())
    books = read_bot_books(stage.database) or BotBooks()
    view = server.call(lambda: exchange_view(stage.rehearsal.exchange))
    apart = differences(view, books.held, books.known_orders)
    lost = lost_orders(events, books.known_orders, begin_ms)
    click.echo(
        f"audit: orphans {sum(each.is_orphan for each in apart)}, "
        f"duplicates {len(report.duplicates)}, lost orders {len(lost)}, "
        f"phantoms {sum(not each.is_orphan for each in apart)}, "
        f"open orders {len(report.open_orders)}, positions {len(report.positions)}"
    )
    happened = ", ".join(f"{name} {count}" for name, count in sorted(course.faults.items()))
    click.echo(f"faults: {happened}; kill -9: {course.kills}")
    memory = course.memory_mb or [0.0]
    click.echo(
        f"memory: {memory[0]:.0f} MB first, {memory[-1]:.0f} MB last of {len(memory)} minutes, "
        f"growth after the first quarter {course.growth_mb():+.1f} MB"
    )
    for line in (*(each.text for each in apart), *map(str, report.duplicates), *lost):
        click.echo(f"  {line}")
    return not apart and not report.duplicates and not lost and not report.positions


def _options(spreads: int, seed: int) -> StageOptions:
    return replace(StageOptions(), seed=seed, spreads=spreads, max_open_spreads=spreads)


@click.command()
@click.option("--minutes", default=120.0, show_default=True, help="Length of the session.")
@click.option("--spreads", default=4, show_default=True, help="Planted spreads, two markets each.")
@click.option("--seed", default=5, show_default=True, help="Seed of market and faults.")
@click.option("--kills/--no-kills", default=True, show_default=True, help="Kill -9 now and then.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo_run/endurance"))
def main(minutes: float, spreads: int, seed: int, kills: bool, folder: Path) -> None:
    """Trade for hours while things go wrong; exit code 1 if anything was lost or left over."""
    stage = Stage.set_up(folder.resolve(), _options(spreads, seed))
    with stage.rehearsal.server:
        prepare(stage)
        # What a person adds in the moment in which a spread ends is to be closed as well.
        stage.write_config(execution={"policies": {"unknown_position": "flatten"}})
        begin_ms = wall_clock()
        course = trade(stage, minutes, seed, kills=kills)
        is_well = judge(stage, course, begin_ms)
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
