"""``freqtrade-ext inbox``: differences between exchange and books that a person should see."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from freqtrade_ext.cli._options import config_option
from freqtrade_ext.errors import ConfigError

if TYPE_CHECKING:
    from freqtrade_ext.adapters.execution_store import InboxTable
    from freqtrade_ext.execution import InboxItem

__all__ = ["inbox"]

_HEADINGS = ("id", "since (UTC)", "kind", "market", "what", "policy", "done", "decision")


@click.group(invoke_without_command=True)
@config_option
@click.option("--all", "closed_too", is_flag=True, help="Closed items as well, the last 100.")
@click.pass_context
def inbox(context: click.Context, configs: tuple[str, ...], closed_too: bool) -> None:
    """
    List differences between the exchange and the books, and decide about them.

    \b
      freqtrade-ext inbox -c config.json
      freqtrade-ext inbox -c config.json decide ID adopt

    An item closes by itself when its difference is gone.
    """
    context.obj = configs
    if context.invoked_subcommand is not None:
        return
    with _inbox_of(configs) as table:
        items = table.all_items(100) if closed_too else table.open_items()
    if not items:
        click.echo("the inbox is empty" if closed_too else "nothing open")
        return
    _print(items)


@inbox.command()
@click.argument("item_id", metavar="ID")
@click.argument("decision", type=click.Choice(["adopt", "close", "ignore"]))
@click.option("-c", "--config", "configs", multiple=True, help="The same, in this place.")
@click.pass_context
def decide(context: click.Context, item_id: str, decision: str, configs: tuple[str, ...]) -> None:
    """
    Decide about an open item; the bot acts on it within seconds.

    \b
      adopt   the books follow the exchange
      close   the exchange follows the books: the excess is closed, the order canceled
      ignore  leave both alone
    """
    from freqtrade_ext.execution import Decision

    with _inbox_of(configs or context.obj) as table:
        found = next((item for item in table.open_items() if str(item.id) == item_id), None)
        if found is None:
            raise ConfigError(_why_not(table, item_id))
        table.decide(found.id, Decision(decision))
    click.echo(f"{item_id}: {found.kind} {found.market}: {decision}")


def _why_not(table: "InboxTable", item_id: str) -> str:
    closed = next((item for item in table.all_items(1000) if str(item.id) == item_id), None)
    if closed is not None and closed.closed_ms is not None:
        return f"item {item_id} is closed since {_time(closed.closed_ms)}: its difference is gone"
    numbers = ", ".join(str(item.id) for item in table.open_items()) or "none"
    return f"there is no item {item_id} in the inbox; open: {numbers}"


@contextmanager
def _inbox_of(configs: Sequence[str]) -> Iterator["InboxTable"]:
    from freqtrade_ext.adapters.checks import open_database
    from freqtrade_ext.adapters.execution_store import InboxTable

    with open_database(list(configs)) as engine:
        yield InboxTable(engine)


def _print(items: Sequence["InboxItem"]) -> None:
    table = Table(show_lines=True)
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold")
    for item in items:
        done = item.action_taken or "nothing"
        decided = str(item.decision or "")
        if item.closed_ms is not None:
            decided = f"{decided} closed {_time(item.closed_ms)}".strip()
        row = (item.id, _time(item.opened_ms), item.kind, item.market, item.text, item.policy)
        table.add_row(*(escape(str(cell)) for cell in (*row, done, decided)))
    Console().print(table)


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}"
