"""The risk settings that hold now: the configuration's, and what a person has changed since."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from freqtrade_ext.adapters.risk_store import RiskStore
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.risk import RiskSettings, StoplossGuardSettings
from freqtrade_ext.settings import load_part, validation_lines

__all__ = ["change_stoploss_guard", "risk_settings_of", "stoploss_guard_of"]

GUARD: Final = "stoploss_guard"


def risk_settings_of(config: Mapping[str, Any], store: RiskStore | None) -> RiskSettings:
    """
    Read ``ext.risk``, with the guard's settings that were changed while the bot ran.

    Parameters
    ----------
    config : mapping
        Freqtrade's configuration.
    store : RiskStore or None
        None: only the configuration counts, as in a backtest.

    Raises
    ------
    ConfigError
        If the configuration is wrong.
    StoreError
        If the database cannot be read.
    """
    settings = load_part(config.get("ext"), "risk", RiskSettings, source="configuration")
    if store is None:
        return settings
    return settings.model_copy(update={"stoploss_guard": stoploss_guard_of(settings, store)})


def stoploss_guard_of(settings: RiskSettings, store: RiskStore) -> StoplossGuardSettings:
    """
    Return the guard's settings: the configuration's, under those that a person has changed.

    Raises
    ------
    ConfigError
        If what was changed no longer fits the program; the message says what to do.
    """
    changed = store.read(GUARD) or {}
    try:
        return _changed(settings.stoploss_guard, changed)
    except ConfigError as error:
        raise ConfigError(
            f"changed settings of the stop-loss guard (table ext_risk): {error}; "
            "freqtrade-ext stoploss-guard reset takes them back"
        ) from error


def change_stoploss_guard(
    settings: RiskSettings, store: RiskStore, values: Mapping[str, Any] | None, now_ms: int
) -> StoplossGuardSettings:
    """
    Change settings of the guard, or take all changes back (None); the bot obeys from now on.

    Raises
    ------
    ConfigError
        If a value is not allowed; nothing is changed then.
    StoreError
        If the database does not take it.
    """
    changed = None if values is None else {**(store.read(GUARD) or {}), **values}
    guard = _changed(settings.stoploss_guard, changed or {})
    store.save({GUARD: changed}, now_ms)
    return guard


def _changed(guard: StoplossGuardSettings, values: Mapping[str, Any]) -> StoplossGuardSettings:
    try:
        return StoplossGuardSettings.model_validate({**guard.model_dump(), **values})
    except ValidationError as error:
        lines = validation_lines(error, StoplossGuardSettings, prefix="ext.risk.stoploss_guard")
        raise ConfigError("\n".join(lines)) from None
