"""What a new report means for the spreads of the book in use."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.scanner._book_rows import to_spec
from freqtrade_ext.scanner._cards import Retest, SpreadCard
from freqtrade_ext.scanner._funnel import Stage
from freqtrade_ext.scanner._report import ScanReport
from freqtrade_ext.spreads import SpreadBook, SpreadSpec

__all__ = [
    "BookReview",
    "Cooling",
    "Verdict",
    "cool_down",
    "judge_spreads",
    "review_book",
]

_NEXT_SCAN: Final = datetime(9999, 12, 31, tzinfo=UTC)

_SET_BY_HAND: Final = (
    "spread_id",
    "z_score_threshold",
    "z_exit",
    "stop_loss_z",
    "mean_reversion_window",
    "max_holding",
)


@dataclass(frozen=True, slots=True)
class Cooling:
    """
    Two markets that may not come back as a spread before a moment.

    Those that could not be tested wait for the next scan, whenever it comes.
    """

    leg_a: str
    leg_b: str
    until: datetime

    @classmethod
    def for_next_scan(cls, leg_a: str, leg_b: str) -> Self:
        """Two markets that could not be tested."""
        return cls(leg_a, leg_b, _NEXT_SCAN)

    @property
    def markets(self) -> frozenset[str]:
        """Both legs, in no order."""
        return frozenset((self.leg_a, self.leg_b))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a spread takes no entries (empty: it does), and whether it could be tested."""

    why: str = ""
    tested: bool = True

    @property
    def failed(self) -> bool:
        """Whether it was tested, and did not pass."""
        return self.tested and bool(self.why)


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
    untested : tuple of str
        Ids that could not be tested: in the book as they were, **no entries until the next scan**.
    cooling : tuple of Cooling
        Who may not come back, and until when; to be handed to the next review.
    reasons : tuple of (str, str)
        Id and sentence for everything that failed or could not be tested, and for every new
        spread that was turned away.
    """

    book: SpreadBook
    staying: tuple[str, ...]
    new: tuple[str, ...]
    winding_down: tuple[str, ...]
    retired: tuple[str, ...]
    untested: tuple[str, ...]
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
    so its own p-value at ``settings.retest_pvalue`` decides. A spread that cannot be tested takes
    no entries, which is the safe side, but is neither retired nor cooled: a file that was being
    written says nothing about the spread. A spread that is chosen again gets its new coefficients
    unless it is open; its bands, window and longest holding time stay.

    Where the null scan chose a spread, where there is nothing to find, nothing new comes in.
    """
    opened = frozenset(open_ids)
    verdicts = judge_spreads(book.spreads, report)
    kept = tuple(
        row if verdicts[row.spread_id].why or row.spread_id in opened else renewed
        for row, renewed in zip(book.spreads, _renewed(book.spreads, report, now), strict=True)
        if not verdicts[row.spread_id].failed or row.spread_id in opened
    )
    failed = [row for row in book.spreads if verdicts[row.spread_id].failed]
    still = cool_down(cooling, failed, now=now, days=report.settings.cooling_days)
    new, turned_away = _newcomers(report, kept, still, now)
    return BookReview(
        book=book.model_copy(
            update={
                "created_at": now,
                "family_size": report.family_size,
                "spreads": (*kept, *new),
            }
        ),
        staying=tuple(name for name, verdict in verdicts.items() if not verdict.why),
        new=tuple(row.spread_id for row in new),
        winding_down=tuple(row.spread_id for row in failed if row.spread_id in opened),
        retired=tuple(row.spread_id for row in failed if row.spread_id not in opened),
        untested=tuple(name for name, verdict in verdicts.items() if not verdict.tested),
        cooling=still,
        reasons=(*((name, each.why) for name, each in verdicts.items() if each.why), *turned_away),
    )


def judge_spreads(rows: Iterable[SpreadSpec], report: ScanReport) -> dict[str, Verdict]:
    """
    Say of each spread whether it may be entered, by its id.

    Raises
    ------
    IllegalRequest
        If a spread was neither chosen nor re-tested.
    """
    found = _found(report)
    return {
        row.spread_id: Verdict()
        if frozenset(row.markets) in found
        else _verdict(_retest_of(row, report), report.settings.retest_pvalue)
        for row in rows
    }


def cool_down(
    cooling: Sequence[Cooling], failed: Iterable[SpreadSpec], *, now: datetime, days: float
) -> tuple[Cooling, ...]:
    """Add spreads that have failed; leave out what has cooled or waited for this scan."""
    until = now + timedelta(days=days)
    fresh = tuple(Cooling(row.leg_a, row.leg_b, until) for row in failed)
    again = {each.markets for each in fresh}
    still = (
        each for each in cooling if now < each.until < _NEXT_SCAN and each.markets not in again
    )
    return (*still, *fresh)


def _verdict(test: Retest, level: float) -> Verdict:
    if test.reason or math.isnan(test.pvalue):
        reason = test.reason or "the test has no result"
        return Verdict(f"could not be tested again: {reason}", tested=False)
    if test.pvalue > level:
        return Verdict(f"re-test: p-value {test.pvalue:.3g} is above {level:g}")
    return Verdict()


def _found(report: ScanReport) -> Mapping[frozenset[str], SpreadCard]:
    return {frozenset((card.fit.leg_a, card.fit.leg_b)): card for card in report.cards}


def _retest_of(row: SpreadSpec, report: ScanReport) -> Retest:
    for test in report.retests:
        if {test.leg_a, test.leg_b} == set(row.markets):
            return test
    raise IllegalRequest(f"{row.spread_id} has not been tested again: name it in `standing`")


def _renewed(rows: Iterable[SpreadSpec], report: ScanReport, now: datetime) -> Iterator[SpreadSpec]:
    """Give rows that were chosen again what was measured anew; what a person may set stays."""
    found = _found(report)
    for row in rows:
        card = found.get(frozenset(row.markets))
        if card is None or row.hedge_space != "log":  # a scan measures in log space
            yield row
        else:
            own = {name: getattr(row, name) for name in _SET_BY_HAND}
            yield to_spec(card, report, now=now, options=own)


def _newcomers(
    report: ScanReport, kept: Sequence[SpreadSpec], cooling: Sequence[Cooling], now: datetime
) -> tuple[tuple[SpreadSpec, ...], tuple[tuple[str, str], ...]]:
    """Cards whose markets are free, as far as there is room."""
    rows: list[SpreadSpec] = list(kept)
    turned_away: list[tuple[str, str]] = []
    chance = report.null_funnel.count(Stage.CHOSEN) if report.null_funnel is not None else 0
    for card in report.cards:
        legs = frozenset((card.fit.leg_a, card.fit.leg_b))
        if any(legs == frozenset(row.markets) for row in kept):
            continue
        rival = next((row.spread_id for row in rows if legs & set(row.markets)), None)
        cold = next((each.until for each in cooling if each.markets == legs), None)
        if chance:
            why = f"the null scan chose {chance} spread(s), where there is nothing to find"
            turned_away.append((card.spread_id, why))
        elif cold is not None:
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
