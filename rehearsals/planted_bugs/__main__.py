"""The command: plant every bug of the table, or those whose rule or file contains a word."""

import sys
import tempfile
import time
from pathlib import Path

import click

from rehearsals.planted_bugs import BUGS
from rehearsals.planted_bugs._runner import Verdict, copied, red_without_a_bug, run

ROOT = Path(__file__).resolve().parents[2]


@click.command()
@click.option("--only", default="", help="Bugs whose rule, file or test contains this.")
@click.option("--unchecked", is_flag=True, help="Do not run the tests without any bug first.")
def main(only: str, unchecked: bool) -> None:
    """Plant the bugs, one at a time, and say which of them a test has noticed."""
    bugs = [bug for bug in BUGS if only in f"{bug.rule} {bug.file} {bug.test}"]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = copied(ROOT, Path(name))
        red = "" if unchecked else red_without_a_bug(bugs, folder)
        if red:
            click.echo(f"Tests fail without any bug:\n{red}")
        counts = dict.fromkeys(Verdict, 0)
        for outcome in run(bugs, folder):
            counts[outcome.verdict] += 1
            bug = outcome.bug
            click.echo(f"{outcome.verdict:9}  {bug.rule}  ({bug.file} -> {bug.test})")
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    click.echo(f"{len(bugs)} bugs: {said}; {time.monotonic() - began:.0f} s")
    sys.exit(0 if bugs and not red and counts[Verdict.CAUGHT] == len(bugs) else 1)


if __name__ == "__main__":
    main()
