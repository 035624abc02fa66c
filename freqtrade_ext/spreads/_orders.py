"""Names of orders, and which of them the venue has not confirmed yet."""

import hashlib
import re
from typing import Final

from freqtrade_ext.spreads._events import CancelOrder, Command, LegName, Purpose, Side, SubmitOrder
from freqtrade_ext.spreads._position import SpreadPosition, WorkingOrder

_PURPOSE_LETTERS: Final = {
    Purpose.ENTRY: "e",
    Purpose.TRIM: "t",
    Purpose.EXIT: "x",
    Purpose.UNWIND: "u",
}


def client_order_id(
    spread_id: str, leg: LegName, purpose: Purpose, attempt: int, episode_ms: int
) -> str:
    """
    Build the client order id: deterministic, unique, 36 characters at most.

    The readable part of a long spread id is cut; a digest of all of it keeps ids apart.

    Examples
    --------
    >>> client_order_id("BTC-ETH", LegName.A, Purpose.ENTRY, 1, 1_700_000_000_000)
    'BTC-ETH.3777e5-Ae1-loyw3v28'
    """
    digest = hashlib.sha256(spread_id.encode()).hexdigest()[:6]
    readable = re.sub(r"[^.A-Za-z0-9_]+", "-", spread_id)[:10]
    serial = f"{leg}{_PURPOSE_LETTERS[purpose]}{_base36(attempt)}"
    return f"{readable}.{digest}-{serial}-{_base36(episode_ms)}"


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text or "0"


def outstanding(position: SpreadPosition) -> tuple[Command, ...]:
    """
    Return the commands that the venue has not confirmed: what should be on the wire now.

    These are orders neither accepted nor filled in part, and cancels of orders whose end has not
    been reported. An order to be canceled appears only as its cancel: if it has not been sent,
    it must not be. Asking again, or after a restart, gives the same answer.
    """
    commands: list[Command] = []
    for name in LegName:
        order = position.leg(name).working
        if order is None:
            continue
        if order.cancel_requested_ms is not None:
            commands.append(CancelOrder(name, order.client_order_id))
        elif not order.accepted:
            commands.append(submit_command(name, order))
    return tuple(commands)


def submit_command(name: LegName, order: WorkingOrder) -> SubmitOrder:
    """Express a working order as the command that sends it."""
    return SubmitOrder(
        leg=name,
        side=Side.BUY if order.quantity > 0 else Side.SELL,
        quantity=abs(order.quantity),
        reduce_only=order.reduce_only,
        purpose=order.purpose,
        attempt=order.attempt,
        client_order_id=order.client_order_id,
        reason=order.reason,
    )
