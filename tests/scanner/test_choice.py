"""
The choice among confirmed candidates, and the words on their cards.

Planted bugs that turn this file red: the lowest p-value first; a market in two spreads; a twin
taken for another market; one spread too many; an unconfirmed candidate chosen; a card without the
family size; two cards of one name.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.scanner import JohansenResult, Span, Stage
from freqtrade_ext.scanner._choice import choose, to_card

from .doubles import HOUR_MS, START_MS, candidate, diagnosis, fit, settings

LATER = Span(START_MS, START_MS + 240 * HOUR_MS, 240)


def names(candidates) -> list[tuple[str, str]]:
    return [(c.fit.leg_a[:1], c.fit.leg_b[:1]) for c in candidates if c.stage is Stage.CHOSEN]


def test_best_score_first_and_no_market_twice():
    group = (
        candidate("A/USDT", "B/USDT", score=1.0),
        candidate("B/USDT", "C/USDT", score=3.0),
        candidate("C/USDT", "D/USDT", score=2.0),
        candidate("E/USDT", "A/USDT", score=0.5),
    )
    chosen = choose(group, {}, 10)
    assert names(chosen) == [("B", "C"), ("E", "A")]
    assert chosen[0].dropped == "a leg is in B/USDT / C/USDT, which comes first"
    assert chosen[0].stage is Stage.CONFIRMED
    assert chosen[1].dropped == ""


def test_the_pvalue_only_breaks_ties():
    group = (
        candidate("A/USDT", "B/USDT", fit=fit("A/USDT", "B/USDT", pvalue=1e-9), score=1.0),
        candidate("A/USDT", "C/USDT", fit=fit("A/USDT", "C/USDT", pvalue=1e-4), score=1.1),
        candidate("D/USDT", "E/USDT", fit=fit("D/USDT", "E/USDT", pvalue=1e-4), score=1.0),
        candidate("D/USDT", "F/USDT", fit=fit("D/USDT", "F/USDT", pvalue=1e-9), score=1.0),
    )
    assert names(choose(group, {}, 10)) == [("A", "C"), ("D", "F")]


def test_a_twin_is_the_same_leg():
    group = (
        candidate("A/USDT", "B/USDT", score=2.0),
        candidate("W/USDT", "C/USDT", score=1.0),
    )
    assert names(choose(group, {"A/USDT": "A/USDT", "W/USDT": "A/USDT"}, 10)) == [("A", "B")]


def test_no_more_than_the_limit():
    group = (
        candidate("A/USDT", "B/USDT", score=2.0),
        candidate("C/USDT", "D/USDT", score=1.0),
    )
    chosen = choose(group, {}, 1)
    assert names(chosen) == [("A", "B")]
    assert chosen[1].dropped == "1 spreads are chosen already"


@pytest.mark.parametrize("stage", list(Stage)[: list(Stage).index(Stage.CONFIRMED)])
def test_only_confirmed_candidates_are_chosen(stage):
    group = (candidate(stage=stage, dropped="for a reason"),)
    assert choose(group, {}, 10) == group


@given(
    legs=st.lists(
        st.tuples(st.integers(0, 8), st.integers(0, 8), st.floats(0.1, 5.0)).filter(
            lambda each: each[0] != each[1]
        ),
        max_size=15,
    )
)
def test_chosen_spreads_are_disjoint_and_nothing_better_was_left_free(legs):
    group = tuple(candidate(f"{a}/USDT", f"{b}/USDT", score=score) for a, b, score in legs)
    result = choose(group, {}, 100)
    used = [leg for pick in names(result) for leg in pick]
    assert len(used) == len(set(used))
    for each in result:
        if each.stage is Stage.CONFIRMED:
            assert {each.fit.leg_a[:1], each.fit.leg_b[:1]} & set(used)


def test_a_card_says_why_it_is_trusted_and_what_would_end_that():
    chosen = candidate(
        stage=Stage.CHOSEN,
        johansen=JohansenResult(30.0, 15.5),
        bootstrap_pvalue=0.002,
        steady_pvalue=3e-6,
    )
    card = to_card(
        chosen,
        family_size=1234,
        confirmation_span=LATER,
        settings=settings(),
        taken=frozenset(),
    )
    assert card.spread_id == "AAA-BBB"
    assert card.trusted_because == (
        "Both regression directions reject no cointegration; the weaker one has p = 1e-06.",
        "Among 1234 tested combinations its false discovery rate is 0.0001 "
        "(under any dependence: 0.001).",
        "It is no product of clustered volatility: with volatility made steady p = 3e-06.",
        "Johansen's trace test agrees: 30.0 against 15.5.",
        "With the tails and volatility of its own returns (stationary bootstrap) p = 0.002.",
        "With frozen coefficients it went on reverting from 2024-01-01 to 2024-01-11, which took "
        "no part in the discovery: p = 0.0001, demanded 0.01. Traded are the coefficients of later "
        "fits: the strategy fits anew at every refit.",
    )
    assert card.trust_ends_when == (
        "A re-test over the then latest window has p above 0.05. It shares most candles with this "
        "one and notices a break only weeks later; until then, entries are limited by the p-value "
        "of the strategy's own fit (ext.spreads.max_pvalue).",
        "The hedge ratio leaves 1 by more than it has already moved between parts of the window "
        "(10%).",
        "A deviation has not reverted after 3 half-lives (36 candles).",
        "The spread value moves 4 deviations away from its mean (log units beyond ±0.08 on the "
        "discovery's scale).",
        "AAA/USDT or BBB/USDT is delisted, halted, or no longer in the universe.",
    )


def test_steps_that_were_left_out_are_not_spoken_of():
    card = to_card(
        candidate(stage=Stage.CHOSEN),
        family_size=10,
        confirmation_span=LATER,
        settings=settings(),
        taken=frozenset(),
    )
    assert len(card.trusted_because) == 3
    assert card.johansen is None


def test_a_candidate_that_was_not_confirmed_has_no_card():
    for missing in ({"confirmation": None}, {"diagnosis": None}):
        with pytest.raises(ValueError, match="AAA/USDT / BBB/USDT has not been confirmed"):
            to_card(
                candidate(**missing),
                family_size=10,
                confirmation_span=LATER,
                settings=settings(),
                taken=frozenset(),
            )


@pytest.mark.parametrize(
    ("leg_a", "taken", "expected"),
    [
        ("BTC/USDT:USDT", set(), "BTC-BBB"),
        ("BTC/USDT:USDT", {"BTC-BBB"}, "BTC-BBB-2"),
        ("BTC/USDT:USDT", {"BTC-BBB", "BTC-BBB-2"}, "BTC-BBB-3"),
        ("币安人生/USDT", set(), "____-BBB"),
        ("X" * 70 + "/USDT", set(), "X" * 24 + "-BBB"),
    ],
)
def test_names_are_valid_in_the_book_and_unique(leg_a, taken, expected):
    card = to_card(
        candidate(fit=fit(leg_a), stage=Stage.CHOSEN, diagnosis=diagnosis()),
        family_size=10,
        confirmation_span=LATER,
        settings=settings(),
        taken=frozenset(taken),
    )
    assert card.spread_id == expected
