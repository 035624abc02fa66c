"""
What a new report means for the book in use.

Planted bugs that turn this file red: an open spread's row renewed; a failed open spread taken out
of the book; a failed flat one kept; the cooling period forgotten, or applied to other markets; a
newcomer with a leg that is in use; more spreads than the limit; a spread judged by the family's
q-value; a spread that was not tested again let through; one that could not be tested retired;
bands set by hand overwritten; newcomers although the null scan found something.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.scanner import (
    Cooling,
    Funnel,
    FunnelStep,
    Retest,
    Stage,
    review_book,
    to_book,
)

from .doubles import card, fit, report, settings

NOW = datetime(2024, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
AB, CD, EF = (card(f"{a}/USDT", f"{b}/USDT") for a, b in ("AB", "CD", "EF"))
BOOK = to_book(report(AB, CD), now=NOW)


def retest(a: str, b: str, pvalue: float, reason: str = "") -> Retest:
    return Retest(f"{a}/USDT", f"{b}/USDT", -4.0, pvalue, 1.0, 0.0, 9.0, reason)


def reviewed(new_report, *, book=BOOK, **options):
    return review_book(book, new_report, now=LATER, **options)


def ids(book) -> list[str]:
    return [row.spread_id for row in book.spreads]


def test_what_passes_the_retest_stays_as_it_is():
    review = reviewed(report(retests=(retest("A", "B", 0.05), retest("C", "D", 0.01))))
    assert review.staying == ("A-B", "C-D")
    assert review.book.spreads == BOOK.spreads
    assert (review.new, review.retired, review.winding_down, review.cooling) == ((), (), (), ())
    assert review.book.created_at == LATER
    assert review.book.family_size == 40


def test_what_fails_while_flat_is_retired_and_cools():
    review = reviewed(report(retests=(retest("A", "B", 0.051), retest("C", "D", 0.01))))
    assert ids(review.book) == ["C-D"]
    assert review.retired == ("A-B",)
    assert review.cooling == (Cooling("A/USDT", "B/USDT", LATER + timedelta(days=7)),)
    assert review.reasons == (("A-B", "re-test: p-value 0.051 is above 0.05"),)


def test_what_fails_while_open_winds_down_with_its_old_coefficients():
    tests = (retest("A", "B", 0.9), retest("C", "D", 0.01))
    review = reviewed(report(retests=tests), open_ids=["A-B"])
    assert review.book.spreads == BOOK.spreads
    assert review.winding_down == ("A-B",)
    assert (review.retired, review.staying) == ((), ("C-D",))
    assert review.cooling[0].markets == {"A/USDT", "B/USDT"}


@pytest.mark.parametrize("opened", [[], ["A-B"]])
@pytest.mark.parametrize("reason", ["B/USDT: no data", ""])
def test_what_cannot_be_tested_stays_without_entries(reason, opened):
    tests = (retest("A", "B", float("nan"), reason), retest("C", "D", 0.01))
    review = reviewed(report(retests=tests), open_ids=opened)
    assert review.untested == ("A-B",)
    assert (review.staying, review.retired, review.winding_down) == (("C-D",), (), ())
    assert review.cooling == ()
    assert review.book.spreads == BOOK.spreads
    sentence = reason or "the test has no result"
    assert review.reasons == (("A-B", f"could not be tested again: {sentence}"),)


def test_what_waited_for_a_scan_has_waited():
    waiting = (Cooling.for_next_scan("A/USDT", "B/USDT"),)
    assert reviewed(report(AB, CD), cooling=waiting).cooling == ()


def test_what_fails_twice_cools_from_the_second_time():
    before = (Cooling("B/USDT", "A/USDT", LATER + timedelta(days=3)),)
    tests = (retest("A", "B", 0.9), retest("C", "D", 0.01))
    review = reviewed(report(retests=tests), cooling=before)
    assert review.cooling == (Cooling("A/USDT", "B/USDT", LATER + timedelta(days=7)),)


def test_what_a_person_may_set_survives_a_renewal():
    own = {
        "z_score_threshold": 2.5,
        "z_exit": 0.1,
        "stop_loss_z": 3.0,
        "mean_reversion_window": 80,
        "max_holding": 12,
    }
    rows = (BOOK.spreads[0].model_copy(update=own), BOOK.spreads[1])
    again = card("A/USDT", "B/USDT", fit=fit("A/USDT", "B/USDT", hedge_ratio=2.0))
    renewed = reviewed(report(again, CD), book=BOOK.model_copy(update={"spreads": rows}))
    row = renewed.book.get("A-B")
    assert {name: getattr(row, name) for name in own} == own
    assert (row.hedge_ratio, row.last_updated) == (2.0, LATER)


def test_a_row_in_price_space_is_not_given_coefficients_of_log_space():
    row = BOOK.spreads[0].model_copy(update={"hedge_space": "price"})
    book = BOOK.model_copy(update={"spreads": (row, BOOK.spreads[1])})
    assert reviewed(report(AB, CD), book=book).book.get("A-B") == row


def test_nothing_comes_in_where_the_null_scan_chose_something():
    chance = report().funnel
    review = reviewed(report(AB, CD, EF, null_funnel=chance))
    assert (review.new, review.staying) == ((), ("A-B", "C-D"))
    sentence = "the null scan chose 40 spread(s), where there is nothing to find"
    assert review.reasons == (("E-F", sentence),)
    none = Funnel(tuple(FunnelStep(stage, 0) for stage in Stage), 0, 2.0)
    assert reviewed(report(AB, CD, EF, null_funnel=none)).new == ("E-F",)


def test_what_is_chosen_again_is_renewed_unless_it_is_open():
    again = card("B/USDT", "A/USDT", fit=fit("B/USDT", "A/USDT", hedge_ratio=2.0))
    new_report = report(again, retests=(retest("C", "D", 0.01),))
    renewed = reviewed(new_report).book.get("A-B")
    assert (renewed.leg_a, renewed.hedge_ratio, renewed.last_updated) == ("B/USDT", 2.0, LATER)
    assert reviewed(new_report, open_ids=["A-B"]).book.spreads == BOOK.spreads


def test_a_spread_that_was_not_tested_again_is_a_mistake_of_the_caller():
    with pytest.raises(
        IllegalRequest, match="C-D has not been tested again: name it in `standing`"
    ):
        reviewed(report(AB))


def test_newcomers_join_where_their_markets_are_free():
    rival = card("D/USDT", "G/USDT")
    review = reviewed(report(AB, CD, rival, EF))
    assert ids(review.book) == ["A-B", "C-D", "E-F"]
    assert review.new == ("E-F",)
    assert review.reasons == (("D-G", "a leg is in C-D, which is in the book"),)


def test_a_market_that_winds_down_is_not_free():
    tests = (retest("A", "B", 0.9), retest("C", "D", 0.01))
    review = reviewed(report(card("B/USDT", "G/USDT"), retests=tests), open_ids=["A-B"])
    assert review.new == ()


def test_newcomers_stop_at_the_limit():
    review = reviewed(report(AB, CD, EF, settings=settings(max_spreads=2)))
    assert ids(review.book) == ["A-B", "C-D"]
    assert review.reasons == (("E-F", "the book has 2 spreads already"),)


def test_a_retired_spread_comes_back_after_it_has_cooled():
    cooling = (Cooling("F/USDT", "E/USDT", LATER + timedelta(hours=1)),)
    review = reviewed(report(AB, CD, EF), cooling=cooling)
    assert review.new == ()
    assert review.cooling == cooling
    assert review.reasons == (("E-F", "retired, may come back after 2024-03-02"),)
    past = (Cooling("F/USDT", "E/USDT", LATER),)
    review = reviewed(report(AB, CD, EF), cooling=past)
    assert (review.new, review.cooling) == (("E-F",), ())


def test_another_spread_of_a_retired_market_need_not_cool():
    cooling = (Cooling("E/USDT", "Z/USDT", LATER + timedelta(days=1)),)
    assert reviewed(report(AB, CD, EF), cooling=cooling).new == ("E-F",)


def test_a_newcomer_with_a_name_that_is_taken_gets_another():
    same_name = card("A/USDT:USDT", "B/USDT:USDT", spread_id="A-B")
    review = reviewed(report(AB, CD, same_name))
    assert ids(review.book) == ["A-B", "C-D", "A-B-2"]


def test_an_empty_book_takes_the_cards():
    empty = to_book(report(), now=NOW)
    assert ids(reviewed(report(AB, CD), book=empty).book) == ["A-B", "C-D"]


@given(
    pvalues=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    opened=st.sets(st.sampled_from(["A-B", "C-D"])),
    extra=st.lists(st.sampled_from([EF, card("B/USDT", "G/USDT"), AB]), max_size=3, unique_by=id),
)
def test_nothing_is_lost_and_no_market_is_twice_in_the_book(pvalues, opened, extra):
    tests = (retest("A", "B", pvalues[0]), retest("C", "D", pvalues[1]))
    review = reviewed(report(*extra, retests=tests), open_ids=opened)
    parts = [*review.staying, *review.winding_down, *review.retired]
    assert sorted(parts) == ["A-B", "C-D"]
    assert set(ids(review.book)) == {*review.staying, *review.winding_down, *review.new}
    assert opened <= set(ids(review.book))
    used = [market for row in review.book.spreads for market in row.markets]
    assert len(used) == len(set(used))
    for row in BOOK.spreads:
        if row.spread_id in opened:
            assert review.book.get(row.spread_id) == row
