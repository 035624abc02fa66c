"""One bot at a time on an account and on a database: rows, locks, processes that are killed.

Bugs planted by hand, each caught by the test named:

1. the lock file of the temporary folder is left out ->
   test_two_databases_on_one_machine_are_one_account
2. the lock file of user_data is left out -> test_the_user_folder_is_locked_as_well
3. a refused `take` keeps its file locks -> test_a_refused_bot_leaves_nothing_locked
4. same process number is taken for alive whatever its start ->
   test_a_container_that_is_restarted_takes_its_own_lease_over
5. the start time of the holder is not compared -> test_a_process_number_that_is_used_again
6. a zombie counts as alive -> test_a_killed_holder_is_dead_before_its_parent_has_noticed
7. `heartbeat` writes without comparing -> test_a_lease_that_another_bot_has_taken_is_lost
8. a lost lease is found again by the next heartbeat -> test_a_lost_lease_stays_lost
9. a database error suspends the lease at once -> test_a_database_that_hesitates_suspends_nothing
10. a database error never suspends the lease -> test_a_database_that_is_gone_suspends_the_lease
11. `release` removes another bot's row -> test_release_leaves_another_bots_lease_alone
12. the lock file is inherited by children -> test_a_child_does_not_keep_the_lock
13. the key itself is in the file name -> test_the_key_is_nowhere
14. `release` keeps the locks -> test_after_release_the_next_bot_starts_at_once
15. a heartbeat that was written although it was reported as failed is taken for another bot's ->
    test_a_heartbeat_that_was_written_in_spite_of_an_error_is_our_own
16. a suspended lease stays suspended -> test_a_database_that_is_back_gives_the_lease_back
17. a suspended lease is taken back from a bot at work ->
    test_who_took_a_suspended_lease_meanwhile_keeps_it
18. a row that is gone or expired is a lost lease -> test_what_nobody_holds_is_taken_again
19. the database's row is left out -> test_two_keys_on_one_database_are_refused_by_the_row
20. the lock of the database is left out -> test_two_keys_on_one_database_file_are_refused
21. the lock lies beside the name, not beside the file -> test_a_link_to_a_database_is_that_database
22. only one row is renewed -> test_heartbeats_keep_the_lease
23. only one row is looked at -> test_a_database_that_another_bot_has_taken_is_lost
24. only one row is given back -> test_after_release_no_row_is_left
25. a refused database keeps the account's row -> test_a_race_for_the_database_leaves_no_row
26. the wait for another machine is left out -> test_a_container_made_anew_waits_for_its_own_lease
27. a live bot of this machine is waited for -> test_nobody_waits_for_a_live_bot_of_this_machine
28. a bot that renews its lease is waited for to the end -> test_a_bot_at_work_is_not_waited_for
29. the wait has no end -> test_the_wait_has_an_end
30. the wait logs every second -> test_a_container_made_anew_waits_for_its_own_lease
31. rows are written while others are waited for -> test_nothing_is_written_while_waiting
32. `release` does not wait for a heartbeat under way ->
    test_a_heartbeat_under_way_takes_nothing_back_after_release
33. the doctor looks at the account's row only -> test_the_doctor_shows_the_database_too
"""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from sqlalchemy import StaticPool, create_engine, make_url

from freqtrade_ext.adapters import _lease
from freqtrade_ext.adapters._lease import (
    DATABASE,
    AccountLease,
    LeaseHealth,
    account_of,
    is_alive,
    this_process,
)
from freqtrade_ext.adapters.checks import _lease as doctor
from freqtrade_ext.adapters.execution_store import LeaseTable
from freqtrade_ext.errors import ConfigError, StoreError
from freqtrade_ext.execution import LEASE_TTL_MS, Lease

HELD, SUSPENDED, LOST = LeaseHealth
KEY = "a key that must stay secret"
ACCOUNT = account_of({"exchange": {"name": "binance", "key": KEY}})
ELSEWHERE = {"host": "elsewhere", "boot_id": "another boot", "instance_id": "another"}


class Clock:
    def __init__(self):
        self.ms = 1_000_000
        self.slept = []
        self.meanwhile = lambda: None

    def now_ms(self):
        return self.ms

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.ms += round(seconds * 1000)
        self.meanwhile()


