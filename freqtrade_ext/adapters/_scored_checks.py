"""Checks of an installation that trades scored positions, instead of spreads or beside them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from freqtrade.exceptions import ConfigurationError, OperationalException
from freqtrade.plugins.protectionmanager import ProtectionManager
from freqtrade.resolvers import StrategyResolver

from freqtrade_ext.adapters._check_result import Check
from freqtrade_ext.adapters.strategies import CombinedStrategy, RegimeStrategy
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.risk import RiskSettings
from freqtrade_ext.settings import load_part, load_settings

__all__ = ["SPREAD_CHECKS", "loaded_scored_strategy", "scored_checks", "trades_spreads"]

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


def trades_spreads(strategy: RegimeStrategy | None) -> bool:
    """Whether an installation trades spreads: all do, but for those of scored positions alone."""
    return strategy is None or isinstance(strategy, CombinedStrategy)


def scored_checks(config: dict[str, Any], strategy: RegimeStrategy) -> Iterator[Check]:
    """Check slots, margin mode and protections; beside spreads what both need together."""
    has_spreads = trades_spreads(strategy)
    yield _shared_slots(config) if has_spreads else _slots(config)
    if has_spreads:
        yield _stake(config)
    yield _margin(config, has_spreads=has_spreads)
    yield _protections(config, strategy)


def _shared_slots(config: Mapping[str, Any]) -> Check:
    try:
        risk = load_part(config.get("ext"), "risk", RiskSettings)
        spreads = load_settings(config.get("ext")).spreads.max_open_spreads
    except ConfigError:
        return Check.skip("max_open_trades", "the section ext is not valid")
    trades, positions = config.get("max_open_trades", 0), risk.balance.max_positions
    needed = 2 * spreads + positions
    wanted = f"{spreads} spreads of two legs and {positions} positions"
    if trades in (-1, float("inf")) or trades >= needed:
        return Check.ok("max_open_trades", f"room for {wanted}")
    advice = f"set it to {needed}, or lower max_open_spreads or max_positions"
    if trades < 2:
        return Check.fail("max_open_trades", f"{trades:g}: no room for a spread", advice)
    told = f"{trades:g}, too few for {wanted}: whoever is first takes the slots"
    return Check.warn("max_open_trades", told, advice)


def _stake(config: Mapping[str, Any]) -> Check:
    if config.get("stake_amount") == "unlimited":
        return Check.ok("stake amount", "unlimited: each entry has a size of its own")
    # With a number Freqtrade asks for no leg that finds less free balance than that.
    told = f"{config.get('stake_amount')}: the second leg of a spread could be left out"
    return Check.fail("stake amount", told, 'set stake_amount to "unlimited"')


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


def _margin(config: Mapping[str, Any], *, has_spreads: bool) -> Check:
    trading, margin = str(config.get("trading_mode", "spot")), str(config.get("margin_mode", ""))
    if trading != "futures" and has_spreads:
        advice = 'set trading_mode to "futures" and margin_mode to "isolated"'
        told = f"trading_mode is {trading!r}, and one leg of a spread is sold short"
        return Check.fail("margin mode", told, advice)
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
