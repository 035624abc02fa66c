"""The eight numbers that a hyperopt may move, as Freqtrade's parameters and as our settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from freqtrade.strategy import DecimalParameter
from pydantic import ValidationError

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.risk import RiskSettings
from freqtrade_ext.settings import validation_lines
from freqtrade_ext.signals import SignalSettings

__all__ = [
    "PARAMETERS",
    "ParameterRange",
    "checked",
    "parameters_of",
    "with_exits",
    "with_signals",
]


@dataclass(frozen=True, slots=True)
class ParameterRange:
    """
    One parameter.

    Attributes
    ----------
    low, high : float
        Range of the search.
    space : {"buy", "sell"}
        Freqtrade's name for entries and exits.
    setting : str
        Key in ``ext.signals`` (buy) or ``ext.risk.exits`` (sell).
    """

    low: float
    high: float
    space: str
    setting: str


PARAMETERS: Final[Mapping[str, ParameterRange]] = {
    "z_score_threshold": ParameterRange(0.8, 3.0, "buy", "z_score_threshold"),
    "entry_tightness": ParameterRange(0.5, 4.0, "buy", "entry_tightness"),
    "min_confidence": ParameterRange(50.0, 95.0, "buy", "min_score"),
    "sl_atr": ParameterRange(1.0, 5.0, "sell", "sl_atr"),
    "tp_atr": ParameterRange(1.5, 6.0, "sell", "tp_atr"),
    "exit_tightness": ParameterRange(0.5, 2.0, "sell", "exit_tightness"),
    "trail_activation": ParameterRange(0.5, 3.0, "sell", "trail_activation"),
    "trail_distance": ParameterRange(0.3, 2.0, "sell", "trail_distance"),
}


def parameters_of(signals: SignalSettings, risk: RiskSettings) -> dict[str, DecimalParameter]:
    """Make the parameters, with the configuration's values as defaults."""
    made = {}
    for name, each in PARAMETERS.items():
        section: Any = signals if each.space == "buy" else risk.exits
        value = float(getattr(section, each.setting))
        made[name] = DecimalParameter(
            each.low, each.high, default=value, decimals=2, space=each.space
        )
    return made


def with_signals(signals: SignalSettings, values: Mapping[str, float]) -> SignalSettings:
    """
    Replace the settings that have parameters.

    Not checked again: a search also tries thresholds that no z-score reaches, which trade nothing.
    """
    return signals.model_copy(update=_of_space("buy", values))


def with_exits(risk: RiskSettings, values: Mapping[str, float]) -> RiskSettings:
    """Replace the settings of exits that have parameters."""
    exits = risk.exits.model_copy(update=_of_space("sell", values))
    return risk.model_copy(update={"exits": exits})


def checked(signals: SignalSettings, risk: RiskSettings, values: Mapping[str, float]) -> None:
    """
    Check the parameters of a bot that is going to trade, with the settings they belong to.

    Raises
    ------
    ConfigError
        If together they allow no signal, or one is out of range.
    """
    parts = (
        ("ext.signals", SignalSettings, with_signals(signals, values)),
        ("ext.risk", RiskSettings, with_exits(risk, values)),
    )
    for prefix, model, part in parts:
        try:
            model.model_validate(part.model_dump())
        except ValidationError as error:
            lines = validation_lines(error, model, prefix=prefix)
            text = "\n".join(f"with the strategy's parameters: {line}" for line in lines)
            raise ConfigError(text) from None


def _of_space(space: str, values: Mapping[str, float]) -> dict[str, float]:
    return {
        each.setting: float(values[name])
        for name, each in PARAMETERS.items()
        if each.space == space
    }
