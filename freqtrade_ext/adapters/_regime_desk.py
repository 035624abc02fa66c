"""The scored positions of one bot: what is known of markets and trades when a callback asks.

Every rule is in `freqtrade_ext.signals` and `freqtrade_ext.risk`; here Freqtrade's trades, wallets
and locks are translated for them.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from freqtrade.enums import ExitType, RunMode, TradingMode
from freqtrade.persistence import PairLocks, Trade

from freqtrade_ext.adapters._account_watch import AccountLook, AccountWatch
from freqtrade_ext.adapters._callbacks import answer_on_error
from freqtrade_ext.adapters._exit_keeper import ExitKeeper
from freqtrade_ext.adapters._leg_markets import PRICE_ROOM
from freqtrade_ext.adapters._market_track import LastCandle, MarketTrack
from freqtrade_ext.adapters._moments import as_utc, from_ms
from freqtrade_ext.adapters._order_words import OrderWords
from freqtrade_ext.adapters._outbox import Outbox
from freqtrade_ext.adapters._regime_inputs import BITCOIN, ETHER, RegimeInputs
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.adapters.risk_store import RiskStore
from freqtrade_ext.learning import TradeLevels
from freqtrade_ext.risk import (
    Close,
    CloseReason,
    ExitAction,
    Lock,
    PositionRefusal,
    Reduce,
    RiskSettings,
    balance_factor,
    coin_of,
    exclusion,
    kill_switch_lock,
    may_open,
    position_size,
)
from freqtrade_ext.signals import LeverageSettings, unified_leverage

__all__ = ["Entry", "RegimeDesk"]

logger = logging.getLogger(__name__)

# A lock of all markets that only a person ends is shown with this length, and renewed.
_STANDING_LOCK: Final = timedelta(hours=24)
# A lock is not written again while one like it ends as late, give or take.
_LOCK_SLACK: Final = timedelta(minutes=30)
_ENTRIES_STOPPED: Final = "entries are stopped: "
# A position without a price blinds the rules of the account; an order that fills takes its time.
_BLIND_MS: Final = 15 * 60_000
_STOPS: Final = frozenset({"stop_loss", "trailing_stop_loss"})


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that Freqtrade asks about."""

    pair: str
    side: str
    rate: float
    now_ms: int


