"""One account as execution works on it: its venue, its books, what was ever sent, who holds it."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_minutes
from freqtrade.persistence import Trade

from freqtrade_ext.adapters._book_keeper import BotSide, FreqtradeBooks
from freqtrade_ext.adapters._ccxt_venue import CcxtVenue, unsupported_reason
from freqtrade_ext.adapters._credentials import with_credentials
from freqtrade_ext.adapters._lease import AccountLease
from freqtrade_ext.adapters.execution_store import InboxTable, IntentTable
from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.execution import (
    AccountBooks,
    FillReport,
    GuardPolicy,
    OrderGuard,
    Reconciler,
    RecoveryReport,
    RecoveryStatus,
    failed_report,
    recovery_report,
    write_report,
)
from freqtrade_ext.settings import ExecutionSettings

__all__ = ["REPORT_FILE", "Account", "SystemClock"]

logger = logging.getLogger(__name__)

REPORT_FILE: Final = Path("logs") / "recovery_report.json"
# Freqtrade itself needs 5 to 6 s to start, and the bot is to trade again after 10. What is unknown
# by then is asked for in the loop, and its market is not entered.
_RECOVERY_ASKS_SECONDS: Final = 2.0
_DAY_MS: Final = 24 * 3_600_000


class SystemClock:
    """The real time."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970, UTC."""
        return int(time.time() * 1000)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Account:
    """The parts of execution, put together for one bot's exchange and database."""

    clock: SystemClock
    store: IntentTable
    venue: CcxtVenue
    guard: OrderGuard
    books: FreqtradeBooks
    reconciler: Reconciler
    lease: AccountLease
    report_file: Path

    @classmethod
    def open(
        cls,
        exchange: Any,
        config: dict[str, Any],
        strategy: Any,
        settings: ExecutionSettings,
        markets: Callable[[], frozenset[str]],
    ) -> "Account":
        """
        Put the parts together; nothing is asked or sent yet.

        Raises
        ------
        OperationalException
            If the order guard cannot work on the exchange.
        """
        reason = unsupported_reason(exchange.id)
        if reason is not None:
            raise OperationalException(
                f"ext.execution.guard: {reason}; set it to false to trade without protection "
                "against lost orders"
            )
        clock, engine = SystemClock(), Trade.session.get_bind()
        store = IntentTable(engine)
        venue = CcxtVenue(exchange, batch=settings.batch_orders)
        guard = OrderGuard(venue, store, clock, _policy(settings))
        books = FreqtradeBooks(_bot_side(exchange, config, strategy), markets, guard)
        reconciler = Reconciler(
            venue,
            guard,
            books,
            settings.policies,
            InboxTable(engine),
            clock,
            lambda market: Decimal(str(exchange.get_precision_amount(market) or 0)),
            settling_seconds=min(settings.patience_seconds, _RECOVERY_ASKS_SECONDS),
        )
        lease = AccountLease(with_credentials(config, exchange._api), engine, clock)
        report_file = Path(config["user_data_dir"]) / REPORT_FILE
        return cls(clock, store, venue, guard, books, reconciler, lease, report_file)

    def recover(self, then: Callable[[], None] | None = None) -> RecoveryReport:
        """
        Reconcile with the exchange while nobody trades, and write the report.

        Parameters
        ----------
        then : callable, optional
            Called once the books have what was found; see `Reconciler.run_until_quiet`.

        Raises
        ------
        VenueError
            If the exchange or the database could not be asked: nobody may trade then.
        """
        try:
            self.guard.restore()
            self.books.mend()
            passes = self.reconciler.run_until_quiet(max_passes=3, then=then)
            books = self.books.read()
            fills = self._recent_fills(books)
            report = recovery_report(passes, books, fills, self.clock.now_ms())
        except (VenueError, StoreError) as error:
            report = failed_report(str(error), self.clock.now_ms())
        try:
            write_report(report, self.report_file)
        except StoreError as error:
            logger.error("[SAFETY] %s", error)
        for warning in report.warnings:
            logger.warning("[SAFETY] recovery: %s", warning)
        logger.info(
            "[SAFETY] recovery %s: %s; %s%s",
            report.recovery_status,
            report.reconciliation_status,
            report.next_action,
            "" if report.manual_review_required else " Nothing needs you.",
        )
        if report.recovery_status is RecoveryStatus.FAILED:
            raise VenueError(f"recovery failed: {'; '.join(report.warnings)}. {report.next_action}")
        return report

    def _recent_fills(self, books: AccountBooks) -> list[FillReport]:
        """Own executions of the last day, in the markets that anything was sent to."""
        since_ms = self.clock.now_ms() - _DAY_MS
        markets = {intent.market for intent in self.store.since(since_ms)}
        markets |= {trade.market for trade in books.trades}
        fills = [fill for market in sorted(markets) for fill in self.venue.fills(market, since_ms)]
        return sorted(fills, key=lambda fill: fill.time_ms)


def _policy(settings: ExecutionSettings) -> GuardPolicy:
    return GuardPolicy(
        patience_ms=round(settings.patience_seconds * 1000),
        settling_ms=round(settings.settling_seconds * 1000),
    )


def _bot_side(exchange: Any, config: dict[str, Any], strategy: Any) -> BotSide:
    return BotSide(
        exchange=exchange,
        strategy_name=strategy.get_strategy_name(),
        stoploss=float(strategy.stoploss),
        stake_currency=config["stake_currency"],
        timeframe_minutes=timeframe_to_minutes(config["timeframe"]),
        trading_mode=config["trading_mode"],
        margin_mode=str(getattr(config["margin_mode"], "value", config["margin_mode"])).lower(),
    )
