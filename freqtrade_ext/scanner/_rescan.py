"""The scan of a bot that trades: when it is due, what it may be made on, and what it answers.

The scan runs in a process of its own. What travels between the two is here: the job, the answer,
and the few rules that both sides need. Nothing here starts a process, reads a clock or a file.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.scanner._cards import Retest, SpreadCard
from freqtrade_ext.scanner._funnel import Funnel, Stage
from freqtrade_ext.scanner._histories import MarketHistory, Span
from freqtrade_ext.scanner._report import ScanReport, Universe
from freqtrade_ext.scanner._review import Cooling
from freqtrade_ext.scanner._settings import ScanSettings
from freqtrade_ext.spreads import SpreadSpec

__all__ = [
    "ScanAnswer",
    "ScanOutcome",
    "cooling_spreads",
    "due_moment",
    "merge_histories",
    "parse_cooling",
    "render_cooling",
    "why_unusable",
]


class _Message(BaseModel):
    # NaN is a value here (a test that could not be made), not a mistake.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class ScanOutcome(_Message):
    """
    What a bot needs to know of a report: everything but the prices and the matrices.

    Parameters
    ----------
    settings : ScanSettings
        Of the scan.
    timeframe, candle_ms :
        Of the candles.
    markets : int
        That took part.
    discovery, confirmation : Span or None
        Dates of both parts.
    screen, funnel, null_funnel :
        As in the report.
    cards, retests : tuple
        As in the report.
    """

    settings: ScanSettings
    timeframe: str
    candle_ms: Annotated[int, Field(gt=0)]
    markets: Annotated[int, Field(ge=0)]
    discovery: Span | None
    confirmation: Span | None
    screen: str
    funnel: Funnel
    null_funnel: Funnel | None = None
    cards: tuple[SpreadCard, ...]
    retests: tuple[Retest, ...]

    @classmethod
    def of(cls, report: ScanReport) -> Self:
        """Take the parts of a report."""
        return cls(
            settings=report.settings,
            timeframe=report.universe.timeframe,
            candle_ms=report.universe.candle_ms,
            markets=len(report.universe.markets),
            discovery=report.discovery,
            confirmation=report.confirmation,
            screen=report.screen,
            funnel=report.funnel,
            null_funnel=report.null_funnel,
            cards=report.cards,
            retests=report.retests,
        )

    def report(self) -> ScanReport:
        """Rebuild the report, without prices and matrices."""
        nothing = np.empty((0, 0))
        universe = Universe(
            timeframe=self.timeframe,
            candle_ms=self.candle_ms,
            markets=(),
            time_ms=np.empty(0, dtype=np.int64),
            log_prices=nothing,
            daily_volume=np.empty(0),
        )
        return ScanReport(
            settings=self.settings,
            universe=universe,
            discovery=self.discovery,
            confirmation=self.confirmation,
            stationary=(),
            twins=(),
            screen=self.screen,
            funnel=self.funnel,
            null_funnel=self.null_funnel,
            pvalues=nothing,
            qvalues=nothing,
            cards=self.cards,
            retests=self.retests,
        )

    @property
    def chosen_by_chance(self) -> int:
        """Spreads that the null scan chose, where there is nothing to find."""
        return self.null_funnel.count(Stage.CHOSEN) if self.null_funnel is not None else 0

    def knows(self, spec: SpreadSpec) -> bool:
        """Whether the spread was tested again, or chosen, in this scan."""
        tested = [(test.leg_a, test.leg_b) for test in self.retests]
        chosen = [(card.fit.leg_a, card.fit.leg_b) for card in self.cards]
        return any(set(legs) == set(spec.markets) for legs in (*tested, *chosen))


class ScanAnswer(_Message):
    """What the process that scans answers: an outcome, or why the scan was refused."""

    due_ms: int
    outcome: ScanOutcome | None = None
    refused: str = ""

    def render(self) -> str:
        """Write as one line of JSON."""
        return self.model_dump_json()

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read what `render` has written.

        Raises
        ------
        ConfigError
            If it is anything else.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            place = ".".join(map(str, problem["loc"]))
            raise ConfigError(f"unreadable answer of the scan: {place}: {problem['msg']}") from None


def due_moment(now_ms: int, *, every_ms: int, done_ms: int) -> int | None:
    """
    Say which scan is due: the last whole multiple of the interval, unless it has been made.

    Parameters
    ----------
    now_ms : int
        The time.
    every_ms : int
        Time between two scans.
    done_ms : int
        When the last scan was begun. Not when the book was made: that may have been on old data.

    Examples
    --------
    >>> due_moment(250, every_ms=100, done_ms=199), due_moment(250, every_ms=100, done_ms=200)
    (200, None)
    """
    moment = now_ms // every_ms * every_ms
    return moment if moment > done_ms else None


def merge_histories(older: MarketHistory, newer: MarketHistory) -> MarketHistory:
    """
    Put candles of two sources together; where both have a candle, `newer` is right.

    Raises
    ------
    ValueError
        If the arrays of a history have different lengths.
    """
    for each in (older, newer):
        if not len(each.time_ms) == len(each.close) == len(each.quote_volume):
            raise ValueError(f"{each.market}: arrays of different lengths")
    own = ~np.isin(older.time_ms, newer.time_ms)
    return MarketHistory(
        market=newer.market,
        time_ms=np.concatenate([older.time_ms[own], newer.time_ms]),
        close=np.concatenate([older.close[own], newer.close]),
        quote_volume=np.concatenate([older.quote_volume[own], newer.quote_volume]),
        listed_ms=older.listed_ms,
    )


def why_unusable(universe: Universe, *, due_ms: int, max_age_ms: int) -> str:
    """
    Say why no book should be made on these data; empty where one may.

    A scan on stale or missing data would fail every spread of the book: better none.
    """
    if len(universe.markets) < 2:
        kinds = Counter(str(refusal.reason) for refusal in universe.refusals)
        why = ", ".join(f"{reason} ({count})" for reason, count in kinds.most_common())
        return f"{len(universe.markets)} market(s) can be scanned: {why or 'no market is named'}"
    age_ms = due_ms - (int(universe.time_ms[-1]) + universe.candle_ms)
    if age_ms > max_age_ms:
        return (
            f"the newest candle closed {age_ms / 3_600_000:.1f} h before, "
            f"allowed are {max_age_ms / 3_600_000:g} h"
        )
    return ""


def cooling_spreads(
    specs: Iterable[SpreadSpec], cooling: Sequence[Cooling], now: datetime
) -> frozenset[str]:
    """Ids of spreads that take no entries, because they failed a re-test not long ago."""
    cold = {each.markets for each in cooling if each.until > now}
    return frozenset(spec.spread_id for spec in specs if frozenset(spec.markets) in cold)


_COOLING: TypeAdapter[Any] = TypeAdapter(tuple[Cooling, ...])


def render_cooling(cooling: Sequence[Cooling]) -> str:
    """Write as JSON, to outlive a restart."""
    return str(_COOLING.dump_json(tuple(cooling), indent=2).decode()) + "\n"


def parse_cooling(text: str, *, source: str) -> tuple[Cooling, ...]:
    """
    Read what `render_cooling` has written.

    Raises
    ------
    ConfigError
        If it is anything else; it names the source.
    """
    try:
        return tuple(_COOLING.validate_json(text))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise ConfigError(f"{source}: {problem['msg']}") from None
