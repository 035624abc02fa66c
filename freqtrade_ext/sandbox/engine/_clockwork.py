"""What happens between two requests: fills, triggers, funding and liquidation, in time order."""

from collections.abc import Iterator
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from freqtrade_ext.sandbox.engine import _orders, _triggers
from freqtrade_ext.sandbox.engine._account import Position
from freqtrade_ext.sandbox.engine._core import Core
from freqtrade_ext.sandbox.engine._matching import Execution
from freqtrade_ext.sandbox.engine._types import (
    ZERO,
    Order,
    OrderStatus,
    OrderType,
    Origin,
    PriceSource,
    Side,
    TimeInForce,
    TriggerStatus,
)
from freqtrade_ext.sandbox.journal import FundingPaid, PositionLiquidated, PriceSeen

LONGEST_STEP_MS = 60_000  # long spans are walked minute by minute, so that events keep their order
PRICE_SEEN_EVERY_MS = 1_000


def advance(core: Core, until_ms: int) -> None:
    """Walk the market from where the exchange stands to `until_ms`."""
    while core.now_ms < until_ms:
        symbols = _busy_symbols(core)
        step_ms = min(until_ms, core.now_ms + LONGEST_STEP_MS) if symbols else until_ms
        for end_ms in _step_ends(core, symbols, step_ms):
            _step(core, symbols, end_ms)


def _busy_symbols(core: Core) -> list[str]:
    held = {position.symbol for position in core.account.held}
    asked = {order.symbol for order in core.book.working()}
    waiting = {trigger.symbol for trigger in core.book.waiting()}
    return sorted(held | asked | waiting)


def _step_ends(core: Core, symbols: list[str], until_ms: int) -> Iterator[int]:
    """Times at which funding is due, and the end of the step."""
    due = {
        event.time_ms
        for symbol in symbols
        for event in core.market.funding_events(symbol, core.now_ms, until_ms)
    }
    yield from sorted(due | {until_ms})


def _step(core: Core, symbols: list[str], until_ms: int) -> None:
    after_ms, core.now_ms = core.now_ms, until_ms
    for symbol in symbols:
        if not core.market.is_trading(symbol, until_ms):
            continue
        low, high = core.market.price_range(symbol, after_ms, until_ms)
        _cancel_as_scripted(core, symbol)
        _fill_resting_orders(core, symbol, low, high)
        _fire_triggers(core, symbol, low, high)
        _pay_funding(core, symbol, after_ms)
        _see_price(core, symbol)
    _liquidate_isolated(core)
    _liquidate_cross(core)


def _cancel_as_scripted(core: Core, symbol: str) -> None:
    for order in core.book.working(symbol):
        if order.canceled_from_ms < core.now_ms:
            core.end(order, OrderStatus.CANCELED)
    for trigger in core.book.waiting(symbol):
        if trigger.canceled_from_ms < core.now_ms:
            core.end_trigger(trigger, TriggerStatus.CANCELED)


def _fill_resting_orders(core: Core, symbol: str, low: Decimal, high: Decimal) -> None:
    for order in core.book.working(symbol):
        if order.stalled_until_ms > core.now_ms or not order.is_open:
            continue
        if order.price is None:
            _orders.fill_at_market(core, order)
            continue
        reached = low <= order.price if order.side is Side.BUY else high >= order.price
        if reached:
            _orders.fill_resting(core, order)


def _fire_triggers(core: Core, symbol: str, low: Decimal, high: Decimal) -> None:
    mark = core.mark(symbol)
    for trigger in core.book.waiting(symbol):
        watches_mark = trigger.price_source is PriceSource.MARK
        span = (mark, mark) if watches_mark else (low, high)
        if trigger.is_open and trigger.is_reached(*span):
            _triggers.fire(core, trigger)


