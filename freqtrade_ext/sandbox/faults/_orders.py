"""What happens to an order once the exchange has it."""

from dataclasses import dataclass
from typing import ClassVar

from freqtrade_ext.sandbox.engine import FillAtOnce, OrderScript, Rejection
from freqtrade_ext.sandbox.faults._call import FaultedCall, Missed, OrderEffect
from freqtrade_ext.sandbox.wire import Answer, client_order_id_of, venue_order_id_of


@dataclass(frozen=True, repr=False)
class ScriptedOrder(OrderEffect):
    """
    The exchange takes the order and does with it what a script says.

    It is missed if the exchange refuses the order: another one is hit then.
    """

    label: str
    script: OrderScript
    lost: bool = False

    @property
    def name(self) -> str:  # type: ignore[override]
        """What the effect is called in a journal."""
        return self.label.partition("(")[0]

    def arm(self, call: FaultedCall) -> None:
        call.exchange.rehearse_next_order(self.script)

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        return None if self.lost else answer

    def __repr__(self) -> str:
        return self.label


@dataclass(frozen=True, repr=False)
class FillDuringCancel(OrderEffect):
    """The order is filled just before its cancel arrives, which finds nothing to cancel."""

    name: ClassVar[str] = "FILL_DURING_CANCEL"

    def arm(self, call: FaultedCall) -> None:
        params = call.params
        name = client_order_id_of(params) or None
        command = FillAtOnce(params.get("symbol", ""), venue_order_id_of(params), name)
        try:
            call.exchange.handle(command, call.now_ms)
        except Rejection as rejection:
            raise Missed(str(rejection)) from rejection
