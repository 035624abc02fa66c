"""What a pass of reconciliation saw and did, and the passes of a recovery."""

from dataclasses import dataclass

from freqtrade_ext.execution._differences import Difference
from freqtrade_ext.execution._in_flight import InFlight
from freqtrade_ext.execution._intents import Intent
from freqtrade_ext.execution._ports import OrderReport, PositionReport
from freqtrade_ext.execution._snapshot import AccountSnapshot

__all__ = ["Action", "PassReport", "PassReports"]


@dataclass(frozen=True, slots=True)
class Action:
    """What was tried about a difference, or about an order that the books did not have."""

    market: str
    key: str
    text: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class PassReport:
    """
    What one pass saw and did.

    Attributes
    ----------
    taken_ms : int
        Time of the snapshot.
    differences : tuple of Difference
        All of them, also those that have been seen only once.
    actions : tuple of Action
        What was tried.
    adopted : tuple of OrderReport
        Orders that were entered into the books.
    errors : tuple of str
        What could not be asked or written; the next pass tries again.
    deferred : tuple of InFlight
        Markets whose quantities differ for a reason that will pass.
    others : tuple of PositionReport
        The account owner's positions, in markets that the bot does not trade.
    """

    taken_ms: int
    differences: tuple[Difference, ...] = ()
    actions: tuple[Action, ...] = ()
    adopted: tuple[OrderReport, ...] = ()
    errors: tuple[str, ...] = ()
    deferred: tuple[InFlight, ...] = ()
    others: tuple[PositionReport, ...] = ()

    @property
    def is_idle(self) -> bool:
        """Whether there was nothing to do: differences may remain that are only reported."""
        return not self.errors and not any(action.is_done for action in self.actions)

    @property
    def is_silent(self) -> bool:
        """Whether venue and books agree and nothing was done."""
        return self.is_idle and not self.differences and not self.actions


@dataclass(frozen=True, slots=True)
class PassReports:
    """
    The passes of a recovery, in order.

    `snapshot`: the account as last seen; None: it could not be asked. `unresolved`: orders of which
    it is still unknown whether they exist. `is_quiet`: the last pass had nothing more to do.
    """

    passes: tuple[PassReport, ...]
    snapshot: AccountSnapshot | None
    unresolved: tuple[Intent, ...]
    is_quiet: bool

    @property
    def last(self) -> PassReport:
        """The last pass."""
        return self.passes[-1]
