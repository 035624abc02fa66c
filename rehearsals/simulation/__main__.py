r"""
Run seeded episodes of the domain code against the sandbox engine, in virtual time.

``python -m rehearsals.simulation --episodes 100000`` runs them on two processes and prints a
table; ``--seed N --episodes 1 --trace`` replays one, a line a step. The kept regressions run first.
Exit code 1 if an invariant did not hold in any episode.
"""

import json
import logging
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import click

from rehearsals.simulation import Outcome, Summary, run_episode

REGRESSIONS: Final = Path(__file__).parent / "regressions" / "seeds.json"
_CHUNK = 250
_SHOWN = 20


def regressions() -> list[int]:
    """Seeds in which something was once found."""
    return [int(row["seed"]) for row in json.loads(REGRESSIONS.read_text(encoding="utf-8"))]


def run_seeds(seeds: list[int]) -> list[Outcome]:
    """Run episodes in this process; what the product logs is not wanted here."""
    logging.disable(logging.CRITICAL)
    return [run_episode(seed) for seed in seeds]


def _chunks(first: int, episodes: int) -> Iterator[list[int]]:
    for begin in range(first, first + episodes, _CHUNK):
        yield list(range(begin, min(begin + _CHUNK, first + episodes)))


def _run(seed: int, episodes: int, workers: int) -> Summary:
    summary, begin = Summary(), time.monotonic()
    work = [regressions(), *_chunks(seed, episodes)]
    with ProcessPoolExecutor(max_workers=workers) as pool:
        for number, outcomes in enumerate(pool.map(run_seeds, work), start=1):
            summary.add_all(outcomes)
            seeds = " ".join(str(outcome.seed) for outcome in outcomes if outcome.problems)
            if seeds:  # a person need not wait for the end to replay it
                click.echo(f"failed: {seeds}", err=True)
            if number % 40 == 0 or number == len(work):
                took = time.monotonic() - begin
                failed = len(summary.failures)
                click.echo(f"{summary.episodes} episodes, {failed} failed, {took:.0f} s", err=True)
    return summary


def _trace(seed: int) -> bool:
    logging.disable(logging.CRITICAL)
    outcome = run_episode(seed, tracing=True)
    for problem in outcome.problems:
        click.echo(f"PROBLEM: {problem}")
    click.echo(
        f"{outcome.fault}: {outcome.fills} fills, {outcome.kills} kills, {outcome.ghosts} ghosts, "
        f"{outcome.absent} absent, naked {outcome.exposure:.0f} USDT·s per 1000 USDT"
    )
    return not outcome.problems


@click.command(help=__doc__)
@click.option("--seed", default=0, show_default=True, help="Seed of the first episode.")
@click.option("--episodes", default=1_000, show_default=True)
@click.option("--workers", default=2, show_default=True, help="Processes; results do not change.")
@click.option("--trace", is_flag=True, help="Print every step of the first episode.")
def main(seed: int, episodes: int, workers: int, *, trace: bool) -> None:
    """Run and report."""
    if trace:
        sys.exit(0 if _trace(seed) else 1)
    summary = _run(seed, episodes, workers)
    click.echo(summary.table())
    for outcome in summary.failures[:_SHOWN]:
        click.echo(f"seed {outcome.seed} ({outcome.fault}): {'; '.join(outcome.problems)}")
    sys.exit(1 if summary.failures else 0)


if __name__ == "__main__":
    main()
