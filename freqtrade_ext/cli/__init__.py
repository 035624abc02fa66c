"""The ``freqtrade-ext`` command: parse, call, print."""

import sys

import click

from freqtrade_ext import __version__
from freqtrade_ext.cli._book import book
from freqtrade_ext.cli._demo import demo
from freqtrade_ext.cli._doctor import doctor
from freqtrade_ext.cli._explain import explain
from freqtrade_ext.cli._inbox import inbox
from freqtrade_ext.cli._models import models
from freqtrade_ext.cli._recover import recover
from freqtrade_ext.cli._risk import killswitch, stoploss_guard
from freqtrade_ext.cli._sandbox import sandbox
from freqtrade_ext.cli.crashlab import crashlab
from freqtrade_ext.cli.scan import scan
from freqtrade_ext.errors import ExtensionError

__all__ = ["main"]


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> object:
        """Turn our own errors into one message and exit code 2."""
        try:
            return super().invoke(ctx)
        except ExtensionError as error:
            click.echo(str(error), err=True)
            sys.exit(2)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """
    Two-leg spreads, a rehearsal exchange and honest statistics for a stock Freqtrade.

    Trading, backtesting and hyperopt stay Freqtrade's own commands:

    \b
      freqtrade trade       -c config.json
      freqtrade backtesting -c config.json
      freqtrade trade       -c config.json -c user_data/config-sandbox.json

    The commands here do what Freqtrade has no command for.
    """


@main.command()
def version() -> None:
    """Show the versions of this package and of Freqtrade."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    click.echo(f"freqtrade-ext {__version__}")
    for name in ("freqtrade", "ccxt"):
        try:
            click.echo(f"{name} {installed(name)}")
        except PackageNotFoundError:
            click.echo(f"{name} is not installed")


main.add_command(book)
main.add_command(crashlab)
main.add_command(demo)
main.add_command(doctor)
main.add_command(explain)
main.add_command(inbox)
main.add_command(killswitch)
main.add_command(models)
main.add_command(recover)
main.add_command(sandbox)
main.add_command(scan)
main.add_command(stoploss_guard)