class Rows:
    """Leases in memory that can fail on request."""

    def __init__(self):
        self.kept: dict[str, Lease] = {}
        self.failing = False
        self.fails_after_writing = False

    def read(self, account):
        self._check()
        return self.kept.get(account)

    def take(self, existing, new):
        self._check()
        if self.kept.get(new.account) != existing:
            return False
        self.kept[new.account] = new
        if self.fails_after_writing:
            self.fails_after_writing = False
            raise StoreError("connection closed")
        return True

    def remove(self, lease):
        self._check()
        kept = self.kept.get(lease.account)
        if kept is not None and kept.is_same_process(lease):
            del self.kept[lease.account]

    def _check(self):
        if self.failing:
            raise StoreError("database is locked")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def rows():
    return Rows()


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A temporary folder of this test's own: other tests and bots lock other files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def config_of_key(key: str) -> dict:
    return {"exchange": {"name": "binance", "key": key}}


def config(folder: Path, key: str = KEY) -> dict:
    folder.mkdir(exist_ok=True)
    return config_of_key(key) | {"user_data_dir": str(folder)}


@pytest.fixture
def make(tmp_path, rows, clock):
    """Leases of bots, each with a user folder; given back at the end."""
    made = []

    def lease(name="bot", *, rows=rows, key=KEY, **options):
        engine = create_engine("sqlite://")  # never asked: the rows are given
        one = AccountLease(config(tmp_path / name, key), engine, clock, rows=rows, **options)
        made.append(one)
        return one

    yield lease
    for one in made:
        one.release()


def held_elsewhere(clock, account=ACCOUNT, **changes):
    claim = this_process(account, clock.now_ms(), "/elsewhere/user_data")
    return replace(claim, pid=4711, **{**ELSEWHERE, **changes})


# Taking and giving back


def test_a_free_account_is_taken_and_written_down(make, rows):
    lease = make()
    lease.take()
    assert lease.is_held
    assert set(rows.kept) == {ACCOUNT, DATABASE}
    assert {kept.pid for kept in rows.kept.values()} == {os.getpid()}


def test_the_key_is_nowhere(make, rows, tmp_path):
    make().take()
    names = [str(path) for path in tmp_path.rglob("*")]
    texts = [path.read_text() for path in tmp_path.rglob("*.lock")]
    assert len(texts) == 2
    shown = " ".join([*names, *texts, str(rows.kept)])
    assert KEY not in shown
    assert ACCOUNT in shown


def test_accounts_are_told_apart_by_exchange_and_key():
    sections = [
        {"name": "binance", "key": "a"},
        {"name": "binance", "key": "b"},
        {"name": "bybit", "key": "a"},
        {"name": "hyperliquid", "key": "", "walletAddress": "0xabc"},
    ]
    names = {account_of({"exchange": section}) for section in sections}
    assert len(names) == 4
    assert all(len(name) == 16 for name in names)


def test_after_release_the_next_bot_starts_at_once(make):
    first = make("one")
    first.take()
    first.release()
    assert not first.is_held
    make("two").take()


def test_release_twice_or_without_a_lease_is_harmless(make):
    lease = make()
    lease.release()
    lease.take()
    lease.release()
    lease.release()


def test_release_leaves_another_bots_lease_alone(make, rows, clock):
    lease = make()
    lease.take()
    rows.kept[ACCOUNT] = other = held_elsewhere(clock)
    lease.release()
    assert rows.kept == {ACCOUNT: other}


def test_after_release_no_row_is_left(make, rows):
    lease = make()
    lease.take()
    lease.release()
    assert rows.kept == {}
    assert lease.heartbeat() is LOST
    assert rows.kept == {}


def test_a_database_that_fails_at_the_end_is_a_warning(make, rows, caplog):
    lease = make("one")
    lease.take()
    rows.failing = True
    lease.release()
    assert "the lease stays in the database" in caplog.text
    rows.failing = False
    make("two").take()


def test_bots_on_different_accounts_do_not_meet(make):
    make("one", key="first").take()
    make("one", key="second", rows=Rows()).take()


# Another bot on this machine


def test_two_databases_on_one_machine_are_one_account(make):
    make("one").take()
    with pytest.raises(
        ConfigError, match="another bot trades this account on this machine"
    ) as told:
        make("two", rows=Rows()).take()
    assert f"process {os.getpid()} on " in str(told.value)
    assert f"/one and account {ACCOUNT}. " in str(told.value)
    assert "stop that one first" in str(told.value)
    assert "Nothing has been started" in str(told.value)


