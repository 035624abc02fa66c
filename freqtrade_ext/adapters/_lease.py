"""One bot at a time on an account and on a database: leases in it, and locks the kernel frees.

The rows work between machines that share a database. The files work on one machine, whatever the
databases are, and are free the moment their process ends, kill -9 included.
"""

import hashlib
import json
import logging
import os
import socket
import tempfile
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

import psutil  # type: ignore[import-untyped]
from sqlalchemy import Engine

from freqtrade_ext.adapters.execution_store import LeaseTable
from freqtrade_ext.errors import ConfigError, StoreError
from freqtrade_ext.execution import LEASE_TTL_MS, Clock, Lease, LeaseState, Verdict, may_take

try:
    import fcntl
except ImportError:  # Windows: the row in the database remains
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "DATABASE",
    "AccountLease",
    "LeaseHealth",
    "LeaseRows",
    "account_of",
    "is_alive",
    "this_process",
]

logger = logging.getLogger(__name__)

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
# A process's start is known relative to a boot time that moves when the clock is set.
_SAME_START_SECONDS: Final = 1.5

DATABASE: Final = "database"  # name of the row that is about the database, whatever the account
_WAIT_SLACK_MS: Final = 5_000
_LOOK_AGAIN_SECONDS: Final = 1.0
_NOTHING_STARTED: Final = "Nothing has been started."


class LeaseHealth(StrEnum):
    """What a heartbeat says about the lease."""

    HELD = "held"
    SUSPENDED = "suspended"  # the database cannot be asked: nobody knows, until it answers again
    LOST = "lost"  # another bot has it; final


class LeaseRows(Protocol):
    """Where leases are kept."""

    def read(self, account: str) -> Lease | None:
        """Read the lease of an account."""

    def take(self, existing: Lease | None, new: Lease) -> bool:
        """Write `new` if the lease still is `existing`; False if it is not."""

    def remove(self, lease: Lease) -> None:
        """Give a lease back, unless another process has it by now."""


def account_of(config: Mapping[str, Any]) -> str:
    """
    Name the account of a Freqtrade configuration without naming its key.

    Examples
    --------
    >>> account_of({"exchange": {"name": "binance", "key": "a key"}})
    'ab21b96544267edf'
    """
    exchange = config["exchange"]
    # Some exchanges know wallets in place of keys.
    names = ("key", "apiKey", "api_key", "walletAddress", "wallet_address")
    key = next((exchange[name] for name in names if exchange.get(name)), "")
    return hashlib.sha256(f"{exchange['name']}:{key}".encode()).hexdigest()[:16]


@cache
def _boot_id() -> str:
    with suppress(OSError):
        return _BOOT_ID.read_text(encoding="ascii").strip()
    return f"{uuid.getnode():x}"


def _seconds_after_boot(process: psutil.Process) -> float:
    return float(process.create_time() - psutil.boot_time())


@cache
def _own_start(pid: int) -> str:
    """Start of this process, read once: a second reading may differ in its last digits."""
    return f"{_seconds_after_boot(psutil.Process(pid)):.2f}"


@cache
def _own_instance(pid: int) -> str:
    """Draw a name for this process; a forked child draws its own."""
    return uuid.uuid4().hex


def this_process(account: str, now_ms: int, runs_with: str = "") -> Lease:
    """Make the claim of this process on an account, or on its database."""
    pid = os.getpid()
    return Lease(
        account=account,
        host=socket.gethostname(),
        pid=pid,
        process_started=_own_start(pid),
        boot_id=_boot_id(),
        instance_id=_own_instance(pid),
        heartbeat_ms=now_ms,
        runs_with=runs_with,
    )


