"""The bot's own closed trades, counted market by market for the layer that learns from them."""

from typing import Any, Final

from freqtrade.persistence import Trade

from freqtrade_ext.adapters._moments import from_ms
from freqtrade_ext.adapters._regime_frames import ScoreTag
from freqtrade_ext.signals import ClosedTrade, OwnRecord, own_record

__all__ = ["OwnRecords"]

_KEPT_MS: Final = 3_600_000


class OwnRecords:
    """Counts the closed trades of a market; each count is kept for an hour."""

    def __init__(self) -> None:
        self._kept: dict[str, OwnRecord] = {}

    def of(self, pair: str, now_ms: int) -> OwnRecord:
        """Return the record of a market, at most an hour old."""
        kept = self._kept.get(pair)
        if kept is None or now_ms - kept.as_of.timestamp() * 1000 >= _KEPT_MS:
            closed = Trade.get_trades_proxy(pair=pair, is_open=False)
            kept = own_record(map(_closed, closed), from_ms(now_ms))
            self._kept[pair] = kept
        return kept


def _closed(trade: Any) -> ClosedTrade:
    tag = ScoreTag.parse(trade.enter_tag)
    return ClosedTrade(
        direction=-1 if trade.is_short else 1,
        opened_at=trade.open_date_utc,
        profit=float(trade.close_profit_abs or 0.0),
        score=None if tag is None else float(tag.score),
    )