def test_the_user_folder_is_locked_as_well(make, temporary, monkeypatch, tmp_path):
    make("one").take()
    other = tmp_path / "other-tmp"
    other.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(other))  # as in another container
    with pytest.raises(ConfigError, match="another bot trades this account on this machine"):
        make("one", rows=Rows()).take()


def beating(rows, clock, account=ACCOUNT):
    """A bot at work on another machine."""

    def beat():
        rows.kept[account] = held_elsewhere(clock, account)

    beat()
    clock.meanwhile = beat


def test_a_refused_bot_leaves_nothing_locked(make, rows, clock):
    beating(rows, clock)
    refused = make("one")
    with pytest.raises(ConfigError):
        refused.take()
    assert not refused.is_held
    rows.kept.clear()
    make("one").take()


def test_the_second_lock_refused_frees_the_first(make, tmp_path):
    make("one").take()
    with pytest.raises(ConfigError):
        make("two", rows=Rows()).take()
    lock = _lease._FileLock(next((tmp_path / "two").glob(".*.lock")))
    assert lock.acquire({}) is None
    lock.release()


def test_a_database_that_fails_at_the_start_leaves_nothing_locked(make, rows):
    rows.failing = True
    with pytest.raises(StoreError):
        make("one").take()
    rows.failing = False
    make("two").take()


def test_a_lock_file_that_says_nothing_still_refuses(make, temporary):
    make("one").take()
    (lock,) = temporary.glob("*.lock")
    lock.write_text("not json")
    with pytest.raises(ConfigError, match="a process that locks"):
        make("two", rows=Rows()).take()


# Where locks do not work


def test_without_locks_the_row_still_refuses(make, monkeypatch, rows, clock):
    monkeypatch.setattr(_lease, "fcntl", None)
    make("one").take()
    rows.kept = {account: replace(kept, pid=1) for account, kept in rows.kept.items()}
    rows.kept = {account: replace(kept, **ELSEWHERE) for account, kept in rows.kept.items()}
    clock.meanwhile = lambda: rows.kept.update(
        {account: replace(kept, heartbeat_ms=clock.ms) for account, kept in rows.kept.items()}
    )
    with pytest.raises(ConfigError, match="process 1 on elsewhere"):
        make("two").take()


def test_a_folder_that_cannot_be_written_is_a_warning(make, monkeypatch, caplog):
    lease = make("one")
    monkeypatch.setattr("os.open", lambda *_: (_ for _ in ()).throw(PermissionError("read-only")))
    lease.take()
    monkeypatch.undo()
    assert "no lock file at" in caplog.text
    assert lease.is_held


def test_a_file_system_without_locks_is_a_warning(make, monkeypatch, caplog):
    def unsupported(descriptor, how):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(_lease.fcntl, "flock", unsupported)
    make("one").take()
    assert "cannot be locked" in caplog.text


def test_another_users_lock_file_is_opened_for_reading(make, monkeypatch, temporary):
    opened = []
    real = os.open

    def as_another_user(path, flags, *mode):
        if flags & os.O_CREAT and str(temporary) in str(path):
            raise PermissionError(path)
        opened.append(flags)
        return real(path, flags, *mode)

    first = make("one")
    first.take()
    monkeypatch.setattr("os.open", as_another_user)
    with pytest.raises(ConfigError, match="another bot trades this account on this machine"):
        make("two", rows=Rows()).take()
    assert opened[-1] & os.O_ACCMODE == os.O_RDONLY


