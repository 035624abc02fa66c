"""The book of a bot that trades, renewed by scans in the background.

What a scan means for the book is decided by `review_book`. This module knows when the bot can take
a new book over, where it is saved, and what Freqtrade must be told.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from freqtrade.enums import CandleType

from freqtrade_ext.adapters._background_scan import BackgroundScan
from freqtrade_ext.adapters._callbacks import answer_on_error
from freqtrade_ext.adapters._candles import market_history
from freqtrade_ext.adapters._leg_markets import LegMarkets
from freqtrade_ext.adapters._moments import from_ms
from freqtrade_ext.adapters._scan_job import ScanJob
from freqtrade_ext.adapters._spread_view import SpreadView
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.files import replace_file
from freqtrade_ext.scanner import (
    BookReview,
    Cooling,
    ScanAnswer,
    ScanOutcome,
    ScanSection,
    cool_down,
    cooling_spreads,
    due_moment,
    judge_spreads,
    parse_cooling,
    render_cooling,
    review_book,
)
from freqtrade_ext.spreads import SpreadBook, SpreadSpec, load_book, save_book

__all__ = ["BookRenewal", "Host"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Host:
    """
    What a renewal needs of the running strategy.

    Parameters
    ----------
    provider : DataProvider
        Freqtrade's.
    config : mapping
        Freqtrade's configuration.
    timeframe : str
        Of the candles.
    view : SpreadView
        That trades the book.
    markets : LegMarkets
        Limits and fees of legs.
    open_spreads : callable
        Ids of the spreads that are not flat.
    is_at_rest : callable
        Whether no order is in flight and every spread is whole or flat.
    learn : callable
        Reads limits and fees of further markets into `markets`.
    check : callable
        Raises ConfigError if the bands of these rows cannot be traded.
    searched : callable
        Markets of the universe.
    """

    provider: Any
    config: Mapping[str, Any]
    timeframe: str
    view: SpreadView
    markets: LegMarkets
    open_spreads: Callable[[], frozenset[str]]
    is_at_rest: Callable[[], bool]
    learn: Callable[[Iterable[str]], None]
    check: Callable[[Mapping[str, SpreadSpec]], None]
    searched: Callable[[], Sequence[str]]


class BookRenewal:
    """
    Scans when it is due, and lets the book follow.

    Parameters
    ----------
    path : Path
        The spread book.
    settings : ScanSection
        When, within which bounds, and what a scan demands.
    host : Host
        The strategy.
    scan : BackgroundScan, optional
        The process that scans.
    """

    def __init__(
        self,
        path: Path,
        settings: ScanSection,
        host: Host,
        *,
        scan: BackgroundScan | None = None,
    ) -> None:
        self._path = path
        self._settings = settings
        self._host = host
        self._scan = scan or BackgroundScan(settings.time_limit_minutes * 60)
        self._begun_ms = 0
        self._outcome: ScanOutcome | None = None
        self._waits = False
        self._known_cooling: tuple[Cooling, ...] | None = None  # None: the file has not been read

    @property
    def cooling_path(self) -> Path:
        """File of the spreads that have failed and may not come back yet."""
        return self._path.with_name(self._path.name + ".cooling")

    def restore(self, now_ms: int) -> None:
        """Go on where an earlier run was: spreads that failed take no entries."""
        view = self._host.view
        barred = cooling_spreads(view.specs.values(), self._cooling(), from_ms(now_ms))
        view.bar(barred)
        for spread_id in sorted(barred):
            logger.info("[STRATEGY] %s did not pass its last re-test: no entries", spread_id)

    @answer_on_error(None)
    def loop(self, now_ms: int) -> None:
        """Do what is due; takes milliseconds, except for a large universe's candles."""
        answer = self._scan.poll()
        if answer is not None:
            self._hear(answer, now_ms)
        if self._outcome is not None:
            self._take_over(self._outcome, now_ms)
        if not self._scan.is_running:
            self._start_if_due(now_ms)

    def end(self) -> None:
        """End a scan that runs."""
        self._scan.stop()

    # The scan

    def _start_if_due(self, now_ms: int) -> None:
        every_ms = round(self._settings.refit_every_hours * 3_600_000)
        due_ms = due_moment(now_ms, every_ms=every_ms, done_ms=self._begun_ms)
        if due_ms is None:
            return
        self._begun_ms = due_ms  # whatever comes of it, not again before the next moment
        book = self._loaded()
        if book is None:
            return
        standing = self._standing(book)
        markets = sorted({*self._host.searched(), *(leg for legs in standing for leg in legs)})
        job = self._job(due_ms, markets, standing)
        if self._scan.start(job, self._newest(markets)):
            logger.info(
                "[STRATEGY] scan of %d market(s) up to %s begins in the background",
                len(markets),
                f"{from_ms(due_ms):%Y-%m-%d %H:%M}",
            )

    def _standing(self, book: SpreadBook) -> tuple[tuple[str, str], ...]:
        """Spreads of the file, of the book in force, and of an outcome that waits."""
        rows = (*book.spreads, *self._host.view.specs.values())
        cards = self._outcome.cards if self._outcome is not None else ()
        coming = ((card.fit.leg_a, card.fit.leg_b) for card in cards)
        return tuple(dict.fromkeys((*(row.markets for row in rows), *coming)))

    def _job(
        self, due_ms: int, markets: Sequence[str], standing: tuple[tuple[str, str], ...]
    ) -> ScanJob:
        config = self._host.config
        return ScanJob(
            due_ms=due_ms,
            timeframe=self._host.timeframe,
            data=str(config["datadir"]),
            data_format=config.get("dataformat_ohlcv", "feather"),
            candle_type=str(CandleType.get_default(config.get("trading_mode", "futures")).value),
            markets=tuple(markets),
            standing=standing,
            excluded=self._to_be_delisted(markets),
            settings=self._settings.search,
            max_age_ms=round(self._settings.max_data_age_hours * 3_600_000),
            memory_mb=self._settings.memory_mb,
        )

    def _to_be_delisted(self, markets: Sequence[str]) -> dict[str, str]:
        """Futures that the exchange will take off: they are in no scan, and so in no new book."""
        if self._host.config.get("trading_mode") != "futures":
            return {}  # spot: a request to the exchange for each market; entries ask for their own
        ends = ((market, self._host.provider.check_delisting(market)) for market in markets)
        return {market: f"to be delisted {end:%Y-%m-%d %H:%M}" for market, end in ends if end}

    def _newest(self, markets: Sequence[str]) -> list[Any]:
        """Candles that the bot has: newer than the files, but few."""
        frames = (
            (market, self._host.provider.ohlcv(market, self._host.timeframe, copy=False))
            for market in markets
        )
        return [market_history(market, frame) for market, frame in frames if len(frame)]

    def _hear(self, answer: ScanAnswer, now_ms: int) -> None:
        """Keep the outcome instead of one that waits; what it says against entries holds now."""
        if answer.outcome is None:
            logger.error(
                "[STRATEGY] the scan is refused: %s; the book stays as it is; bring the files up "
                "to date with: freqtrade download-data -c config.json --timeframes %s",
                answer.refused,
                self._host.timeframe,
            )
            return
        self._outcome, self._waits = answer.outcome, False
        logger.info(
            "[STRATEGY] scan: %s",
            ", ".join(f"{step.stage} {step.count}" for step in answer.outcome.funnel.steps),
        )
        if answer.outcome.chosen_by_chance:
            logger.warning(
                "[STRATEGY] the null scan chose %d spread(s), where there is nothing to find: no "
                "new spread joins the book",
                answer.outcome.chosen_by_chance,
            )
        self._bar(answer.outcome, now_ms)

    def _bar(self, outcome: ScanOutcome, now_ms: int) -> None:
        """Take no entries of what did not pass: the new book may wait, or never be taken over."""
        view = self._host.view
        rows = {row.spread_id: row for row in view.specs.values() if outcome.knows(row)}
        verdicts = judge_spreads(rows.values(), outcome.report())
        untested = [rows[name] for name, verdict in verdicts.items() if not verdict.tested]
        failed = [rows[name] for name, verdict in verdicts.items() if verdict.failed]
        cooling = cool_down(
            self._cooling(), failed, now=from_ms(now_ms), days=outcome.settings.cooling_days
        )
        view.bar(row.spread_id for row in (*untested, *failed))
        try:
            self._remember(cooling, untested)
        except OSError as error:
            logger.error(
                "[STRATEGY] %s cannot be written (%s): a restart would forget which spreads take "
                "no entries",
                self.cooling_path,
                error,
            )

    # The book

    def _take_over(self, outcome: ScanOutcome, now_ms: int) -> None:
        if not self._host.is_at_rest():
            if not self._waits:
                logger.info("[STRATEGY] the new book waits until no order is in flight")
                self._waits = True
            return
        self._outcome = None
        book = self._loaded()
        if book is None:
            return
        book = self._with_open_rows(book)
        if strange := [row.spread_id for row in book.spreads if not outcome.knows(row)]:
            logger.warning(
                "[STRATEGY] the book was changed while the scan ran (%s is new); the scan's result "
                "is dropped",
                ", ".join(strange),
            )
            return
        self._put_in_force(book, outcome, now_ms)

    def _put_in_force(self, book: SpreadBook, outcome: ScanOutcome, now_ms: int) -> None:
        review = review_book(
            book,
            outcome.report(),
            now=from_ms(now_ms),
            open_ids=self._host.open_spreads(),
            cooling=self._cooling(),
        )
        review = self._without_unknown(review)
        if not self._is_saved(review):
            return
        specs = self._tradable(review)
        barred = cooling_spreads(specs.values(), review.cooling, from_ms(now_ms))
        barred = barred.union(review.winding_down, review.untested)
        self._host.view.take_over(specs, barred)
        self._host.view.keep_listed(set(self._host.markets.known))
        self._tell(review)

    def _with_open_rows(self, book: SpreadBook) -> SpreadBook:
        """
        Keep the rows of open spreads, whatever the file says now.

        Somebody may have removed such a row, exchanged its legs, or made the book anew, with the
        same markets under another name.
        """
        view = self._host.view.specs
        held = [view[name] for name in sorted(self._host.open_spreads()) if name in view]
        rows: dict[str, SpreadSpec] = {}
        for row in book.spreads:
            own = next((each for each in held if _is_same(each, row)), row)
            rows[own.spread_id] = own
        for each in held:
            rows.setdefault(each.spread_id, each)
        return book.model_copy(update={"spreads": tuple(rows.values())})

    def _without_unknown(self, review: BookReview) -> BookReview:
        """Leave out new spreads that the bot cannot trade."""
        specs = {row.spread_id: row for row in review.book.spreads}
        bad = {name: why for name in review.new if (why := self._obstacle(specs[name]))}
        for name, why in bad.items():
            logger.warning("[STRATEGY] %s does not join the book: %s", name, why)
        rows = tuple(row for row in review.book.spreads if row.spread_id not in bad)
        return replace(
            review,
            book=review.book.model_copy(update={"spreads": rows}),
            new=tuple(name for name in review.new if name not in bad),
        )

    def _tradable(self, review: BookReview) -> dict[str, SpreadSpec]:
        """
        Rows that the bot can follow; one that it cannot stays in the file, where a person set it.

        An open spread is followed in any case: its row is the one in force.
        """
        opened = self._host.open_spreads()
        specs: dict[str, SpreadSpec] = {}
        for row in review.book.spreads:
            why = "" if row.spread_id in opened else self._obstacle(row)
            if why:
                logger.error("[STRATEGY] %s is in the book, but not traded: %s", row.spread_id, why)
            else:
                specs[row.spread_id] = row
        return specs

    def _obstacle(self, spec: SpreadSpec) -> str:
        """Why the bot cannot trade a spread; empty where it can."""
        try:
            if not set(spec.markets) <= set(self._host.markets.known):
                self._host.learn(spec.markets)
            self._host.check({spec.spread_id: spec})
        except ConfigError as error:
            return str(error)
        absent = set(spec.markets) - set(self._host.markets.known)
        return f"the exchange does not list {', '.join(sorted(absent))}" if absent else ""

    def _is_saved(self, review: BookReview) -> bool:
        """Save cooling and book; whatever goes wrong leaves the book in force as it is."""
        try:
            rows = {row.spread_id: row for row in review.book.spreads}
            self._remember(review.cooling, [rows[name] for name in review.untested])
            save_book(review.book, self._path)
        except OSError as error:
            logger.error(
                "[STRATEGY] the new book cannot be written (%s); the one in force stays", error
            )
            return False
        return True

    def _tell(self, review: BookReview) -> None:
        reasons = dict(review.reasons)
        rows = {row.spread_id: row for row in review.book.spreads}
        whitelist = set(self._host.provider.current_whitelist())
        for name in review.new:
            logger.info("[STRATEGY] %s joins the book", name)
        for name in (*review.new, *review.staying):
            if absent := sorted(set(rows[name].markets) - whitelist):
                logger.warning(
                    "[STRATEGY] %s is in the book, but not entered: %s is not in the pair "
                    "whitelist of this run; add it and restart the bot",
                    name,
                    ", ".join(absent),
                )
        for name in review.winding_down:
            logger.warning(
                "[STRATEGY] %s takes no more entries and is left by its own exit rules: %s",
                name,
                reasons[name],
            )
        for name in review.untested:
            logger.warning(
                "[STRATEGY] %s takes no entries until the next scan: %s", name, reasons[name]
            )
        for name in review.retired:
            logger.warning("[STRATEGY] %s is retired: %s", name, reasons[name])
        logger.info(
            "[STRATEGY] book taken over: %d stay(s), %d new, %d winding down, %d retired, "
            "%d not tested",
            len(review.staying),
            len(review.new),
            len(review.winding_down),
            len(review.retired),
            len(review.untested),
        )

    def _loaded(self) -> SpreadBook | None:
        try:
            book = load_book(self._path)
            if book.timeframe != self._host.timeframe:
                raise ConfigError(f"{self._path}: timeframe: {book.timeframe!r} is not the bot's")
        except ConfigError as error:
            logger.error(
                "[STRATEGY] the spread book cannot be read; the one in force stays: %s", error
            )
            return None
        return book

    def _cooling(self) -> tuple[Cooling, ...]:
        """Who takes no entries; read once: after that the bot knows better than the file."""
        if self._known_cooling is None:
            self._known_cooling = self._cooling_of_the_file()
        return self._known_cooling

    def _cooling_of_the_file(self) -> tuple[Cooling, ...]:
        path = self.cooling_path
        try:
            return parse_cooling(path.read_text(encoding="utf-8"), source=str(path))
        except FileNotFoundError:
            return ()
        except (ConfigError, OSError, UnicodeDecodeError) as error:
            logger.error(
                "[STRATEGY] retired spreads are not known: %s; none of the book is entered until "
                "the next scan",
                error,
            )
        self._host.view.bar(self._host.view.specs)
        return ()

    def _remember(self, cooling: Sequence[Cooling], untested: Iterable[SpreadSpec]) -> None:
        """Know from now on who takes no entries, and after a restart, if the disk lets us."""
        waiting = (Cooling.for_next_scan(row.leg_a, row.leg_b) for row in untested)
        self._known_cooling = (*cooling, *waiting)
        replace_file(self.cooling_path, render_cooling(self._known_cooling).encode())


def _is_same(row: SpreadSpec, other: SpreadSpec) -> bool:
    """Whether two rows have one name, or the same two markets."""
    return row.spread_id == other.spread_id or set(row.markets) == set(other.markets)
