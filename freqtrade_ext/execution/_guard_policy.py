"""How long, and how often, an order without an answer is asked for."""

from dataclasses import dataclass

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.execution._intents import Intent, OrderKind

__all__ = ["GuardPolicy"]


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """
    How long, and how often, an order without an answer is asked for.

    Attributes
    ----------
    patience_ms : int
        How long `OrderGuard.send` asks before it returns; the order is then a ghost.
    settling_ms : int
        How long the venue must go on answering "no such order" before the order is absent.
    first_ask_ms, longest_ask_ms : int
        Pause before the first question; the longest pause between two, towards which it doubles.
    closing_settling_ms : int
        The same for a market order that only reduces: it cannot fill twice, and while it is
        waited for, its leg is held alone.
    awaited_ms : int
        How long the exit of a spread's other leg waits for an order's outcome, at most. A question
        that is answered is settled long before; one that is not keeps a spread hedged meanwhile,
        and an exchange that answers nothing would not take the other exit either.
    min_denials : int
        How many times "no such order" must have been answered.
    asks_per_round : int
        Orders asked for in one `OrderGuard.ask`, at most.
    """

    patience_ms: int = 5_000
    settling_ms: int = 30_000
    closing_settling_ms: int = 4_000
    awaited_ms: int = 60_000
    first_ask_ms: int = 200
    longest_ask_ms: int = 2_000
    min_denials: int = 4
    asks_per_round: int = 4

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value < 1:
                raise IllegalRequest(f"{name} must be at least 1, not {value}")
        if self.first_ask_ms > self.longest_ask_ms:
            raise IllegalRequest(
                f"first_ask_ms ({self.first_ask_ms}) must not be above "
                f"longest_ask_ms ({self.longest_ask_ms})"
            )

    def settling_of(self, intent: Intent, head_start_ms: int = 0) -> int:
        """
        Return how long an order must be denied before it is absent.

        Parameters
        ----------
        head_start_ms : int
            How long before the first question it was sent, if it was, by a process that is dead:
            that much of the time in which a closing order would show has passed.
        """
        if not (intent.reduce_only and intent.kind is OrderKind.MARKET):
            return self.settling_ms
        return max(min(self.closing_settling_ms, self.settling_ms) - head_start_ms, 0)
