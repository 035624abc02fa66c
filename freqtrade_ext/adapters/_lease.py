"""One bot at a time on an account: a lease in the database, and locks that the kernel frees.

The row works between machines that share a database. The files work on one machine, whatever the
databases are, and are free the moment their process ends, kill -9 included.
"""

import hashlib
import json
import logging
import os
import socket
import tempfile
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

import psutil  # type: ignore[import-untyped]
from sqlalchemy import Engine

from freqtrade_ext.adapters.execution_store import LeaseTable
from freqtrade_ext.errors import ConfigError, StoreError
from freqtrade_ext.execution import LEASE_TTL_MS, Clock, Lease, may_take

try:
    import fcntl
except ImportError:  # Windows: the row in the database remains
    fcntl = None  # type: ignore[assignment]

__all__ = ["AccountLease", "LeaseRows", "account_of", "is_alive", "this_process"]

logger = logging.getLogger(__name__)

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
# A process's start is known relative to a boot time that moves when the clock is set.
_SAME_START_SECONDS: Final = 1.5


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


def this_process(account: str, now_ms: int) -> Lease:
    """Make the claim of this process on an account."""
    pid = os.getpid()
    return Lease(
        account=account,
        host=socket.gethostname(),
        pid=pid,
        process_started=_own_start(pid),
        boot_id=_boot_id(),
        instance_id=_own_instance(pid),
        heartbeat_ms=now_ms,
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
            return f"process {told['pid']} on {told['host']} with {told['user_data']}"
        except (OSError, ValueError, KeyError, TypeError):
            return f"a process that locks {self._path}"

    def release(self) -> None:
        """Free the lock. The file stays: removing it could take it from under the next holder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class AccountLease:
    """
    The right of one process to trade an account.

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
        self._rows = rows or LeaseTable(engine)
        self._account = account_of(config)
        self._user_data = Path(config["user_data_dir"])
        self._clock = clock
        self._ttl_ms = ttl_ms
        self._alive = alive
        self._held: Lease | None = None
        name = f"freqtrade_ext-{self._account}.lock"
        self._locks = [
            _FileLock(self._user_data / f".{name}"),
            _FileLock(Path(tempfile.gettempdir()) / name),
        ]

    @property
    def is_held(self) -> bool:
        """Whether this process may trade, as far as it knows."""
        return self._held is not None

    def take(self) -> None:
        """
        Take the lease.

        Raises
        ------
        ConfigError
            If another bot has it; the message names that bot and says what to do.
        StoreError
            If the database cannot be asked.
        """
        me = this_process(self._account, self._clock.now_ms())
        self._lock_files(me)
        try:
            self._take_row(me)
        finally:
            if self._held is None:
                self._unlock_files()

    def _lock_files(self, me: Lease) -> None:
        holder = {"pid": me.pid, "host": me.host, "user_data": str(self._user_data.resolve())}
        for lock in self._locks:
            other = lock.acquire(holder)
            if other is not None:
                self._unlock_files()
                raise ConfigError(
                    f"another bot trades this account on this machine: {other}. Two bots on one "
                    "account would undo each other's orders: stop that one first, or give this "
                    "one an API key of another (sub-)account. Nothing has been started."
                )

    def _unlock_files(self) -> None:
        for lock in self._locks:
            lock.release()

    def _take_row(self, me: Lease) -> None:
        existing = self._rows.read(self._account)
        verdict = may_take(existing, me, me.heartbeat_ms, ttl_ms=self._ttl_ms, is_alive=self._alive)
        if not verdict.may_take:
            raise ConfigError(f"{verdict.text} Nothing has been started.")
        if not self._rows.take(existing, me):
            raise ConfigError(
                f"another bot took account {self._account} at this moment. Start only one of the "
                "two. Nothing has been started."
            )
        self._held = me
        logger.info("[SAFETY] account %s: %s", self._account, verdict.text)

    def heartbeat(self) -> bool:
        """
        Show that this bot is at work; to be called every few seconds.

        Returns
        -------
        bool
            False when the lease is lost: another bot has it, or may have it because the database
            has not taken a heartbeat for as long as a lease lasts. The caller must stop trading.
        """
        if self._held is None:
            return False
        try:
            renewed = self._renew(self._held)
        except StoreError as error:
            silent_ms = self._clock.now_ms() - self._held.heartbeat_ms
            logger.warning("[SAFETY] no heartbeat for %.0f s: %s", silent_ms / 1000, error)
            renewed = self._held if silent_ms < self._ttl_ms else None
        if renewed is None:
            logger.critical(
                "[SAFETY] the lease of account %s is lost: another bot has it, or may have it. "
                "This bot must not trade on.",
                self._account,
            )
        self._held = renewed
        return renewed is not None

    def _renew(self, held: Lease) -> Lease | None:
        """Write a heartbeat; None if the row is another bot's, or gone."""
        renewed = replace(held, heartbeat_ms=self._clock.now_ms())
        if self._rows.take(held, renewed):
            return renewed
        found = self._rows.read(self._account)
        # An earlier heartbeat may have been written although the database reported an error.
        if found is not None and found.is_same_process(held) and self._rows.take(found, renewed):
            return renewed
        return None

    def release(self) -> None:
        """Give the lease back, at the end of the bot; harmless if it is not held."""
        held, self._held = self._held, None
        if held is not None:
            try:
                self._rows.remove(held)
            except StoreError as error:
                logger.warning("[SAFETY] the lease stays in the database: %s", error)
        self._unlock_files()
