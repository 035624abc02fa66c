"""Who may trade an account: one bot at a time. Pure; the adapter keeps row and heartbeat."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from freqtrade_ext.errors import IllegalRequest

__all__ = ["LEASE_TTL_MS", "Lease", "LeaseState", "Verdict", "may_take"]

LEASE_TTL_MS = 30_000


@dataclass(frozen=True, slots=True)
class Lease:
    """
    One process's claim on an account.

    Attributes
    ----------
    account : str
        The account and database that it is about.
    host : str
        Name of the machine or container.
    pid : int
        Process id on that host.
    process_started : str
        Start time of the process as its system tells it: process ids are used again.
    boot_id : str
        Boot of the machine: two machines may bear one name.
    instance_id : str
        Drawn anew by every process that claims: process ids and start times repeat in containers.
    heartbeat_ms : int
        When the holder was last seen at work, ms since 1970.
    runs_with : str
        What the holder runs with, for the person whose second bot is refused.
    """

    account: str
    host: str
    pid: int
    process_started: str
    boot_id: str
    instance_id: str
    heartbeat_ms: int
    runs_with: str = ""

    def is_same_process(self, other: "Lease") -> bool:
        """Whether both are claims of one process."""
        return self.instance_id == other.instance_id

    def is_same_machine(self, other: "Lease") -> bool:
        """Whether the other's process id means anything here."""
        return (self.host, self.boot_id) == (other.host, other.boot_id)


class LeaseState(StrEnum):
    """How a lease is found."""

    FREE = "free"
    MINE = "mine"
    DEAD = "dead"  # its process, on this machine, has ended
    EXPIRED = "expired"  # held by another machine that has been silent for too long
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the lease may be taken, and why; `text` is for the person who starts a bot."""

    state: LeaseState
    text: str

    @property
    def may_take(self) -> bool:
        """Whether trading may start."""
        return self.state is not LeaseState.HELD


def may_take(
    existing: Lease | None,
    me: Lease,
    now_ms: int,
    *,
    ttl_ms: int = LEASE_TTL_MS,
    is_alive: Callable[[Lease], bool],
) -> Verdict:
    """
    Decide whether a process may take the lease of its account.

    Parameters
    ----------
    existing : Lease, optional
        The lease as it is kept now.
    me : Lease
        The claim of this process.
    now_ms, ttl_ms : int
        Time, and how old a heartbeat from elsewhere may be.
    is_alive : callable
        Whether a process of this machine still runs: process id and start time agree. Asked only
        about processes of this machine.

    Raises
    ------
    IllegalRequest
        If the lease is another account's.
    """
    if existing is None:
        return Verdict(LeaseState.FREE, "no other bot holds this account")
    if existing.account != me.account:
        raise IllegalRequest(f"lease of {existing.account} asked about for {me.account}")
    if existing.is_same_process(me):
        return Verdict(LeaseState.MINE, "this process holds the account already")
    age_ms = now_ms - existing.heartbeat_ms
    runs_with = f" with {existing.runs_with}" if existing.runs_with else ""
    holder = (
        f"process {existing.pid} on {existing.host}{runs_with} "
        f"(last heartbeat {age_ms / 1000:.0f} s ago)"
    )
    if existing.is_same_machine(me):
        if not is_alive(existing):
            return Verdict(LeaseState.DEAD, f"{holder} has ended; its lease is taken over")
        return Verdict(
            LeaseState.HELD,
            f"{me.account} is traded by {holder}. Two bots on one account or database would undo "
            f"each other's orders: stop that process first (kill -TERM {existing.pid}).",
        )
    if age_ms > ttl_ms:
        return Verdict(LeaseState.EXPIRED, f"{holder} is silent; its lease is taken over")
    return Verdict(
        LeaseState.HELD,
        f"{me.account} is traded by {holder}. Stop it there; if it is gone, its lease ends "
        f"{(ttl_ms - age_ms) / 1000:.0f} s from now.",
    )
