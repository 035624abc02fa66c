"""Who may ask for an entry on a candle: the best edge first, and no market twice."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.spreads import Candidate, Direction, EntryBoard, LegName, rank_entries

from .doubles import HOUR, LEG_A, LEG_B, START, spec, track

MARKETS = [f"{name}/USDT:USDT" for name in ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")]


def request(
    spread_id: str,
    leg_a: str,
    leg_b: str,
    z_scores: list[float],
    directions: list[int] | None = None,
    *,
    scale: float = 0.01,
    exit_z: float = 0.5,
    **changes: Any,
) -> Any:
    wanted = [-int(np.sign(z)) for z in z_scores] if directions is None else directions
    price = changes.pop("price", 1.0)
    return (
        spec(spread_id, leg_a=leg_a, leg_b=leg_b, **changes),
        track(z_scores, scale=scale, price=price),
        np.array(wanted, dtype=np.int8),
        exit_z,
    )


def names(candidates: tuple[Candidate, ...]) -> list[str]:
    return [candidate.spread_id for candidate in candidates]


def test_a_candidate_says_what_is_asked_for() -> None:
    board = rank_entries([request("one", LEG_A, LEG_B, [0.0, -2.5, 3.0], [0, 1, -1])])
    assert board.at(START) == ()
    [long], [short] = board.at(START + HOUR), board.at(START + 2 * HOUR)
    assert long == Candidate(
        time_ms=START + HOUR,
        spread_id="one",
        leg_a=LEG_A,
        leg_b=LEG_B,
        direction=Direction.LONG,
        z_score=-2.5,
        edge=pytest.approx(0.02),  # by hand: (2.5 - 0.5) * 0.01
    )
    assert short.direction is Direction.SHORT
    assert short.edge == pytest.approx(0.025)


def test_the_best_edge_comes_first_whatever_the_order_of_the_book() -> None:
    asked = [
        request("low", *MARKETS[0:2], [-2.1]),
        request("high", *MARKETS[2:4], [3.9]),
        request("mid", *MARKETS[4:6], [-3.0]),
    ]
    for order in (asked, asked[::-1], asked[1:] + asked[:1]):
        assert names(rank_entries(order).at(START)) == ["high", "mid", "low"]


def test_the_edge_is_measured_in_money_and_not_in_deviations() -> None:
    calm = request("calm", *MARKETS[0:2], [-3.9], scale=0.001)
    wild = request("wild", *MARKETS[2:4], [-2.1], scale=0.02)
    assert names(rank_entries([calm, wild]).at(START)) == ["wild", "calm"]


def test_the_exit_band_is_taken_off_the_edge() -> None:
    near = request("near", *MARKETS[0:2], [-2.5], exit_z=2.0)
    far = request("far", *MARKETS[2:4], [-2.2], exit_z=0.0)
    assert names(rank_entries([near, far]).at(START)) == ["far", "near"]


def test_spreads_of_prices_and_of_log_prices_compare_by_their_share_of_leg_a() -> None:
    # By hand: 2 deviations of 5 USDT on a price of 1000 are 1 %, 2 deviations of 0.01 are 2 %.
    in_prices = request(
        "prices", *MARKETS[0:2], [-2.5], scale=5.0, price=1000.0, hedge_space="price"
    )
    in_logs = request("logs", *MARKETS[2:4], [-2.5], scale=0.01)
    best, second = rank_entries([in_prices, in_logs]).at(START)
    assert (best.spread_id, best.edge) == ("logs", pytest.approx(0.02))
    assert (second.spread_id, second.edge) == ("prices", pytest.approx(0.01))


def test_equal_edges_are_ranked_by_the_name_of_the_spread() -> None:
    asked = [request(name, *MARKETS[i : i + 2], [-3.0]) for i, name in ((0, "c"), (2, "a"))]
    asked.append(request("b", *MARKETS[4:6], [3.0]))
    assert names(rank_entries(asked).at(START)) == ["a", "b", "c"]
    assert names(rank_entries(asked[::-1]).at(START)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "legs",
    [
        (MARKETS[0], MARKETS[2]),
        (MARKETS[2], MARKETS[0]),
        (MARKETS[1], MARKETS[2]),
        (MARKETS[2], MARKETS[1]),
    ],
)
def test_a_market_belongs_to_one_candidate_of_a_candle(legs: tuple[str, str]) -> None:
    best = request("best", MARKETS[0], MARKETS[1], [-3.5])
    rival = request("rival", *legs, [-3.0])
    assert names(rank_entries([rival, best]).at(START)) == ["best"]


def test_a_spread_that_was_left_out_does_not_block_its_markets() -> None:
    best = request("best", MARKETS[0], MARKETS[1], [-3.5])
    rival = request("rival", MARKETS[1], MARKETS[2], [-3.0])
    third = request("third", MARKETS[2], MARKETS[3], [-2.5])
    assert names(rank_entries([third, rival, best]).at(START)) == ["best", "third"]


def test_candles_are_judged_one_by_one() -> None:
    first = request("first", MARKETS[0], MARKETS[1], [-3.5, 0.0, -2.1])
    rival = request("rival", MARKETS[0], MARKETS[2], [-3.0, -3.0, -3.0])
    board = rank_entries([first, rival])
    ranked = [names(board.at(START + hour * HOUR)) for hour in range(3)]
    assert ranked == [["first"], ["rival"], ["rival"]]
    assert list(board.by_time) == sorted(board.by_time)


def test_a_market_finds_its_candidates_and_its_leg() -> None:
    board = rank_entries(
        [
            request("one", MARKETS[0], MARKETS[1], [-3.5, 0.0]),
            request("two", MARKETS[2], MARKETS[0], [0.0, 3.0]),
        ]
    )
    found = [(c.spread_id, c.time_ms, leg) for c, leg in board.of_market(MARKETS[0])]
    assert found == [("one", START, LegName.A), ("two", START + HOUR, LegName.B)]
    assert [leg for _, leg in board.of_market(MARKETS[1])] == [LegName.B]
    assert [leg for _, leg in board.of_market(MARKETS[2])] == [LegName.A]
    assert board.of_market(MARKETS[5]) == []


def test_an_empty_book_has_an_empty_board() -> None:
    assert rank_entries([]) == EntryBoard({})
    assert EntryBoard({}).at(START) == ()
    assert rank_entries([request("one", LEG_A, LEG_B, [math.nan, 0.0], [0, 0])]) == EntryBoard({})


@given(
    st.lists(
        st.tuples(
            st.permutations(range(6)),
            st.lists(st.floats(2, 3.9).map(lambda z: round(z, 1)), min_size=3, max_size=3),
        ),
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)
def test_the_board_is_disjoint_ordered_greedy_and_does_not_depend_on_the_order_of_the_book(
    spreads: list[tuple[list[int], list[float]]], random: Any
) -> None:
    asked = [
        request(f"s{i}", MARKETS[legs[0]], MARKETS[legs[1]], z_scores)
        for i, (legs, z_scores) in enumerate(spreads)
    ]
    board = rank_entries(asked)
    shuffled = list(asked)
    random.shuffle(shuffled)
    assert rank_entries(shuffled) == board
    for hour in range(3):
        chosen = board.at(START + hour * HOUR)
        legs = [leg for candidate in chosen for leg in (candidate.leg_a, candidate.leg_b)]
        assert len(legs) == len(set(legs))
        assert [c.edge for c in chosen] == sorted((c.edge for c in chosen), reverse=True)
        for wanted, seen, _, _ in asked:
            if wanted.spread_id in names(chosen):
                continue
            edge = (abs(seen.z_score[hour]) - 0.5) * 0.01
            rivals = [c for c in chosen if {c.leg_a, c.leg_b} & set(wanted.markets)]
            assert any((-c.edge, c.spread_id) < (-edge, wanted.spread_id) for c in rivals)


def test_a_candle_without_leg_b_has_no_price_to_rank_by_and_no_request() -> None:
    wanted, seen, directions, exit_z = request(
        "prices", LEG_A, LEG_B, [math.nan, -3.0], [0, 1], price=50.0, hedge_space="price"
    )
    seen = replace(seen, observed_ms=seen.observed_ms[1:], dependent=seen.dependent[1:])
    [only] = rank_entries([(wanted, seen, directions, exit_z)]).at(START + HOUR)
    assert only.edge == pytest.approx(2.5 * 0.01 / 50.0)
