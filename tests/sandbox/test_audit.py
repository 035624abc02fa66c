"""What an audit finds in journals written by hand."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox import SpreadLegs, audit, naked_exposure
from freqtrade_ext.sandbox.engine import OrderType, PlaceOrder, SetLeverage, Side
from freqtrade_ext.sandbox.journal import (
    Event,
    FundingPaid,
    OrderAccepted,
    OrderEnded,
    OrderFilled,
    PriceSeen,
)

from .doubles import START_MS, D, Desk

A, B = "AUSDT", "BUSDT"
SPREAD = SpreadLegs(A, B)


class Story:
    """Writes fills and prices with running positions."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._held: dict[str, Decimal] = {}
        self._orders = 0

    def fill(
        self,
        at_s: float,
        symbol: str,
        quantity: object,
        price: object = 100,
        *,
        client_order_id: str | None = None,
        same_order: bool = False,
        pnl: object = 0,
    ) -> "Story":
        """Fill a signed quantity; `same_order` continues the order before."""
        signed = D(str(quantity))
        self._held[symbol] = self._held.get(symbol, D(0)) + signed
        self._orders += not same_order
        name = client_order_id or f"c{self._orders}"
        common = {"time_ms": int(at_s * 1_000), "symbol": symbol}
        order = {
            "side": "buy" if signed > 0 else "sell",
            "quantity": abs(signed),
            "price": D(str(price)),
            "reduce_only": False,
            "venue_order_id": self._orders,
            "client_order_id": name,
            "origin": "client",
        }
        if not same_order:
            accepted = OrderAccepted(**common, **order, order_type="market")
            self.events.append(accepted)
        self.events.append(
            OrderFilled(
                **common,
                **order,
                fee=D("0.1"),
                realized_pnl=D(str(pnl)),
                position=self._held[symbol],
                is_maker=False,
                fill_id=len(self.events),
            )
        )
        return self

    def price(self, at_s: float, symbol: str, price: object) -> "Story":
        """Note a price."""
        event = PriceSeen(time_ms=int(at_s * 1_000), symbol=symbol, price=D(str(price)))
        self.events.append(event)
        return self

    def rest(self, at_s: float, symbol: str, client_order_id: str) -> "Story":
        """Let an order rest."""
        self._orders += 1
        self.events.append(
            OrderAccepted(
                time_ms=int(at_s * 1_000),
                symbol=symbol,
                side="buy",
                order_type="limit",
                quantity=D(2),
                price=D(90),
                reduce_only=False,
                venue_order_id=self._orders,
                client_order_id=client_order_id,
                origin="client",
            )
        )
        return self


class TestOrphans:
    def test_an_empty_journal_is_clean(self):
        report = audit([])
        assert report.is_clean
        assert (report.longest_orphan_ms, report.fees) == (0, 0)

    def test_a_position_that_was_closed_is_none(self):
        report = audit(Story().fill(1, A, 2).fill(5, A, -2).events)
        assert report.orphans == ()
        assert report.is_clean

    def test_a_position_at_the_end_is_one(self):
        report = audit(Story().fill(1, A, 2).fill(3, A, 1).price(8, A, 100).events)
        [orphan] = report.orphans
        assert (orphan.symbol, orphan.quantity, orphan.since_ms, orphan.until_ms) == (
            A,
            3,
            1_000,
            None,
        )
        assert report.longest_orphan_ms == 7_000
        assert not report.is_clean
        assert report.positions == {A: D(3)}

    def test_its_age_counts_from_when_it_was_last_flat(self):
        story = Story().fill(1, A, 2).fill(3, A, -2).fill(4, A, 1).price(9, A, 100)
        [orphan] = audit(story.events).orphans
        assert orphan.since_ms == 4_000

    def test_a_leg_without_its_counterpart_is_one_for_as_long_as_that_lasts(self):
        story = Story().fill(1, A, 1).fill(3, B, -1).fill(10, B, 1).fill(14, A, -1)
        report = audit(story.events, spreads=[SPREAD])
        spans = [(o.symbol, o.since_ms, o.until_ms) for o in report.orphans]
        assert spans == [(A, 1_000, 3_000), (A, 10_000, 14_000)]
        assert report.longest_orphan_ms == 4_000
        assert report.is_clean  # nothing stands alone at the end

    def test_a_lonely_leg_at_the_end_is_not_clean(self):
        report = audit(Story().fill(1, A, 1).price(5, A, 100).events, spreads=[SPREAD])
        [orphan] = report.orphans
        assert orphan.until_ms is None
        assert not report.is_clean

    def test_a_hedged_spread_at_the_end_is_none(self):
        report = audit(Story().fill(1, A, 1).fill(1, B, -1).events, spreads=[SPREAD])
        assert report.is_clean
        assert set(report.positions) == {A, B}

    def test_a_change_of_the_lonely_leg_ends_one_span_and_begins_another(self):
        story = Story().fill(1, A, 1).fill(2, B, -1).fill(3, A, -1).fill(4, B, 1)
        spans = [o.symbol for o in audit(story.events, spreads=[SPREAD]).orphans]
        assert spans == [A, B]

    def test_foreign_positions_are_orphans_beside_spreads(self):
        story = Story().fill(1, A, 1).fill(1, B, -1).fill(2, "CUSDT", 1)
        [orphan] = audit(story.events, spreads=[SPREAD]).orphans
        assert orphan.symbol == "CUSDT"


