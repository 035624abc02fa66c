"""The report of a recovery: what was found, what was done, and whether it is safe to trade."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from freqtrade_ext.errors import StoreError
from freqtrade_ext.execution._books import AccountBooks
from freqtrade_ext.execution._differences import Difference, DifferenceKind, plain
from freqtrade_ext.execution._pass_report import PassReports
from freqtrade_ext.execution._ports import FillReport, OrderReport, PositionReport
from freqtrade_ext.execution._snapshot import AccountSnapshot

__all__ = [
    "OrphanedPosition",
    "RecentTrade",
    "RecoveryReport",
    "RecoveryStatus",
    "ReportedOrder",
    "failed_report",
    "recovery_report",
    "write_report",
]


class RecoveryStatus(StrEnum):
    """Whether trading may start."""

    SUCCESS = "SUCCESS"  # nothing to review
    ALERT = "ALERT"  # safe to trade, something for a person
    FAILED = "FAILED"  # the exchange or the database could not be asked


@dataclass(frozen=True, slots=True)
class OrphanedPosition:
    """A position, or a part of one, that no trade manages; None: the exchange did not say."""

    symbol: str
    amount: float
    side: str
    entry_price: float | None
    current_price: float | None
    pnl: float | None
    recommendation: str


@dataclass(frozen=True, slots=True)
class ReportedOrder:
    """An order that is open on the exchange."""

    symbol: str
    order_id: str
    client_order_id: str
    side: str
    type: str
    amount: float
    filled: float
    reduce_only: bool


@dataclass(frozen=True, slots=True)
class RecentTrade:
    """An execution of the last 24 hours."""

    timestamp: str
    symbol: str
    order_id: str
    side: str
    amount: float
    price: float


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """The report, with the keys of its file; quantities are base units, money quote currency."""

    timestamp: str
    recovery_status: RecoveryStatus
    orphaned_positions: tuple[OrphanedPosition, ...]
    open_orders: tuple[ReportedOrder, ...]
    recent_trades: tuple[RecentTrade, ...]
    reconciliation_status: str
    warnings: tuple[str, ...]
    next_action: str
    manual_review_required: bool
    actions: tuple[str, ...]

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)


def recovery_report(
    passes: PassReports, books: AccountBooks, fills: Sequence[FillReport], now_ms: int
) -> RecoveryReport:
    """
    Build the report of a recovery.

    Parameters
    ----------
    passes : PassReports
        What `Reconciler.run_until_quiet` returned.
    books : AccountBooks
        The books after it.
    fills : sequence of FillReport
        Executions of the last 24 hours.
    now_ms : int
        Time, ms since 1970.
    """
    status = _status(passes)
    last = passes.last
    snapshot = passes.snapshot or AccountSnapshot(now_ms, {}, ())
    return RecoveryReport(
        timestamp=_iso(now_ms),
        recovery_status=status,
        orphaned_positions=tuple(
            _orphan(each, snapshot.positions.get(each.market))
            for each in last.differences
            if _is_orphan(each)
        ),
        open_orders=tuple(_order(order) for order in snapshot.open_orders),
        recent_trades=tuple(_trade(fill) for fill in fills),
        reconciliation_status=_reconciliation(passes, books),
        warnings=_warnings(passes),
        next_action=_next_action(status, passes),
        manual_review_required=status is not RecoveryStatus.SUCCESS,
        actions=tuple(
            f"{action.market}: {action.text}" for each in passes.passes for action in each.actions
        ),
    )


def failed_report(text: str, now_ms: int) -> RecoveryReport:
    """Build the report of a recovery that could not even begin."""
    return RecoveryReport(
        timestamp=_iso(now_ms),
        recovery_status=RecoveryStatus.FAILED,
        orphaned_positions=(),
        open_orders=(),
        recent_trades=(),
        reconciliation_status="NOT_DONE: nothing is known of the account",
        warnings=(text,),
        next_action=_ACTION_AFTER_FAILURE,
        manual_review_required=True,
        actions=(),
    )


def write_report(report: RecoveryReport, path: Path) -> None:
    """
    Write the report so that a reader sees the old file or the new one, never a part.

    Raises
    ------
    StoreError
        If it cannot be written; the old file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            file.write(report.to_json() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StoreError(f"the recovery report {path} could not be written: {error}") from error


_ACTION_AFTER_FAILURE = (
    "Do not trade. Check the connection, the API key and the database, then run "
    "'freqtrade-ext recover' again."
)


def _status(passes: PassReports) -> RecoveryStatus:
    if passes.snapshot is None or passes.last.errors:
        return RecoveryStatus.FAILED
    if passes.is_quiet and not passes.last.differences and not passes.unresolved:
        return RecoveryStatus.SUCCESS
    return RecoveryStatus.ALERT


def _reconciliation(passes: PassReports, books: AccountBooks) -> str:
    if passes.snapshot is None or passes.last.errors:
        return "NOT_DONE: exchange and books were not compared to the end"
    last = passes.last
    if last.differences:
        return f"DIFFERENCES: {len(last.differences)} left, {len(books.trades)} open trades"
    done = sum(action.is_done for each in passes.passes for action in each.actions)
    state = "REPAIRED" if done else "IN_SYNC"
    later = f", {len(last.deferred)} to be booked by the bot at its start" if last.deferred else ""
    return f"{state}: {len(books.trades)} open trades, {done} repairs{later}"


def _warnings(passes: PassReports) -> tuple[str, ...]:
    last = passes.last
    found = [f"not done: {error}" for error in last.errors]
    found += [difference.text for difference in last.differences]
    found += [f"{action.market}: {action.text}" for action in last.actions if not action.is_done]
    found += [
        f"{intent.market}: order {intent.client_order_id} ({intent.side} "
        f"{plain(intent.quantity)}) may or may not exist; the bot goes on asking for it"
        for intent in passes.unresolved
    ]
    found += [f"{reason.market}: {reason.text}" for reason in last.deferred]
    found += [
        f"{each.market}: {plain(each.quantity)} is held in a market that this bot does not trade; "
        "it is left alone"
        for each in last.others
    ]
    if not passes.is_quiet and not last.errors:
        found.append(f"still repairing after {len(passes.passes)} passes; the bot goes on")
    return tuple(found)


def _next_action(status: RecoveryStatus, passes: PassReports) -> str:
    if status is RecoveryStatus.FAILED:
        return _ACTION_AFTER_FAILURE
    if status is RecoveryStatus.SUCCESS:
        return "Start trading."
    parts = [
        f"{len(passes.last.differences)} difference(s)" if passes.last.differences else "",
        f"{len(passes.unresolved)} order(s) of unknown outcome" if passes.unresolved else "",
        "" if passes.is_quiet else "repairs that have not finished",
    ]
    left = ", ".join(part for part in parts if part)
    markets = sorted(
        {each.market for each in passes.last.differences}
        | {intent.market for intent in passes.unresolved}
    )
    where = f" in {', '.join(markets)}" if markets else ""
    return f"Trading may start. A person should look at {left}{where}: 'freqtrade-ext inbox'."


def _is_orphan(difference: Difference) -> bool:
    if difference.kind in {DifferenceKind.UNKNOWN_POSITION, DifferenceKind.MANUAL_ADD}:
        return True
    # Without an answer about its orders it is not known who did it, but that it is there is.
    return difference.kind is DifferenceKind.UNKNOWN and abs(difference.actual) > abs(
        difference.booked
    )


def _orphan(difference: Difference, position: PositionReport | None) -> OrphanedPosition:
    excess = difference.gap
    share = excess / position.quantity if position and position.quantity else Decimal(0)
    return OrphanedPosition(
        symbol=difference.market,
        amount=float(abs(excess)),
        side="long" if excess > 0 else "short",
        entry_price=_number(position.entry_price) if position else None,
        current_price=_number(position.mark_price) if position else None,
        pnl=_number(position.unrealized_pnl * share) if position else None,
        recommendation="Close it: 'freqtrade-ext inbox', or on the exchange.",
    )


def _order(order: OrderReport) -> ReportedOrder:
    return ReportedOrder(
        symbol=order.market,
        order_id=order.venue_order_id,
        client_order_id=order.client_order_id,
        side=order.side.value,
        type=order.kind.value,
        amount=float(order.quantity),
        filled=float(order.filled_quantity),
        reduce_only=order.reduce_only,
    )


def _trade(fill: FillReport) -> RecentTrade:
    return RecentTrade(
        timestamp=_iso(fill.time_ms),
        symbol=fill.market,
        order_id=fill.venue_order_id,
        side=fill.side.value,
        amount=float(fill.quantity),
        price=float(fill.price),
    )


def _number(value: Decimal) -> float | None:
    return float(value) if value.is_finite() else None


def _iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
