"""One client's wallet, positions and settings: bookkeeping without any opinion on prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from freqtrade_ext.sandbox.engine._types import ZERO, LedgerEntry, LedgerKind, MarginMode, Side

CENT = Decimal("0.00000001")  # the wallet's smallest unit
DEFAULT_LEVERAGE = 20


def money(amount: Decimal) -> Decimal:
    """Round to the wallet's smallest unit."""
    return amount.quantize(CENT, rounding=ROUND_HALF_EVEN)


@dataclass(slots=True)
class Position:
    """What is held of one instrument (one-way mode) and how it is configured."""

    symbol: str
    quantity: Decimal = ZERO  # signed
    entry_notional: Decimal = ZERO  # signed; kept instead of the price, which would round
    isolated_wallet: Decimal = ZERO
    leverage: int = DEFAULT_LEVERAGE
    margin_mode: MarginMode = MarginMode.CROSS
    updated_ms: int = 0

    @property
    def entry_price(self) -> Decimal:
        """Average price of what is held, zero when flat."""
        return self.entry_notional / self.quantity if self.quantity else ZERO

    @property
    def is_isolated(self) -> bool:
        """Tell whether the position answers with its own margin only."""
        return self.margin_mode is MarginMode.ISOLATED

    def unrealized_pnl(self, price: Decimal) -> Decimal:
        """Profit if everything were closed at `price`."""
        return self.quantity * price - self.entry_notional

    def apply(self, side: Side, quantity: Decimal, price: Decimal) -> Decimal:
        """
        Add an execution and return the profit it realized.

        Closing releases isolated margin in proportion; opening sets aside notional / leverage.
        """
        signed = quantity * side.sign
        closing = min(quantity, abs(self.quantity)) if self.quantity * signed < 0 else ZERO
        realized = self._close(closing, price) if closing else ZERO
        opening = quantity - closing
        if opening:
            self.quantity += opening * side.sign
            self.entry_notional += opening * side.sign * price
            if self.is_isolated:
                self.isolated_wallet += money(opening * price / self.leverage)
        return realized

    def _close(self, closing: Decimal, price: Decimal) -> Decimal:
        share = closing / abs(self.quantity)
        sign = 1 if self.quantity > 0 else -1
        everything = closing == abs(self.quantity)
        entry = self.entry_notional if everything else self.entry_notional * share
        released = self.isolated_wallet if everything else money(self.isolated_wallet * share)
        self.quantity -= closing * sign
        self.entry_notional -= entry
        self.isolated_wallet -= released
        return money(closing * sign * price - entry)


@dataclass(slots=True)
class Account:
    """Wallet and positions; every change of the wallet is a ledger entry."""

    wallet_balance: Decimal = ZERO
    positions: dict[str, Position] = field(default_factory=dict)
    ledger: list[LedgerEntry] = field(default_factory=list)

    def position(self, symbol: str) -> Position:
        """Position and settings of an instrument, created flat on first use."""
        return self.positions.setdefault(symbol, Position(symbol))

    @property
    def held(self) -> list[Position]:
        """Positions that are not flat."""
        return [position for position in self.positions.values() if position.quantity]

    def book(
        self,
        kind: LedgerKind,
        amount: Decimal,
        time_ms: int,
        symbol: str = "",
        fill_id: int | None = None,
    ) -> Decimal:
        """Change the wallet and write it down; returns the amount rounded as booked."""
        rounded = money(amount)
        if rounded or kind == "funding":
            entry = LedgerEntry(len(self.ledger) + 1, time_ms, kind, rounded, symbol, fill_id)
            self.ledger.append(entry)
            self.wallet_balance += rounded
        return rounded

    @property
    def cross_wallet(self) -> Decimal:
        """Wallet without what isolated positions have set aside."""
        return self.wallet_balance - sum((p.isolated_wallet for p in self.held), ZERO)

    def cross_unrealized_pnl(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Unrealized profit of the positions in cross margin, at the given mark prices."""
        cross = (p for p in self.held if not p.is_isolated)
        return sum((p.unrealized_pnl(prices[p.symbol]) for p in cross), ZERO)

    def cross_initial_margin(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Initial margin of the positions in cross margin, at the given mark prices."""
        cross = (p for p in self.held if not p.is_isolated)
        return sum((abs(p.quantity) * prices[p.symbol] / p.leverage for p in cross), ZERO)
