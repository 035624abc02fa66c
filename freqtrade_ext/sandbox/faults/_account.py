"""What happens to the account at a moment of the script, right after the exchange has acted."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from freqtrade_ext.sandbox.engine import Command, Rejection
from freqtrade_ext.sandbox.faults._call import FaultedCall, Missed, Untouched
from freqtrade_ext.sandbox.wire import Answer

OWN, OTHER = "own", "other"


@dataclass(frozen=True, repr=False)
class OnAccount(Untouched):
    """Another hand than the client's acts on a position."""

    label: str
    command: Callable[[str, Decimal], Command]
    fraction: Decimal
    symbol: str

    @property
    def name(self) -> str:  # type: ignore[override]
        """What the effect is called in a journal."""
        return self.label

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        try:
            call.exchange.handle(self.command(self._symbol(call), self.fraction), call.now_ms)
        except Rejection as rejection:
            raise Missed(str(rejection)) from rejection
        return answer

    def _symbol(self, call: FaultedCall) -> str:
        own = call.params.get("symbol", "")
        if self.symbol == OTHER:
            held = (position.symbol for position in call.exchange.account.held)
            found = next((symbol for symbol in held if symbol != own), "")
        else:
            found = own if self.symbol == OWN else self.symbol
        if not found:
            raise Missed(f"there is no {self.symbol} instrument")
        return found

    def __repr__(self) -> str:
        return f"{self.label}({self.fraction}, {self.symbol})"
