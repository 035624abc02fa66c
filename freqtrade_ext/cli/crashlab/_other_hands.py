"""Positions that a person had before the bot, and that the bot rightly leaves alone. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from freqtrade_ext.cli.crashlab._judge import ExchangeView
from freqtrade_ext.sandbox import Event
from freqtrade_ext.sandbox.journal import OrderAccepted, OrderFilled

__all__ = ["held_before_us", "left_to_others", "without_others"]

_REPAIR = "repair-"  # what reconciliation sells may be a person's, and is no part of our trades


def held_before_us(events: Iterable[Event], since_ms: int) -> dict[str, float]:
    """
    Add up what others bought and sold before the client's first order in a symbol.

    Parameters
    ----------
    events : iterable of Event
        The exchange's journal.
    since_ms : int
        Begin of the run, when nothing was held.

    Returns
    -------
    dict of str to float
        Signed quantity by symbol. What is added later is no earlier position: the bot must see it.
    """
    ours: set[str] = set()
    held: dict[str, float] = {}
    for event in events:
        if event.time_ms < since_ms:
            continue
        if isinstance(event, OrderAccepted) and event.origin == "client":
            ours.add(event.symbol)
        elif isinstance(event, OrderFilled) and event.symbol not in ours:
            signed = event.quantity if event.side.lower() == "buy" else -event.quantity
            held[event.symbol] = held.get(event.symbol, 0.0) + float(signed)
    return held


def left_to_others(events: Iterable[Event], since_ms: int) -> dict[str, float]:
    """
    Find earlier positions of others in symbols where nothing of ours can be left.

    Parameters
    ----------
    events, since_ms :
        As of `held_before_us`.

    Returns
    -------
    dict of str to float
        What `held_before_us` finds, where the client's own fills add up to zero. Repairs are left
        out: one that sold what was a person's leaves ours in its place.
    """
    events = tuple(events)
    ours: dict[str, Decimal] = {}
    for event in events:
        if not isinstance(event, OrderFilled) or event.time_ms < since_ms:
            continue
        if event.origin != "external" and not event.client_order_id.startswith(_REPAIR):
            signed = event.quantity if event.side.lower() == "buy" else -event.quantity
            ours[event.symbol] = ours.get(event.symbol, Decimal(0)) + signed
    held = held_before_us(events, since_ms)
    return {symbol: quantity for symbol, quantity in held.items() if not ours.get(symbol)}


def without_others(
    view: ExchangeView,
    earlier: Callable[[], Mapping[str, float]],
    booked: Collection[str],
    reported: Collection[str],
) -> ExchangeView:
    """
    Leave out positions that are a person's own.

    Parameters
    ----------
    view : ExchangeView
        The truth.
    earlier : callable
        What `left_to_others` finds; asked for only where it matters.
    booked : collection of str
        Symbols in which a trade is open: there the bot answers for all of the position.
    reported : collection of str
        Symbols whose position the bot's inbox names as nobody's. A position that the bot has
        not even seen is not left alone but missed.
    """
    suspects = {*view.held} & {*reported} - {*booked}
    if not suspects:
        return view
    before = earlier()
    own = {name for name in suspects if _is_part(view.held[name], before.get(name, 0.0))}
    held = {symbol: quantity for symbol, quantity in view.held.items() if symbol not in own}
    # They are none of the bot's business, and the stage is still not clean.
    return replace(view, held=held, foreign=view.foreign + len(own))


def _is_part(quantity: float, whole: float) -> bool:
    return quantity * whole > 0 and abs(quantity) <= abs(whole) * (1 + 1e-9)
