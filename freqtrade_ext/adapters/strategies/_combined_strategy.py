"""Spreads and scored positions in one bot: who is asked, and what each must know of the other."""

# Freqtrade names every argument of a callback; what is passed on unseen is not written down here.
# mypy: disable-error-code="override"

from typing import TYPE_CHECKING, Any

from freqtrade.persistence import Trade
from pandas import DataFrame

from freqtrade_ext.adapters._callbacks import answer_on_error
from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.adapters._combined_frames import PLOT_CONFIG, SPREAD_COLUMNS, with_legs
from freqtrade_ext.adapters._moments import from_ms
from freqtrade_ext.adapters._regime_desk import RegimeDesk
from freqtrade_ext.adapters._spread_broker import SpreadBroker
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.adapters._universe_view import UniverseView
from freqtrade_ext.adapters.strategies._regime_strategy import RegimeStrategy
from freqtrade_ext.adapters.strategies._spread_strategy import SpreadStrategy
from freqtrade_ext.risk import coin_of
from freqtrade_ext.signals import ScoredMarket, SignalSettings
from freqtrade_ext.spreads import Candidate

if TYPE_CHECKING:
    from freqtrade_ext.adapters._live_execution import ExecutionOwner

__all__ = ["CombinedStrategy"]


class CombinedStrategy(SpreadStrategy, RegimeStrategy):
    """
    The spreads of `SpreadStrategy` and the scored positions of `RegimeStrategy`, side by side.

    A trade whose entry tag names a leg belongs to its spread, every other trade is a position of a
    single market. Each callback is that of the one or of the other; a coin is in at most one of the
    two; account, trade slots and money are one.
    """

    # Of the margin: a leg's. A scored position gets its own when it is filled.
    stoploss = SpreadStrategy.stoploss
    plot_config = PLOT_CONFIG

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._position_stop = self.stoploss  # as `RegimeStrategy` has set it
        self.stoploss = type(self).stoploss
        # A spread has a short leg: in spot trading Freqtrade refuses to start.
        self.can_short = True

    # Start, loop

    def _new_broker(self) -> SpreadBroker:
        broker = super()._new_broker()
        broker.refusal = self._against_spread
        return broker

    def _new_desk(self) -> RegimeDesk:
        desk = super()._new_desk()
        desk.promised = self._promised
        return desk

    def _promised(self) -> tuple[int, float]:
        return self.broker.promised()

    def prepare(self) -> None:
        """Take the steps of both; from the first candle on, coins of spreads are left alone."""
        super().prepare()
        self.desk.bar(self.barred_markets())

    def look(self, now_ms: int) -> None:
        """Look at the spreads, then at the account; what closes the account closes spreads too."""
        try:
            super().look(now_ms)
        finally:  # what an earlier look has decided holds where this one fails
            self._obey_account(now_ms)
        self.desk.bar(self.barred_markets())
        if self._is_trading:
            for trade in Trade.get_open_trades():
                self._place_first_stop(trade)

    def _obey_account(self, now_ms: int) -> None:
        self.position_adjustment_enable = True  # a position may be reduced at any time
        reason = self.desk.watch.close_reason
        if reason is not None:
            for spread_id in list(self.broker.desk.records):
                self.broker.desk.request_exit(spread_id, reason, now_ms)

    def barred_markets(self) -> frozenset[str]:
        """Return the legs of the book, of spreads that are not flat, and of every open trade."""
        # A search chooses others at each refit: the frames know which, and when.
        book = () if isinstance(self._view, UniverseView) else self._view.markets
        records = self.broker.desk.records.values()
        active = (leg for record in records for leg in (record.leg_a, record.leg_b))
        trades = (trade.pair for trade in Trade.get_trades_proxy(is_open=True) if _is_leg(trade))
        return frozenset((*book, *active, *trades))

    def _against_spread(self, candidate: Candidate) -> str:
        """
        Say why the account, or a position in one of its coins, refuses a spread.

        A backtest of Freqtrade trades a market once a candle, so a position that was left on the
        candle would leave the other leg alone; a live bot must not do more.
        """
        legs = (candidate.leg_a, candidate.leg_b)
        account = [why for leg in legs if (why := self.desk.account_refusal(leg))]
        if account:
            return account[0]
        begin = candidate.time_ms + self._view.candle_ms
        left = Trade.get_trades_proxy(is_open=False, close_date=from_ms(begin - 1))
        for trades, what in ((Trade.get_trades_proxy(is_open=True), "open"), (left, "just left")):
            own = {each.pair for each in trades if not _is_leg(each)}
            if taken := sorted(pair for pair in own if coin_of(pair) in map(coin_of, legs)):
                return f"a position is {what} in {', '.join(taken)}"
        return ""

    def traded_markets(self) -> list[str]:
        """Return the legs, and the markets of the pairlist."""
        markets = (*SpreadStrategy.traded_markets(self), *RegimeStrategy.traded_markets(self))
        return list(dict.fromkeys(markets))

    def guarded_markets(self) -> frozenset[str]:
        """Return the legs, and the markets of the pairlist, of now or of earlier in this run."""
        return SpreadStrategy.guarded_markets(self) | RegimeStrategy.guarded_markets(self)

    def order_owner(self) -> "ExecutionOwner":
        """Say whose the orders are: market by market."""
        from freqtrade_ext.adapters._combined_orders import CombinedOrders

        return CombinedOrders(self._spread_orders(), self._position_orders(), self._holds_leg)

    def _holds_leg(self, market: str) -> bool:
        """Whether a spread that is not flat, or an open leg, is in the market."""
        records = list(self.broker.desk.records.values())  # asked in other threads as well
        if any(market in (record.leg_a, record.leg_b) for record in records):
            return True
        return any(_is_leg(trade) for trade in Trade.get_trades_proxy(pair=market, is_open=True))

    # Signals

    def informative_pairs(self) -> list[tuple[str, str, str]]:
        """Ask for what both ask for."""
        wanted = (*SpreadStrategy.informative_pairs(self), *RegimeStrategy.informative_pairs(self))
        return list(dict.fromkeys(wanted))

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """Write the columns of both; the z-score of a spread is named as such."""
        frame = SpreadStrategy.populate_indicators(self, dataframe, metadata)
        frame = frame.rename(columns=SPREAD_COLUMNS)
        return RegimeStrategy.populate_indicators(self, frame, metadata)

    def _score(self, frame: DataFrame, pair: str, settings: SignalSettings) -> ScoredMarket | None:
        """Score a market, unless its coin belongs to spreads on every candle."""
        if self._view.claims(pair, epoch_ms(frame["date"])).all():
            return None
        return super()._score(frame, pair, settings)

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """Write the entry signals of both; one of them owns a candle."""
        legs = SpreadStrategy.populate_entry_trend(self, dataframe, metadata)
        scores = RegimeStrategy.populate_entry_trend(self, dataframe, metadata)
        return with_legs(scores, legs, self._view.claims(metadata["pair"], epoch_ms(legs["date"])))

    # Callbacks: a leg's are those of the spreads, every other trade's those of single positions

    @answer_on_error(1.0)
    def leverage(self, entry_tag: str | None, **kwargs: Any) -> float:
        """Answer the leverage of a leg, or of a position."""
        return _kind(entry_tag).leverage(self, entry_tag=entry_tag, **kwargs)

    @answer_on_error(0.0)
    def custom_stake_amount(self, entry_tag: str | None, **kwargs: Any) -> float:
        """Answer the stake of a leg, or of a position; 0 to refuse."""
        return _kind(entry_tag).custom_stake_amount(self, entry_tag=entry_tag, **kwargs)

    @answer_on_error(False)
    def confirm_trade_entry(self, entry_tag: str | None, **kwargs: Any) -> bool:
        """Let an entry pass as its spread wants it, or as the rules of positions do."""
        return _kind(entry_tag).confirm_trade_entry(self, entry_tag=entry_tag, **kwargs)

    @answer_on_error(None)
    def order_filled(self, trade: Any, order: Any, **kwargs: Any) -> None:
        """Report a fill."""
        self._place_first_stop(trade)
        _kind(trade.enter_tag).order_filled(self, trade=trade, order=order, **kwargs)

    def _place_first_stop(self, trade: Any) -> None:
        """
        Give a position its own first stop: Freqtrade knows one for all, that of legs.

        It gives that one to new trades, and after a restart to those whose stop has not moved yet.
        """
        common = type(self).stoploss
        if _is_leg(trade) or (trade.initial_stop_loss_pct, trade.stop_loss_pct) != (common, common):
            return
        trade.stop_loss, trade.initial_stop_loss_pct = 0.0, None
        trade.adjust_stop_loss(trade.open_rate, self._position_stop, initial=True)

    @answer_on_error(None)
    def custom_exit(self, trade: Any, current_rate: float, **kwargs: Any) -> str | None:
        """Answer the reason to close a leg, or a position."""
        self.desk.note_rate(trade, current_rate)  # legs are part of the account as well
        kind = _kind(trade.enter_tag)
        return kind.custom_exit(self, trade=trade, current_rate=current_rate, **kwargs)

    @answer_on_error(None)
    def custom_stoploss(self, trade: Any, **kwargs: Any) -> float | None:
        """Answer where the stop of a position lies; that of a leg never moves."""
        if _is_leg(trade):
            return None
        return super().custom_stoploss(trade=trade, **kwargs)

    @answer_on_error(True)
    def confirm_trade_exit(self, trade: Any, **kwargs: Any) -> bool:
        """Let every exit pass; spread or position hears of it."""
        return _kind(trade.enter_tag).confirm_trade_exit(self, trade=trade, **kwargs)

    @answer_on_error(None)
    def adjust_trade_position(self, trade: Any, **kwargs: Any) -> Any:
        """Complete or trim a leg, or reduce a position."""
        if _is_leg(trade) and not self._adjusts:
            return None  # as without positions: on since the start of a loop, or not at all
        return _kind(trade.enter_tag).adjust_trade_position(self, trade=trade, **kwargs)


def _kind(tag: str | None) -> Any:
    """Return the class whose callback an entry tag belongs to."""
    return RegimeStrategy if EntryTag.parse(tag) is None else SpreadStrategy


def _is_leg(trade: Any) -> bool:
    return EntryTag.parse(trade.enter_tag) is not None