class TestDuplicates:
    def test_two_equal_entries_in_a_row(self):
        report = audit(Story().fill(1, A, 2).fill(5, A, 2).fill(9, A, -4).events)
        [duplicate] = report.duplicates
        assert duplicate.client_order_ids == ("c1", "c2")
        assert (duplicate.symbol, duplicate.side, duplicate.quantity) == (A, "buy", 2)
        assert not report.is_clean

    def test_shorts_count_too(self):
        assert len(audit(Story().fill(1, A, -2).fill(5, A, -2).events).duplicates) == 1

    @pytest.mark.parametrize(
        "story",
        [
            pytest.param(Story().fill(1, A, 2).fill(5, A, 3), id="another quantity"),
            pytest.param(Story().fill(1, A, 2).fill(5, B, 2), id="another symbol"),
            pytest.param(Story().fill(1, A, 2).fill(70, A, 2), id="after the window"),
            pytest.param(Story().fill(1, A, 2).fill(3, A, -2).fill(5, A, 2), id="an exit between"),
            pytest.param(
                Story().fill(1, A, 2).fill(3, A, -1).fill(5, A, 2), id="a partial exit between"
            ),
            pytest.param(Story().fill(1, A, 1).fill(1, A, 1, same_order=True), id="one order"),
        ],
    )
    def test_are_not(self, story):
        assert audit(story.events).duplicates == ()

    def test_the_window_is_chosen_by_the_caller(self):
        story = Story().fill(1, A, 2).fill(70, A, 2)
        assert len(audit(story.events, duplicate_window_ms=100_000).duplicates) == 1

    def test_an_order_filled_in_pieces_is_compared_as_a_whole(self):
        story = Story().fill(1, A, 1).fill(1, A, 1, same_order=True).fill(4, A, 2)
        assert len(audit(story.events).duplicates) == 1

    def test_one_client_id_filled_as_two_orders(self):
        story = (
            Story()
            .fill(1, A, 2, client_order_id="same")
            .fill(2, A, -2)
            .fill(200, A, 2, client_order_id="same")
            .fill(300, A, -2)
        )
        [duplicate] = audit(story.events).duplicates
        assert duplicate.client_order_ids == ("same", "same")


class TestOpenOrders:
    def test_are_those_neither_filled_nor_ended(self):
        story = Story().rest(1, A, "left").rest(2, A, "canceled").fill(3, A, 1)
        story.events.append(
            OrderEnded(
                time_ms=4_000,
                symbol=A,
                venue_order_id=2,
                client_order_id="canceled",
                status="canceled",
                filled_quantity=D(0),
            )
        )
        assert audit(story.events).open_orders == ("left",)


