"""Small stand-ins and builders for tests of the adapters: candles, markets, trades, spreads."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.enums import RunMode, TradingMode
from freqtrade.persistence import LocalTrade, Order

from freqtrade_ext.settings import SpreadSettings
from freqtrade_ext.spreads import (
    Bands,
    Coefficients,
    Direction,
    EntryPlan,
    LegPlan,
    SpreadPosition,
    SpreadRecord,
    SpreadSpec,
    to_quantity,
)

HOUR_MS = 3_600_000
# 2024-01-01T00:00Z, a whole multiple of 24 hours since 1970: the fits below fall on it.
START_MS = 1_704_067_200_000
START = datetime.fromtimestamp(START_MS / 1000, UTC)

ETH, BTC = "ETH/USDT:USDT", "BTC/USDT:USDT"


def candles(closes: Any, *, start_ms: int = START_MS, volume: Any = 10.0) -> pd.DataFrame:
    """A candle frame as Freqtrade makes it, hourly."""
    closes = np.asarray(closes, dtype=float)
    times = np.arange(len(closes)) * HOUR_MS + start_ms
    return pd.DataFrame(
        {
            "date": pd.to_datetime(times, unit="ms", utc=True),
            "open": closes,
            "high": closes * 1.001,
            "low": closes * 0.999,
            "close": closes,
            "volume": np.broadcast_to(np.asarray(volume, dtype=float), closes.shape),
        }
    )


def cointegrated(count: int, *, seed: int = 1, sigma: float = 0.03) -> tuple[Any, Any]:
    """Prices of two markets: log A = 1 + 1.2 log B + a fast mean-reverting spread."""
    rng = np.random.default_rng(seed)
    log_b = np.log(100.0) + np.cumsum(rng.normal(0, 0.01, count))
    spread = np.zeros(count)
    for i in range(1, count):
        spread[i] = 0.7 * spread[i - 1] + rng.normal(0, sigma * np.sqrt(1 - 0.49))
    return np.exp(1.0 + 1.2 * log_b + spread), np.exp(log_b)


def market(symbol: str = ETH, **limits: Any) -> dict[str, Any]:
    """A market as ccxt lists it; `limits` as ``amount_min=0.001``, ``cost_min=5`` and so on."""
    base, quote = symbol.split("/")[0], "USDT"
    known = {"amount_min": 0.001, "amount_max": 10_000.0, "cost_min": 5.0, "cost_max": None}
    known |= {"market_min": None, "market_max": None, "step": 0.001, "taker": 0.0005} | limits
    return {
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "settle": quote,
        "contractSize": 1.0,
        "linear": True,
        "taker": known["taker"],
        "precision": {"amount": known["step"], "price": 0.01},
        "limits": {
            "amount": {"min": known["amount_min"], "max": known["amount_max"]},
            "market": {"min": known["market_min"], "max": known["market_max"]},
            "cost": {"min": known["cost_min"], "max": known["cost_max"]},
        },
    }


@dataclass
class Provider:
    """Answers like Freqtrade's data provider from frames in memory, and counts the questions."""

    frames: dict[str, pd.DataFrame]
    runmode: RunMode = RunMode.BACKTEST
    markets: dict[str, dict[str, Any]] = field(default_factory=dict)
    funding: dict[str, pd.DataFrame] = field(default_factory=dict)
    tier_cap: float | None = None
    delisted: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def get_pair_dataframe(
        self, pair: str, timeframe: str | None = None, candle_type: str = ""
    ) -> pd.DataFrame:
        frames = self.funding if candle_type == "funding_rate" else self.frames
        self.asked.append(f"{pair} {candle_type}".strip())
        return frames.get(pair, candles([])).copy()

    historic_ohlcv = get_pair_dataframe

    def ohlcv(self, pair: str, timeframe: str, copy: bool = True) -> pd.DataFrame:
        self.asked.append(pair)
        frame = self.frames.get(pair, candles([]))
        return frame.copy() if copy else frame

    def market(self, pair: str) -> dict[str, Any] | None:
        return self.markets.get(pair)

    def get_funding_rate_timeframe(self) -> str:
        return "1h"

    def current_whitelist(self) -> list[str]:
        return list(self.frames)

    @property
    def _exchange(self) -> "Provider":
        return self

    def get_option(self, name: str) -> str:
        return "1h"

    def check_delisting(self, pair: str) -> Any:
        return self.delisted.get(pair)

    def _get_max_notional_from_tiers(self, pair: str, leverage: float) -> float | None:
        return self.tier_cap


