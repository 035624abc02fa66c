"""Who may trade an account.

Planted bugs, each found by the test in brackets: a process that lives is overridden when its
heartbeat is old (a_bot_that_lives_but_hangs); `is_alive` is asked about another machine
(nobody_asks_another_machine); a heartbeat exactly `ttl_ms` old has expired (silent_for_the_whole);
the boot is not compared (a_machine_of_the_same_name).
"""

import re
from dataclasses import replace

import pytest

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.execution import LEASE_TTL_MS, Lease, LeaseState, may_take

NOW = 1_900_000_000_000
ME = Lease("binance:1:trades", "desk", 41, "100.5", "boot-1", "mine", NOW)
HOLDER = Lease("binance:1:trades", "desk", 40, "99.1", "boot-1", "theirs", NOW - 4_000)
ELSEWHERE = replace(HOLDER, host="other")


def alive(lease):
    return True


def dead(lease):
    return False


def never_asked(lease):
    raise AssertionError(f"asked about {lease}")


def test_an_account_without_a_lease_is_free():
    verdict = may_take(None, ME, NOW, is_alive=never_asked)
    assert (verdict.state, verdict.may_take) == (LeaseState.FREE, True)


def test_a_process_keeps_its_own_lease():
    old = replace(ME, heartbeat_ms=NOW - 10 * LEASE_TTL_MS)
    assert may_take(old, ME, NOW, is_alive=never_asked).state is LeaseState.MINE


def test_a_dead_holder_on_this_machine_is_replaced_at_once():
    verdict = may_take(HOLDER, ME, NOW, is_alive=dead)
    assert (verdict.state, verdict.may_take) == (LeaseState.DEAD, True)


def test_a_living_holder_is_named_so_that_it_can_be_stopped():
    verdict = may_take(HOLDER, ME, NOW, is_alive=alive)
    assert not verdict.may_take
    words = "process 40 on desk .last heartbeat 4 s ago.*kill -TERM 40"
    assert re.search(words, verdict.text)


def test_a_bot_that_lives_but_hangs_still_holds_the_account():
    hanging = replace(HOLDER, heartbeat_ms=NOW - 100 * LEASE_TTL_MS)
    assert not may_take(hanging, ME, NOW, is_alive=alive).may_take


def test_the_same_process_id_of_a_later_process_is_not_me():
    earlier = replace(ME, instance_id="before")
    assert may_take(earlier, ME, NOW, is_alive=dead).state is LeaseState.DEAD
    assert may_take(earlier, ME, NOW, is_alive=alive).state is LeaseState.HELD


def test_nobody_asks_another_machine_whether_its_process_lives():
    verdict = may_take(ELSEWHERE, ME, NOW, is_alive=never_asked)
    assert verdict.state is LeaseState.HELD
    assert "its lease ends 26 s from now" in verdict.text


def test_a_machine_of_the_same_name_is_another_one():
    twin = replace(HOLDER, boot_id="boot-2")
    assert may_take(twin, ME, NOW, is_alive=never_asked).state is LeaseState.HELD


@pytest.mark.parametrize(
    ("age_ms", "state"),
    [
        pytest.param(LEASE_TTL_MS, LeaseState.HELD, id="silent_for_the_whole_time"),
        pytest.param(LEASE_TTL_MS + 1, LeaseState.EXPIRED, id="silent_for_longer"),
        pytest.param(-60_000, LeaseState.HELD, id="its_clock_is_ahead"),
    ],
)
def test_a_lease_held_elsewhere_ends_when_its_holder_is_silent(age_ms, state):
    holder = replace(ELSEWHERE, heartbeat_ms=NOW - age_ms)
    assert may_take(holder, ME, NOW, is_alive=never_asked).state is state


def test_how_long_a_holder_may_be_silent_can_be_chosen():
    assert may_take(ELSEWHERE, ME, NOW, ttl_ms=3_999, is_alive=never_asked).may_take


def test_the_lease_of_another_account_is_no_answer():
    with pytest.raises(IllegalRequest, match="lease of binance:2 asked about for binance:1"):
        may_take(replace(HOLDER, account="binance:2"), ME, NOW, is_alive=dead)
