"""Orders that cannot be lost: intents, unknown outcomes, reconciliation, recovery.

Nothing here knows Freqtrade or an exchange's protocol; the ports in `_ports` and `_books` are what
it needs of them.
"""

from freqtrade_ext.execution._books import AccountBooks, BookedOrderRef, BookedTrade, BookKeeper
from freqtrade_ext.execution._intents import (
    LEGAL_STEPS,
    Intent,
    IntentPurpose,
    IntentState,
    OrderKind,
    OrderSide,
)
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

__all__ = [
    "LEGAL_STEPS",
    "Accepted",
    "AccountBooks",
    "Answer",
    "BookKeeper",
    "BookedOrderRef",
    "BookedTrade",
    "Clock",
    "FillReport",
    "Intent",
    "IntentPurpose",
    "IntentState",
    "IntentStore",
    "OrderKind",
    "OrderOrigin",
    "OrderReport",
    "OrderSide",
    "OrderStatus",
    "PositionReport",
    "Rejected",
    "Unanswered",
    "Venue",
]