def test_a_link_in_the_temporary_folder_is_not_followed(make, temporary, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (temporary / f"freqtrade_ext-{ACCOUNT}.lock").symlink_to(victim)
    make().take()
    assert victim.read_text() == "precious"


# Another bot elsewhere


def test_a_bot_on_another_machine_refuses_and_is_named(make, rows, clock):
    beating(rows, clock)
    with pytest.raises(
        ConfigError, match="process 4711 on elsewhere with /elsewhere/user_data"
    ) as told:
        make().take()
    assert str(told.value).endswith("Nothing has been started.")
    assert rows.kept == {ACCOUNT: held_elsewhere(clock)}


def test_a_bot_at_work_is_not_waited_for(make, rows, clock):
    beating(rows, clock)
    with pytest.raises(ConfigError):
        make().take()
    assert clock.slept == [1.0]


def test_a_container_made_anew_waits_for_its_own_lease(make, rows, clock, caplog):
    """Killed with -9, and made anew under another host name."""
    rows.kept = {name: held_elsewhere(clock, name) for name in (ACCOUNT, DATABASE)}
    clock.ms += 4_000  # the container was quick
    make().take()
    assert clock.slept == [1.0] * 27
    assert caplog.text.count("waiting until the lease expires") == 1
    assert "process 4711 on elsewhere" in caplog.text
    assert {kept.pid for kept in rows.kept.values()} == {os.getpid()}
    assert {kept.heartbeat_ms for kept in rows.kept.values()} == {clock.ms}


def test_a_bot_that_ends_meanwhile_is_followed_at_once(make, rows, clock):
    rows.kept[ACCOUNT] = held_elsewhere(clock)
    clock.meanwhile = rows.kept.clear
    make().take()
    assert clock.slept == [1.0]


def test_the_wait_has_an_end(make, rows, clock):
    rows.kept[ACCOUNT] = held_elsewhere(clock, heartbeat_ms=clock.ms + 3_600_000)  # a clock ahead
    with pytest.raises(ConfigError, match="process 4711 on elsewhere"):
        make().take()
    assert sum(clock.slept) == LEASE_TTL_MS / 1000 + 5


def test_nobody_waits_for_a_live_bot_of_this_machine(make, rows, clock):
    here = replace(this_process(ACCOUNT, clock.ms), pid=4711, instance_id="another")
    rows.kept[ACCOUNT] = here
    with pytest.raises(ConfigError, match="kill -TERM 4711"):
        make(alive=lambda lease: True).take()
    assert clock.slept == []


def test_nothing_is_written_while_waiting(make, rows, clock):
    """A row without heartbeats would be another machine's to take before this bot has started."""
    rows.kept[DATABASE] = held_elsewhere(clock, DATABASE)
    seen = []
    clock.meanwhile = lambda: seen.append(set(rows.kept))
    make().take()
    assert set(map(frozenset, seen)) == {frozenset({DATABASE})}


# Another bot on the database


def on_file(folder, database, key, clock):
    engine = create_engine(f"sqlite:///{database}")
    return AccountLease(config(folder, key), engine, clock)


@pytest.fixture
def first(tmp_path, clock):
    """A bot with a key of its own on the database `trades.sqlite`."""
    lease = on_file(tmp_path / "one", tmp_path / "trades.sqlite", "first", clock)
    lease.take()
    yield lease
    lease.release()


def test_two_keys_on_one_database_file_are_refused(first, tmp_path, clock):
    second = on_file(tmp_path / "two", tmp_path / "trades.sqlite", "second", clock)
    with pytest.raises(ConfigError, match="another bot uses this database") as told:
        second.take()
    account = account_of({"exchange": {"name": "binance", "key": "first"}})
    assert f"/one and account {account}. " in str(told.value)
    assert "a database of its own (db_url)" in str(told.value)
    assert str(told.value).endswith("Nothing has been started.")
    assert first.heartbeat() is HELD
    first.release()
    second.take()  # the refused one has left nothing locked, the first neither
    second.release()


def test_a_link_to_a_database_is_that_database(first, tmp_path, clock):
    link = tmp_path / "link.sqlite"
    link.symlink_to(tmp_path / "trades.sqlite")
    with pytest.raises(ConfigError, match="another bot uses this database"):
        on_file(tmp_path / "two", link, "second", clock).take()


def test_two_databases_in_one_folder_are_two(first, tmp_path, clock):
    second = on_file(tmp_path / "one", tmp_path / "more.sqlite", "second", clock)
    second.take()
    second.release()


def test_two_keys_on_one_database_are_refused_by_the_row(make, rows, clock):
    """A database server has no file to lock."""
    beating(rows, clock, DATABASE)
    refused = make(key="second")
    with pytest.raises(ConfigError, match="database is traded by process 4711 on elsewhere with"):
        refused.take()
    assert set(rows.kept) == {DATABASE}
    assert not refused.is_held


def test_a_race_for_the_database_leaves_no_row(make, rows, clock):
    real, other = rows.take, held_elsewhere(clock, DATABASE)

    def race(existing, new):
        rows.kept[DATABASE] = other
        return real(existing, new)

    rows.take = race
    with pytest.raises(ConfigError, match="took the lease of database at this moment"):
        make().take()
    assert rows.kept == {DATABASE: other}


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true"])
def test_a_database_without_a_file_has_no_lock_file(url):
    assert _lease._files_of(create_engine(url)) == []


def test_a_database_server_has_no_lock_file():
    class Server:
        url = make_url("postgresql://host/trades")

    assert _lease._files_of(Server()) == []


def test_the_doctor_shows_the_database_too(clock):
    engine = create_engine("sqlite://", poolclass=StaticPool)
    table = LeaseTable(engine)
    check = doctor(engine, {"ext_lease"}, config_of_key(KEY), clock.ms)
    assert (check.status, check.text) == ("OK", "no other bot holds this account")
    assert table.take(None, held_elsewhere(clock, DATABASE))
    check = doctor(engine, {"ext_lease"}, config_of_key(KEY), clock.ms)
    assert check.status == "WARN"
    assert "database is traded by process 4711 on elsewhere" in check.text
    engine.dispose()


# Silent machines, races


def test_a_silent_machine_is_taken_over_in_time(make, rows, clock):
    other = held_elsewhere(clock)
    rows.kept[other.account] = other
    clock.ms += LEASE_TTL_MS + 1
    lease = make()
    lease.take()
    assert clock.slept == []
    assert lease.heartbeat() is HELD


def test_two_bots_at_the_same_moment_are_one(make, rows, clock):
    class Race(Rows):
        def read(self, account):
            return None

        def take(self, existing, new):
            return False

    lease = make(rows=Race())
    with pytest.raises(ConfigError, match=r"lease of [0-9a-f]{16} at this moment"):
        lease.take()
    assert not lease.is_held


# Heartbeats


@pytest.fixture
def lease(make):
    lease = make()
    lease.take()
    return lease


def test_heartbeats_keep_the_lease(lease, rows, clock):
    for _ in range(20):
        clock.ms += 5_000
        assert lease.heartbeat() is HELD
    assert [kept.heartbeat_ms for kept in rows.kept.values()] == [clock.ms] * 2


def test_a_lease_that_another_bot_has_taken_is_lost(lease, rows, clock, caplog):
    rows.kept[ACCOUNT] = other = held_elsewhere(clock)
    assert lease.heartbeat() is LOST
    assert not lease.is_held
    assert rows.kept[ACCOUNT] == other
    assert "[SAFETY] the lease is lost: " in caplog.text
    assert "process 4711 on elsewhere" in caplog.text


def test_a_database_that_another_bot_has_taken_is_lost(lease, rows, clock):
    rows.kept[DATABASE] = other = held_elsewhere(clock, DATABASE)
    assert lease.heartbeat() is LOST
    assert rows.kept[DATABASE] == other


def test_a_lost_lease_stays_lost(lease, rows, clock):
    mine, rows.kept[ACCOUNT] = rows.kept[ACCOUNT], held_elsewhere(clock)
    assert lease.heartbeat() is LOST
    rows.kept[ACCOUNT] = mine
    assert lease.heartbeat() is LOST
    del rows.kept[ACCOUNT]
    assert lease.heartbeat() is LOST


@pytest.mark.parametrize("left", ["nothing", "expired", "dead"])
def test_what_nobody_holds_is_taken_again(make, rows, clock, caplog, left):
    lease = make(alive=lambda lease: False)
    lease.take()
    other = held_elsewhere(clock)
    if left == "dead":
        other = replace(rows.kept[ACCOUNT], pid=4711, instance_id="another")
    clock.ms += LEASE_TTL_MS + 1
    rows.kept.pop(ACCOUNT)
    if left != "nothing":
        rows.kept[ACCOUNT] = other
    assert lease.heartbeat() is HELD
    assert rows.kept[ACCOUNT].pid == os.getpid()
    assert f"{ACCOUNT} is taken again" in caplog.text


def test_a_heartbeat_under_way_takes_nothing_back_after_release(lease, rows, clock):
    real, threads = rows.take, []

    def meanwhile(existing, new):
        if not threads:
            threads.append(threading.Thread(target=lease.release))
            threads[0].start()
            threads[0].join(0.2)  # it has to wait for the heartbeat
        return real(existing, new)

    rows.take = meanwhile
    lease.heartbeat()
    threads[0].join(10)
    assert rows.kept == {}
    assert not lease.is_held


def test_a_heartbeat_without_a_lease_is_lost(make, rows):
    assert make().heartbeat() is LOST
    assert rows.kept == {}


def test_a_database_that_hesitates_suspends_nothing(lease, rows, clock):
    rows.failing = True
    clock.ms += LEASE_TTL_MS - 1
    assert lease.heartbeat() is HELD
    rows.failing = False
    assert lease.heartbeat() is HELD


def test_a_database_that_is_gone_suspends_the_lease(lease, rows, clock, caplog):
    rows.failing = True
    clock.ms += LEASE_TTL_MS
    assert [lease.heartbeat() for _ in range(3)] == [SUSPENDED] * 3
    assert lease.is_held
    assert caplog.text.count("is not renewed: another bot may take it") == 1


def test_a_database_that_is_back_gives_the_lease_back(lease, rows, clock, caplog):
    for _ in range(3):  # as often as it happens
        rows.failing = True
        clock.ms += 10 * LEASE_TTL_MS
        assert lease.heartbeat() is SUSPENDED
        rows.failing = False
        assert lease.heartbeat() is HELD
    assert [kept.heartbeat_ms for kept in rows.kept.values()] == [clock.ms] * 2
    assert caplog.text.count("is renewed again") == 3


def test_who_took_a_suspended_lease_meanwhile_keeps_it(lease, rows, clock):
    rows.failing = True
    clock.ms += 2 * LEASE_TTL_MS
    assert lease.heartbeat() is SUSPENDED
    rows.failing = False
    rows.kept[ACCOUNT] = other = held_elsewhere(clock)
    assert lease.heartbeat() is LOST
    assert rows.kept[ACCOUNT] == other


def test_one_row_that_is_not_renewed_suspends_the_lease(lease, rows, clock):
    real = rows.take

    def half(existing, new):
        if new.account == DATABASE:
            raise StoreError("database is locked")
        return real(existing, new)

    rows.take = half
    clock.ms += LEASE_TTL_MS
    assert lease.heartbeat() is SUSPENDED
    rows.take = real
    assert lease.heartbeat() is HELD


def test_a_race_for_a_free_row_is_decided_by_the_next_heartbeat(lease, rows, clock):
    real, other = rows.take, held_elsewhere(clock)
    del rows.kept[ACCOUNT]
    tries = []

    def race(existing, new):
        tries.append(existing)
        if len(tries) == 2:  # the row was found free
            rows.kept[ACCOUNT] = other
        return real(existing, new)

    rows.take = race
    assert lease.heartbeat() is HELD
    assert lease.heartbeat() is LOST
    assert rows.kept[ACCOUNT] == other


def test_a_heartbeat_that_was_written_in_spite_of_an_error_is_our_own(lease, rows, clock, caplog):
    rows.fails_after_writing = True
    clock.ms += 5_000
    assert lease.heartbeat() is HELD
    clock.ms += 5_000
    assert lease.heartbeat() is HELD
    assert [kept.heartbeat_ms for kept in rows.kept.values()] == [clock.ms] * 2
    assert "taken again" not in caplog.text


# Which processes are alive


def test_this_process_is_alive(clock):
    assert is_alive(this_process("x", clock.now_ms()))


def test_a_container_that_is_restarted_takes_its_own_lease_over(make, rows, clock):
    """Process 1 of the same container, an earlier start."""
    before = this_process("x", clock.now_ms())
    before = replace(before, process_started="1.00", instance_id="before")
    assert not is_alive(before)
    rows.kept[ACCOUNT] = replace(before, account=ACCOUNT)
    make().take()


@pytest.fixture
def child():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()
    process.stdin.close()


def claim_of(process, clock):
    started = _lease._seconds_after_boot(psutil.Process(process.pid))
    claim = this_process("x", clock.now_ms())
    return replace(claim, pid=process.pid, process_started=f"{started:.2f}")


def test_another_process_is_alive_while_it_runs(child, clock):
    claim = claim_of(child, clock)
    assert is_alive(claim)
    child.kill()
    child.wait()
    assert not is_alive(claim)


def test_a_process_number_that_is_used_again(child, clock):
    claim = claim_of(child, clock)
    earlier = float(claim.process_started) - 60
    assert not is_alive(replace(claim, process_started=f"{earlier:.2f}"))


def test_a_killed_holder_is_dead_before_its_parent_has_noticed(child, clock):
    claim = claim_of(child, clock)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert not is_alive(claim)


def test_a_process_that_may_not_be_looked_at_counts_as_alive(child, clock, monkeypatch):
    claim = claim_of(child, clock)

    def denied(self):
        raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil.Process, "create_time", denied)
    assert is_alive(claim)


