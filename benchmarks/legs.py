"""How fast two legs reach the exchange: order guard against Freqtrade's own way, leg after leg.

One live bot after the other trades the same seeded market with 50 ms added to every answer. The
exchange's request log says when each order arrived and what was asked before.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import psutil  # type: ignore[import-untyped]

from freqtrade_ext.cli._bot_process import BotProcess
from freqtrade_ext.cli._demo_stage import Stage, StageOptions
from freqtrade_ext.sandbox import RequestSeen
from rehearsals.soak import prepare

LATENCY_MS = 50.0
SECONDS = 240.0
ORDERS = ("POST /fapi/v1/order", "POST /fapi/v1/batchOrders")
LOOP_SECONDS = 2.0  # of the stage's configuration
RESTARTS = 3
LOOP_PAUSE_MS = 400.0  # a loop of the bot begins after a pause longer than this


@dataclass(frozen=True, slots=True)
class Legs:
    """Two orders of one spread: requests and time between them, and since the loop began."""

    requests_between: int
    gap_ms: float
    requests_before: int
    before_ms: float


def legs_of(log: Sequence[RequestSeen], spreads: set[frozenset[str]]) -> list[Legs]:
    """Find the two-leg sendings in a request log."""
    found: list[Legs] = []
    waiting: dict[str, RequestSeen] = {}
    loop_start = log[0] if log else None
    for earlier, seen in pairwise(log):
        if seen.time_ms - earlier.time_ms > LOOP_PAUSE_MS:
            loop_start = seen
        if seen.endpoint not in ORDERS or loop_start is None:
            continue
        for symbol in seen.symbols:
            partner = next(
                (p for p in waiting if frozenset((p, symbol)) in spreads and p != symbol), None
            )
            if partner is None:
                waiting[symbol] = seen
                continue
            first = waiting.pop(partner)
            found.append(
                Legs(
                    requests_between=seen.number - first.number,
                    gap_ms=seen.time_ms - first.time_ms,
                    requests_before=first.number - loop_start.number,
                    before_ms=first.time_ms - loop_start.time_ms,
                )
            )
    return found


@dataclass(frozen=True, slots=True)
class Session:
    """
    What one bot did.

    Attributes
    ----------
    legs : list of Legs
    processor_ms : float
        Processor time of the bot for each of its loops, all threads.
    restart_s : list of float
        From the start of the process after kill -9, with spreads open, until it trades.
    """

    legs: list[Legs]
    processor_ms: float
    restart_s: list[float]


def measure(folder: Path, *, guard: bool, seed: int = 5) -> Session:
    """Trade for a while and look at the request log; then kill the bot and start it again."""
    options = replace(StageOptions(), seed=seed, latency_ms=LATENCY_MS)
    stage = Stage.set_up(folder, options)
    server = stage.rehearsal.server
    with server:
        prepare(stage)
        stage.write_config(execution={"guard": guard})
        mark = server.request_count
        with BotProcess([stage.config], stage.api, stage.folder / "live.log") as bot:
            bot.wait_until_running(120.0)
            begin, spent = time.monotonic(), _processor_seconds(bot)
            while time.monotonic() < begin + SECONDS:
                bot.check_alive()
                time.sleep(2.0)
            log = server.requests_since(mark)
            loops = (time.monotonic() - begin) / LOOP_SECONDS
            processor_ms = (_processor_seconds(bot) - spent) / loops * 1000
            restarts = [_restart(bot) for _ in range(RESTARTS)]
    spreads = {frozenset((legs.leg_a, legs.leg_b)) for legs in stage.legs()}
    return Session(legs_of(log, spreads), processor_ms, restarts)


def _processor_seconds(bot: BotProcess) -> float:
    times = psutil.Process(bot.pid).cpu_times()
    return float(times.user + times.system)


def _restart(bot: BotProcess) -> float:
    bot.kill()
    begin = time.monotonic()
    bot.start()
    bot.wait_until_running(120.0)
    return time.monotonic() - begin


def main() -> None:
    """Print requests and time between the legs, with the guard and without."""
    print(f"legs, {LATENCY_MS:.0f} ms added to every request, {SECONDS:.0f} s each:")
    with tempfile.TemporaryDirectory() as folder:
        for guard in (True, False):
            session = measure(Path(folder) / str(guard), guard=guard)
            name = "order guard" if guard else "leg after leg"
            legs = session.legs
            if not legs:
                print(f"  {name}: no spread was traded")
                continue
            print(
                f"  {name}: {len(legs)} spreads in and out; requests from the first leg to the "
                f"second: median {median(each.requests_between for each in legs):.0f}, "
                f"worst {max(each.requests_between for each in legs)}; "
                f"time: median {median(each.gap_ms for each in legs):.0f} ms, "
                f"worst {max(each.gap_ms for each in legs):.0f} ms"
            )
            print(
                "    from the loop's start to the second order: median "
                f"{median(each.requests_before + each.requests_between for each in legs):.0f} "
                f"requests, {median(each.before_ms + each.gap_ms for each in legs):.0f} ms; "
                f"processor time per loop {session.processor_ms:.0f} ms; restart after kill -9 "
                f"until RUNNING: {', '.join(f'{each:.1f}' for each in session.restart_s)} s"
            )
