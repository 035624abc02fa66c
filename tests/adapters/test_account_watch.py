"""The account-wide rules on a bot: states on disk, wishes of a person, what follows.

Bugs planted by hand, each caught by the test named:

1. states are not saved, or only at the end -> test_a_stopped_account_is_stopped_after_a_restart
2. a wish is left in the table -> test_a_reset_is_done_once
3. a wish is lost with the state -> test_a_wish_and_its_state_are_saved_together
4. a recovery's end counts for the account's -> test_the_longest_stop_of_entries_holds
5. messages are told again in each look -> test_a_person_is_told_once
6. an unchanged state is written -> test_nothing_is_written_without_a_change
7. close_reason stays when all is over -> test_a_rest_ends
8. a message is saved after its state -> test_a_stop_and_its_message_are_saved_together
"""

import math

import pytest
from freqtrade.persistence import Trade

from freqtrade_ext.adapters._account_watch import ACCOUNT, WISH, AccountLook, AccountWatch
from freqtrade_ext.adapters._outbox import MESSAGES, Outbox
from freqtrade_ext.adapters.risk_store import MemoryRiskStore, RiskTable
from freqtrade_ext.errors import CorruptStateError, StoreError
from freqtrade_ext.risk import CloseReason, RiskSettings

HOUR = 3_600_000


class Watch(AccountWatch):
    def __init__(self, store):
        self.told = []
        super().__init__(store, RiskSettings, Outbox(store, self.told.append, lambda: ()))

    def see(self, equity, *, unrealised=0.0, positions=1, hours=0.0):
        now_ms = round(1_700_000_000_000 + hours * HOUR)
        self.look(AccountLook(equity, unrealised, 0.02, 0.02, positions, now_ms))
        return self.close_reason


@pytest.fixture
def store(database):
    return RiskTable(Trade.session.get_bind())


def stopped(store):
    watch = Watch(store)
    for equity in (1_000.0, 790.0, 790.0):  # two looks in a row must show it
        watch.see(equity)
    return watch


def test_a_fifth_below_the_peak_closes_everything(store):
    watch = stopped(store)
    assert watch.close_reason is CloseReason.KILL_SWITCH_FULL
    assert watch.entries.until_ms is None
    assert "21.0% below its peak 1000.00" in watch.entries.reason


def test_a_person_is_told_once(store):
    watch = stopped(store)
    watch.see(790.0)
    (text,) = watch.told
    assert text.startswith("Account kill switch: equity 790.00 is 21.0% below")


def test_a_stopped_account_is_stopped_after_a_restart(store):
    stopped(store)
    again = Watch(store)
    assert again.account.is_stopped
    assert again.see(math.nan) is CloseReason.KILL_SWITCH_FULL  # no price is known yet
    assert again.see(2_000.0) is CloseReason.KILL_SWITCH_FULL  # nothing but a person ends it


def test_a_reset_is_done_once(store):
    watch = stopped(store)
    store.save({WISH: {"kind": "reset"}}, 1)
    assert watch.see(790.0) is None
    assert watch.entries is None
    assert watch.account.peak_equity == 790.0
    assert store.read(WISH) is None
    assert "reset by a person" in watch.told[-1]
    watch.see(1_000.0)
    assert watch.account.peak_equity == 1_000.0  # not reset again


def test_a_reset_before_the_start_is_done_in_the_first_loop(store):
    stopped(store)
    store.save({WISH: {"kind": "reset"}}, 1)
    again = Watch(store)
    assert again.see(math.nan) is None
    assert again.account.peak_equity is None


def test_a_person_can_stop_an_account(store):
    watch = Watch(store)
    watch.see(1_000.0)
    store.save({WISH: {"kind": "stop", "reason": "leaving for a week"}}, 1)
    assert watch.see(1_000.0) is CloseReason.KILL_SWITCH_FULL
    assert watch.entries.reason == "leaving for a week"
    assert Watch(store).account.is_stopped


