"""All the reasons against an entry, and the sizes of one that passes."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.learning import Verdict
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.settings import SizingSettings, SpreadSettings
from freqtrade_ext.spreads import (
    AccountView,
    CoordinatorPolicy,
    EntryCase,
    LegLimits,
    LegMarket,
    LegSizes,
    Refusal,
    SizingCase,
    SpreadPosition,
    SpreadRecord,
    TrackRecord,
    size_entry,
    size_spread,
)

from .doubles import (
    HOUR,
    LEG_A,
    LEG_B,
    START,
    A,
    B,
    bands,
    candidate,
    fit,
    spec,
    spread_settings,
    track,
)

OTHER_A, OTHER_B = "SOL/USDT:USDT", "ADA/USDT:USDT"
SETTINGS = spread_settings()
FREE = spread_settings(edge={"cost_multiple": 0.0})
# Hours 0 to 3; the request comes after hour 3.
Z_SCORES = [0.0, 0.0, -1.0, -2.5]


def market(price: float = 100.0, **changes: Any) -> LegMarket:
    limits = LegLimits(step_size=0.001, min_quantity=0.001, min_notional=5.0)
    return replace(LegMarket(price=price, limits=limits, fee_rate=0.0005), **changes)


def record(spread_id: str, leg_a: str = OTHER_A, leg_b: str = OTHER_B) -> SpreadRecord:
    return SpreadRecord(
        position=SpreadPosition(spread_id, policy=CoordinatorPolicy()),
        leg_a=leg_a,
        leg_b=leg_b,
        frozen=fit(),
        signal_ms=START,
        scale=0.01,
        exit_z=0.5,
        max_holding=30.0,
        equity=1000.0,
    )


def case(**changes: Any) -> EntryCase:
    wanted = EntryCase(
        candidate=candidate(hour=3),
        better=(),
        spec=spec(),
        track=track(Z_SCORES),
        bands=bands(),
        legs={A: market(2000.0), B: market(40_000.0)},
        account=AccountView(equity=10_000.0, available=10_000.0, free_slots=4.0),
        active={},
        markets_in_use=frozenset(),
        markets_just_left=frozenset(),
        last_exit=None,
        history=TrackRecord(),
    )
    return replace(wanted, **changes)


def legs(**changes: Any) -> dict[Any, LegMarket]:
    """Change both legs alike."""
    return {A: market(2000.0, **changes), B: market(40_000.0, **changes)}


def refused(wanted: EntryCase, settings: SpreadSettings = SETTINGS) -> str:
    answer = size_entry(wanted, settings)
    assert isinstance(answer, Refusal), answer
    return answer.text


def sized(wanted: EntryCase, settings: SpreadSettings = SETTINGS) -> LegSizes:
    answer = size_entry(wanted, settings)
    assert isinstance(answer, LegSizes), answer
    return answer


# What passes


def test_an_entry_with_nothing_against_it_gets_the_sizes_of_both_legs() -> None:
    wanted = case()
    expected = size_spread(
        SizingCase(
            direction=wanted.candidate.direction,
            price_a=2000.0,
            price_b=40_000.0,
            hedge_ratio=0.8,
            hedge_space="log",
            spread_std=0.01,
            z_score=-2.5,
            stop_loss_z=4.0,
            limits_a=wanted.legs[A].limits,
            limits_b=wanted.legs[B].limits,
        ),
        equity=10_000.0,
        available=10_000.0,
        settings=SETTINGS.sizing,
        cost_per_fill=0.0005 + 1.0 / 10_000,
    )
    assert size_entry(wanted, SETTINGS) == expected


def test_the_hedge_ratio_is_that_of_the_fit_and_not_of_the_book() -> None:
    later = fit(2, hedge_ratio=1.5)
    sizes = sized(case(track=track(Z_SCORES, fits=[fit(), later], fit_rows=[0, 0, 1, 1])))
    assert sizes.notional_b / sizes.notional_a == pytest.approx(1.5, rel=0.05)


def test_the_deviation_is_that_of_the_candle_of_the_signal() -> None:
    calm, wild = (sized(case(track=track(Z_SCORES, scale=s)), FREE) for s in (0.02, 0.04))
    assert calm.case.spread_std == 0.02
    assert wild.quantity_a < calm.quantity_a


def test_the_closed_spreads_limit_the_size_by_kelly() -> None:
    small = SizingSettings(kelly_min_spreads=10, kelly_floor=0.0)
    settings = spread_settings(edge={"cost_multiple": 0.0}, sizing=small)
    poor = case(history=TrackRecord(returns=[0.001, -0.001] * 10))
    assert refused(poor, settings).startswith("no edge: the mean return of 20 closed spreads")
    assert sized(case(), settings)


def test_the_dearer_leg_gives_the_cost_of_a_fill() -> None:
    # Both legs are filled; a cheap leg A must not hide what leg B costs at the stop.
    dear = {A: market(2000.0, fee_rate=0.0), B: market(40_000.0, fee_rate=0.01)}
    swapped = {A: market(2000.0, fee_rate=0.01), B: market(40_000.0, fee_rate=0.0)}
    assert sized(case(legs=dear), FREE) == sized(case(legs=swapped), FREE)
    assert sized(case(legs=dear), FREE).quantity_a < sized(case(), FREE).quantity_a


# Blocked markets


def test_a_spread_that_is_on_its_way_is_not_entered_again() -> None:
    assert (
        refused(case(active={"ETH-BTC": record("ETH-BTC")})) == "it is already open or on its way"
    )


@pytest.mark.parametrize("leg", [LEG_A, LEG_B])
def test_a_market_belongs_to_one_open_spread(leg: str) -> None:
    text = refused(case(markets_in_use=frozenset({leg, OTHER_A})))
    assert text == f"{leg} is held by another trade"


@pytest.mark.parametrize("leg", [LEG_A, LEG_B])
def test_a_market_is_traded_once_a_candle(leg: str) -> None:
    text = refused(case(markets_just_left=frozenset({leg})))
    assert text == f"{leg} was traded on this candle already"


@pytest.mark.parametrize("leg", [A, B])
def test_a_locked_leg_keeps_both_out(leg: Any) -> None:
    wanted = case()
    locked = {**wanted.legs, leg: replace(wanted.legs[leg], locked=True)}
    assert refused(replace(wanted, legs=locked)).startswith(f"leg {leg} is locked")


def test_markets_of_others_do_not_matter() -> None:
    others = frozenset({OTHER_A, OTHER_B})
    assert sized(case(markets_in_use=others, markets_just_left=others))


# Room and rank


@pytest.mark.parametrize("free_slots", [-1.0, 0.0, 1.0, 1.9])
def test_fewer_than_two_free_slots_are_no_room_for_two_legs(free_slots: float) -> None:
    account = AccountView(equity=10_000.0, available=10_000.0, free_slots=free_slots)
    assert refused(case(account=account)) == (
        f"0 spreads and {free_slots:g} free trade slots leave no room for two more legs "
        "(max_open_spreads is 2)"
    )


@pytest.mark.parametrize("free_slots", [2.0, 3.0, math.inf])
def test_two_free_slots_are_room(free_slots: float) -> None:
    account = AccountView(equity=10_000.0, available=10_000.0, free_slots=free_slots)
    assert sized(case(account=account))


def test_no_more_than_the_allowed_spreads_are_open() -> None:
    active = {name: record(name) for name in ("one", "two")}
    assert refused(case(active=active)).startswith("2 spreads and 4 free trade slots leave no room")
    assert sized(case(active={"one": record("one")}))
    assert sized(case(active=active), spread_settings(max_open_spreads=3))


def better(spread_id: str, leg_a: str = OTHER_A, leg_b: str = OTHER_B) -> Any:
    return candidate(hour=3, spread_id=spread_id, leg_a=leg_a, leg_b=leg_b, edge=0.03)


@pytest.mark.parametrize(
    ("n_better", "slots", "n_active", "enters"),
    [
        (0, 2, 0, True),
        (1, 2, 0, False),
        (1, 3, 0, False),
        (1, 4, 0, True),
        (2, 4, 0, False),
        (1, 4, 1, False),
        (0, 4, 1, True),
        (2, 99, 0, False),
    ],
)
def test_the_best_edges_get_the_free_places(
    n_better: int, slots: float, n_active: int, enters: bool
) -> None:
    wanted = case(
        better=[better(f"better{i}") for i in range(n_better)],
        active={f"active{i}": record(f"active{i}") for i in range(n_active)},
        account=AccountView(equity=10_000.0, available=10_000.0, free_slots=slots),
    )
    if enters:
        assert sized(wanted)
    else:
        assert refused(wanted) == f"{n_better} spreads with a better edge come first"


def test_a_better_spread_that_is_open_already_takes_no_further_place() -> None:
    wanted = case(
        better=[better("one")],
        active={"one": record("one")},
    )
    assert sized(wanted)
    assert sized(replace(wanted, markets_in_use=frozenset({OTHER_A, OTHER_B})))


@pytest.mark.parametrize("in_use", [OTHER_A, OTHER_B])
def test_a_better_spread_whose_market_is_taken_takes_no_place(in_use: str) -> None:
    account = AccountView(equity=10_000.0, available=10_000.0, free_slots=2.0)
    wanted = case(better=[better("one")], account=account)
    assert refused(wanted) == "1 spreads with a better edge come first"
    assert sized(replace(wanted, markets_in_use=frozenset({in_use})))


# Re-arming


def left(hour: float, reason: CloseReason = CloseReason.MEAN_REVERSION) -> tuple[int, CloseReason]:
    return START + round(hour * HOUR), reason


@pytest.mark.parametrize(
    ("z_scores", "left_hour", "enters"),
    [
        ([0.0, 0.0, -1.0, -2.5], 1, True),
        ([0.0, 0.0, -1.0, -2.5], 2, True),
        ([0.0, 0.0, -1.0, -2.5], 3, False),
        ([0.0, -1.0, -2.2, -2.5], 2, False),
        ([0.0, -1.0, -2.2, -2.5], 1, True),
        ([0.0, -2.0, -2.0, -2.5], 1, False),
        ([0.0, -1.99, -2.0, -2.5], 1, True),
        ([0.0, 2.5, 2.5, -2.5], 1, False),
        ([0.0, math.nan, math.nan, -2.5], 1, False),
        ([0.0, 1.9, -2.5, -2.5], 1, True),
        ([-2.5, -2.5, -2.5, -2.5], -50, False),
        ([-2.5, -1.5, -2.5, -2.5], -50, True),
    ],
)
def test_a_spread_must_have_been_inside_its_entry_band_since_it_was_left(
    z_scores: list[float], left_hour: float, enters: bool
) -> None:
    wanted = case(track=track(z_scores), last_exit=left(left_hour))
    if enters:
        assert sized(wanted)
    else:
        assert refused(wanted) == (
            "z has not been inside the entry band since the exit (MEAN_REVERSION)"
        )


@pytest.mark.parametrize("seconds", [0, 5, 59 * 60])
def test_a_bot_that_leaves_seconds_into_a_candle_is_armed_like_a_backtest(seconds: int) -> None:
    when = left(2 + seconds / 3600)
    assert sized(case(track=track([0.0, -2.2, -1.0, -2.5]), last_exit=when))
    assert refused(case(track=track([0.0, -1.0, -2.2, -2.5]), last_exit=when))


def test_the_candle_of_the_signal_itself_does_not_arm() -> None:
    wanted = case(candidate=candidate(hour=3), last_exit=left(3))
    assert refused(replace(wanted, bands=bands(entry_z=2.6))).startswith("z has not been inside")


@pytest.mark.parametrize(
    "reason",
    [CloseReason.SPREAD_STOP, CloseReason.RELATION_BROKEN, CloseReason.EMERGENCY_SL],
)
@pytest.mark.parametrize(("fitted", "enters"), [(0, False), (1, False), (1.5, True), (2, True)])
def test_after_a_stop_a_spread_rests_until_it_is_fitted_again(
    reason: CloseReason, fitted: float, enters: bool
) -> None:
    seen = track(Z_SCORES, fits=[fit(fitted)])
    wanted = case(track=seen, last_exit=left(1, reason))
    if enters:
        assert sized(wanted)
    else:
        assert refused(wanted) == f"it rests until the next fit after {reason}"


@pytest.mark.parametrize(
    "reason",
    [
        CloseReason.MEAN_REVERSION,
        CloseReason.SPREAD_TIME,
        CloseReason.PARTNER_CLOSED,
        CloseReason.ORPHAN_LEG,
        CloseReason.EXTERNAL,
    ],
)
def test_after_other_exits_the_old_fit_is_good_enough(reason: CloseReason) -> None:
    assert sized(case(last_exit=left(1, reason)))


def test_rest_and_arming_are_both_needed_after_a_stop() -> None:
    seen = track([0.0, -2.2, -2.2, -2.5], fits=[fit(2)])
    wanted = case(track=seen, last_exit=left(1, CloseReason.SPREAD_STOP))
    assert refused(wanted).startswith("z has not been inside")


# Cost


def cost_text(wanted: EntryCase, settings: SpreadSettings = SETTINGS) -> tuple[float, float]:
    """Return expected move and cost, in basis points, of an entry that does not pay."""
    text = refused(wanted, settings)
    words = text.split()
    assert text == (
        f"the expected move of {words[4]} bps does not pay "
        f"{settings.edge.cost_multiple:g} × the round trip of {words[-2]} bps"
    )
    return float(words[4]), float(words[-2])


def test_a_move_that_does_not_pay_its_round_trip_is_refused_in_numbers() -> None:
    # By hand: half of (2.5 - 0.5) * 0.001 is 10 bps; 2 * 1.8 * (5 + 1) bps are 21.6.
    assert cost_text(case(track=track(Z_SCORES, scale=0.001))) == (10.0, 21.6)


def test_the_cost_multiple_asks_for_more_or_for_nothing() -> None:
    wanted = case(track=track(Z_SCORES, scale=0.003))  # 30 bps against 21.6
    assert sized(wanted)
    assert cost_text(wanted, spread_settings(edge={"cost_multiple": 2.0})) == (30.0, 21.6)
    assert sized(case(track=track(Z_SCORES, scale=0.0005)), FREE)


def test_a_move_that_pays_exactly_is_enough() -> None:
    settings = spread_settings(edge={"half_spread_bps": 0.0, "promise_share": 1.0})
    seen = track(Z_SCORES, scale=0.5, fits=[fit(hedge_ratio=1.0)])
    costs = legs(fee_rate=0.25)  # 2 deviations of 0.5 against 2 * 2 * 0.25
    dear = legs(fee_rate=0.2501)
    assert cost_text(case(track=seen, legs=dear), settings) == (10_000.0, 10_004.0)
    answer = size_entry(case(track=seen, legs=costs), settings)
    assert "does not pay" not in getattr(answer, "text", "")


def test_the_dearer_leg_counts_for_all_fills() -> None:
    costs = {A: market(2000.0, fee_rate=0.0), B: market(40_000.0, fee_rate=0.002)}
    # By hand: 2 * 1.8 * (20 + 1) bps.
    assert cost_text(case(track=track(Z_SCORES, scale=0.001), legs=costs)) == (10.0, 75.6)


def test_what_was_realised_shrinks_what_is_expected() -> None:
    wanted = case(track=track(Z_SCORES, scale=0.003))
    lean = replace(wanted, history=TrackRecord(realised_shares=[0.0] * 20))
    assert sized(wanted)
    assert cost_text(lean) == (15.0, 21.6)  # by hand: a quarter of 60 bps


def test_in_price_space_the_round_trip_is_on_units() -> None:
    # By hand: leg A 2000, leg B 10 units of 100 = 1000; 2 * 3000 * 6 bps = 3.6 USDT = 18 bps
    # of leg A. The move: half of 2 * 1.5 USDT = 1.5 USDT = 7.5 bps.
    wanted = case(
        spec=spec(hedge_space="price"),
        track=track(Z_SCORES, scale=1.5, fits=[fit(hedge_ratio=10.0)]),
        legs={A: market(2000.0), B: market(100.0)},
    )
    assert cost_text(wanted) == (7.5, 18.0)
    sizes = sized(replace(wanted, track=track(Z_SCORES, scale=30.0, fits=[fit(hedge_ratio=10.0)])))
    assert float(sizes.quantity_b / sizes.quantity_a) == pytest.approx(10.0, rel=0.01)
    assert sizes.case.spread_std == 30.0


@pytest.mark.parametrize(
    ("z_score", "rate_a", "rate_b", "paid_bps"),
    [
        (-2.5, 0.001, 0.0, 10.0),  # long the spread: long A pays
        (-2.5, -0.001, 0.0, 0.0),  # long A receives: not counted on
        (-2.5, 0.0, 0.001, 0.0),  # short B receives
        (-2.5, 0.0, -0.001, 8.0),  # short B pays, on 0.8 of the notional
        (2.5, 0.001, 0.0, 0.0),  # short the spread: short A receives
        (2.5, -0.001, 0.0, 10.0),
        (2.5, 0.0, 0.001, 8.0),  # long B pays
        (2.5, 0.0, -0.001, 0.0),
        (-2.5, 0.001, 0.001, 2.0),  # what one leg receives pays for the other
        (2.5, 0.001, 0.001, 0.0),
    ],
)
def test_expected_funding_is_paid_by_the_side_that_pays(
    z_score: float, rate_a: float, rate_b: float, paid_bps: float
) -> None:
    costs = {
        A: market(2000.0, funding_rate=rate_a),
        B: market(40_000.0, funding_rate=rate_b),
    }
    wanted = case(
        candidate=candidate(hour=3, z_score=z_score),
        track=track([0.0, 0.0, 0.0, z_score], scale=0.001),
        legs=costs,
    )
    assert cost_text(wanted) == (10.0, pytest.approx(21.6 + paid_bps))


def test_in_price_space_funding_is_on_units_too() -> None:
    wanted = case(
        spec=spec(hedge_space="price"),
        track=track(Z_SCORES, scale=1.5, fits=[fit(hedge_ratio=10.0)]),
        legs={A: market(2000.0), B: market(100.0, funding_rate=-0.001)},
    )
    # By hand: 18 bps, and 0.001 of 1000 USDT is 1 USDT, 5 bps of leg A.
    assert cost_text(wanted) == (7.5, 23.0)


def test_unknown_funding_or_deviation_is_no_entry() -> None:
    unknown = {**legs(), A: market(2000.0, funding_rate=math.nan)}
    assert "does not pay" in refused(case(legs=unknown))
    assert "does not pay" in refused(case(track=track(Z_SCORES, scale=math.nan)))
    assert "bad input: spread deviation" in refused(
        case(track=track(Z_SCORES, scale=math.nan)), FREE
    )


# What sizing refuses, and the order of the reasons


def test_a_candle_without_a_fit_is_refused() -> None:
    no_fit = track(Z_SCORES, fit_rows=[0, 0, 0, -1])
    assert refused(case(track=no_fit)) == "its candle has no fit"
    assert refused(case(candidate=candidate(hour=9))) == "its candle has no fit"
    assert refused(case(track=no_fit, last_exit=left(1, CloseReason.SPREAD_STOP))).startswith(
        "it rests"
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"account": AccountView(equity=10_000.0, available=0.0, free_slots=4.0)},
            "not enough margin: no balance is free as margin",
        ),
        (
            {"account": AccountView(equity=1.0, available=1.0, free_slots=4.0)},
            "below minimum: leg ",
        ),
        ({"legs": {A: market(math.nan), B: market(40_000.0)}}, "bad input: price of leg A"),
        ({"bands": bands(stop_z=2.4)}, "beyond stop: z-score -2.5 is already beyond"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_sizing_refuses_is_passed_on_in_words(changes: Any, text: str) -> None:
    assert refused(case(**changes)).startswith(text)


def test_coarse_lots_that_leave_a_leg_unhedged_are_refused() -> None:
    coarse = LegLimits(step_size=1.0)
    costs = {A: market(2000.0, limits=coarse), B: market(1900.0, limits=coarse)}
    assert refused(case(legs=costs)).startswith("not hedgeable: coarse lots would leave")


def test_the_reasons_come_in_the_order_blocked_room_armed_cost_size() -> None:
    everything = case(
        active={"ETH-BTC": record("ETH-BTC"), "other": record("other")},
        markets_in_use=frozenset({LEG_A}),
        markets_just_left=frozenset({LEG_A}),
        legs=legs(locked=True),
        last_exit=left(3),
        track=track(Z_SCORES, scale=0.0001),
        account=AccountView(equity=1.0, available=0.0, free_slots=4.0),
    )
    repairs: list[dict[str, Any]] = [
        {"active": {"one": record("one"), "other": record("other")}},
        {"markets_in_use": frozenset()},
        {"markets_just_left": frozenset()},
        {"legs": legs()},
        {"active": {}},
        {"last_exit": None},
        {"track": track(Z_SCORES)},
        {"account": AccountView(equity=10_000.0, available=10_000.0, free_slots=4.0)},
    ]
    starts = [
        "it is already open",
        f"{LEG_A} is held",
        f"{LEG_A} was traded",
        "leg A is locked",
        "2 spreads and 4 free",
        "z has not been inside",
        "the expected move",
        "not enough margin",
    ]
    for start, repair in zip(starts, repairs, strict=True):
        assert refused(everything).startswith(start)
        everything = replace(everything, **repair)
    assert sized(everything)


@given(
    z_score=st.floats(2.0, 3.9),
    hedge_ratio=st.floats(0.1, 5.0),
    rate_a=st.floats(-0.01, 0.01),
    rate_b=st.floats(-0.01, 0.01),
    scale=st.floats(0.0001, 0.05),
)
def test_long_and_short_are_judged_alike_when_funding_changes_its_sign(
    z_score: float, hedge_ratio: float, rate_a: float, rate_b: float, scale: float
) -> None:
    answers = []
    for sign in (-1, 1):
        costs = {
            A: market(2000.0, funding_rate=-sign * rate_a),
            B: market(40_000.0, funding_rate=-sign * rate_b),
        }
        wanted = case(
            candidate=candidate(hour=3, z_score=sign * z_score),
            track=track([0.0, 0.0, 0.0, 0.0], scale=scale, fits=[fit(hedge_ratio=hedge_ratio)]),
            legs=costs,
        )
        answers.append(size_entry(wanted, SETTINGS))
    long, short = answers
    if isinstance(long, LegSizes) and isinstance(short, LegSizes):
        assert (long.quantity_a, long.quantity_b) == (short.quantity_a, short.quantity_b)
    else:
        assert long == short


def test_a_veto_of_the_model_is_a_refusal_in_its_words():
    vetoed = case(model=Verdict(0.0, "the model disagrees"))
    assert size_entry(vetoed, FREE) == Refusal("the model disagrees")


def test_a_smaller_size_is_smaller_for_both_legs():
    whole, half = size_entry(case(), FREE), size_entry(case(model=Verdict(0.5)), FREE)
    assert isinstance(whole, LegSizes)
    assert isinstance(half, LegSizes)
    assert half.notional_a == pytest.approx(whole.notional_a / 2, rel=0.01)
    assert half.notional_b == pytest.approx(whole.notional_b / 2, rel=0.01)


def test_a_smaller_size_is_smaller_where_the_free_money_is_the_limit():
    scarce = AccountView(equity=1_000_000.0, available=2_000.0, free_slots=4.0)
    whole = size_entry(case(account=scarce), FREE)
    half = size_entry(case(account=scarce, model=Verdict(0.5)), FREE)
    assert isinstance(whole, LegSizes)
    assert isinstance(half, LegSizes)
    assert whole.cap == "margin"
    assert half.notional_a == pytest.approx(whole.notional_a / 2, rel=0.01)
