"""``freqtrade-ext killswitch`` and ``stoploss-guard``: see and steer the risk rules of a bot."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from freqtrade_ext.cli._options import config_option
from freqtrade_ext.errors import ConfigError

if TYPE_CHECKING:
    from freqtrade_ext.adapters.risk_control import RiskControl

__all__ = ["killswitch", "stoploss_guard"]

_WHEN = "the bot obeys in its next loop, or at its next start"


@click.group()
def killswitch() -> None:
    """
    Show, reset or pull the account kill switch of a bot, through its database.

    \b
      freqtrade-ext killswitch show  -c config.json
      freqtrade-ext killswitch reset -c config.json
      freqtrade-ext killswitch stop  -c config.json --reason "leaving for a week"

    A stopped account closes everything and enters nothing until a person resets it.
    """


@killswitch.command()
@config_option
def show(configs: tuple[str, ...]) -> None:
    """Show whether the account is stopped, its peak, wishes not yet done, and locks."""
    from freqtrade_ext.adapters.risk_control import risk_control

    with risk_control(list(configs)) as control:
        _print(control)


@killswitch.command()
@config_option
def reset(configs: tuple[str, ...]) -> None:
    """Let the account trade again; its drawdown is measured anew from the equity of then."""
    from freqtrade_ext.adapters.risk_control import risk_control

    with risk_control(list(configs)) as control:
        if not control.account.is_stopped and control.wish is None:
            click.echo("the account is not stopped; nothing to reset")
            return
        control.reset_account()
    click.echo(f"reset is noted; {_WHEN}")


@killswitch.command()
@config_option
@click.option("--reason", default="stopped by a person", show_default=True, help="For messages.")
@click.confirmation_option(prompt="Close every position and stop entries?")
def stop(configs: tuple[str, ...], reason: str) -> None:
    """Close every position and enter nothing until a reset."""
    from freqtrade_ext.adapters.risk_control import risk_control

    with risk_control(list(configs)) as control:
        control.stop_account(reason)
    click.echo(f"stop is noted; {_WHEN}")


def _print(control: "RiskControl") -> None:
    account, wish = control.account, control.wish
    if account.stopped_since_ms is None:
        click.echo("account: trading")
    else:
        since = datetime.fromtimestamp(account.stopped_since_ms / 1000, UTC)
        click.echo(f"account: STOPPED since {since:%Y-%m-%d %H:%M:%S} UTC: {account.reason}")
    peak = "not known yet" if account.peak_equity is None else f"{account.peak_equity:.2f}"
    click.echo(f"peak of equity: {peak}")
    if wish is not None:
        click.echo(f"asked for, not done yet: {wish.get('kind')}; {_WHEN}")
    recovery = control.recovery
    if recovery.below_since_ms is not None:
        since = datetime.fromtimestamp(recovery.below_since_ms / 1000, UTC)
        click.echo(f"portfolio under water since {since:%Y-%m-%d %H:%M:%S} UTC")
    if recovery.peak is not None:
        click.echo(f"portfolio recovery trails a peak of {recovery.peak:.2f}")
    for lock in control.locks(datetime.now(UTC)):
        name = "all markets" if lock.market == "*" else lock.market
        click.echo(f"locked until {lock.until:%Y-%m-%d %H:%M:%S} UTC: {name}: {lock.reason}")


@click.group("stoploss-guard")
def stoploss_guard() -> None:
    """
    Show or change the stop-loss frequency guard, also while the bot runs.

    \b
      freqtrade-ext stoploss-guard show  -c config.json
      freqtrade-ext stoploss-guard set   -c config.json --stops 4 --lock-minutes 60
      freqtrade-ext stoploss-guard reset -c config.json

    Changes survive a restart and stand above the configuration until they are taken back.
    """


@stoploss_guard.command("show")
@config_option
def show_guard(configs: tuple[str, ...]) -> None:
    """Show the settings that hold now."""
    from freqtrade_ext.adapters.risk_control import risk_control

    with risk_control(list(configs)) as control:
        _print_guard(control.guard)


@stoploss_guard.command("set")
@config_option
@click.option("--enabled/--disabled", default=None, help="Count stops at all.")
@click.option("--stops", type=int, help="Losing stops that lock.")
@click.option("--window-minutes", type=int, help="Time within which they happen.")
@click.option("--lock-minutes", type=int, help="How long entries rest after the last.")
@click.option("--scope", type=click.Choice(["global", "market"]), help="What is counted and locked")
def set_guard(configs: tuple[str, ...], **options: Any) -> None:
    """Change settings; the ones that are not named stay."""
    from freqtrade_ext.adapters.risk_control import risk_control

    values = {name: value for name, value in options.items() if value is not None}
    if not values:
        raise ConfigError("stoploss-guard set: name at least one setting; see --help")
    with risk_control(list(configs)) as control:
        _print_guard(control.change_guard(values))


@stoploss_guard.command("reset")
@config_option
def reset_guard(configs: tuple[str, ...]) -> None:
    """Take all changes back: the configuration's settings hold again."""
    from freqtrade_ext.adapters.risk_control import risk_control

    with risk_control(list(configs)) as control:
        _print_guard(control.change_guard(None))


def _print_guard(settings: Any) -> None:
    for name, value in settings.model_dump().items():
        click.echo(f"{name}: {value}")
