"""The synthetic market: reproducible, causal, well formed."""

import itertools
import time
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.sandbox.market import Market, SyntheticMarket, SyntheticSpec

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
ANCHOR = 1_704_067_200_000  # 2024-01-01T00:00Z
SMALL = {"groups": 2, "markets_per_group": 2, "extra_markets": 1}
SPAN = {"history_minutes": 2 * 1_440, "horizon_minutes": 1_440}
INTERVALS = [1, 3, 5, 15, 30, 60, 120, 240, 360, 480, 720, 1_440]


def build(*, seed=11, anchor_ms=ANCHOR, **changes) -> SyntheticMarket:
    return SyntheticMarket(
        SyntheticSpec(**{"seed": seed, "anchor_ms": anchor_ms, **SMALL, **SPAN, **changes})
    )


@pytest.fixture(scope="module")
def market() -> SyntheticMarket:
    return build()


def relative(candles, anchor_ms):
    """Candles with times counted from the anchor."""
    return [(candle.open_ms - anchor_ms, candle.open, candle.high, candle.low, candle.close,
             candle.volume, candle.taker_buy_volume) for candle in candles]  # fmt: skip


def test_it_is_a_market(market):
    checked: Market = market
    assert list(checked.instruments) == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "AVAXUSDT", "LINKUSDT"]
    assert all(checked.is_trading(symbol, ANCHOR) for symbol in checked.instruments)


def test_one_seed_is_one_market_and_another_is_another(market):
    ask = ("ETHUSDT", MINUTE, ANCHOR - HOUR, ANCHOR, ANCHOR)
    assert market.candles(*ask) == build().candles(*ask)
    assert market.candles(*ask) != build(seed=12).candles(*ask)


@pytest.mark.parametrize("move_ms", [MINUTE, 8 * HOUR, 137 * DAY + 11 * MINUTE])
def test_market_seen_from_the_anchor_is_the_same_wherever_the_anchor_is(market, move_ms):
    other_anchor = ANCHOR + move_ms
    other = build(anchor_ms=other_anchor)
    for symbol in market.instruments:
        one, two = (
            relative(each.candles(symbol, MINUTE, at - DAY, at + DAY, at + 10 * HOUR + 12_345), at)
            for each, at in ((market, ANCHOR), (other, other_anchor))
        )
        assert one == two
        assert len(one) == 1_440 + 601
        for after in (-HOUR, 0, 5_500, 7 * HOUR):
            here, there = ANCHOR + after, other_anchor + after
            assert market.price(symbol, here) == other.price(symbol, there)
            assert market.depth(symbol, here, 10) == other.depth(symbol, there, 10)
            assert market.open_interest(symbol, here) == other.open_interest(symbol, there)
            shown = [
                [(trade.time_ms - at, trade.price, trade.quantity, trade.buyer_is_maker)
                 for trade in each.trades(symbol, at + after, at + after + 30_000)]
                for each, at in ((market, ANCHOR), (other, other_anchor))
            ]  # fmt: skip
            assert shown[0] == shown[1]


def test_funding_is_the_same_too_when_the_anchor_moves_by_whole_intervals(market):
    other = build(anchor_ms=ANCHOR + 16 * HOUR)
    one = [
        (event.time_ms, event.rate, event.mark_price)
        for event in market.funding_events("ETHUSDT", ANCHOR - DAY, ANCHOR + DAY)
    ]
    two = [
        (event.time_ms - 16 * HOUR, event.rate, event.mark_price)
        for event in other.funding_events("ETHUSDT", ANCHOR - 8 * HOUR, ANCHOR + 40 * HOUR)
    ]
    assert len(one) == 6
    assert one == two


