"""What the watcher may ask of the exchange, and what it asks for with that."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from freqtrade_ext.errors import IllegalRequest

__all__ = ["RequestBudget", "WatchPass", "WatchPlan"]

MINUTE_MS: Final = 60_000
# Request weights of Binance USD-M futures, the dearest of the exchanges that publish any:
# positions; open orders of one market, plain and conditional; those of all markets.
POSITIONS_WEIGHT: Final = 5
ORDERS_OF_ONE_WEIGHT: Final = 1 + 1
ORDERS_OF_ALL_WEIGHT: Final = 40 + 40


class RequestBudget:
    """
    Request weight that may be spent in any one minute.

    A bucket that is full at the start and refills steadily would allow twice its size in the first
    minute; this one hands a weight back only when the minute after its use is over.

    Examples
    --------
    >>> budget = RequestBudget(60)
    >>> budget.afford(50, now_ms=0), budget.afford(20, now_ms=59_999), budget.afford(20, 60_000)
    (True, False, True)
    """

    def __init__(self, weight_per_minute: int) -> None:
        if weight_per_minute <= 0:
            raise IllegalRequest(f"weight_per_minute must be above 0, not {weight_per_minute}")
        self.weight_per_minute = weight_per_minute
        self._spent: deque[tuple[int, int]] = deque()

    def afford(self, weight: int, now_ms: int) -> bool:
        """Spend a weight if the last minute leaves room for it."""
        if weight < 0:
            raise IllegalRequest(f"weight must not be negative: {weight}")
        # A clock that is set back neither frees a weight nor blocks it for more than a minute.
        self._spent = deque((min(at_ms, now_ms), spent) for at_ms, spent in self._spent)
        while self._spent and self._spent[0][0] <= now_ms - MINUTE_MS:
            self._spent.popleft()
        if sum(spent for _, spent in self._spent) + weight > self.weight_per_minute:
            return False
        self._spent.append((now_ms, weight))
        return True


@dataclass(frozen=True, slots=True)
class WatchPass:
    """What to ask on one pass: positions always, open orders of `markets` (None: of all)."""

    markets: frozenset[str] | None
    weight: int


class WatchPlan:
    """
    Chooses between a cheap pass and, rarely, a pass over the orders of all markets.

    Parameters
    ----------
    budget : RequestBudget
        What may be spent. Below the weight of a pass over all markets (85), there is none.
    full_every_ms : int
        Time between two looks at the orders of all markets, where nothing of ours should be.
        Positions are seen on every pass, whatever their market.
    """

    def __init__(self, budget: RequestBudget, *, full_every_ms: int = 300_000) -> None:
        self._budget = budget
        self._full_every_ms = full_every_ms
        self._last_full_ms: int | None = None

    def next(self, active: frozenset[str], now_ms: int) -> WatchPass | None:
        """
        Choose the next pass and spend its weight; None: not even positions can be afforded.

        Parameters
        ----------
        active : frozenset of str
            Markets with a trade, an open order or an intent of ours.
        now_ms : int
            Time, ms since 1970.
        """
        last_ms = self._last_full_ms
        is_due = last_ms is None or now_ms - last_ms >= self._full_every_ms
        for wanted in _wishes(active, is_full_due=is_due):
            if self._budget.afford(wanted.weight, now_ms):
                if wanted.markets is None:
                    self._last_full_ms = now_ms
                return wanted
        return None


def _wishes(active: frozenset[str], *, is_full_due: bool) -> list[WatchPass]:
    """List the passes worth making, the best first."""
    full = WatchPass(None, POSITIONS_WEIGHT + ORDERS_OF_ALL_WEIGHT)
    cheap = WatchPass(active, POSITIONS_WEIGHT + ORDERS_OF_ONE_WEIGHT * len(active))
    bare = WatchPass(frozenset(), POSITIONS_WEIGHT)
    wishes = [cheap, bare]
    return [full, *wishes] if is_full_due or full.weight <= cheap.weight else wishes
