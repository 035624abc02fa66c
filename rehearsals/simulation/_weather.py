"""The dice of one episode: what goes wrong with this request, with this order."""

from decimal import Decimal

from freqtrade_ext.sandbox.engine import OrderScript
from rehearsals.simulation._faults import Odds
from rehearsals.simulation._world import World

__all__ = ["Weather"]

_FAIR = Odds()
_FOREVER_MS = 10_000_000


class Weather:
    """
    Foul until a time, fair ever after.

    Parameters
    ----------
    world : World
    odds : Odds
        While it is foul.
    until_ms : int
        When it becomes fair; outages and rate limits end then, too.
    """

    def __init__(self, world: World, odds: Odds, until_ms: int) -> None:
        self._world = world
        self._odds = odds
        self.until_ms = until_ms
        self._limited_until_ms = 0
        self._out_until_ms = 0
        # Freqtrade never cancels an order whose filled part is below the smallest order, so a small
        # one must not wait for ever.
        self.stalls_for_ever = True
        self.fired: dict[str, int] = {}

    @property
    def odds(self) -> Odds:
        """The odds now."""
        return self._odds if self._world.now < self.until_ms else _FAIR

    def fires(self, name: str) -> bool:
        """Roll the dice for one fault."""
        chance = getattr(self.odds, name)
        if not chance or self._world.rng.random() >= chance:
            return False
        self.fired[name] = self.fired.get(name, 0) + 1
        self._world.note(f"    fault: {name}")
        return True

    def latency_ms(self) -> int:
        """How long a request takes."""
        rng = self._world.rng
        return rng.randrange(1_000, 8_000) if self.fires("slow") else rng.randrange(15, 60)

    def is_limited(self) -> bool:
        """Whether the exchange turns every request away for its rate."""
        if self.fires("rate_limit"):
            ends_ms = self._world.now + self._world.rng.randrange(3_000, 30_000)
            self._limited_until_ms = min(ends_ms, self.until_ms)
        return self._world.now < self._limited_until_ms

    def is_out(self) -> bool:
        """Whether nothing gets through."""
        if self.fires("outage"):
            ends_ms = self._world.now + self._world.rng.randrange(3_000, 60_000)
            self._out_until_ms = min(ends_ms, self.until_ms)
        return self._world.now < self._out_until_ms

    def script(self, *, is_stop: bool = False) -> OrderScript | None:
        """How an order goes wrong once it is accepted."""
        hide_ms = late_ms = 0
        fraction: Decimal | None = None
        stall_ms, ended_ms = _FOREVER_MS, None
        rng = self._world.rng
        if self.fires("hide"):
            hide_ms = rng.randrange(100, 25_000)
        if not is_stop and self.fires("hide_long"):
            hide_ms = rng.randrange(25_000, 60_000)
        if self.fires("late"):
            late_ms = rng.randrange(500, 20_000)
        if not is_stop and self.fires("partial"):
            fraction = Decimal(rng.choice([0, 0, 10, 40, 60, 95])) / 100
            left_ms = max(1_000, self.until_ms - self._world.now)
            longest_ms = _FOREVER_MS if self.stalls_for_ever else left_ms
            stall_ms = rng.choice([1_500, 6_000, 15_000, longest_ms])
        if self.fires("ended"):
            ended_ms = rng.randrange(500, 20_000)
        if not hide_ms and not late_ms and fraction is None and ended_ms is None:
            return None
        return OrderScript(
            fraction=fraction,
            stall_ms=stall_ms,
            keeps_rest=rng.random() < 0.8,
            hide_ms=hide_ms,
            late_ms=late_ms,
            cancel_after_ms=ended_ms,
        )