@pytest.mark.parametrize(
    "changes",
    [
        {"history_minutes": 5 * 1_440},
        {"history_minutes": 1},
        {"horizon_minutes": 4 * 1_440},
        {"extra_markets": 6},
        {"groups": 2, "book_spread_bps": 9.0},
    ],
    ids=str,
)
def test_other_lengths_and_more_markets_leave_every_minute_as_it_was(market, changes):
    other = build(**changes)
    start = max(market.spec.start_ms, other.spec.start_ms)
    end = ANCHOR + 1_439 * MINUTE
    for symbol in market.instruments:
        ask = (symbol, MINUTE, start, end, end + MINUTE)
        assert other.candles(*ask) == market.candles(*ask)
        assert other.next_funding(symbol, ANCHOR + HOUR) == market.next_funding(
            symbol, ANCHOR + HOUR
        )


@given(after=st.integers(-2 * 1_440 * MINUTE, 1_440 * MINUTE - 1))
def test_a_market_that_ends_with_this_minute_answers_the_same(market, after):
    now = ANCHOR + after
    horizon = max(after // MINUTE + 1, 1)
    ended = build(horizon_minutes=horizon)
    for symbol in ("BTCUSDT", "LINKUSDT"):
        assert ended.price(symbol, now) == market.price(symbol, now)
        assert ended.mark_price(symbol, now) == market.mark_price(symbol, now)
        assert ended.depth(symbol, now, 5) == market.depth(symbol, now, 5)
        assert ended.open_interest(symbol, now) == market.open_interest(symbol, now)
        assert ended.next_funding(symbol, now) == market.next_funding(symbol, now)
        assert ended.price_range(symbol, now - HOUR, now) == market.price_range(
            symbol, now - HOUR, now
        )
        for minutes in (1, 60):
            ask = (symbol, minutes * MINUTE, now - 5 * HOUR, now, now)
            assert ended.candles(*ask) == market.candles(*ask)


@pytest.mark.parametrize("minutes", INTERVALS)
def test_coarse_candles_are_the_minutes_put_together(market, minutes):
    now = ANCHOR + 7 * HOUR + 13 * MINUTE + 7_000
    interval = minutes * MINUTE
    ones = market.candles("ETHUSDT", MINUTE, ANCHOR - DAY, now, now)
    for candle in market.candles("ETHUSDT", interval, ANCHOR - DAY, now, now):
        parts = [one for one in ones if candle.open_ms <= one.open_ms < candle.open_ms + interval]
        assert candle.open_ms % interval == 0
        assert candle.open == parts[0].open
        assert candle.close == parts[-1].close
        assert candle.high == max(part.high for part in parts)
        assert candle.low == min(part.low for part in parts)
        assert candle.volume == pytest.approx(sum(part.volume for part in parts), rel=1e-12)
        assert candle.taker_buy_volume == pytest.approx(
            sum(part.taker_buy_volume for part in parts), rel=1e-12
        )


def test_minutes_follow_each_other_without_a_jump(market):
    candles = market.candles("SOLUSDT", MINUTE, 0, ANCHOR, ANCHOR)
    assert len(candles) == 2 * 1_440 + 1
    for before, after in itertools.pairwise(candles):
        assert after.open == before.close
        assert after.open_ms - before.open_ms == MINUTE
        assert after.low <= min(after.open, after.close) <= max(after.open, after.close)
        assert max(after.open, after.close) <= after.high
        assert after.volume > 0 or after.open_ms == ANCHOR
        assert 0 <= after.taker_buy_volume <= after.volume


def test_prices_are_on_the_tick_grid_which_fits_the_price(market):
    for symbol, terms in market.instruments.items():
        price = market.price(symbol, ANCHOR)
        assert price % terms.tick_size == 0
        assert Decimal("0.99e-5") < terms.tick_size / price < Decimal("1.01e-4")
        assert terms.step_size * price < 10
        assert terms.min_notional == 5


def test_first_members_stand_at_their_nominal_price_at_the_anchor(market):
    assert market.price("BTCUSDT", ANCHOR) == 60_000
    assert market.price("SOLUSDT", ANCHOR) == 150


def test_daily_volatility_is_what_was_asked_for():
    market = build(groups=0, extra_markets=2, extra_volatility=1e-3, history_minutes=20_000)
    closes = [c.close for c in market.candles("BTCUSDT", MINUTE, 0, ANCHOR, ANCHOR)]
    assert np.diff(np.log(closes)).std() == pytest.approx(1e-3, rel=0.03)


def test_after_the_horizon_the_price_holds_and_nothing_new_appears(market):
    end = ANCHOR + 1_440 * MINUTE
    assert market.end_ms == end
    later = end + 3 * DAY
    assert market.price("ETHUSDT", later) == market.price("ETHUSDT", end - 1)
    assert market.is_trading("ETHUSDT", later)
    assert market.trades("ETHUSDT", end, later) == []
    assert market.funding_events("ETHUSDT", end, later) == []
    assert market.candles("ETHUSDT", MINUTE, end - MINUTE, later, later)[-1].open_ms == end - MINUTE


def test_before_the_history_there_is_no_price(market):
    early = market.spec.start_ms - 1
    assert not market.is_trading("BTCUSDT", early)
    assert market.candles("BTCUSDT", MINUTE, 0, early, early) == []
    with pytest.raises(IllegalRequest, match=f"BTCUSDT has no price at {early} ms"):
        market.price("BTCUSDT", early)


def test_funding_falls_on_the_calendar_and_varies_around_its_mean():
    market = build(history_minutes=90 * 1_440, groups=0, extra_markets=1, funding_interval_hours=4)
    events = market.funding_events("BTCUSDT", 0, ANCHOR)
    assert len(events) == 90 * 6 + 1
    assert all(event.time_ms % (4 * HOUR) == 0 for event in events)
    rates = np.array([float(event.rate) for event in events])
    assert rates.mean() == pytest.approx(1e-4, abs=5e-5)
    assert rates.std() == pytest.approx(1e-4, rel=0.4)
    assert np.corrcoef(rates[:-1], rates[1:])[0, 1] == pytest.approx(2 ** (-4 / 24), abs=0.1)
    assert events[-1].mark_price == market.mark_price("BTCUSDT", ANCHOR)


def test_the_coming_funding_is_paid_when_it_was_announced(market):
    coming = market.next_funding("ETHUSDT", ANCHOR + HOUR)
    paid = market.funding_events("ETHUSDT", ANCHOR + HOUR, coming.time_ms)
    assert [event.time_ms for event in paid] == [coming.time_ms] == [ANCHOR + 8 * HOUR]
    last = market.next_funding("ETHUSDT", coming.time_ms - 1)
    assert abs(last.rate - paid[0].rate) < Decimal("0.0001")


def test_names_beyond_the_known_coins_are_numbered():
    market = build(groups=0, extra_markets=63, history_minutes=10, horizon_minutes=10)
    assert list(market.instruments)[-3:] == ["COIN61USDT", "COIN62USDT", "COIN63USDT"]
    assert all(Decimal("0.1") <= market.price(symbol, ANCHOR) for symbol in market.instruments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"anchor_ms": ANCHOR + 1}, "must be a whole minute"),
        ({"markets_per_group": 1}, "greater than or equal to 2"),
        ({"hedge_ratio_low": 3.0}, r"hedge_ratio_low \(3.0\) must not exceed hedge_ratio_high"),
        ({"groups": 0, "extra_markets": 0}, "there would be no market"),
        ({"history_minutes": 10**9}, "reaches before 1970"),
        ({"spread_sigma": -1.0}, "greater than 0"),
        ({"halflife": 3}, "Extra inputs are not permitted"),
    ],
)
def test_an_impossible_market_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        build(**changes)


def test_thirty_markets_of_45_days_are_ready_in_two_seconds():
    before = time.process_time()
    SyntheticMarket(
        SyntheticSpec(seed=1, anchor_ms=ANCHOR, groups=8, markets_per_group=3, extra_markets=6)
    )
    assert time.process_time() - before < 2.0  # about 0.5 s on a free core
