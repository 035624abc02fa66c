"""``freqtrade-ext doctor``: whether everything is ready to trade, and what to do if not."""

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from freqtrade_ext.cli._options import config_option

if TYPE_CHECKING:
    from freqtrade_ext.adapters.checks import Check

__all__ = ["doctor"]

_STYLES = {"OK": "green", "WARN": "yellow", "FAIL": "bold red", "SKIP": "dim"}


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def doctor(configs: tuple[str, ...], as_json: bool) -> None:
    """
    Check versions, configuration, data, account and database; send no order.

    \b
      OK    as it should be
      WARN  the bot can trade; look at it
      FAIL  the bot would not start, or should not trade
      SKIP  not checked, with the reason
    Exit code 0, 1 with any FAIL, 2 if the configuration cannot be read.
    """
    from freqtrade_ext.adapters.checks import run_checks

    checks = list(
        run_checks(list(configs), now=datetime.now(UTC), clock_ms=lambda: time.time() * 1000)
    )
    failed = any(check.status == "FAIL" for check in checks)
    if as_json:
        click.echo(json.dumps(_document(checks), indent=2))
    else:
        _print(checks)
    if failed:
        sys.exit(1)


def _document(checks: Sequence["Check"]) -> dict[str, object]:
    order = ("FAIL", "WARN")
    found = {str(check.status) for check in checks}
    status = next((each for each in order if each in found), "OK")
    rows = [
        {"name": each.name, "status": each.status, "text": each.text, "advice": each.advice}
        for each in checks
    ]
    return {"status": status, "checks": rows}


def _print(checks: Sequence["Check"]) -> None:
    table = Table(show_lines=False)
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("found and what to do", overflow="fold")
    for check in checks:
        style = _STYLES[check.status]
        told = escape(check.text)
        if check.advice:
            told += f"\n[bold]→[/bold] {escape(check.advice)}"
        table.add_row(escape(check.name), f"[{style}]{check.status}[/{style}]", told)
    Console().print(table)
    counts = {status: sum(check.status == status for check in checks) for status in _STYLES}
    click.echo(", ".join(f"{number} {status}" for status, number in counts.items() if number))