def test_where_the_system_tells_no_boot_the_machine_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(_lease, "_BOOT_ID", tmp_path / "nothing")
    _lease._boot_id.cache_clear()
    try:
        assert _lease._boot_id()
    finally:
        monkeypatch.undo()
        _lease._boot_id.cache_clear()


# Real processes and a real database

HOLDER = """
import json, subprocess, sys
from sqlalchemy import create_engine
from freqtrade_ext.adapters._lease import AccountLease
class Clock:
    def now_ms(self):
        return 1_000_000
config = json.loads(sys.argv[1])
lease = AccountLease(config, create_engine(sys.argv[2]), Clock())
try:
    lease.take()
except Exception as error:
    print(f"{type(error).__name__}: {error}", flush=True)
    sys.exit(3)
if sys.argv[3] == "with-child":
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    null = subprocess.DEVNULL
    child = subprocess.Popen(command, stdin=null, stdout=null, close_fds=False)
    print(child.pid, flush=True)
else:
    print("held", flush=True)
sys.stdin.read()
lease.release()
"""


class Holder:
    """A bot as a process, until it is told to end."""

    def __init__(self, folder, database, extra="", key=KEY):
        arguments = [json.dumps(config(folder, key)), f"sqlite:///{database}", extra]
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer = self.process.stdout.readline().strip()

    def end(self, number=None):
        if number is not None:
            self.process.send_signal(number)
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def lease_in(folder, database, clock):
    return AccountLease(config(folder), create_engine(f"sqlite:///{database}"), clock)


