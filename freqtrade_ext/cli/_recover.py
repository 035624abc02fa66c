"""``freqtrade-ext recover``: bring exchange and database together before the bot trades."""

import sys

import click

from freqtrade_ext.cli._options import config_option
from freqtrade_ext.errors import VenueError

__all__ = ["recover"]


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the report instead of a summary.")
def recover(configs: tuple[str, ...], as_json: bool) -> None:
    """
    Reconcile the exchange with the database, while no bot runs on the account.

    Orders whose outcome is unknown are looked up, orders that the database does not know are
    adopted, differences are handled by ext.execution.policies. The report is written to
    user_data/logs/recovery_report.json. The bot does the same at its start.

    \b
    Exit code 0  trading may start (SUCCESS, or ALERT: a person should look at something)
              1  do not trade (FAILED: the exchange or the database could not be asked)
              2  the configuration is wrong, or another bot runs on the account
    """
    from freqtrade_ext.adapters.recovery import recover_account

    try:
        report = recover_account(list(configs))
    except VenueError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    if report is None:
        click.echo("nothing to recover: a dry run, or ext.execution.guard is false")
        return
    if as_json:
        click.echo(report.to_json())
        return
    click.echo(f"{report.recovery_status}: {report.reconciliation_status}")
    for line in (*report.actions, *report.warnings):
        click.echo(f"  {line}")
    click.echo(report.next_action)
