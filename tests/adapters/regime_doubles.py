"""Stand-ins for tests of scored positions: trades with fills, a settable last candle, a wallet."""

from collections import deque
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pandas as pd
from freqtrade.enums import RunMode, TradingMode
from freqtrade.persistence import LocalTrade, Trade

from freqtrade_ext.adapters._market_track import LastCandle
from freqtrade_ext.risk import RiskSettings

from .doubles import ETH, HOUR_MS, START_MS, entered, trade_of

MINUTE_MS = 60_000


def moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def position(
    kind: type[LocalTrade] = LocalTrade, *, amount: float = 1.0, price: float = 100.0, **fields: Any
) -> LocalTrade:
    """An open trade of a scored signal, filled at a price; entered at START."""
    tag = "short 74" if fields.get("is_short") else "long 74"
    fields = {"enter_tag": tag, "strategy": "RegimeScore", "open_rate": price} | fields
    trade = trade_of(kind, **fields)
    trade.stake_amount = amount * price / (trade.leverage or 1.0)
    if kind is Trade:
        Trade.session.add(trade)
        Trade.session.flush()  # its number is in the names of its orders
    entered(trade, amount, price)
    if kind is Trade:
        Trade.commit()
    return trade


def candle(
    opened_ms: int = START_MS - HOUR_MS,
    *,
    high: float = 101.0,
    low: float = 99.0,
    close: float = 100.0,
    **values: float,
) -> LastCandle:
    """A closed candle with an ATR of 1, like `TRACKED`."""
    columns = {"atr": 1.0, "atr_pct": 1.0, "score": 74.0, "size_factor": 1.0}
    columns |= {"leverage_factor": 1.0} | values
    return LastCandle(opened_ms, high, low, close, columns)


class Candles:
    """The last closed candle of every market: whatever a test says it is."""

    def __init__(self, found: LastCandle | None = None) -> None:
        self.found = found or candle()

    def __call__(self, pair: str, now_ms: int) -> LastCandle | None:
        return self.found


class Wallets:
    """Freqtrade's wallets with one balance."""

    def __init__(self, balance: float = 10_000.0) -> None:
        self.balance = balance

    def get_total(self, currency: str) -> float:
        return self.balance

    def get_total_stake_amount(self) -> float:
        return self.balance

    def get_available_stake_amount(self) -> float:
        return self.balance


class HostStrategy:
    """What a desk needs of its strategy."""

    def __init__(self, *, balance: float = 10_000.0, **config: Any) -> None:
        self.config = {"stake_currency": "USDT", "trading_mode": TradingMode.FUTURES} | config
        self.wallets = Wallets(balance)
        self.sent: list[str] = []
        self.dp = SimpleNamespace(
            send_msg=self._send,
            _msg_queue=deque(),
            market=lambda pair: {"taker": 0.0005},
            runmode=RunMode.LIVE,
        )

    def _send(self, text: str, *, always_send: bool = False) -> None:
        self.sent.append(text)
        self.dp._msg_queue.append(text)

    def get_strategy_name(self) -> str:
        return "RegimeScore"


class References:
    """Bitcoin and Ether, as calm as a test says."""

    atr: float | None = 0.02

    def reference_atr(self, coin: str, now_ms: int) -> float | None:
        return self.atr


def risk_of(**sections: Any) -> RiskSettings:
    """Risk settings with changed sections, as JSON has them."""
    return RiskSettings.model_validate(sections)


def bars(closes: list[float], *, start_ms: int = START_MS) -> pd.DataFrame:
    """Hourly candles with the columns that a desk tracks."""
    from .doubles import candles

    frame = candles(closes, start_ms=start_ms)
    return frame.assign(
        atr=frame["close"] * 0.01, atr_pct=1.0, score=74.0, size_factor=1.0, leverage_factor=1.0
    )


__all__ = [
    "ETH",
    "HOUR_MS",
    "MINUTE_MS",
    "START_MS",
    "Candles",
    "HostStrategy",
    "References",
    "Wallets",
    "bars",
    "candle",
    "moment",
    "position",
    "risk_of",
]
