"""The naked time that the rehearsal of mishaps prints."""

from decimal import Decimal

from freqtrade_ext.sandbox import Event, SpreadLegs
from freqtrade_ext.sandbox.journal import OrderFilled, PriceSeen
from rehearsals.mishaps import naked_ms

SPREAD = SpreadLegs("ETHUSDT", "BTCUSDT", 2.0)  # 100 USDT of ETH are hedged by 200 of BTC


def fill(time_ms: int, symbol: str, position: int, price: int = 1) -> Event:
    return OrderFilled(
        time_ms=time_ms,
        symbol=symbol,
        side="BUY",
        price=Decimal(price),
        quantity=Decimal(1),
        fee=Decimal(0),
        realized_pnl=Decimal(0),
        position=Decimal(position),
        reduce_only=False,
        is_maker=False,
        fill_id=1,
        venue_order_id=1,
        client_order_id="x",
        origin="client",
    )


def seen(time_ms: int, symbol: str = "ETHUSDT", price: int = 1) -> Event:
    return PriceSeen(time_ms=time_ms, symbol=symbol, price=Decimal(price))


WHOLE = [
    fill(1_000, "ETHUSDT", 100),
    fill(1_400, "BTCUSDT", -200),
    seen(5_000),
    fill(6_000, "BTCUSDT", 0),
    fill(6_700, "ETHUSDT", 0),
    seen(9_000),
]


def test_a_leg_alone_is_naked_until_its_partner_comes_or_it_goes() -> None:
    assert naked_ms(WHOLE, SPREAD, since_ms=0) == 400 + 700


def test_a_partner_that_is_too_small_is_naked_until_the_trim() -> None:
    events = [
        fill(1_000, "ETHUSDT", 100),
        fill(1_000, "BTCUSDT", -80),
        seen(2_000),
        fill(4_000, "ETHUSDT", 40),
        seen(9_000),
    ]
    assert naked_ms(events, SPREAD, since_ms=0) == 3_000


def test_a_few_percent_without_hedge_are_not_naked() -> None:
    events = [fill(1_000, "ETHUSDT", 100), fill(1_000, "BTCUSDT", -180), seen(9_000)]
    assert naked_ms(events, SPREAD, since_ms=0) == 0


def test_only_the_time_since_the_moment_counts() -> None:
    assert naked_ms(WHOLE, SPREAD, since_ms=1_300) == 100 + 700
    assert naked_ms(WHOLE, SPREAD, since_ms=6_500) == 200
    assert naked_ms(WHOLE, SPREAD, since_ms=8_000) == 0


def test_other_markets_and_nothing_at_all_are_not_naked() -> None:
    assert naked_ms([fill(1_000, "SOLUSDT", 100), seen(9_000, "SOLUSDT")], SPREAD, since_ms=0) == 0
    assert naked_ms([], SPREAD, since_ms=0) == 0
