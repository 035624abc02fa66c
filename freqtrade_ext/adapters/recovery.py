"""Recovery without a bot: before ``freqtrade trade`` starts, by the same code as inside it."""

from typing import Any

from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode
from freqtrade.exceptions import ConfigurationError, ExchangeError, OperationalException
from freqtrade.persistence import Trade, init_db
from freqtrade.resolvers import ExchangeResolver, StrategyResolver

from freqtrade_ext.adapters._account import Account
from freqtrade_ext.adapters.strategies import GuardedStrategy
from freqtrade_ext.errors import ConfigError, StoreError, VenueError
from freqtrade_ext.execution import RecoveryReport
from freqtrade_ext.settings import load_settings

__all__ = ["recover_account"]


def recover_account(files: list[str]) -> RecoveryReport | None:
    """
    Reconcile the account and the database of a configuration, and write the report.

    Parameters
    ----------
    files : list of str
        Configuration files, later ones overriding earlier ones.

    Returns
    -------
    RecoveryReport or None
        None for a dry run, which has no account, or with the order guard off.

    Raises
    ------
    ConfigError
        If the configuration is wrong, or another bot runs on the account.
    VenueError
        If the exchange or the database could not be asked.
    """
    try:
        config = Configuration({"config": files}, RunMode.LIVE).get_config()
        if config["dry_run"]:
            return None
        settings = load_settings(config.get("ext"), source="configuration").execution
        if not settings.guard:
            return None
        strategy = StrategyResolver.load_strategy(config)
        exchange = _exchange(config)
        init_db(config["db_url"])
        account = Account.open(exchange, config, strategy, settings, lambda: _markets(strategy))
    except (ConfigurationError, OperationalException) as error:
        raise ConfigError(str(error)) from error
    except (ExchangeError, StoreError) as error:
        raise VenueError(str(error)) from error
    try:
        account.lease.take()
        return account.recover()
    except StoreError as error:
        raise VenueError(str(error)) from error
    finally:
        account.lease.release()
        Trade.session.remove()
        exchange.close()


def _exchange(config: dict[str, Any]) -> Any:
    return ExchangeResolver.load_exchange(config, validate=False, load_leverage_tiers=False)


def _markets(strategy: Any) -> frozenset[str]:
    """Markets that the bot may trade: a strategy of ours knows, another trades its pairlist."""
    if isinstance(strategy, GuardedStrategy):
        return strategy.guarded_markets()
    return frozenset(strategy.config["exchange"].get("pair_whitelist", ()))
