"""Checks of an installation that trades scored positions instead of spreads."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from freqtrade.exceptions import ConfigurationError, OperationalException
from freqtrade.plugins.protectionmanager import ProtectionManager
from freqtrade.resolvers import StrategyResolver

from freqtrade_ext.adapters._check_result import Check
from freqtrade_ext.adapters.strategies import RegimeStrategy
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.risk import RiskSettings
from freqtrade_ext.settings import load_part

__all__ = ["SPREAD_CHECKS", "loaded_scored_strategy", "scored_checks"]

SPREAD_CHECKS: Final = ("spread book", "timeframe", "whitelist", "candles")


def loaded_scored_strategy(config: dict[str, Any]) -> RegimeStrategy | None:
    """Load the configuration's strategy; None if it is another one, or does not load."""
    if not config.get("strategy"):
        return None
    try:
        strategy = StrategyResolver.load_strategy(config)
    except OperationalException:
        return None
    return strategy if isinstance(strategy, RegimeStrategy) else None


def scored_checks(config: dict[str, Any], strategy: RegimeStrategy) -> Iterator[Check]:
    """Check slots, margin mode and protections."""
    yield _slots(config)
    yield _margin(config)
    yield _protections(config, strategy)


def _slots(config: Mapping[str, Any]) -> Check:
    try:
        risk = load_part(config.get("ext"), "risk", RiskSettings)
    except ConfigError:
        return Check.skip("max_open_trades", "the section ext is not valid")
    trades, allowed = config.get("max_open_trades", 0), risk.balance.max_positions
    if trades in (-1, float("inf")) or trades >= allowed:
        return Check.ok("max_open_trades", f"room for ext.risk.balance.max_positions: {allowed}")
    told = f"{trades:g}, below ext.risk.balance.max_positions: {allowed}"
    return Check.warn("max_open_trades", told, f"set it to {allowed}, or lower the other")


def _margin(config: Mapping[str, Any]) -> Check:
    trading, margin = str(config.get("trading_mode", "spot")), str(config.get("margin_mode", ""))
    if trading != "futures":
        return Check.ok("margin mode", "spot: long only, without leverage")
    if margin != "isolated":
        advice = 'set margin_mode to "isolated": a loss then stays in its position'
        return Check.warn("margin mode", f"{margin or 'none'} instead of isolated", advice)
    return Check.ok("margin mode", "futures, isolated")


def _protections(config: dict[str, Any], strategy: RegimeStrategy) -> Check:
    try:
        names = ProtectionManager(config, strategy.protections).name_list
    except (OperationalException, ConfigurationError) as error:
        advice = "copy user_data/protections of the package into your user_data folder"
        return Check.fail("protections", " ".join(str(error).split())[:300], advice)
    return Check.ok("protections", ", ".join(names))