def is_alive(lease: Lease) -> bool:
    """Whether the holder of a lease, a process of this machine, still runs."""
    if lease.pid == os.getpid():
        # In a container every bot is process 1: same number, and its own start tells.
        return lease.process_started == _own_start(lease.pid)
    try:
        process = psutil.Process(lease.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        started = _seconds_after_boot(process)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
    return abs(started - float(lease.process_started)) <= _SAME_START_SECONDS


class _FileLock:
    """A lock that ends with its process; what is written in the file is for other people."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, holder: Mapping[str, object]) -> str | None:
        """Take the lock, or say who has it; a folder that knows no locks counts as free."""
        if fcntl is None:
            return None
        try:
            descriptor = self._open()
        except OSError as error:
            logger.warning("[SAFETY] no lock file at %s: %s", self._path, error)
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = self._holder(descriptor)
            os.close(descriptor)
            return told
        except OSError as error:
            os.close(descriptor)
            logger.warning("[SAFETY] %s cannot be locked: %s", self._path, error)
            return None
        self._descriptor = descriptor
        with suppress(OSError):  # read-only where another user made the file
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        return None

    def _open(self) -> int:
        flags = os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | flags, 0o644)
        except PermissionError:
            return os.open(self._path, os.O_RDONLY | flags)

    def _holder(self, descriptor: int) -> str:
        try:
            told = json.loads(os.pread(descriptor, 4096, 0))
            return f"process {told['pid']} on {told['host']} with {told['runs_with']}"
        except (OSError, ValueError, KeyError, TypeError):
            return f"a process that locks {self._path}"

    def release(self) -> None:
        """Free the lock. The file stays: removing it could take it from under the next holder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _files_of(engine: Engine) -> list[Path]:
    """Where the lock of a database lies: beside it, if it is a file."""
    name = engine.url.database or ""
    is_file = engine.url.get_backend_name() == "sqlite" and name not in {"", ":memory:"}
    if not is_file or name.startswith("file:"):
        return []
    file = Path(name).resolve()  # two links to one database are one database
    return [file.with_name(f".freqtrade_ext-{file.name}.lock")]


class _Claim:
    """What this process wants, or has, of one row."""

    def __init__(
        self, name: str, rows: LeaseRows, ttl_ms: int, alive: Callable[[Lease], bool]
    ) -> None:
        self.name = name
        self.found: Lease | None = None
        self.held: Lease | None = None
        self._rows = rows
        self._ttl_ms = ttl_ms
        self._alive = alive

    def judge(self, me: Lease) -> Verdict:
        """Read the row, and say whether it may be taken."""
        self.found = self._rows.read(self.name)
        return may_take(self.found, me, me.heartbeat_ms, ttl_ms=self._ttl_ms, is_alive=self._alive)

    def write(self, me: Lease) -> bool:
        """Write over what was found; False if another process was faster."""
        if not self._rows.take(self.found, me):
            return False
        self.found = self.held = me
        return True

    def renew(self, now_ms: int) -> str | None:
        """Write a heartbeat; who has the row, if another process has it."""
        if self.held is None:
            return "it was never taken"
        me = replace(self.held, heartbeat_ms=now_ms)
        if self.write(me):
            return None
        # An earlier heartbeat may have been written although the database reported an error.
        verdict = self.judge(me)
        if not verdict.may_take:
            return verdict.text
        # Without success here nothing is lost yet: the next heartbeat finds who was faster.
        if self.write(me) and verdict.state is not LeaseState.MINE:
            logger.warning("[SAFETY] %s is taken again: %s", self.name, verdict.text)
        return None

    def give_back(self) -> None:
        """Remove the row, unless another process has it."""
        held, self.held, self.found = self.held, None, None
        if held is not None:
            try:
                self._rows.remove(held)
            except StoreError as error:
                logger.warning("[SAFETY] the lease stays in the database: %s", error)


class AccountLease:
    """
    The right of one process to trade an account with a database.

    Parameters
    ----------
    config : mapping
        Freqtrade's configuration. Only of a bot with an API key: dry-run bots share nothing.
    engine : Engine
        The bot's database.
    clock : Clock
    rows : LeaseRows, optional
        Where leases are kept; by default a table in that database.
    ttl_ms : int
        How long a bot elsewhere may be silent before its lease is taken over.
    alive : callable
        Whether the holder of a lease on this machine still runs.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        engine: Engine,
        clock: Clock,
        *,
        rows: LeaseRows | None = None,
        ttl_ms: int = LEASE_TTL_MS,
        alive: Callable[[Lease], bool] = is_alive,
    ) -> None:
        self._account = account_of(config)
        user_data = Path(config["user_data_dir"])
        self._runs_with = f"{user_data.resolve()} and account {self._account}"
        self._clock = clock
        self._ttl_ms = ttl_ms
        kept = rows or LeaseTable(engine)
        self._claims = [_Claim(name, kept, ttl_ms, alive) for name in (self._account, DATABASE)]
        name = f"freqtrade_ext-{self._account}.lock"
        self._account_locks = [
            _FileLock(user_data / f".{name}"),
            _FileLock(Path(tempfile.gettempdir()) / name),
        ]
        self._database_locks = [_FileLock(file) for file in _files_of(engine)]
        self._health = LeaseHealth.LOST
        # A heartbeat under way in the watcher's thread must not take back what is given back.
        self._busy = threading.RLock()

    @property
    def is_held(self) -> bool:
        """Whether this process has the lease, as far as it knows."""
        return self._health is not LeaseHealth.LOST

    def take(self) -> None:
        """
        Take the lease; waits for a bot on another machine that may be gone.

        A container that is made anew bears another name: its own lease looks like another
        machine's until that has expired.

        Raises
        ------
        ConfigError
            If another bot has it; the message names that bot and says what to do.
        StoreError
            If the database cannot be asked.
        """
        self._lock_files()
        try:
            self._wait_for_rows()
            self._write_rows()
            self._health = LeaseHealth.HELD
        finally:
            if not self.is_held:
                self.release()
        logger.info("[SAFETY] account %s and the database are this bot's", self._account)

    def _me(self, name: str) -> Lease:
        return this_process(name, self._clock.now_ms(), self._runs_with)

    def _lock_files(self) -> None:
        me = self._me(self._account)
        holder = {"pid": me.pid, "host": me.host, "runs_with": me.runs_with}
        for lock in self._account_locks:
            self._lock(
                lock,
                holder,
                "another bot trades this account on this machine: {}. Two bots on one account "
                "would undo each other's orders: stop that one first, or give this one an API key "
                "of another (sub-)account.",
            )
        for lock in self._database_locks:
            self._lock(
                lock,
                holder,
                "another bot uses this database on this machine: {}. Two bots would take each "
                "other's trades for their own: stop that one first, or give this one a database "
                "of its own (db_url).",
            )

    def _lock(self, lock: _FileLock, holder: Mapping[str, object], refusal: str) -> None:
        other = lock.acquire(holder)
        if other is not None:
            self._unlock_files()
            raise ConfigError(f"{refusal.format(other)} {_NOTHING_STARTED}")

    def _unlock_files(self) -> None:
        for lock in (*self._account_locks, *self._database_locks):
            lock.release()

    def _wait_for_rows(self) -> None:
        """Return when every row may be taken; none is written before, so none expires meanwhile."""
        until_ms = self._clock.now_ms() + self._ttl_ms + _WAIT_SLACK_MS
        seen: dict[str, Lease] = {}
        while True:
            refused = self._refused()
            if refused is None:
                return
            holder, text = refused
            is_here = holder.is_same_machine(self._me(holder.account))
            # A machine that is gone renews nothing; nobody need wait for one that does.
            is_at_work = seen.get(holder.account, holder) != holder
            if is_here or is_at_work or self._clock.now_ms() >= until_ms:
                raise ConfigError(f"{text} {_NOTHING_STARTED}")
            if not seen:
                logger.warning("[SAFETY] waiting until the lease expires, or is renewed: %s", text)
            seen[holder.account] = holder
            self._clock.sleep(_LOOK_AGAIN_SECONDS)

    def _refused(self) -> tuple[Lease, str] | None:
        for claim in self._claims:
            verdict = claim.judge(self._me(claim.name))
            if claim.found is not None and not verdict.may_take:
                return claim.found, verdict.text
        return None

    def _write_rows(self) -> None:
        for claim in self._claims:
            before = claim.found
            if not claim.write(self._me(claim.name)):
                raise ConfigError(
                    f"another bot took the lease of {claim.name} at this moment. Start only one of "
                    f"the two. {_NOTHING_STARTED}"
                )
            if before is not None:
                logger.info(
                    "[SAFETY] the lease of %s is taken over from process %d on %s, which ended "
                    "without giving it back",
                    claim.name,
                    before.pid,
                    before.host,
                )

    def heartbeat(self) -> LeaseHealth:
        """
        Show that this bot is at work; to be called every few seconds.

        Returns
        -------
        LeaseHealth
            HELD: trade on. SUSPENDED: the database has taken no heartbeat for as long as a lease
            lasts, so that another bot may have it; orders that add must wait, and it becomes HELD
            again by itself. LOST: another bot has it, for good; also before `take` and after
            `release`.
        """
        with self._busy:
            if self.is_held:
                self._say(self._beat())
            return self._health

    def _beat(self) -> LeaseHealth:
        try:
            for claim in self._claims:
                other = claim.renew(self._clock.now_ms())
                if other is not None:
                    logger.critical("[SAFETY] the lease is lost: %s", other)
                    return LeaseHealth.LOST
        except StoreError as error:
            logger.warning("[SAFETY] no heartbeat for %.0f s: %s", self._silent_ms() / 1000, error)
        is_silent = self._silent_ms() >= self._ttl_ms
        return LeaseHealth.SUSPENDED if is_silent else LeaseHealth.HELD

    def _silent_ms(self) -> int:
        written = [claim.held.heartbeat_ms for claim in self._claims if claim.held is not None]
        return self._clock.now_ms() - min(written)

    def _say(self, health: LeaseHealth) -> None:
        before, self._health = self._health, health
        if health is before:
            return
        if health is LeaseHealth.SUSPENDED:
            logger.critical(
                "[SAFETY] the lease of account %s is not renewed: another bot may take it. "
                "Nothing may be added to positions until the database answers.",
                self._account,
            )
        elif health is LeaseHealth.HELD:
            logger.warning("[SAFETY] the lease of account %s is renewed again", self._account)

    def release(self) -> None:
        """Give the lease back, at the end of the bot; harmless if it is not held."""
        with self._busy:
            self._health = LeaseHealth.LOST
            for claim in self._claims:
                claim.give_back()
            self._unlock_files()