class TestNakedExposure:
    def test_is_notional_times_seconds(self):
        # 2 * 100 alone for 3 s, then hedged by 200 of B
        story = Story().fill(1, A, 2, 100).fill(4, B, -4, 50).price(60, A, 100)
        assert naked_exposure(story.events, SPREAD) == 600.0

    def test_follows_the_prices(self):
        # hedged at first; A rises by 10: 2 * 10 net for 5 s
        story = Story().fill(0, A, 2, 100).fill(0, B, -4, 50).price(10, A, 110).price(15, A, 110)
        assert naked_exposure(story.events, SPREAD) == 100.0

    def test_weighs_leg_a_with_the_hedge_ratio(self):
        # beta 1.5: 200 of A are hedged by 300 of B
        story = Story().fill(0, A, 2, 100).fill(0, B, -6, 50).price(60, A, 100)
        assert naked_exposure(story.events, SpreadLegs(A, B, 1.5)) == 0.0
        assert naked_exposure(story.events, SPREAD) == 100.0 * 60

    def test_legs_on_the_same_side_add_up(self):
        story = Story().fill(0, A, 1, 100).fill(0, B, 1, 100).price(1, A, 100)
        assert naked_exposure(story.events, SPREAD) == 200.0

    def test_other_instruments_do_not_count(self):
        story = Story().fill(0, "CUSDT", 1, 100).price(60, "CUSDT", 100)
        assert naked_exposure(story.events, SPREAD) == 0.0

    def test_is_reported_per_spread(self):
        story = Story().fill(1, A, 2, 100).fill(4, B, -4, 50)
        assert audit(story.events, spreads=[SPREAD]).naked_exposure == {f"{A}:{B}": 600.0}

    @given(
        st.lists(
            st.tuples(
                st.integers(0, 5), st.sampled_from([A, B]), st.integers(-5, 5), st.integers(1, 9)
            ),
            max_size=20,
        ),
        st.floats(0.1, 3),
    )
    def test_is_never_negative_and_does_not_depend_on_direction(self, steps, ratio):
        story, mirror, at = Story(), Story(), 0
        for gap, symbol, quantity, price in steps:
            at += gap
            if quantity:
                story.fill(at, symbol, quantity, price)
                mirror.fill(at, symbol, -quantity, price)
        spread = SpreadLegs(A, B, ratio)
        exposure = naked_exposure(story.events, spread)
        assert exposure >= 0
        assert exposure == pytest.approx(naked_exposure(mirror.events, spread))


class TestCosts:
    def test_fees_funding_and_profit_per_symbol(self):
        story = Story().fill(1, A, 1).fill(2, A, -1, pnl="3.5").fill(2, B, -1).fill(3, B, 1, pnl=-1)
        for amount in ("-0.2", "0.05"):
            story.events.append(
                FundingPaid(
                    time_ms=4_000, symbol=A, amount=D(amount), rate=D("0.0001"), position=D(1)
                )
            )
        report = audit(story.events)
        assert report.fees == D("0.4")
        assert report.funding == D("-0.15")
        assert report.realized_pnl == {A: D("3.5"), B: D(-1)}

    def test_agree_with_the_exchange(self):
        desk = Desk()
        desk.do(SetLeverage("BTCUSDT", 5))
        desk.do(PlaceOrder("BTCUSDT", Side.BUY, OrderType.MARKET, D(2)))
        desk.market.pay_funding("BTCUSDT", "0.001", START_MS + 500, mark=100)
        desk.move("BTCUSDT", 120)
        desk.do(PlaceOrder("BTCUSDT", Side.SELL, OrderType.MARKET, D(2)))
        report = audit(desk.journal)
        total = sum(report.realized_pnl.values()) - report.fees + report.funding
        assert desk.wallet == 10_000 + total


class TestSpreadLegs:
    @pytest.mark.parametrize(
        ("text", "legs"),
        [("A:B", SpreadLegs("A", "B")), ("A:B:0.5", SpreadLegs("A", "B", 0.5))],
    )
    def test_are_read(self, text, legs):
        assert SpreadLegs.parse(text) == legs

    @pytest.mark.parametrize("text", ["", "A", "A:B:x"])
    def test_another_form_is_refused(self, text):
        with pytest.raises(ConfigError, match="LEG_A:LEG_B"):
            SpreadLegs.parse(text)


def test_a_report_can_be_written_as_json():
    story = Story().fill(1, A, 2).fill(5, A, 2)
    plain = json.loads(json.dumps(audit(story.events, spreads=[SPREAD]).as_json()))
    assert plain["is_clean"] is False
    assert plain["positions"] == {A: "4"}
    assert plain["duplicates"][0]["client_order_ids"] == ["c1", "c2"]
    assert plain["orphans"][0]["quantity"] == "4"
