"""One bot at a time on an account: rows, locks, processes that are killed.

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
9. a database error loses the lease at once -> test_a_database_that_hesitates_is_no_lost_lease
10. a database error never loses the lease -> test_a_database_that_is_gone_loses_the_lease_in_time
11. `release` removes another bot's row -> test_release_leaves_another_bots_lease_alone
12. the lock file is inherited by children -> test_a_child_does_not_keep_the_lock
13. the key itself is in the file name -> test_the_key_is_nowhere
14. `release` keeps the locks -> test_after_release_the_next_bot_starts_at_once
15. a heartbeat that was written although it was reported as failed is taken for another bot's ->
    test_a_heartbeat_that_was_written_in_spite_of_an_error_is_our_own
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine

from freqtrade_ext.adapters import _lease
from freqtrade_ext.adapters._lease import AccountLease, account_of, is_alive, this_process
from freqtrade_ext.errors import ConfigError, StoreError
from freqtrade_ext.execution import LEASE_TTL_MS, Lease

KEY = "a key that must stay secret"
ELSEWHERE = {"host": "elsewhere", "boot_id": "another boot", "instance_id": "another"}


class Clock:
    def __init__(self):
        self.ms = 1_000_000

    def now_ms(self):
        return self.ms

    def sleep(self, seconds):
        self.ms += round(seconds * 1000)


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
        if self.kept[lease.account].is_same_process(lease):
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


def config(folder: Path, key: str = KEY) -> dict:
    folder.mkdir(exist_ok=True)
    return {"exchange": {"name": "binance", "key": key}, "user_data_dir": str(folder)}


@pytest.fixture
def make(tmp_path, rows, clock):
    """Leases of bots, each with a user folder; given back at the end."""
    made = []

    def lease(name="bot", *, rows=rows, key=KEY, **options):
        one = AccountLease(config(tmp_path / name, key), None, clock, rows=rows, **options)
        made.append(one)
        return one

    yield lease
    for one in made:
        one.release()


def held_elsewhere(clock, **changes):
    claim = this_process(account_of({"exchange": {"name": "binance", "key": KEY}}), clock.now_ms())
    return replace(claim, pid=4711, **{**ELSEWHERE, **changes})


# Taking and giving back


def test_a_free_account_is_taken_and_written_down(make, rows):
    lease = make()
    lease.take()
    assert lease.is_held
    (kept,) = rows.kept.values()
    assert (kept.pid, kept.account) == (os.getpid(), account_of(config(Path("."))))


def test_the_key_is_nowhere(make, rows, tmp_path):
    make().take()
    names = [str(path) for path in tmp_path.rglob("*")]
    texts = [path.read_text() for path in tmp_path.rglob("*.lock")]
    assert len(texts) == 2
    shown = " ".join([*names, *texts, str(rows.kept)])
    assert KEY not in shown
    assert account_of({"exchange": {"name": "binance", "key": KEY}}) in shown


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
    (account,) = rows.kept
    rows.kept[account] = other = held_elsewhere(clock)
    lease.release()
    assert rows.kept[account] == other


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
    make("one", key="second").take()


# Another bot on this machine


def test_two_databases_on_one_machine_are_one_account(make):
    make("one").take()
    with pytest.raises(
        ConfigError, match="another bot trades this account on this machine"
    ) as told:
        make("two", rows=Rows()).take()
    assert f"process {os.getpid()} on " in str(told.value)
    assert "/one. " in str(told.value)
    assert "stop that one first" in str(told.value)
    assert "Nothing has been started" in str(told.value)


def test_the_user_folder_is_locked_as_well(make, temporary, monkeypatch, tmp_path):
    make("one").take()
    other = tmp_path / "other-tmp"
    other.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(other))  # as in another container
    with pytest.raises(ConfigError, match="another bot trades this account on this machine"):
        make("one", rows=Rows()).take()


def test_a_refused_bot_leaves_nothing_locked(make, rows, clock):
    rows.kept[held_elsewhere(clock).account] = held_elsewhere(clock)
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
    rows.kept = {account: replace(kept, pid=1, **ELSEWHERE) for account, kept in rows.kept.items()}
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
    account = account_of({"exchange": {"name": "binance", "key": KEY}})
    (temporary / f"freqtrade_ext-{account}.lock").symlink_to(victim)
    make().take()
    assert victim.read_text() == "precious"


# Another bot elsewhere


def test_a_bot_on_another_machine_refuses_and_is_named(make, rows, clock):
    other = held_elsewhere(clock)
    rows.kept[other.account] = other
    with pytest.raises(ConfigError, match="process 4711 on elsewhere") as told:
        make().take()
    assert str(told.value).endswith("Nothing has been started.")
    assert rows.kept[other.account] == other


def test_a_silent_machine_is_taken_over_in_time(make, rows, clock):
    other = held_elsewhere(clock)
    rows.kept[other.account] = other
    clock.ms += LEASE_TTL_MS + 1
    lease = make()
    lease.take()
    assert lease.heartbeat()


def test_two_bots_at_the_same_moment_are_one(make, rows, clock):
    class Race(Rows):
        def read(self, account):
            return None

        def take(self, existing, new):
            return False

    lease = make(rows=Race())
    with pytest.raises(ConfigError, match=r"took account [0-9a-f]{16} at this moment"):
        lease.take()
    assert not lease.is_held


# Heartbeats


def test_heartbeats_keep_the_lease(make, rows, clock):
    lease = make()
    lease.take()
    for _ in range(20):
        clock.ms += 5_000
        assert lease.heartbeat()
    (kept,) = rows.kept.values()
    assert kept.heartbeat_ms == clock.ms


def test_a_lease_that_another_bot_has_taken_is_lost(make, rows, clock, caplog):
    lease = make()
    lease.take()
    (account,) = rows.kept
    rows.kept[account] = other = held_elsewhere(clock)
    assert not lease.heartbeat()
    assert not lease.is_held
    assert rows.kept[account] == other
    assert "[SAFETY] the lease of account" in caplog.text


def test_a_lost_lease_stays_lost(make, rows, clock):
    lease = make()
    lease.take()
    (account,) = rows.kept
    mine, rows.kept[account] = rows.kept[account], held_elsewhere(clock)
    assert not lease.heartbeat()
    rows.kept[account] = mine
    assert not lease.heartbeat()


def test_a_row_that_is_gone_is_a_lost_lease(make, rows):
    lease = make()
    lease.take()
    rows.kept.clear()
    assert not lease.heartbeat()


def test_a_heartbeat_without_a_lease_is_false(make):
    assert not make().heartbeat()


def test_a_database_that_hesitates_is_no_lost_lease(make, rows, clock):
    lease = make()
    lease.take()
    rows.failing = True
    clock.ms += LEASE_TTL_MS - 1
    assert lease.heartbeat()
    rows.failing = False
    assert lease.heartbeat()


def test_a_database_that_is_gone_loses_the_lease_in_time(make, rows, clock):
    lease = make()
    lease.take()
    rows.failing = True
    clock.ms += LEASE_TTL_MS
    assert not lease.heartbeat()


def test_a_heartbeat_that_was_written_in_spite_of_an_error_is_our_own(make, rows, clock):
    lease = make()
    lease.take()
    rows.fails_after_writing = True
    clock.ms += 5_000
    assert lease.heartbeat()
    clock.ms += 5_000
    assert lease.heartbeat()


# Which processes are alive


def test_this_process_is_alive(clock):
    assert is_alive(this_process("x", clock.now_ms()))


def test_a_container_that_is_restarted_takes_its_own_lease_over(make, rows, clock):
    """Process 1 of the same container, an earlier start."""
    before = this_process("x", clock.now_ms())
    before = replace(before, process_started="1.00", instance_id="before")
    assert not is_alive(before)
    account = account_of({"exchange": {"name": "binance", "key": KEY}})
    rows.kept[account] = replace(before, account=account)
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

    def __init__(self, folder, database, extra=""):
        arguments = [json.dumps(config(folder)), f"sqlite:///{database}", extra]
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
    assert lease.heartbeat()
    lease.release()


def test_two_processes_with_two_databases_refuse_each_other(tmp_path, clock):
    first = Holder(tmp_path / "one", tmp_path / "one.sqlite")
    second = Holder(tmp_path / "two", tmp_path / "two.sqlite")
    first.end()
    second.end()
    assert first.answer == "held"
    assert second.answer.startswith("ConfigError: another bot trades this account")
    assert second.process.returncode == 3


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
