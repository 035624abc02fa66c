"""What a new report means for the spreads of the book in use."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.scanner._book_rows import to_spec
from freqtrade_ext.scanner._cards import Retest, SpreadCard
from freqtrade_ext.scanner._report import ScanReport
from freqtrade_ext.spreads import SpreadBook, SpreadSpec

__all__ = ["BookReview", "Cooling", "review_book"]


@dataclass(frozen=True, slots=True)
class Cooling:
    """Two markets that may not come back as a spread before a moment."""

    leg_a: str
    leg_b: str
    until: datetime

    @property
    def markets(self) -> frozenset[str]:
        """Both legs, in no order."""
        return frozenset((self.leg_a, self.leg_b))


@dataclass(frozen=True, slots=True)
class BookReview:
    """
    Outcome of a review.

    Parameters
    ----------
    book : SpreadBook
        To be used from now on: what stays, what is winding down, what is new.
    staying, new : tuple of str
        Ids of spreads that passed the re-test, and of spreads that come in.
    winding_down : tuple of str
        Ids that failed while open: still in the book with unchanged coefficients, left by their
        own exit rules, **no new entries**.
    retired : tuple of str
        Ids that failed and are flat: no longer in the book.
    cooling : tuple of Cooling
        Who may not come back, and until when; to be handed to the next review.
    reasons : tuple of (str, str)
        Id and sentence for everything that failed and for every new spread that was turned away.
    """

    book: SpreadBook
    staying: tuple[str, ...]
    new: tuple[str, ...]
    winding_down: tuple[str, ...]
    retired: tuple[str, ...]
    cooling: tuple[Cooling, ...]
    reasons: tuple[tuple[str, str], ...]


def review_book(
    book: SpreadBook,
    report: ScanReport,
    *,
    now: datetime,
    open_ids: Iterable[str] = (),
    cooling: Sequence[Cooling] = (),
) -> BookReview:
    """
    Decide which spreads stay, are retired, or come in.

    Parameters
    ----------
    book : SpreadBook
        In use.
    report : ScanReport
        Of a scan to which ``standing`` named every spread of `book`.
    now : datetime
        Time of the review, UTC.
    open_ids : iterable of str
        Spreads with a position: their rows are not touched.
    cooling : sequence of Cooling
        From the previous review.

    Returns
    -------
    BookReview

    Raises
    ------
    IllegalRequest
        If a spread of the book was neither chosen nor re-tested.

    Notes
    -----
    A spread of the book need not be found again among thousands: its hypothesis was named before,
    so its own p-value at ``settings.retest_pvalue`` decides. A spread that cannot be tested fails:
    no new entries is the safe side. A spread that is chosen again gets its new coefficients unless
    it is open.
    """
    opened = frozenset(open_ids)
    found = {frozenset((card.fit.leg_a, card.fit.leg_b)): card for card in report.cards}
    verdicts = [(row, _failure(row, report, found)) for row in book.spreads]
    kept = tuple(
        _renewed(row, found, report, now) if not failure and row.spread_id not in opened else row
        for row, failure in verdicts
        if not failure or row.spread_id in opened
    )
    failed = [(row, failure) for row, failure in verdicts if failure]
    until = now + timedelta(days=report.settings.cooling_days)
    still = tuple(each for each in cooling if each.until > now)
    still += tuple(Cooling(row.leg_a, row.leg_b, until) for row, _ in failed)
    new, turned_away = _newcomers(report, kept, still, now)
    return BookReview(
        book=book.model_copy(
            update={
                "created_at": now,
                "family_size": report.family_size,
                "spreads": (*kept, *new),
            }
        ),
        staying=tuple(row.spread_id for row, failure in verdicts if not failure),
        new=tuple(row.spread_id for row in new),
        winding_down=tuple(row.spread_id for row, _ in failed if row.spread_id in opened),
        retired=tuple(row.spread_id for row, _ in failed if row.spread_id not in opened),
        cooling=still,
        reasons=(*((row.spread_id, failure) for row, failure in failed), *turned_away),
    )


def _failure(row: SpreadSpec, report: ScanReport, found: dict[frozenset[str], SpreadCard]) -> str:
    """Say why a spread fails, or return nothing."""
    if frozenset(row.markets) in found:
        return ""
    test = _retest_of(row, report)
    if test.reason:
        return f"could not be tested again: {test.reason}"
    if not test.pvalue <= report.settings.retest_pvalue:
        return f"re-test: p-value {test.pvalue:.3g} is above {report.settings.retest_pvalue:g}"
    return ""


def _retest_of(row: SpreadSpec, report: ScanReport) -> Retest:
    for test in report.retests:
        if {test.leg_a, test.leg_b} == set(row.markets):
            return test
    raise IllegalRequest(f"{row.spread_id} has not been tested again: name it in `standing`")


def _renewed(
    row: SpreadSpec,
    found: dict[frozenset[str], SpreadCard],
    report: ScanReport,
    now: datetime,
) -> SpreadSpec:
    card = found.get(frozenset(row.markets))
    if card is None:
        return row
    return to_spec(card, report, now=now, options={"spread_id": row.spread_id})


def _newcomers(
    report: ScanReport, kept: Sequence[SpreadSpec], cooling: Sequence[Cooling], now: datetime
) -> tuple[tuple[SpreadSpec, ...], tuple[tuple[str, str], ...]]:
    """Cards whose markets are free, as far as there is room."""
    rows: list[SpreadSpec] = list(kept)
    turned_away: list[tuple[str, str]] = []
    for card in report.cards:
        legs = frozenset((card.fit.leg_a, card.fit.leg_b))
        if any(legs == frozenset(row.markets) for row in kept):
            continue
        rival = next((row.spread_id for row in rows if legs & set(row.markets)), None)
        cold = next((each.until for each in cooling if each.markets == legs), None)
        if cold is not None:
            turned_away.append((card.spread_id, f"retired, may come back after {cold:%Y-%m-%d}"))
        elif rival is not None:
            turned_away.append((card.spread_id, f"a leg is in {rival}, which is in the book"))
        elif len(rows) >= report.settings.max_spreads:
            turned_away.append((card.spread_id, f"the book has {len(rows)} spreads already"))
        else:
            spread_id = _free_id(card.spread_id, {row.spread_id for row in rows})
            rows.append(to_spec(card, report, now=now, options={"spread_id": spread_id}))
    return tuple(rows[len(kept) :]), tuple(turned_away)


def _free_id(wanted: str, taken: set[str]) -> str:
    number = 2
    free = wanted
    while free in taken:
        free, number = f"{wanted}-{number}", number + 1
    return free
