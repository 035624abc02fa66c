"""Bookkeeping of positions and wallet, without any exchange around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.sandbox.engine import Account, MarginMode, Position, Side
from freqtrade_ext.sandbox.engine._account import money
from freqtrade_ext.sandbox.engine._margin import bracket_of, max_leverage, max_notional

from .doubles import BRACKETS, D

BUY, SELL = Side.BUY, Side.SELL


def isolated(leverage: int = 10) -> Position:
    return Position("BTCUSDT", leverage=leverage, margin_mode=MarginMode.ISOLATED)


class TestPosition:
    def test_is_flat_at_first(self):
        position = Position("BTCUSDT")
        assert (position.quantity, position.entry_price) == (0, 0)
        assert position.unrealized_pnl(D(100)) == 0

    @pytest.mark.parametrize(
        ("fills", "quantity", "entry", "realized"),
        [
            pytest.param([(BUY, 1, 100)], 1, 100, [0], id="open long"),
            pytest.param([(SELL, 1, 100)], -1, 100, [0], id="open short"),
            pytest.param([(BUY, 1, 100), (BUY, 3, 120)], 4, 115, [0, 0], id="add"),
            pytest.param([(BUY, 4, 100), (SELL, 1, 130)], 3, 100, [0, 30], id="reduce"),
            pytest.param([(BUY, 2, 100), (SELL, 2, 90)], 0, 0, [0, -20], id="close at a loss"),
            pytest.param([(SELL, 2, 100), (BUY, 2, 90)], 0, 0, [0, 20], id="close a short"),
            pytest.param([(BUY, 2, 100), (SELL, 5, 110)], -3, 110, [0, 20], id="turn down"),
            pytest.param([(SELL, 2, 100), (BUY, 5, 110)], 3, 110, [0, -20], id="turn up"),
        ],
    )
    def test_follows_its_fills(self, fills, quantity, entry, realized):
        position = isolated()
        assert [position.apply(s, D(q), D(p)) for s, q, p in fills] == realized
        assert (position.quantity, position.entry_price) == (quantity, entry)

    def test_an_isolated_wallet_grows_and_shrinks_with_it(self):
        position = isolated(leverage=10)
        position.apply(BUY, D(10), D(100))
        assert position.isolated_wallet == 100
        position.apply(SELL, D(4), D(200))
        assert position.isolated_wallet == 60
        position.apply(SELL, D(6), D(50))
        assert position.isolated_wallet == 0

    def test_turning_sets_margin_aside_for_the_new_side_only(self):
        position = isolated(leverage=10)
        position.apply(BUY, D(10), D(100))
        position.apply(SELL, D(15), D(100))
        assert position.isolated_wallet == 50

    def test_a_cross_position_has_no_wallet(self):
        position = Position("BTCUSDT", leverage=10)
        position.apply(BUY, D(10), D(100))
        assert position.isolated_wallet == 0
        assert not position.is_isolated

    def test_unrealized_profit_is_signed(self):
        position = isolated()
        position.apply(SELL, D(2), D(100))
        assert position.unrealized_pnl(D(90)) == 20
        assert position.unrealized_pnl(D(110)) == -20

    def test_thirds_do_not_leak(self):
        position = isolated()
        position.apply(BUY, D(3), D(100))
        realized = sum(position.apply(SELL, D(1), D("100.01")) for _ in range(3))
        assert realized == D("0.03")
        assert position.entry_notional == 0

    @given(
        st.lists(
            st.tuples(st.sampled_from(Side), st.integers(1, 999), st.integers(1, 999)),
            max_size=30,
        )
    )
    def test_realized_and_unrealized_profit_are_the_cash_flow(self, fills):
        position, cash, realized = isolated(), D(0), D(0)
        for side, quantity, price in fills:
            realized += position.apply(side, D(quantity), D(price))
            cash -= side.sign * quantity * price
        at = D(500)
        worth = cash + position.quantity * at
        tolerance = len(fills) * D("0.00000001")
        assert abs(realized + position.unrealized_pnl(at) - worth) <= tolerance

    @given(
        st.lists(
            st.tuples(st.sampled_from(Side), st.integers(1, 999), st.integers(1, 999)),
            max_size=30,
        )
    )
    def test_long_and_short_mirror_each_other(self, fills):
        one, other = isolated(), isolated()
        for side, quantity, price in fills:
            gained = one.apply(side, D(quantity), D(price))
            assert other.apply(side.opposite, D(quantity), D(price)) == -gained
        assert one.quantity == -other.quantity
        assert one.isolated_wallet == other.isolated_wallet


class TestAccount:
    def test_every_change_is_written_down(self):
        account = Account()
        account.book("transfer", D(100), 1)
        account.book("commission", D("-0.123456789"), 2, "BTCUSDT", 7)
        assert account.wallet_balance == D("99.87654321")
        entry = account.ledger[-1]
        assert (entry.entry_id, entry.amount, entry.fill_id) == (2, D("-0.12345679"), 7)

    def test_nothing_is_not_written_down_but_funding_is(self):
        account = Account()
        account.book("realized_pnl", D(0), 1)
        account.book("funding", D(0), 2)
        assert [entry.kind for entry in account.ledger] == ["funding"]

    def test_the_cross_wallet_is_what_isolated_positions_leave(self):
        account = Account(wallet_balance=D(1_000))
        position = account.position("BTCUSDT")
        position.margin_mode, position.leverage = MarginMode.ISOLATED, 10
        position.apply(BUY, D(10), D(100))
        account.position("ETHUSDT").apply(BUY, D(10), D(50))
        assert account.cross_wallet == 900
        prices = {"BTCUSDT": D(200), "ETHUSDT": D(60)}
        assert account.cross_unrealized_pnl(prices) == 100
        # only the cross position, at the default of 20x: 10 * 60 / 20
        assert account.cross_initial_margin(prices) == 30

    def test_flat_positions_are_not_held(self):
        account = Account()
        account.position("BTCUSDT")
        assert account.held == []

    @pytest.mark.parametrize(
        ("amount", "rounded"),
        [("0.000000005", "0"), ("0.000000015", "0.00000002"), ("-1.123456789", "-1.12345679")],
    )
    def test_money_is_rounded_half_to_even(self, amount, rounded):
        assert money(D(amount)) == D(rounded)


class TestBrackets:
    @pytest.mark.parametrize(
        ("notional", "row"), [(0, 0), (49_999, 0), (50_000, 1), (999_999, 1), (10**9, 1)]
    )
    def test_are_chosen_by_notional(self, notional, row):
        assert bracket_of(BRACKETS, D(notional)) is BRACKETS[row]

    @pytest.mark.parametrize(
        ("leverage", "notional"), [(1, 1_000_000), (20, 1_000_000), (21, 50_000), (50, 50_000)]
    )
    def test_limit_the_position_of_a_leverage(self, leverage, notional):
        assert max_notional(BRACKETS, leverage) == notional

    def test_beyond_the_table_nothing_is_allowed(self):
        assert max_notional(BRACKETS, 51) == 0
        assert max_leverage(BRACKETS) == 50
