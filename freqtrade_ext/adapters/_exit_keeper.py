"""The exit rules on Freqtrade's trades: what they see of a trade, and what they remember of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from freqtrade.persistence import Trade

from freqtrade_ext.adapters._market_track import LastCandle
from freqtrade_ext.adapters._moments import to_ms
from freqtrade_ext.risk import (
    Direction,
    ExitAction,
    ExitState,
    PositionView,
    RiskSettings,
    decide_exit,
    stop_price,
    target_price,
)

__all__ = ["ExitKeeper"]

_KEY: Final = "ext_exit"


class ExitKeeper:
    """
    Asks the exit rules about trades, and keeps what they remember in each trade's custom data.

    What is remembered is on disk before an answer leaves: a bot that is killed between the two
    asks again after its start, and what it holds tells whether the order was sent.

    Parameters
    ----------
    settings : callable
        Returns the settings that hold now.
    last_candle : callable
        ``(pair, now_ms) -> LastCandle | None`` with a column ``atr``.
    is_unsettled : callable
        Whether an order of a pair may be on the exchange without being in the books.
    live : bool
        Prices are looked at every few seconds. Otherwise once a candle, whose extremes count.
    """

    def __init__(
        self,
        settings: Callable[[], RiskSettings],
        last_candle: Callable[[str, int], LastCandle | None],
        is_unsettled: Callable[[str], bool],
        *,
        live: bool,
    ) -> None:
        self._settings = settings
        self._last_candle = last_candle
        self._is_unsettled = is_unsettled
        self._live = live
        self._states: dict[int, ExitState] = {}
        self._looks: dict[int, _Look] = {}

    def forget(self) -> None:
        """Begin anew: the next backtest of a search numbers its trades from 1 again."""
        self._states.clear()
        self._looks.clear()

    def decide(self, trade: Any, rate: float, now_ms: int) -> ExitAction | None:
        """
        Decide about a trade at a price.

        Raises
        ------
        CorruptStateError
            If what was remembered of the trade cannot be read.
        """
        look = self._looks.get(trade.id)
        if not self._live and look is not None and look.now_ms == now_ms:
            # A backtest asks twice on a candle; its extremes came before both questions, so what
            # the first has armed must not be held against them.
            return look.action
        view = self._view(trade, rate, now_ms)
        before = self.state_of(trade)
        after, action = decide_exit(view, before, self._settings())
        if after != before:
            self._keep(trade, after)
        if not self._live:
            candle = self._last_candle(trade.pair, now_ms)
            shown_ms = -1 if candle is None else candle.opened_ms
            self._looks[trade.id] = _Look(now_ms, shown_ms, action)
        return action

    def stop(self, trade: Any, now_ms: int) -> float:
        """Return the price at which the stop lies, by what was decided until now."""
        return stop_price(self._last_view(trade, now_ms), self.state_of(trade), self._settings())

    def target(self, trade: Any, now_ms: int) -> float | None:
        """Return the price of the target, by what was decided until now; None without an ATR."""
        return target_price(self._last_view(trade, now_ms), self.state_of(trade), self._settings())

    def _last_view(self, trade: Any, now_ms: int) -> PositionView:
        candle = self._last_candle(trade.pair, now_ms)
        return self._view(trade, trade.open_rate if candle is None else candle.close, now_ms)

    def first_stop(
        self, market: str, side: str, rate: float, leverage: float, candle: LastCandle
    ) -> float:
        """Return the price at which the stop of a new position would lie."""
        view = PositionView(
            market=market,
            direction=Direction(side),
            entry_price=rate,
            price=rate,
            profit_ratio=0.0,
            opened_ms=candle.opened_ms,
            now_ms=candle.opened_ms,
            leverage=leverage,
            atr=candle.value("atr"),
        )
        return stop_price(view, ExitState(), self._settings())

    def state_of(self, trade: Any) -> ExitState:
        """Return what is remembered of a trade; raises CorruptStateError like `decide`."""
        state = self._states.get(trade.id)
        if state is None:
            state = self._stored(trade)
            self._states[trade.id] = state
        return state

    def drop(self, trade: Any) -> None:
        """Forget a trade that is closed; its custom data stays with it."""
        self._states.pop(trade.id, None)
        self._looks.pop(trade.id, None)

    def _stored(self, trade: Any) -> ExitState:
        text = trade.get_custom_data(_KEY) if Trade.use_db else None
        if text is None:
            return ExitState()
        return ExitState.from_json(str(text), place=f"trade {trade.id} ({trade.pair})")

    def _keep(self, trade: Any, state: ExitState) -> None:
        # A backtest has no restart, and Freqtrade's list of custom data is searched from its
        # beginning for every trade.
        if Trade.use_db:
            trade.set_custom_data(_KEY, state.to_json())
        self._states[trade.id] = state

    def _unseen(self, trade: Any, candle: LastCandle | None, opened_ms: int) -> LastCandle | None:
        """Return a candle whose extremes no look has seen; one from before the entry has none."""
        if self._live or candle is None or candle.opened_ms < opened_ms:
            return None
        look = self._looks.get(trade.id)
        return None if look is not None and candle.opened_ms <= look.candle_ms else candle

    def _view(self, trade: Any, rate: float, now_ms: int) -> PositionView:
        opened_ms = to_ms(trade.open_date_utc)
        candle = self._last_candle(trade.pair, now_ms)
        seen = self._unseen(trade, candle, opened_ms)
        return PositionView(
            market=trade.pair,
            direction=Direction.SHORT if trade.is_short else Direction.LONG,
            entry_price=float(trade.open_rate),
            price=rate,
            profit_ratio=float(trade.calc_profit_ratio(rate)),
            opened_ms=opened_ms,
            now_ms=now_ms,
            leverage=float(trade.leverage or 1.0),
            atr=None if candle is None else candle.value("atr"),
            high=None if seen is None else seen.high,
            low=None if seen is None else seen.low,
            round_trip_cost=float(trade.fee_open or 0.0) + float(trade.fee_close or 0.0),
            held_share=_held_share(trade),
            in_transit=trade.has_open_orders or self._is_unsettled(trade.pair),
        )


@dataclass(frozen=True, slots=True)
class _Look:
    """What was decided last about a trade in a backtest: when, and after which candle."""

    now_ms: int
    candle_ms: int
    action: ExitAction | None


def _held_share(trade: Any) -> float:
    """Return what is held over what was entered; 1 while nothing is booked yet."""
    sides = (order for order in trade.orders if order.ft_order_side == trade.entry_side)
    entered = sum(float(order.safe_filled) for order in sides)
    return float(trade.amount) / entered if trade.amount and entered else 1.0
