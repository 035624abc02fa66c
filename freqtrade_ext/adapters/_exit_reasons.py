"""Freqtrade's own exit reasons in our vocabulary."""

from typing import Final

from freqtrade_ext.risk import CloseReason

__all__ = ["close_reason_of"]

_FREQTRADE: Final = {
    "stop_loss": CloseReason.SL,
    "trailing_stop_loss": CloseReason.TRAILING,
    "stoploss_on_exchange": CloseReason.SL_HIT,
    # The exchange has closed it, or Freqtrade just before the exchange would have.
    "liquidation": CloseReason.EMERGENCY_SL,
    "emergency_exit": CloseReason.EMERGENCY_SL,
    "roi": CloseReason.TP,
    "exit_signal": CloseReason.SIGNAL,
    "force_exit": CloseReason.MANUAL,
    "sold_on_exchange": CloseReason.EXTERNAL,
    "closed_on_exchange": CloseReason.EXTERNAL,
}


def close_reason_of(exit_reason: str | None) -> CloseReason | None:
    """Read what Freqtrade's books say of an exit; None for a word that is nobody's we know."""
    text = exit_reason or ""
    if text in CloseReason.__members__:
        return CloseReason[text]
    return _FREQTRADE.get(text)