def _pay_funding(core: Core, symbol: str, after_ms: int) -> None:
    position = core.account.position(symbol)
    if not position.quantity:
        return
    for event in core.market.funding_events(symbol, after_ms, core.now_ms):
        due = -position.quantity * event.mark_price * event.rate
        free = core.account.cross_wallet
        paid = core.account.book("funding", due, core.now_ms, symbol)
        if position.is_isolated and paid < 0 and free < -paid:
            # What the free wallet cannot pay is taken from the position's own margin.
            position.isolated_wallet += max(ZERO, free) + paid
        core.record(
            FundingPaid(
                time_ms=core.now_ms,
                symbol=symbol,
                amount=paid,
                rate=event.rate,
                position=position.quantity,
            )
        )


def _see_price(core: Core, symbol: str) -> None:
    last_ms = core.price_seen_ms.get(symbol)
    recent = last_ms is not None and core.now_ms - last_ms < PRICE_SEEN_EVERY_MS
    if recent or not core.account.position(symbol).quantity:
        return
    core.price_seen_ms[symbol] = core.now_ms
    core.record(PriceSeen(time_ms=core.now_ms, symbol=symbol, price=core.mark(symbol)))


def _liquidate_isolated(core: Core) -> None:
    for position in core.account.held:
        if not position.is_isolated:
            continue
        equity = position.isolated_wallet + position.unrealized_pnl(core.mark(position.symbol))
        if equity <= core.maintenance(position):
            liquidate(core, position, core.liquidation_price(position))


def _liquidate_cross(core: Core) -> None:
    cross = [position for position in core.account.held if not position.is_isolated]
    equity = core.account.cross_wallet + core.account.cross_unrealized_pnl(core.marks())
    maintenance = sum((core.maintenance(position) for position in cross), ZERO)
    if cross and equity <= maintenance:
        for order in core.book.working():
            core.end(order, OrderStatus.CANCELED)
        for position in cross:
            liquidate(core, position, core.mark(position.symbol))
        # The clearance fee is the maintenance margin; the insurance fund covers what is missing.
        rest = core.account.cross_wallet
        core.account.book("insurance", -min(rest, maintenance), core.now_ms)


def liquidate(core: Core, position: Position, price: Decimal | None) -> None:
    """
    Close a position by force.

    An isolated one loses exactly its own margin: what the price leaves of it goes to the
    insurance fund, what it lacks is paid by the fund.
    """
    symbol, quantity, margin = position.symbol, position.quantity, position.isolated_wallet
    for order in core.book.working(symbol):
        core.end(order, OrderStatus.CANCELED)
    before = core.account.wallet_balance
    at = on_tick(core, symbol, price or core.mark(symbol), up=quantity > 0)
    order = core.accept(forced_order(core, position, abs(quantity), "liquidation"))
    core.execute(order, [Execution(at, abs(quantity))], is_maker=False)
    if position.is_isolated:
        lost = before - core.account.wallet_balance
        core.account.book("insurance", lost - margin, core.now_ms, symbol)
    core.record(PositionLiquidated(time_ms=core.now_ms, symbol=symbol, quantity=quantity, price=at))


def forced_order(core: Core, position: Position, quantity: Decimal, origin: Origin) -> Order:
    """Order in the exchange's own name; its client order id says so, as Binance's do."""
    number = core.book.next_order_id()
    prefix = "adl_autoclose" if origin == "adl" else "autoclose"
    return Order(
        venue_order_id=number,
        client_order_id=f"{prefix}-{core.now_ms}{number}",
        symbol=position.symbol,
        side=Side.SELL if position.quantity > 0 else Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=quantity,
        price=core.mark(position.symbol),
        time_in_force=TimeInForce.IOC,
        reduce_only=True,
        created_ms=core.now_ms,
        updated_ms=core.now_ms,
        origin=origin,
    )


def on_tick(core: Core, symbol: str, price: Decimal, *, up: bool = False) -> Decimal:
    """Round a price to the tick grid, down if not said otherwise; at least one tick."""
    tick = core.instrument(symbol).tick_size
    rounding = ROUND_UP if up else ROUND_DOWN
    return max(tick, (price / tick).to_integral_value(rounding=rounding) * tick)