def trade_of(
    kind: type[LocalTrade] = LocalTrade, *, is_short: bool = False, **fields: Any
) -> LocalTrade:
    """An open trade without orders."""
    values: dict[str, Any] = {
        "pair": ETH,
        "exchange": "binance",
        "open_rate": 100.0,
        "open_date": START,
        "stake_amount": 0.0,
        "amount": 0.0,
        "fee_open": 0.0005,
        "fee_close": 0.0005,
        "is_open": True,
        "leverage": 2.0,
        "trading_mode": TradingMode.FUTURES,
        "enter_tag": "ETH-BTC long A",
    }
    return kind(is_short=is_short, **(values | fields))


def add_order(
    trade: LocalTrade,
    side: str,
    amount: float,
    price: float,
    *,
    filled: float | None = None,
    is_open: bool = False,
    funding: float = 0.0,
) -> Order:
    """Give a trade an order; by default it is filled completely."""
    filled = amount if filled is None else filled
    number = len(trade.orders) + 1
    moment = START + timedelta(minutes=number)
    order = Order(
        order_id=f"{trade.id}-{number}",
        ft_is_open=is_open,
        ft_order_side=side,
        ft_pair=trade.pair,
        ft_amount=amount,
        ft_price=price,
        symbol=trade.pair,
        order_type="market",
        side=trade.exit_side if side == "stoploss" else side,
        price=price,
        average=price if filled else None,
        amount=amount,
        filled=filled,
        remaining=amount - filled,
        cost=filled * price,
        status="open" if is_open else "closed" if filled == amount else "canceled",
        order_date=moment,
        order_filled_date=moment if filled and not is_open else None,
        funding_fee=funding,
    )
    trade.orders.append(order)
    if isinstance(trade, LocalTrade) and order.trade is None:
        order._trade_bt = trade
    return order


def entered(trade: LocalTrade, amount: float, price: float) -> LocalTrade:
    """Fill an entry and let Freqtrade compute the trade's amount and price."""
    add_order(trade, trade.entry_side, amount, price)
    trade.recalc_trade_from_orders()
    return trade


def left(trade: LocalTrade, amount: float, price: float, *, funding: float = 0.0) -> LocalTrade:
    """Fill an exit; the trade closes when nothing remains."""
    add_order(trade, trade.exit_side, amount, price, funding=funding)
    if amount == trade.amount:
        trade.close(price, show_msg=False)
    else:
        trade.recalc_trade_from_orders()
    return trade


def spec_of(spread_id: str = "ETH-BTC", leg_a: str = ETH, leg_b: str = BTC, **more: Any):
    """A row of the spread book."""
    fields: dict[str, Any] = {
        "spread_id": spread_id,
        "leg_a": leg_a,
        "leg_b": leg_b,
        "hedge_ratio": 1.2,
        "intercept": 1.0,
        "cointegration_stat": -6.0,
        "pvalue": 0.001,
        "half_life": 3.0,
        "mean_reversion_window": 30,
        "fit_start": START,
        "fit_end": START + timedelta(days=30),
        "last_updated": START + timedelta(days=30),
    }
    return SpreadSpec(**(fields | more))


def settings_of(**more: Any) -> SpreadSettings:
    """Settings under which nearly every signal may be entered."""
    fields: dict[str, Any] = {"fit_window": 100, "max_pvalue": 1.0, "relation_broken_pvalue": 1.0}
    fields |= {"min_half_life": 0.0, "max_half_life": 1e6, "both_directions": False}
    fields |= {"max_qvalue": None}
    return SpreadSettings(**(fields | more))


def bands_of(**more: float) -> Bands:
    """The bands of `spec_of`."""
    return Bands(**({"entry_z": 2.0, "exit_z": 0.5, "stop_z": 4.0} | more))


def record_of(**more: Any) -> SpreadRecord:
    """A record of a spread that was long: 2 of A against 3 of B, in log space."""
    plan = EntryPlan(
        direction=Direction.LONG,
        leg_a=LegPlan(to_quantity("2"), to_quantity("0.001")),
        leg_b=LegPlan(to_quantity("-3"), to_quantity("0.001")),
        hedge_space=more.pop("hedge_space", "log"),
        hedge_ratio=1.5,
        intercept=0.0,
        z_at_entry=-2.5,
    )
    fields: dict[str, Any] = {
        "position": SpreadPosition("ETH-BTC", plan=plan),
        "leg_a": ETH,
        "leg_b": BTC,
        "frozen": Coefficients(START_MS - HOUR_MS, START_MS, 1.5, 0.0, 0.01, -5.0, 0.001, 3.0),
        "signal_ms": START_MS,
        "scale": 0.01,
        "exit_z": 0.5,
        "max_holding": 9.0,
        "equity": 1_000.0,
    }
    return SpreadRecord(**(fields | more))
