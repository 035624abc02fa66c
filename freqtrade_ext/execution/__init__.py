"""Orders that cannot be lost: intents, unknown outcomes, reconciliation, recovery.

Nothing here knows Freqtrade or an exchange's protocol; the ports in `_ports` and `_books` are what
it needs of them.
"""

from freqtrade_ext.execution._books import AccountBooks, BookedOrderRef, BookedTrade, BookKeeper
from freqtrade_ext.execution._budget import RequestBudget, WatchPass, WatchPlan
from freqtrade_ext.execution._differences import (
    Difference,
    DifferenceKind,
    compare,
    positions_of_others,
)
from freqtrade_ext.execution._ghosts import is_of_ghost
from freqtrade_ext.execution._guard import OrderGuard, OrderOutcome
from freqtrade_ext.execution._guard_policy import GuardPolicy
from freqtrade_ext.execution._in_flight import InFlight
from freqtrade_ext.execution._inbox import Decision, Inbox, InboxItem
from freqtrade_ext.execution._intents import (
    LEGAL_STEPS,
    Intent,
    IntentPurpose,
    IntentState,
    OrderKind,
    OrderSide,
)
from freqtrade_ext.execution._lease import LEASE_TTL_MS, Lease, LeaseState, Verdict, may_take
from freqtrade_ext.execution._pass_report import Action, PassReport, PassReports
from freqtrade_ext.execution._ports import (
    Accepted,
    Answer,
    Clock,
    FillReport,
    IntentStore,
    OrderOrigin,
    OrderReport,
    OrderStatus,
    PositionReport,
    Rejected,
    Unanswered,
    Venue,
)
from freqtrade_ext.execution._reconciler import Reconciler
from freqtrade_ext.execution._recovery import (
    OrphanedPosition,
    RecentTrade,
    RecoveryReport,
    RecoveryStatus,
    ReportedOrder,
    failed_report,
    recovery_report,
    write_report,
)
from freqtrade_ext.execution._snapshot import AccountSnapshot, take_snapshot

__all__ = [
    "LEASE_TTL_MS",
    "LEGAL_STEPS",
    "Accepted",
    "AccountBooks",
    "AccountSnapshot",
    "Action",
    "Answer",
    "BookKeeper",
    "BookedOrderRef",
    "BookedTrade",
    "Clock",
    "Decision",
    "Difference",
    "DifferenceKind",
    "FillReport",
    "GuardPolicy",
    "InFlight",
    "Inbox",
    "InboxItem",
    "Intent",
    "IntentPurpose",
    "IntentState",
    "IntentStore",
    "Lease",
    "LeaseState",
    "OrderGuard",
    "OrderKind",
    "OrderOrigin",
    "OrderOutcome",
    "OrderReport",
    "OrderSide",
    "OrderStatus",
    "OrphanedPosition",
    "PassReport",
    "PassReports",
    "PositionReport",
    "RecentTrade",
    "Reconciler",
    "RecoveryReport",
    "RecoveryStatus",
    "Rejected",
    "ReportedOrder",
    "RequestBudget",
    "Unanswered",
    "Venue",
    "Verdict",
    "WatchPass",
    "WatchPlan",
    "compare",
    "failed_report",
    "is_of_ghost",
    "may_take",
    "positions_of_others",
    "recovery_report",
    "take_snapshot",
    "write_report",
]