class RegimeDesk:
    """
    Positions in single markets.

    Parameters
    ----------
    strategy : IStrategy
        Gives access to wallets, data provider and configuration.
    inputs : RegimeInputs
        Candles of Bitcoin and Ether.
    risk : callable
        Returns the risk settings that hold now.
    leverage : LeverageSettings
    store : RiskStore
        What the account-wide rules remember.
    live : bool
        A trading bot, real or dry-run; else a backtest.
    """

    def __init__(
        self,
        strategy: Any,
        inputs: RegimeInputs,
        risk: Callable[[], RiskSettings],
        leverage: LeverageSettings,
        store: RiskStore,
        *,
        live: bool,
    ) -> None:
        self._strategy = strategy
        self._inputs = inputs
        self._risk = risk
        self._leverage = leverage
        self._live = live
        self.words = OrderWords()
        self.tracks: dict[str, MarketTrack] = {}
        self.barred: frozenset[str] = frozenset()
        self.is_unsettled: Callable[[str], bool] = lambda pair: False
        # Trade slots and margin that are promised to somebody else: legs of spreads on their way.
        self.promised: Callable[[], tuple[int, float]] = lambda: (0, 0.0)
        self._outbox = Outbox(store, self.send, lambda: strategy.dp._msg_queue)
        self.watch = AccountWatch(store, risk, self._outbox)
        self._keeper = ExitKeeper(risk, self.last_candle, self._unsettled, live=live)
        self._rates: dict[int, float] = {}
        self._equity = math.nan
        self._shown: str | None = None  # the reason on the lock of all markets; None: not known yet
        self._blind_since_ms: int | None = None
        self._told_blind = False

    def _unsettled(self, pair: str) -> bool:
        return self.is_unsettled(pair)  # set when execution has started

    def bar(self, markets: frozenset[str]) -> None:
        """Leave markets, and every market of the same coins, to spreads from now on."""
        if self._live and (new := markets - self.barred):
            logger.info("[STRATEGY] left to spreads: %s", ", ".join(sorted(new)))
        self.barred = markets

    # The account

    def loop(self, now_ms: int) -> None:
        """Look at the account, before anything is decided."""
        trades = list(Trade.get_trades_proxy(is_open=True))
        unrealised = sum(self._profit(trade, now_ms) for trade in trades)
        counted = sum(map(_counted, trades)) if self._books_are_the_venues else 0.0
        self._equity = self._balance(trades) + unrealised + counted
        self.watch.look(
            AccountLook(
                equity=self._equity,
                unrealised=unrealised,
                atr_btc=self._inputs.reference_atr(BITCOIN, now_ms),
                atr_eth=self._inputs.reference_atr(ETHER, now_ms),
                open_positions=len(trades),
                now_ms=now_ms,
            )
        )
        self._show_stop(now_ms)
        if self._live:
            self._warn_if_blind(trades, now_ms)
            self._name_stops()
        self._outbox.settle(now_ms)

    def resume(self) -> None:
        """Say what an earlier run may not have said, and tell of a stop that it has left."""
        self._outbox.resume()
        account = self.watch.account
        if account.is_stopped:
            self.send(
                f"Account kill switch: still stopped ({account.reason}). Entries are stopped until "
                "you reset it: freqtrade-ext killswitch reset"
            )

    def _warn_if_blind(self, trades: list[Any], now_ms: int) -> None:
        """Tell, once, that positions have had no price for long: the account is not watched."""
        unknown = sorted(t.pair for t in trades if math.isnan(self._profit(t, now_ms)))
        if not unknown:
            self._blind_since_ms, self._told_blind = None, False
            return
        if self._blind_since_ms is None:
            self._blind_since_ms = now_ms
        if now_ms - self._blind_since_ms >= _BLIND_MS and not self._told_blind:
            self._told_blind = True
            self.send(
                f"⚠️ no price of {', '.join(unknown)} since the start or the entry: equity is "
                "unknown, so the account kill switch and the portfolio recovery wait"
            )

    def _name_stops(self) -> None:
        """
        Give stops that the exchange has filled our own name.

        Freqtrade writes its word after it has reported the fill, so it cannot be done there.
        """
        name = self._strategy.get_strategy_name()
        word = ExitType.STOPLOSS_ON_EXCHANGE.value
        closed = Trade.is_open.is_(False) & (Trade.exit_reason == word) & (Trade.strategy == name)
        trades = [
            trade
            for trade in Trade.get_trades([closed]).all()
            if EntryTag.parse(trade.enter_tag) is None  # a leg's is told by its spread
        ]
        for trade in trades:
            trade.exit_reason = CloseReason.SL_HIT.value
        if trades:
            Trade.commit()

    @property
    def _books_are_the_venues(self) -> bool:
        """Whether the balance is that of a real futures account, not Freqtrade's own sum."""
        is_real = self._strategy.dp.runmode is RunMode.LIVE
        return is_real and self._strategy.config.get("trading_mode") == TradingMode.FUTURES

    def _balance(self, trades: list[Any]) -> float:
        """Balance with what is tied up in positions, at cost."""
        total = float(self._strategy.wallets.get_total(self._strategy.config["stake_currency"]))
        if self._strategy.config.get("trading_mode") == TradingMode.FUTURES:
            return total
        return total + sum(float(trade.stake_amount) for trade in trades)

    def _profit(self, trade: Any, now_ms: int) -> float:
        if not trade.has_open_position:
            return 0.0  # an entry that waits; Freqtrade asks no price for it
        rate = self._rate(trade, now_ms)
        return math.nan if rate is None else float(trade.calc_profit(rate))

    def _rate(self, trade: Any, now_ms: int) -> float | None:
        """Return the last rate that a callback was given; in a backtest the last close."""
        if self._live:
            return self._rates.get(trade.id)
        candle = self.last_candle(trade.pair, now_ms)
        return None if candle is None else candle.close

    def _show_stop(self, now_ms: int) -> None:
        """Show that entries are stopped as a lock of all markets, as long as they are."""
        entries = self.watch.entries
        shown = "" if entries is None else f"{_ENTRIES_STOPPED}{entries.reason}"[:255]
        if shown != self._shown:
            self._unlock_all_but(shown, now_ms)
            self._shown = shown
        if entries is None:
            return
        if entries.until_ms is not None:
            self.lock(Lock(None, entries.until_ms, shown), now_ms)
            return
        until_ms = now_ms + int(_STANDING_LOCK.total_seconds() * 1000)
        self.lock(Lock(None, until_ms, shown), now_ms, slack=_STANDING_LOCK / 2)

    def _unlock_all_but(self, reason: str, now_ms: int) -> None:
        """End locks of stops that are over, also those that an earlier run has left."""
        now = from_ms(now_ms)
        known = {lock.reason or "" for lock in PairLocks.get_pair_locks("*", now)}
        for each in known - {reason}:
            if each.startswith(_ENTRIES_STOPPED):
                PairLocks.unlock_reason(each, now)

    # Entries

    def account_refusal(self, pair: str) -> str:
        """Say why a market is entered by nobody, neither as a position nor as a leg."""
        if self.watch.entries is not None:
            return f"{_ENTRIES_STOPPED}{self.watch.entries.reason}"
        return exclusion(pair, self._risk())

    def refusal(self, pair: str) -> str:
        """Say why a market is not entered; empty if it may be."""
        if reason := self.account_refusal(pair):
            return reason
        if coin_of(pair) in {coin_of(market) for market in self.barred}:
            return "its coin belongs to the spread book or to an open spread"
        if self.is_unsettled(pair):
            return "an order of it has not settled"
        return self._no_room()

    def _no_room(self) -> str:
        trades = list(Trade.get_trades_proxy(is_open=True))
        positions = len(_positions(trades))
        if not may_open(positions, self._risk().balance):
            return f"{positions} positions are open (ext.risk.balance.max_positions)"
        legs, _ = self.promised()
        if legs and self._strategy.max_open_trades - len(trades) <= legs:
            return "the free trade slots are promised to legs of spreads"
        return ""

    def leverage(self, entry: Entry, largest: float, spread_bps: float | None) -> float:
        """Return the leverage of an entry; 1 where nothing is known of the market."""
        candle = self.last_candle(entry.pair, entry.now_ms)
        if candle is None:
            return 1.0
        answer = unified_leverage(
            price=entry.rate,
            atr_pct=candle.values["atr_pct"],
            drawdown=self.watch.drawdown(self._equity),
            exchange_max=max(largest, 1.0),
            settings=self._leverage,
            spread_bps=spread_bps,
            mtf_factor=candle.values["leverage_factor"],
        )
        return float(answer)

    def stake(self, entry: Entry, leverage: float, available: float) -> float:
        """Return the margin of an entry; 0 to refuse it."""
        candle = self.last_candle(entry.pair, entry.now_ms)
        reason = self.refusal(entry.pair)
        if candle is None or reason:
            logger.debug("[STRATEGY] %s is not entered: %s", entry.pair, reason or "no candles")
            return 0.0
        settings = self._risk().balance
        factor = balance_factor(self.watch.drawdown(self._equity), settings)
        stop = self._keeper.first_stop(entry.pair, entry.side, entry.rate, leverage, candle)
        size = position_size(
            equity=float(self._strategy.wallets.get_total_stake_amount()),
            stop_distance=abs(entry.rate - stop) / entry.rate,
            leverage=leverage,
            factor=factor * min(candle.values["size_factor"], 1.0),
            settings=settings,
            available=self._unpromised(available),
            cost_per_fill=self._fee(entry.pair),
        )
        if isinstance(size, PositionRefusal):
            logger.info("[STRATEGY] %s is not entered: %s", entry.pair, size.text)
            return 0.0
        return size.margin

    def _unpromised(self, available: float) -> float:
        """Free balance less what legs on their way will need, if their price moves a little."""
        _, margin = self.promised()
        return available - margin / PRICE_ROOM

    def _fee(self, pair: str) -> float:
        fee = self._strategy.config.get("fee")
        if fee is None:
            market = self._strategy.dp.market(pair) or {}
            fee = market.get("taker") or 0.0
        return float(fee)

    # Exits

    def note_rate(self, trade: Any, rate: float) -> None:
        """Take note of the rate of a trade; its profit is part of the account."""
        self._rates[trade.id] = rate

    def decide(self, trade: Any, rate: float, now_ms: int) -> ExitAction | None:
        """Decide about a position: what holds for the account comes first."""
        self.note_rate(trade, rate)
        if self.watch.close_reason is not None:
            self._look_all_the_same(trade, rate, now_ms)
            return Close(self.watch.close_reason)
        action = self._keeper.decide(trade, rate, now_ms)
        if action is not None:
            self._lock_killed(trade.pair, action, now_ms)
        return action

    @answer_on_error(None)
    def _look_all_the_same(self, trade: Any, rate: float, now_ms: int) -> None:
        """Let its own rules look, so that its stop follows; their failure must not hold it back."""
        self._keeper.decide(trade, rate, now_ms)

    @answer_on_error(None)
    def _lock_killed(self, pair: str, action: Close | Reduce, now_ms: int) -> None:
        """Lock and tell; a database that does not take it must not hold the exit back."""
        lock = kill_switch_lock(pair, action.reason, now_ms, self._risk().kill_switch)
        if lock is None or self._is_locked(lock, now_ms, _LOCK_SLACK):
            return
        # The message first: after a kill between the two both are made up for.
        self._outbox.tell(f"{action.reason.emoji} {pair}: {lock.reason}", now_ms)
        self.lock(lock, now_ms)

    def stop(self, trade: Any, now_ms: int) -> float:
        """Return the price at which the stop of a position lies."""
        return self._keeper.stop(trade, now_ms)

    def levels(self, trade: Any, now_ms: int) -> TradeLevels | None:
        """Return entry, stop and target of a position; None where there is no target."""
        target = self._keeper.target(trade, now_ms)
        if target is None:
            return None
        return TradeLevels(float(trade.open_rate), self.stop(trade, now_ms), target)

    def exit_reason(self, trade: Any, reason: str) -> str:
        """Name the rule that had set the stop, where Freqtrade only knows that it was reached."""
        rule = self._keeper.state_of(trade).stop_reason
        return reason if rule is None or reason not in _STOPS else rule.value

    def closed(self, trade: Any) -> None:
        """Forget a position that is closed."""
        self._keeper.drop(trade)
        self._rates.pop(trade.id, None)

    # What both need

    def last_candle(self, pair: str, now_ms: int) -> LastCandle | None:
        """Return the last closed candle of a market with the strategy's columns."""
        track = self.tracks.get(pair)
        return None if track is None else track.last_closed(now_ms)

    def lock(self, lock: Lock, now_ms: int, *, slack: timedelta = _LOCK_SLACK) -> bool:
        """Lock a market, or all, visibly; False if one that ends nearly as late is there."""
        if self._is_locked(lock, now_ms, slack):
            return False
        now, until = from_ms(now_ms), from_ms(lock.until_ms)
        PairLocks.lock_pair(lock.market or "*", until, lock.reason, now=now)
        return True

    def _is_locked(self, lock: Lock, now_ms: int, slack: timedelta) -> bool:
        until = from_ms(lock.until_ms)
        return any(
            known.reason == lock.reason and as_utc(known.lock_end_time) >= until - slack
            for known in PairLocks.get_pair_locks(lock.market or "*", from_ms(now_ms))
        )

    def send(self, text: str) -> None:
        """Send a message to the person; nothing in a backtest."""
        self._strategy.dp.send_msg(text, always_send=True)


def _positions(trades: list[Any]) -> set[Any]:
    """Positions of open trades; the two legs of a spread are one."""
    tags = ((trade, EntryTag.parse(trade.enter_tag)) for trade in trades)
    return {trade.id if tag is None else tag.spread_id for trade, tag in tags}


def _counted(trade: Any) -> float:
    """Return costs of an open trade that the exchange has booked and its profit has in it too."""
    entry_fee = float(trade.amount) * float(trade.open_rate) * float(trade.fee_open or 0.0)
    return entry_fee - float(trade.funding_fees or 0.0)
