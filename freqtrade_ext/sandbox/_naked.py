"""How much of a spread had no hedge, and for how long.

The net notional of a spread is ``hedge_ratio * notional_a + notional_b``, both signed: zero when
hedged, else what moves with `leg_b`'s price. The gross notional is the sum of the two absolute
ones. The last known prices and positions hold until the next event.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox.journal import Event, OrderFilled, PriceSeen

THOUSAND = 1_000.0
LOT_SHARE = 0.05  # fits and lots leave some percent unhedged in normal times


@dataclass(frozen=True, slots=True)
class SpreadLegs:
    """
    Two legs that belong together.

    `hedge_ratio` is the beta of `leg_a` to `leg_b` in log prices: a notional of 1 in `leg_a` is
    hedged by a notional of `hedge_ratio` in `leg_b`, on the other side; 1 is dollar-neutral.
    """

    leg_a: str
    leg_b: str
    hedge_ratio: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "SpreadLegs":
        """
        Read ``LEG_A:LEG_B`` or ``LEG_A:LEG_B:RATIO``.

        Raises
        ------
        ConfigError
            If the text has another form.
        """
        parts = text.split(":")
        try:
            leg_a, leg_b = parts[0], parts[1]
            ratio = float(parts[2]) if len(parts) > 2 else 1.0
        except (IndexError, ValueError):
            raise ConfigError(
                f"a spread is LEG_A:LEG_B or LEG_A:LEG_B:RATIO, got {text!r}"
            ) from None
        return cls(leg_a, leg_b, ratio)


@dataclass(frozen=True, slots=True)
class NakedFigures:
    """
    What a spread was exposed to.

    Parameters
    ----------
    exposure : float
        Net notional beyond the share that was allowed, integrated over time, in quote currency
        times seconds.
    seconds : float
        Time in which there was any.
    gross_notional_peak : float
        Largest gross notional, in quote currency.
    """

    exposure: float
    seconds: float
    gross_notional_peak: float

    @property
    def exposure_per_thousand(self) -> float:
        """Exposure for each 1 000 of gross notional; 0 if none was held."""
        if not self.gross_notional_peak:
            return 0.0
        return self.exposure / self.gross_notional_peak * THOUSAND


@dataclass(frozen=True, slots=True)
class HedgeSpan:
    """
    Time in which positions and prices stood still.

    `side_a` and `side_b` are the signed notionals in terms of leg B's: they cancel out when hedged.
    """

    begin_ms: int
    end_ms: int
    side_a: float
    side_b: float

    @property
    def net(self) -> float:
        """Notional without a hedge."""
        return abs(self.side_a + self.side_b)

    @property
    def gross(self) -> float:
        """Notional of both sides."""
        return abs(self.side_a) + abs(self.side_b)

    def ms_since(self, since_ms: int) -> int:
        """Length of the part from a time on."""
        return max(0, self.end_ms - max(self.begin_ms, since_ms))


def naked_figures(
    events: Iterable[Event], spread: SpreadLegs, *, share: float = 0.0, since_ms: int = 0
) -> NakedFigures:
    """
    Measure what a spread was exposed to.

    Parameters
    ----------
    events : iterable of Event
        A journal from its beginning, oldest first.
    spread : SpreadLegs
        The legs.
    share : float
        Part of the gross notional that may be net without counting, in [0, 1).
    since_ms : int
        Time before which nothing counts, for one episode of many.

    Raises
    ------
    ConfigError
        If `share` is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise ConfigError(f"share must be in [0, 1), got {share}")
    exposure = seconds = peak = 0.0
    for span in hedge_spans(events, spread):
        lasted = span.ms_since(since_ms) / 1_000
        beyond = max(0.0, span.net - share * span.gross)
        exposure += beyond * lasted
        seconds += lasted if beyond else 0.0
        if span.end_ms >= since_ms:
            peak = max(peak, span.gross)
    return NakedFigures(exposure, seconds, peak)


def naked_exposure(
    events: Iterable[Event], spread: SpreadLegs, share: float = 0.0, *, since_ms: int = 0
) -> float:
    """Integrate the net notional beyond a share of the gross one, in quote currency * seconds."""
    return naked_figures(events, spread, share=share, since_ms=since_ms).exposure


def naked_seconds(
    events: Iterable[Event], spread: SpreadLegs, share: float = LOT_SHARE, *, since_ms: int = 0
) -> float:
    """Add the time up in which more than a share of the gross notional had no hedge, in seconds."""
    return naked_figures(events, spread, share=share, since_ms=since_ms).seconds


def hedge_spans(
    events: Iterable[Event], spread: SpreadLegs, *, until_ms: int | None = None
) -> Iterator[HedgeSpan]:
    """
    Cut a journal into spans in which positions and prices of a spread stood still.

    Parameters
    ----------
    events : iterable of Event
        A journal from its beginning, oldest first.
    spread : SpreadLegs
        The legs.
    until_ms : int, optional
        What the last event left holds until then, and later events do not count; by default the
        last span ends, without a length, with the last event.
    """
    quantities = {spread.leg_a: 0.0, spread.leg_b: 0.0}
    prices = dict(quantities)
    last_ms: int | None = None

    def span(end_ms: int, begin_ms: int) -> HedgeSpan:
        side_a = spread.hedge_ratio * quantities[spread.leg_a] * prices[spread.leg_a]
        side_b = quantities[spread.leg_b] * prices[spread.leg_b]
        end_ms = end_ms if until_ms is None else min(end_ms, until_ms)
        return HedgeSpan(min(begin_ms, end_ms), end_ms, side_a, side_b)

    for event in events:
        if last_ms is not None and event.time_ms > last_ms:
            yield span(event.time_ms, last_ms)
        last_ms = event.time_ms if last_ms is None else max(last_ms, event.time_ms)
        if isinstance(event, OrderFilled | PriceSeen) and event.symbol in prices:
            prices[event.symbol] = float(event.price)
        if isinstance(event, OrderFilled) and event.symbol in quantities:
            quantities[event.symbol] = float(event.position)
    if last_ms is not None:
        yield span(last_ms if until_ms is None else max(last_ms, until_ms), last_ms)
