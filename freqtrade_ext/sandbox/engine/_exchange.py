"""The exchange as its protocol sees it: commands in, orders out; the time is an argument."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from freqtrade_ext.sandbox.engine import _clockwork, _external, _orders, _triggers
from freqtrade_ext.sandbox.engine._account import Account, Position, money
from freqtrade_ext.sandbox.engine._commands import (
    AddExternally,
    AdjustIsolatedMargin,
    AmendOrder,
    AutoDeleverage,
    CancelAllOrders,
    CancelAllTriggers,
    CancelOrder,
    CancelTrigger,
    CloseExternally,
    Command,
    External,
    FillAtOnce,
    LiquidateByForce,
    PlaceExternally,
    PlaceOrder,
    PlaceTrigger,
    SetLeverage,
    SetMarginMode,
)
from freqtrade_ext.sandbox.engine._core import Core
from freqtrade_ext.sandbox.engine._margin import max_leverage, max_notional
from freqtrade_ext.sandbox.engine._order_book import OrderBook
from freqtrade_ext.sandbox.engine._rejections import Reason, Rejection
from freqtrade_ext.sandbox.engine._reports import Reports
from freqtrade_ext.sandbox.engine._types import (
    ZERO,
    MarginMode,
    Order,
    OrderScript,
    OrderStatus,
    Trigger,
    TriggerStatus,
)
from freqtrade_ext.sandbox.journal import Event, OrderRejected
from freqtrade_ext.sandbox.market import Market

Outcome = Order | Trigger | Position | None


@dataclass(frozen=True, slots=True)
class Balances:
    """The wallet at a moment, valued at mark prices."""

    wallet: Decimal
    unrealized_pnl: Decimal
    position_initial_margin: Decimal
    order_initial_margin: Decimal
    maintenance_margin: Decimal
    cross_wallet: Decimal
    cross_unrealized_pnl: Decimal
    available: Decimal


def _ignore(event: Event) -> None:
    """Record nothing."""


class Exchange:
    """
    A futures exchange with one client, in one-way mode.

    Pure: it reads no clock and does no input or output. Every call carries the time; time never
    runs backwards, an earlier one counts as the latest seen.

    Parameters
    ----------
    market : Market
        Instruments and prices.
    now_ms : int
        Time of the opening.
    wallet : Decimal
        Money in the wallet, in quote currency.
    record : callable, optional
        Receives every event, usually ``Journal.append``.
    """

    def __init__(
        self,
        market: Market,
        *,
        now_ms: int,
        wallet: Decimal = Decimal(10_000),
        record: Callable[[Event], None] = _ignore,
    ) -> None:
        self._core = Core(market, record, now_ms)
        self._core.account.book("transfer", wallet, now_ms)

    @property
    def market(self) -> Market:
        """The market that the exchange trades."""
        return self._core.market

    @property
    def account(self) -> Account:
        """Wallet, positions and ledger."""
        return self._core.account

    @property
    def book(self) -> OrderBook:
        """Orders, conditional orders and fills."""
        return self._core.book

    @property
    def now_ms(self) -> int:
        """Time of the latest call."""
        return self._core.now_ms

    def advance(self, now_ms: int) -> None:
        """Walk the market to `now_ms`: fill, trigger, pay funding, liquidate."""
        _clockwork.advance(self._core, now_ms)

    def handle(self, command: Command, now_ms: int) -> Outcome:
        """
        Do what a client asks for.

        Raises
        ------
        Rejection
            If the exchange refuses; nothing has changed then.
        """
        self.advance(now_ms)
        try:
            return self._dispatch(command)
        except Rejection as rejection:
            self._core.record(
                OrderRejected(
                    time_ms=self.now_ms,
                    symbol=getattr(command, "symbol", ""),
                    command=type(command).__name__,
                    reason=rejection.reason.value,
                    client_order_id=getattr(command, "client_order_id", None),
                )
            )
            raise

    def _dispatch(self, command: Command) -> Outcome:  # noqa: C901 - one line per command
        core = self._core
        match command:
            case PlaceOrder():
                return _orders.place(core, command)
            case PlaceTrigger():
                return _triggers.place(core, command)
            case CancelOrder():
                return _orders.cancel(core, command)
            case CancelTrigger():
                return _triggers.cancel(core, command)
            case AmendOrder():
                return _orders.amend(core, command)
            case CancelAllOrders():
                self._cancel_all_orders(command)
            case CancelAllTriggers():
                self._cancel_all_triggers(command)
            case SetLeverage():
                return self._set_leverage(command)
            case SetMarginMode():
                return self._set_margin_mode(command)
            case AdjustIsolatedMargin():
                return self._adjust_isolated_margin(command)
            case _:
                return self._from_elsewhere(command)
        return None

    def _from_elsewhere(self, command: External) -> Outcome:
        core = self._core
        match command:
            case CloseExternally():
                return _external.close(core, command)
            case AddExternally():
                return _external.add(core, command)
            case PlaceExternally():
                return _external.place(core, command)
            case AutoDeleverage():
                return _external.deleverage(core, command)
            case FillAtOnce():
                return _external.fill_at_once(core, command)
            case LiquidateByForce():
                _external.liquidate_position(core, command)
        return None

    @property
    def reports(self) -> Reports:
        """What queries are told of orders and fills."""
        return self._core.reports

    def rehearse_next_order(self, script: OrderScript | None) -> None:
        """Let the client's next order that is accepted go wrong; None: no order any more."""
        self._core.next_script = script

    @property
    def waits_for_an_order(self) -> bool:
        """Tell whether a script still waits for the client's next order."""
        return self._core.next_script is not None

    def position(self, symbol: str) -> Position:
        """Position and settings of an instrument."""
        return self._core.position(symbol)

    def mark_price(self, symbol: str) -> Decimal:
        """Mark price now."""
        return self._core.mark(symbol)

    def liquidation_price(self, symbol: str) -> Decimal | None:
        """Mark price at which what is held is liquidated, if any."""
        return self._core.liquidation_price(self._core.position(symbol))

    def maintenance_margin(self, symbol: str) -> Decimal:
        """Maintenance margin of what is held."""
        return self._core.maintenance(self._core.position(symbol))

    def order_margin(self, symbol: str) -> Decimal:
        """Initial margin tied up by open orders of an instrument."""
        return self._core.orders_margin(symbol)

    def max_notional(self, symbol: str) -> Decimal:
        """Largest position at the leverage chosen."""
        leverage = self._core.position(symbol).leverage
        return max_notional(self._core.instrument(symbol).brackets, leverage)

    def balances(self) -> Balances:
        """Value the wallet at the current mark prices."""
        core, account, marks = self._core, self.account, self._core.marks()
        held: Sequence[Position] = account.held
        symbols = {order.symbol for order in core.book.working()}
        return Balances(
            wallet=account.wallet_balance,
            unrealized_pnl=sum((p.unrealized_pnl(marks[p.symbol]) for p in held), ZERO),
            position_initial_margin=sum(
                (abs(p.quantity) * marks[p.symbol] / p.leverage for p in held), ZERO
            ),
            order_initial_margin=sum((core.orders_margin(s) for s in symbols), ZERO),
            maintenance_margin=sum((core.maintenance(p) for p in held), ZERO),
            cross_wallet=account.cross_wallet,
            cross_unrealized_pnl=account.cross_unrealized_pnl(marks),
            available=max(ZERO, core.available_balance()),
        )

    def _cancel_all_orders(self, command: CancelAllOrders) -> None:
        self._core.instrument(command.symbol)
        for order in self.book.working(command.symbol):
            self._core.end(order, OrderStatus.CANCELED)

    def _cancel_all_triggers(self, command: CancelAllTriggers) -> None:
        self._core.instrument(command.symbol)
        for trigger in self.book.waiting(command.symbol):
            self._core.end_trigger(trigger, TriggerStatus.CANCELED)

    def _set_leverage(self, command: SetLeverage) -> Position:
        instrument = self._core.instrument(command.symbol)
        position = self._core.position(command.symbol)
        if not 1 <= command.leverage <= max_leverage(instrument.brackets):
            raise Rejection(Reason.LEVERAGE_INVALID, str(command.leverage))
        lower = command.leverage < position.leverage
        if position.quantity and position.is_isolated and lower:
            raise Rejection(Reason.LEVERAGE_REDUCTION_WITH_POSITION)
        notional = abs(position.quantity) * self.mark_price(command.symbol)
        if notional > max_notional(instrument.brackets, command.leverage):
            raise Rejection(Reason.POSITION_TOO_LARGE)
        position.leverage = command.leverage
        return position

    def _set_margin_mode(self, command: SetMarginMode) -> Position:
        position = self._core.position(command.symbol)
        if position.margin_mode is command.margin_mode:
            raise Rejection(Reason.MARGIN_MODE_UNCHANGED)
        if self.book.working(command.symbol) or self.book.waiting(command.symbol):
            raise Rejection(Reason.MARGIN_MODE_WITH_OPEN_ORDERS)
        if position.quantity:
            raise Rejection(Reason.MARGIN_MODE_WITH_POSITION)
        position.margin_mode = command.margin_mode
        return position

    def _adjust_isolated_margin(self, command: AdjustIsolatedMargin) -> Position:
        position = self._core.position(command.symbol)
        if position.margin_mode is not MarginMode.ISOLATED or not position.quantity:
            raise Rejection(Reason.ISOLATED_MARGIN_ON_CROSS)
        mark = self.mark_price(command.symbol)
        needed = abs(position.quantity) * mark / position.leverage
        removable = position.isolated_wallet + min(ZERO, position.unrealized_pnl(mark)) - needed
        too_much = command.amount > self._core.available_balance()
        if too_much or -command.amount > max(ZERO, removable):
            raise Rejection(Reason.ISOLATED_MARGIN_INSUFFICIENT)
        position.isolated_wallet += money(command.amount)
        return position