def test_a_bot_that_is_killed_frees_the_account_at_once(tmp_path, clock):
    database = tmp_path / "trades.sqlite"
    holder = Holder(tmp_path / "one", database)
    assert holder.answer == "held"
    lease = lease_in(tmp_path / "one", database, clock)
    with pytest.raises(ConfigError, match=f"process {holder.process.pid} on "):
        lease.take()
    holder.end(signal.SIGKILL)
    lease.take()
    assert lease.heartbeat() is HELD
    lease.release()


def test_two_processes_with_two_databases_refuse_each_other(tmp_path, clock):
    first = Holder(tmp_path / "one", tmp_path / "one.sqlite")
    second = Holder(tmp_path / "two", tmp_path / "two.sqlite")
    first.end()
    second.end()
    assert first.answer == "held"
    assert second.answer.startswith("ConfigError: another bot trades this account")
    assert second.process.returncode == 3


def test_two_processes_with_two_keys_refuse_each_other_on_one_database(tmp_path):
    database = tmp_path / "trades.sqlite"
    first = Holder(tmp_path / "one", database, key="first")
    second = Holder(tmp_path / "two", database, key="second")
    first.end(signal.SIGKILL)
    third = Holder(tmp_path / "two", database, key="second")  # at once
    second.end()
    third.end()
    assert first.answer == third.answer == "held"
    assert second.answer.startswith("ConfigError: another bot uses this database")
    assert f"process {first.process.pid} on " in second.answer
    assert "/one and account " in second.answer


def test_the_row_alone_refuses_a_live_process_of_this_machine(tmp_path, clock, monkeypatch):
    database = tmp_path / "trades.sqlite"
    holder = Holder(tmp_path / "one", database)
    monkeypatch.setattr(_lease, "fcntl", None)
    with pytest.raises(ConfigError, match=f"kill -TERM {holder.process.pid}"):
        lease_in(tmp_path / "one", database, clock).take()
    holder.end(signal.SIGKILL)
    lease = lease_in(tmp_path / "one", database, clock)
    lease.take()
    lease.release()


def test_a_child_does_not_keep_the_lock(tmp_path, clock):
    holder = Holder(tmp_path / "one", tmp_path / "trades.sqlite", "with-child")
    child = int(holder.answer)
    try:
        holder.end(signal.SIGKILL)
        assert psutil.Process(child).status() != psutil.STATUS_ZOMBIE
        lease = lease_in(tmp_path / "one", tmp_path / "trades.sqlite", clock)
        lease.take()
        lease.release()
    finally:
        os.kill(child, signal.SIGKILL)
