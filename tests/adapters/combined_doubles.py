"""A stage for spreads and scored positions in one bot: a book, candles, money, two whole loops."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from freqtrade.enums import RunMode, TradingMode
from freqtrade.persistence import LocalTrade

from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.adapters.strategies import CombinedStrategy
from freqtrade_ext.spreads import LegName

from .desk_doubles import SECTION, write_book
from .desk_doubles import Wallets as Money
from .doubles import BTC, ETH, HOUR_MS, Provider, add_order, candles, cointegrated, market, trade_of
from .regime_doubles import moment

SOL, ADA = "SOL/USDT:USDT", "ADA/USDT:USDT"
SOL_USDC = "SOL/USDC:USDC"
LEGS = {LegName.A: ETH, LegName.B: BTC}
LOW = {"min_score": 50.0, "min_score_low": 30.0, "z_score_threshold": 0.8, "entry_tightness": 1.0}
COUNT = 640  # the warm-up of scores is 400 candles


class Shim(CombinedStrategy):
    """As a user's file has it."""


class Dp(Provider):
    """Freqtrade's data provider, with what a desk of scored positions asks it."""

    _pairlists = object()
    _api = SimpleNamespace()
    _msg_queue: tuple[str, ...] = ()

    def send_msg(self, text: str, *, always_send: bool = False) -> None:
        pass


class Wallets(Money):
    """Money that never changes, with a balance."""

    def get_total(self, currency: str) -> float:
        return self.total


def walk(seed: int, count: int = COUNT) -> Any:
    rng = np.random.default_rng(seed)
    frame = candles(100 * np.exp(np.cumsum(rng.normal(0, 0.01, count))))
    return frame.assign(high=frame["close"] * 1.004, low=frame["close"] * 0.996)


def strategy_of(
    folder: Path,
    *,
    mode: RunMode = RunMode.BACKTEST,
    trading: TradingMode = TradingMode.FUTURES,
    **parts: Any,
) -> CombinedStrategy:
    """A strategy as Freqtrade sets it up, before `bot_start`; `parts` are those of ``ext``."""
    eth, btc = cointegrated(COUNT)
    frames = {ETH: candles(eth), SOL: walk(3), BTC: candles(btc), ADA: walk(4)}
    ext = {"spreads": SECTION, "signals": LOW} | parts
    config = {
        "user_data_dir": folder, "timeframe": "1h", "stake_currency": "USDT",
        "trading_mode": trading, "exchange": {"name": "binance", "pair_whitelist": list(frames)},
        "ext": json.loads(json.dumps(ext)),
    }  # fmt: skip
    strategy = Shim(config)
    markets = {name: market(name) for name in frames}
    strategy.dp = Dp(frames, runmode=mode, markets=markets, tier_cap=1e9)
    strategy.wallets = Wallets()
    strategy.max_open_trades = 9
    return strategy


class Stage:
    """A bot that has analysed all markets, at the first candle at which its spread signals."""

    def __init__(
        self, folder: Path, *, at: int = 0, mode: RunMode = RunMode.BACKTEST, **parts: Any
    ):
        write_book(folder)
        self.strategy = strategy_of(folder, mode=mode, **parts)
        self.strategy.bot_start()
        self.frames = {}
        for name, raw in self.strategy.dp.frames.items():
            frame = self.strategy.populate_indicators(raw, {"pair": name})
            frame = self.strategy.populate_entry_trend(frame, {"pair": name})
            self.frames[name] = self.strategy.populate_exit_trend(frame, {"pair": name})
        board = self.strategy._view.board(self.strategy._bands())
        start = self.strategy._view.tracks["ETH-BTC"].time_ms[self.strategy.startup_candle_count]
        time_ms = [each for each in board.by_time if each >= start][at]
        (self.candidate,) = board.at(time_ms)
        self.now_ms = time_ms + HOUR_MS
        self.trades: list[Any] = []
        self.loop(0)

    def loop(self, hours: float = 1.0) -> None:
        self.now_ms += round(hours * HOUR_MS)
        self.strategy.bot_loop_start(current_time=moment(self.now_ms))

    def rate(self, pair: str) -> float:
        frame = self.strategy.dp.frames[pair]
        times = frame["date"].astype("datetime64[ms, UTC]").astype("int64")
        return float(frame["close"][times == self.now_ms - HOUR_MS].iloc[0])

    def tag(self, leg: LegName) -> EntryTag:
        return EntryTag("ETH-BTC", self.candidate.direction, leg)

    def ask(self, pair: str, tag: str, side: str, available: float = 1e6) -> float:
        """Freqtrade's question for a stake."""
        return self.strategy.custom_stake_amount(
            pair=pair, current_time=moment(self.now_ms), current_rate=self.rate(pair),
            proposed_stake=55.0, min_stake=5.0, max_stake=available, leverage=2.0, entry_tag=tag,
            side=side,
        )  # fmt: skip

    def confirm(self, pair: str, tag: str | None, side: str, amount: float = 1.0) -> bool:
        return self.strategy.confirm_trade_entry(
            pair=pair, order_type="market", amount=amount, rate=self.rate(pair),
            time_in_force="GTC", current_time=moment(self.now_ms), entry_tag=tag, side=side,
        )  # fmt: skip

    def ask_leg(self, leg: LegName) -> float:
        tag = self.tag(leg)
        return self.ask(LEGS[leg], str(tag), tag.side)

    def open_leg(self, leg: LegName) -> Any:
        """Freqtrade's backtest enters a leg: stake, confirmation, fill."""
        tag, pair = self.tag(leg), LEGS[leg]
        stake = self.ask_leg(leg)
        quantity = int(stake * 2.0 / self.rate(pair) * 1_000) / 1_000
        assert self.confirm(pair, str(tag), tag.side, quantity)
        return self.fill(pair, str(tag), tag.side, quantity)

    def fill(self, pair: str, tag: str, side: str, quantity: float = 1.0) -> Any:
        trade = trade_of(
            id=len(self.trades) + 1, pair=pair, is_short=side == "short", enter_tag=tag,
            open_rate=self.rate(pair), open_date=moment(self.now_ms),
        )  # fmt: skip
        trade.stake_amount = quantity * self.rate(pair) / 2.0
        trade.adjust_stop_loss(trade.open_rate, self.strategy.stoploss, initial=True)
        order = add_order(trade, trade.entry_side, quantity, self.rate(pair))
        self.trades.append(trade)
        LocalTrade.add_bt_trade(trade)
        self.strategy.order_filled(
            pair=pair, trade=trade, order=order, current_time=moment(self.now_ms)
        )
        trade.recalc_trade_from_orders()
        return trade

    def open_spread(self) -> None:
        for leg in LegName:
            self.open_leg(leg)

    def exit_of(self, trade: Any, rate: float | None = None) -> str | None:
        return self.strategy.custom_exit(
            pair=trade.pair, trade=trade, current_time=moment(self.now_ms),
            current_rate=rate or self.rate(trade.pair), current_profit=0.0,
        )  # fmt: skip

    @property
    def state(self) -> str:
        record = self.strategy.broker.desk.records.get("ETH-BTC")
        return record.position.state.name if record else "FLAT"


def entry(side: str = "buy") -> Any:
    return SimpleNamespace(ft_order_side=side)