def test_a_wish_and_its_state_are_saved_together(store, monkeypatch):
    watch = stopped(store)
    store.save({WISH: {"kind": "reset"}}, 1)
    saved = []
    monkeypatch.setattr(store, "save", lambda documents, now_ms: saved.append(set(documents)))
    watch.see(790.0)
    assert saved[0] == {ACCOUNT, WISH, MESSAGES}


def test_a_stop_and_its_message_are_saved_together(store, monkeypatch):
    watch = Watch(store)
    for equity in (1_000.0, 790.0):
        watch.see(equity)
    saved = []
    monkeypatch.setattr(store, "save", lambda documents, now_ms: saved.append(set(documents)))
    watch.see(790.0)
    assert saved == [{ACCOUNT, MESSAGES}]


def test_an_account_is_closed_although_its_state_cannot_be_written(store, monkeypatch):
    """It is an error, but the way out does not depend on a disk; it is written when it can be."""
    watch = Watch(store)
    watch.see(1_000.0)
    watch.see(790.0)

    def fail(documents, now_ms):
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "save", fail)
        with pytest.raises(StoreError):
            watch.see(790.0)
        assert watch.close_reason is CloseReason.KILL_SWITCH_FULL
        assert watch.entries is not None
        (text,) = watch.told
        assert "21.0% below" in text
        with pytest.raises(StoreError):
            watch.see(790.0)
        assert watch.told == [text]
    assert not Watch(store).account.is_stopped
    watch.see(790.0)
    assert Watch(store).account.is_stopped


def test_nothing_is_written_without_a_change(store, monkeypatch):
    watch = Watch(store)
    watch.see(1_000.0)

    def fail(documents, now_ms):
        raise AssertionError(documents)

    monkeypatch.setattr(store, "save", fail)
    watch.see(1_000.0)
    watch.see(990.0)


# Portfolio recovery


def recovered(watch):
    """Thirteen hours under water, then up to 2.00 and back."""
    for hours in range(14):
        watch.see(990.0, unrealised=-10.0, hours=hours)
    watch.see(1_002.0, unrealised=2.0, hours=14)
    return watch.see(1_001.0, unrealised=1.5, hours=14.1)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_recovered_portfolio_is_closed_and_entries_rest(store, restarts):
    watch = Watch(store)
    for hours in range(14):
        watch.see(990.0, unrealised=-10.0, hours=hours)
        watch = Watch(store) if restarts else watch
    watch.see(1_002.0, unrealised=2.0, hours=14)
    watch = Watch(store) if restarts else watch
    assert watch.see(1_001.0, unrealised=1.5, hours=14.1) is CloseReason.RECOVERY_EXIT
    assert "Portfolio recovery" in watch.told[-1]
    watch = Watch(store) if restarts else watch
    assert watch.see(1_001.0, unrealised=1.5, hours=14.2) is CloseReason.RECOVERY_EXIT
    assert watch.see(1_001.0, positions=0, hours=14.3) is None
    assert watch.entries is not None


def test_a_rest_ends(store):
    watch = Watch(store)
    recovered(watch)
    watch.see(1_001.0, positions=0, hours=14.5)
    assert watch.entries is not None
    watch.see(1_001.0, positions=0, hours=20.2)
    assert watch.entries is None
    assert watch.close_reason is None


def test_the_longest_stop_of_entries_holds(store):
    watch = Watch(store)
    recovered(watch)
    store.save({WISH: {"kind": "stop"}}, 1)
    watch.see(1_001.0, positions=0, hours=15)
    assert watch.entries.until_ms is None


def test_a_state_that_cannot_be_read_is_an_error():
    store = MemoryRiskStore()
    store.save({ACCOUNT: {"version": 1, "peak_equity": "high"}}, 1)
    with pytest.raises(CorruptStateError, match="table ext_risk, row 'account'"):
        Watch(store)
