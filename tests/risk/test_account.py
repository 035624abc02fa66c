"""Account kill switch: a drawdown from the peak stops everything until a person resets it.

Planted bugs, each of which turns a test red: no confirmation, breaches in a row not broken by a
good look, peak that does not rise, peak that falls, deposits taken for profit, withdrawals for
loss, CloseAll only once, Notify in every look, a stop that ends by itself, a reset that keeps the
old peak, an unknown equity taken for 0.
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.risk import (
    AccountSettings,
    AccountState,
    CloseAll,
    CloseReason,
    Notify,
    StopEntries,
    reset_account,
    stop_account,
    watch_account,
)

LIMIT = AccountSettings(max_drawdown=0.2)
AT_ONCE = AccountSettings(max_drawdown=0.2, confirm_looks=1)
CLOSE = CloseAll(CloseReason.KILL_SWITCH_FULL)


def watch(equities, settings=AT_ONCE, state=None, deposits=None):
    """Look once for each equity; return the last state and the commands of each look."""
    state = AccountState() if state is None else state
    told = []
    for number, equity in enumerate(equities):
        net = math.nan if deposits is None else deposits[number]
        state, commands = watch_account(equity, state, number, settings, net_deposits=net)
        told.append(commands)
    return state, told


def test_drawdown_of_the_limit_stops():
    """Peak 1250; 1000 is 20 % below."""
    state, told = watch([1000.0, 1250.0, 1001.0, 1000.0])
    assert told[:3] == [[], [], []]
    close, stop, notice = told[3]
    assert close == CLOSE
    assert isinstance(stop, StopEntries)
    assert stop.until_ms is None
    assert isinstance(notice, Notify)
    assert "equity 1000.00 is 20.0% below its peak 1250.00" in notice.text
    assert (state.is_stopped, state.stopped_since_ms) == (True, 3)


def test_one_wrong_price_does_not_close_an_account():
    state, told = watch([1000.0, 500.0, 1000.0, 500.0, 1000.0], LIMIT)
    assert told == [[]] * 5
    assert not state.is_stopped


def test_two_looks_in_a_row_confirm():
    state, told = watch([1000.0, 790.0, 780.0], LIMIT)
    assert told[1] == []
    assert told[2][0] == CLOSE
    assert state.is_stopped


def test_it_stays_stopped_and_closes_in_every_look_but_tells_once():
    state, told = watch([1000.0, 700.0, 700.0, 2000.0])
    assert len(told[1]) == 3
    for commands in told[2:]:
        assert [type(command) for command in commands] == [CloseAll, StopEntries]
    assert state.stopped_since_ms == 1


def test_a_restart_in_the_middle_goes_on():
    state, _ = watch([1000.0, 700.0])
    again = AccountState.from_json(state.to_json())
    assert again == state
    _, commands = watch_account(700.0, again, 99, AT_ONCE)
    assert [type(command) for command in commands] == [CloseAll, StopEntries]


def test_a_restart_between_two_looks_does_not_lose_the_first():
    state, _ = watch([1000.0, 700.0], LIMIT)
    again = AccountState.from_json(state.to_json())
    assert watch_account(700.0, again, 99, LIMIT)[1][0] == CLOSE


def test_a_reset_begins_a_new_peak():
    state, _ = watch([1000.0, 700.0])
    state = reset_account(state, 700.0)
    state, told = watch([700.0, 600.0, 561.0, 559.0], state=state)
    assert told[:3] == [[], [], []]
    assert told[3][0] == CLOSE  # 20 % below 700 is 560


def test_a_reset_without_equity_takes_the_next_one():
    state, _ = watch([1000.0, 700.0])
    state = reset_account(state, math.nan)
    assert state.peak_equity is None
    state, told = watch([700.0], state=state)
    assert (state.peak_equity, told) == (700.0, [[]])


def test_a_person_may_stop_too():
    state = stop_account(AccountState(), 5, "asked for by REST")
    assert state.is_stopped
    _, commands = watch_account(1000.0, state, 6, AT_ONCE)
    assert commands == [CLOSE, StopEntries(None, "asked for by REST")]
    assert stop_account(state, 9, "again") == state


@pytest.mark.parametrize("equity", [math.nan, math.inf])
def test_unknown_equity_decides_nothing_new(equity):
    state, told = watch([1000.0, equity])
    assert told[1] == []
    assert state.peak_equity == 1000.0
    stopped, _ = watch([1000.0, 700.0])
    assert watch_account(equity, stopped, 9, AT_ONCE)[1][0] == CLOSE


def test_switched_off_it_watches_the_peak_only():
    off = AccountSettings(enabled=False, confirm_looks=1)
    state, told = watch([1000.0, 100.0], off)
    assert told == [[], []]
    assert state.peak_equity == 1000.0


def test_an_account_that_is_lost_is_a_drawdown():
    assert watch([1000.0, 0.0])[1][1][0] == CLOSE
    assert watch([1000.0, -50.0])[1][1][0] == CLOSE


def test_an_account_without_money_has_no_peak():
    state, told = watch([0.0, 0.0])
    assert (state.peak_equity, told) == (None, [[], []])


def test_a_withdrawal_is_no_loss():
    """Half is withdrawn at the peak of 1000; then 20 % of the rest is 400."""
    state, told = watch([1000.0, 500.0, 401.0, 400.0], deposits=[0.0, -500.0, -500.0, -500.0])
    assert told[:3] == [[], [], []]
    assert told[3][0] == CLOSE
    assert state.peak_equity == 500.0


def test_a_deposit_is_no_profit_and_hides_no_drawdown():
    """Down 10 % to 900, then 900 come in: the peak of 1000 becomes 2000, 10 % stay 10 %."""
    state, told = watch([1000.0, 900.0, 1800.0], deposits=[0.0, 0.0, 900.0])
    assert told == [[], [], []]
    assert state.peak_equity == 2000.0
    assert state.drawdown(1800.0) == pytest.approx(0.1)
    assert watch([1600.0], state=state, deposits=[900.0])[1][0][0] == CLOSE


def test_without_knowledge_of_deposits_a_withdrawal_stops():
    """The cautious mistake; the documents tell how to avoid it."""
    assert watch([1000.0, 500.0])[1][1][0] == CLOSE


def test_the_first_known_deposits_are_the_zero_line():
    state, told = watch([1000.0, 1000.0], deposits=[5000.0, 5000.0])
    assert told == [[], []]
    assert state.peak_equity == 1000.0


def test_deposits_that_become_known_later_are_no_flow():
    """Unknown in the first look: nothing is known to have moved since."""
    state, _ = watch([1000.0, 1000.0], deposits=[math.nan, 500.0])
    assert state.peak_equity == 1000.0


def test_all_withdrawn_and_paid_in_again_is_a_new_account():
    state, told = watch([1000.0, 0.0, 300.0], deposits=[0.0, -1000.0, -700.0])
    assert told == [[], [], []]
    assert state.peak_equity == 300.0


@given(
    st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=40),
    st.data(),
)
def test_drawdown_is_the_same_with_and_without_deposits(returns, data):
    """Two accounts with the same returns; one is paid into and out of. Same drawdowns."""
    still, busy = AccountState(), AccountState()
    equity = money = 1000.0
    paid = 0.0
    never = AccountSettings(enabled=False)
    for number, change in enumerate(returns):
        equity, money = equity * (1 + change), money * (1 + change)
        # The flow comes in a look of its own: money that came in with a gain shares the gain.
        still, _ = watch_account(equity, still, number, never, net_deposits=0.0)
        busy, _ = watch_account(money, busy, number, never, net_deposits=paid)
        flow = data.draw(st.floats(-0.9, 3.0)) * money
        money, paid = money + flow, paid + flow
        busy, _ = watch_account(money, busy, number, never, net_deposits=paid)
        assert busy.drawdown(money) == pytest.approx(still.drawdown(equity), abs=1e-9)


@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=40))
def test_it_stops_exactly_when_the_drawdown_reaches_the_limit(equities):
    state, told = watch(equities)
    peak, expected = 0.0, None
    for number, equity in enumerate(equities):
        peak = max(peak, equity)
        if equity <= 0.8 * peak:
            expected = number
            break
    assert state.stopped_since_ms == expected
    assert [bool(commands) for commands in told] == [
        expected is not None and number >= expected for number in range(len(equities))
    ]


def test_drawdown_before_the_first_look_is_none():
    assert AccountState().drawdown(5.0) == 0.0
    assert math.isnan(AccountState(peak_equity=1.0).drawdown(math.nan))
