"""
Which spreads a scan would have chosen at each moment of the past, on the data before it.

Selections happen at fixed moments, whole multiples of the refit interval since 1 January 1970 UTC,
as the fits of `freqtrade_ext.spreads` do. A selection is a function of the candles of its window
alone: what was loaded before the window, or comes after the moment, changes nothing.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from freqtrade_ext.scanner._cards import SpreadCard
from freqtrade_ext.scanner._histories import MarketHistory
from freqtrade_ext.scanner._scan import scan_universe
from freqtrade_ext.scanner._settings import ScanSettings
from freqtrade_ext.scanner._universe import build_universe, timeframe_ms

__all__ = ["Selection", "SelectionCache", "SelectionPlan", "select_through_time", "walk_profile"]

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class SelectionPlan:
    """
    When and how spreads are selected.

    Parameters
    ----------
    timeframe : str
        Of the candles, e.g. ``1h``.
    refit_every_ms : int
        Time between two selections.
    settings : ScanSettings
        Of every scan; see `walk_profile`.
    """

    timeframe: str
    refit_every_ms: int
    settings: ScanSettings

    @property
    def window(self) -> int:
        """Candles that a selection looks at."""
        return self.settings.universe.window

    @property
    def reach(self) -> int:
        """Candles that a selection may touch: the window, and closes carried into it."""
        return self.window + self.settings.universe.max_carry_candles

    @property
    def startup_candles(self) -> int:
        """Candles needed before the first one that a selection can be in force for."""
        return self.reach + -(-self.refit_every_ms // timeframe_ms(self.timeframe))


@dataclass(frozen=True, slots=True)
class Selection:
    """The spreads chosen at one moment; in force until the next one."""

    time_ms: int
    cards: tuple[SpreadCard, ...]  # best first, no market twice
    markets: int  # that took part
    family_size: int  # combinations that were tested


@dataclass(slots=True)
class SelectionCache:
    """Selections by what they were made from; analyses of Freqtrade repeat them many times."""

    most: int = 5_000
    _known: OrderedDict[bytes, Selection] = field(default_factory=OrderedDict)
    made: int = 0

    def get(self, key: bytes, make: Callable[[], Selection]) -> Selection:
        """Return what was made from the same candles, or make it."""
        if key not in self._known:
            self._known[key] = make()
            self.made += 1
            if len(self._known) > self.most:
                self._known.popitem(last=False)
        return self._known[key]


def walk_profile(settings: ScanSettings, *, timeframe: str, window: int) -> ScanSettings:
    """
    Settings of a scan that is repeated at every refit of a backtest.

    No bootstrap (it takes most of the time) and no null scan (it selects nothing): everything
    else decides as in a single scan. A market with a full window is old enough, because its age
    would be counted from the first candle that happens to be loaded.

    Parameters
    ----------
    settings : ScanSettings
        Of a single scan.
    timeframe : str
        Of the candles.
    window : int
        Candles of each selection, discovery and confirmation together.

    Raises
    ------
    ConfigError
        If the timeframe has no fixed length.
    """
    days = window * timeframe_ms(timeframe) / _DAY_MS
    universe = settings.universe.model_copy(
        update={
            "window": window,
            "min_candles": min(settings.universe.min_candles, window),
            "min_listing_days": min(settings.universe.min_listing_days, days),
        }
    )
    bootstrap = settings.bootstrap.model_copy(update={"replications": 0})
    return settings.model_copy(
        update={"universe": universe, "bootstrap": bootstrap, "null_scan": False}
    )


def select_through_time(
    histories: Sequence[MarketHistory], plan: SelectionPlan, cache: SelectionCache | None = None
) -> Iterator[Selection]:
    """
    Select at every moment for which there is a full window of candles.

    Parameters
    ----------
    histories : sequence of MarketHistory
        Candles of all markets.
    plan : SelectionPlan
        When and how.
    cache : SelectionCache, optional
        Selections of earlier calls.

    Yields
    ------
    Selection
        Oldest first; also where nothing was chosen. The last one is the last moment that is
        followed by a candle.

    Raises
    ------
    ConfigError
        If the timeframe has no fixed length, or a library of the extra ``scan`` is missing.
    """
    ordered = [_ordered(history) for history in histories]
    known = SelectionCache() if cache is None else cache
    for moment_ms in _moments(ordered, plan):
        seen = [_seen(history, plan, moment_ms) for history in ordered]
        seen = [history for history in seen if len(history.time_ms)]
        yield known.get(_key(seen, plan, moment_ms), _Scan(seen, plan, moment_ms).run)


@dataclass(frozen=True, slots=True)
class _Scan:
    """One selection, not made yet."""

    histories: Sequence[MarketHistory]
    plan: SelectionPlan
    moment_ms: int

    def run(self) -> Selection:
        settings, timeframe = self.plan.settings, self.plan.timeframe
        universe = build_universe(
            self.histories, settings.universe, timeframe=timeframe, end_ms=self.moment_ms
        )
        if len(universe.time_ms) < self.plan.window:  # an outage of all markets, or no history
            return Selection(self.moment_ms, (), len(universe.markets), 0)
        # Matrices of two markets: threads cost more than they give, on a busy machine 50 times.
        with threadpool_limits(limits=1, user_api="blas"):
            report = scan_universe(universe, settings, seed=0)  # nothing in the profile is random
        return Selection(self.moment_ms, report.cards, len(universe.markets), report.family_size)


def _ordered(history: MarketHistory) -> MarketHistory:
    """By time, so that a stretch of it can be cut out; repeats are the scan's to judge."""
    order = np.argsort(history.time_ms, kind="stable")
    return replace(
        history,
        time_ms=history.time_ms[order],
        close=history.close[order],
        quote_volume=history.quote_volume[order],
    )


def _moments(histories: Sequence[MarketHistory], plan: SelectionPlan) -> range:
    """Whole multiples of the interval, with a full window before and a candle after them."""
    spans = [each.time_ms[[0, -1]].tolist() for each in histories if each.time_ms.size]
    if not spans:
        return range(0)
    step = plan.refit_every_ms
    earliest = min(first for first, _ in spans) + plan.window * timeframe_ms(plan.timeframe)
    return range(-(-earliest // step) * step, max(last for _, last in spans) + 1, step)


def _seen(history: MarketHistory, plan: SelectionPlan, moment_ms: int) -> MarketHistory:
    """Cut out what a selection may look at."""
    start_ms = moment_ms - plan.reach * timeframe_ms(plan.timeframe)
    low, high = np.searchsorted(history.time_ms, (start_ms, moment_ms))
    return replace(
        history,
        time_ms=history.time_ms[low:high],
        close=history.close[low:high],
        quote_volume=history.quote_volume[low:high],
    )


def _key(histories: Sequence[MarketHistory], plan: SelectionPlan, moment_ms: int) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{plan.timeframe} {moment_ms} {plan.settings.model_dump_json()}".encode())
    for history in histories:
        digest.update(f"{history.market} {history.listed_ms} {len(history.time_ms)}".encode())
        for column in (history.time_ms, history.close, history.quote_volume):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.digest()
