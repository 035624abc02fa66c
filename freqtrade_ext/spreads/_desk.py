"""The spreads of one bot: which are on their way, open or leaving, and what each leg must do next.

The desk holds one `SpreadRecord` for every spread that is not flat. It does not talk to the
exchange: Freqtrade asks it, leg by leg, and tells it what the books show. A record is saved
before any answer that could send an order leaves the desk.
"""

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from freqtrade_ext.errors import IllegalRequest, StoreError
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.settings import SpreadSettings
from freqtrade_ext.spreads._entry_board import Candidate
from freqtrade_ext.spreads._events import (
    Alert,
    EntryPlan,
    EntryRequested,
    Event,
    ExitRequested,
    LegName,
    SubmitOrder,
    TimePassed,
)
from freqtrade_ext.spreads._observation import LegBook, apply_event, observe_leg
from freqtrade_ext.spreads._orders import outstanding
from freqtrade_ext.spreads._position import CoordinatorPolicy, SpreadPosition
from freqtrade_ext.spreads._record import (
    Leaving,
    RecordStore,
    SpreadRecord,
    record_from_dict,
    record_to_dict,
)
from freqtrade_ext.spreads._rules import Bands, OpenSpreadView, exit_reason
from freqtrade_ext.spreads._spec import SpreadSpec
from freqtrade_ext.spreads._states import SpreadState
from freqtrade_ext.spreads._waiting import IsAwaited, waits_for_partner
from freqtrade_ext.spreads._walk_forward import Coefficients, SpreadTrack

__all__ = ["ClosedSpread", "SpreadDesk"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClosedSpread:
    """A spread that is flat again; its record says how it was left."""

    record: SpreadRecord

    @property
    def reason(self) -> CloseReason:
        """Why it was left."""
        return self._left.reason

    @property
    def closed_ms(self) -> int:
        """When it became flat."""
        return self._left.closed_ms

    @property
    def z_at_exit(self) -> float | None:
        """z-score that it was left on, None where it was left for another reason."""
        return self._left.z_at_exit

    @property
    def _left(self) -> Leaving:
        if self.record.left is None:
            raise IllegalRequest(f"{self.record.position.spread_id} has not been left")
        return self.record.left


class SpreadDesk:
    """
    All spreads of one bot.

    Parameters
    ----------
    settings : SpreadSettings
        Limits and patience.
    store : RecordStore
        Where records survive a restart.
    candle_ms : int
        Length of a candle.
    is_awaited : callable
        Whether the outcome of an order is worth waiting for; see `waits_for_partner`.
    """

    def __init__(
        self,
        settings: SpreadSettings,
        store: RecordStore,
        candle_ms: int,
        is_awaited: IsAwaited = lambda _: False,
    ) -> None:
        self.settings = settings
        self.candle_ms = candle_ms
        self._is_awaited = is_awaited
        self._store = store
        self._records: dict[str, SpreadRecord] = {}
        self._last_exit: dict[str, tuple[int, CloseReason]] = {}
        self._market_exit: dict[str, int] = {}
        self._exit_z: dict[str, float | None] = {}
        self._held_at: dict[str, int] = {}
        self._closed: list[ClosedSpread] = []

    def restore(self) -> None:
        """Load the records of an earlier run, and when and why its spreads were last left."""
        for result in self._store.results():  # oldest first
            reason = CloseReason(result["reason"])
            self._last_exit[str(result["spread_id"])] = (int(result["closed_ms"]), reason)
        for spread_id, document in self._store.load().items():
            record = record_from_dict(document)
            if record.left is not None:  # the run ended before its result was booked
                self._last_exit[spread_id] = (record.left.closed_ms, record.left.reason)
                self._closed.append(ClosedSpread(record))
                continue
            self._records[spread_id] = record
            logger.info("[SAFETY] %s continues as %s", spread_id, record.position.state.name)

    @property
    def records(self) -> Mapping[str, SpreadRecord]:
        """Every spread that is not flat, by id."""
        return self._records

    @property
    def is_at_rest(self) -> bool:
        """Whether every spread is whole and waits for nothing."""
        return all(
            record.position.state is SpreadState.OPEN and not record.position.has_working_orders
            for record in list(self._records.values())  # asked in other threads as well
        )

    def last_exit(self, spread_id: str) -> tuple[int, CloseReason] | None:
        """When (ms) and why the spread was last left."""
        return self._last_exit.get(spread_id)

    def markets_left_since(self, time_ms: int) -> frozenset[str]:
        """Legs of spreads that became flat at or after `time_ms`."""
        return frozenset(name for name, left in self._market_exit.items() if left >= time_ms)

    def take_closed(self) -> list[ClosedSpread]:
        """
        Hand over the spreads that became flat since the last call.

        Then `forget` each, or `put_back` one whose result is not known yet.
        """
        closed, self._closed = self._closed, []
        return closed

    def put_back(self, closed: ClosedSpread) -> None:
        """Hand a spread over again at the next call."""
        self._closed.append(closed)

    def forget(self, closed: ClosedSpread) -> None:
        """Remove the saved record of a spread whose result has been booked."""
        spread_id = closed.record.position.spread_id
        if spread_id in self._records:  # it has been entered again since
            return
        try:
            self._store.save(spread_id, None)
        except StoreError as error:
            logger.error("[SAFETY] %s is flat but still saved: %s", spread_id, error)

    # Entry

    def open_spread(
        self,
        candidate: Candidate,
        plan: EntryPlan,
        track: SpreadTrack,
        bands: Bands,
        *,
        equity: float,
        now_ms: int,
    ) -> None:
        """
        Ask the coordinator to open a spread on a signal; the record is saved.

        The coefficients, the longest holding time and the promised move are frozen with it; exit
        and stop bands follow the book, so that a person can tighten them while it is open.
        """
        if candidate.spread_id in self._records:
            raise IllegalRequest(f"{candidate.spread_id} is open or on its way already")
        row = track.row_at(candidate.time_ms)
        frozen = track.fit_at(row) if row is not None else None
        if row is None or frozen is None:
            raise LookupError(f"{candidate.spread_id}: no fit at {candidate.time_ms}")
        record = SpreadRecord(
            position=SpreadPosition(candidate.spread_id, policy=_policy(self.settings)),
            frozen=frozen,
            leg_a=candidate.leg_a,
            leg_b=candidate.leg_b,
            signal_ms=candidate.time_ms,
            scale=float(track.scale[row]),
            exit_z=bands.exit_z,
            max_holding=bands.longest(frozen.half_life),
            equity=equity,
            stop_value=_stop_value(plan, float(track.value[row]), float(track.scale[row]), bands),
            candle_ms=self.candle_ms,
        )
        record, _ = apply_event(record, EntryRequested(plan=plan, now_ms=now_ms))
        self._keep(record, durable=True)

    def pending_order(self, spread_id: str, leg: LegName) -> SubmitOrder | None:
        """Order of a leg that should be on the wire and is not known to be."""
        record = self._records.get(spread_id)
        if record is None:
            return None
        return next(
            (
                command
                for command in outstanding(record.position)
                if isinstance(command, SubmitOrder) and command.leg is leg
            ),
            None,
        )

    def ready_order(self, spread_id: str, leg: LegName) -> SubmitOrder | None:
        """Pending order of a leg, unless it waits for the other leg's: see `waits_for_partner`."""
        order = self.pending_order(spread_id, leg)
        if order is None or waits_for_partner(self._records[spread_id], leg, self._is_awaited):
            return None
        return order

    def mark_sent(self, spread_id: str, order: SubmitOrder, now_ms: int) -> None:
        """Remember, durably, that Freqtrade is being told to send an order."""
        record = self._records[spread_id]
        sent = replace(record, sent={**record.sent, order.client_order_id: now_ms})
        self._keep(sent, durable=not order.reduce_only)

    # What the books show

    def observe(
        self, spread_id: str, leg: LegName, book: LegBook, now_ms: int, *, settled: bool
    ) -> None:
        """Report the books of one leg; see `observe_leg`."""
        record = self._records.get(spread_id)
        if record is None:
            return
        after, alerts = observe_leg(
            record,
            leg,
            book,
            now_ms,
            settled=settled,
            signal_over=now_ms >= record.signal_ms + 2 * self.candle_ms,
        )
        self._finish(record, after, alerts, now_ms)

    def link_trade(self, spread_id: str, leg: LegName, trade_id: int) -> None:
        """Remember which of Freqtrade's trades is a leg."""
        record = self._records[spread_id]
        if record.trade_ids.get(leg) != trade_id:
            self._keep(replace(record, trade_ids={**record.trade_ids, leg: trade_id}))

    def tick(self, now_ms: int) -> None:
        """Let time pass for every spread that waits for something."""
        for record in list(self._records.values()):
            position = record.position
            if position.state is SpreadState.OPEN and not position.has_working_orders:
                continue
            self._apply(self._without_age(record, now_ms), TimePassed(now_ms=now_ms))

    def _without_age(self, record: SpreadRecord, now_ms: int) -> SpreadRecord:
        """
        Let closing orders that Freqtrade has not asked for yet stay new.

        They will be asked for in this loop; timing them out would only put them off.
        """
        position = record.position
        known = {*record.sent, *record.names.values()}
        for leg in LegName:
            state = position.leg(leg)
            order = state.working
            if order is None or not order.reduce_only or order.client_order_id in known:
                continue
            if order.cancel_requested_ms is None:
                fresh = replace(state, working=replace(order, submitted_ms=now_ms))
                position = position.with_leg(leg, fresh)
        return replace(record, position=position)

    # Exit

    def review(
        self,
        spread_id: str,
        track: SpreadTrack | None,
        bands: Bands,
        *,
        candle_open_ms: int,
        liquidation_share: float,
        now_ms: int,
    ) -> None:
        """
        Apply the exit rules to an open spread, as of a closed candle.

        Without a track (no candles of a leg) only the liquidation guard applies.
        """
        record = self._records.get(spread_id)
        if record is None or record.position.state is not SpreadState.OPEN:
            return
        plan = record.position.plan
        near_liquidation = liquidation_share >= self.settings.liquidation_guard
        if plan is None or (
            self._held_at.get(spread_id) == candle_open_ms and not near_liquidation
        ):
            return
        view = self._view(record, plan, track, candle_open_ms, liquidation_share)
        reason = exit_reason(view, replace(bands, max_holding=record.max_holding), self.settings)
        if reason is None:
            if not math.isnan(view.z_score):
                self._held_at[spread_id] = candle_open_ms
            return
        logger.info(
            "[STRATEGY] %s leaves: %s at z=%.2f (entered at z=%.2f)",
            spread_id,
            reason,
            view.z_score,
            plan.z_at_entry,
        )
        self._exit_z[spread_id] = None if math.isnan(view.z_score) else view.z_score
        self._apply(record, ExitRequested(reason=reason, now_ms=now_ms))

    def _view(
        self,
        record: SpreadRecord,
        plan: EntryPlan,
        track: SpreadTrack | None,
        candle_open_ms: int,
        liquidation_share: float,
    ) -> OpenSpreadView:
        return OpenSpreadView(
            direction=plan.direction,
            z_score=track.z_with(record.frozen, candle_open_ms) if track else math.nan,
            candles_held=(candle_open_ms - record.signal_ms) / self.candle_ms,
            frozen=record.frozen,
            latest=_latest_fit(track, candle_open_ms) if track else None,
            liquidation_share=liquidation_share,
            value=track.value_with(record.frozen, candle_open_ms) if track else math.nan,
            stop_value=record.stop_value if self.settings.entry_stop else None,
        )

    def fits_book(self, spread_id: str, spec: SpreadSpec | None) -> bool:
        """Whether the book's row still means the spread that was entered under this id."""
        record = self._records.get(spread_id)
        if record is None or record.position.plan is None or spec is None:
            return False
        same_legs = (spec.leg_a, spec.leg_b) == (record.leg_a, record.leg_b)
        same_space = spec.hedge_space == record.position.plan.hedge_space
        return same_legs and same_space and record.candle_ms in (0, self.candle_ms)

    def retire(self, spread_id: str, now_ms: int) -> None:
        """Leave an open spread that is no longer in the book, or not as it was entered."""
        record = self._records.get(spread_id)
        if record is not None and record.position.state is SpreadState.OPEN:
            logger.warning(
                "[STRATEGY] %s is not in the book as it was entered; it is closed", spread_id
            )
            self._apply(record, ExitRequested(reason=CloseReason.RELATION_BROKEN, now_ms=now_ms))

    def request_exit(self, spread_id: str, reason: CloseReason, now_ms: int) -> None:
        """Leave a spread because someone else has decided so; nothing if it is leaving already."""
        record = self._records.get(spread_id)
        leaving = (SpreadState.CLOSING, SpreadState.UNWINDING, SpreadState.FLAT)
        if record is not None and record.position.state not in leaving:
            self._apply(record, ExitRequested(reason=reason, now_ms=now_ms))

    def _apply(self, record: SpreadRecord, event: Event) -> None:
        after, alerts = apply_event(record, event)
        self._finish(record, after, alerts, event.now_ms)

    def _finish(
        self, before: SpreadRecord, after: SpreadRecord, alerts: Iterable[Alert], now_ms: int
    ) -> None:
        for alert in alerts:
            logger.warning("[SAFETY] %s", alert.text)
        if after == before:
            return
        if after.position.state is SpreadState.FLAT:
            self._close(before, after, now_ms)
        else:
            self._keep(after)

    def _keep(self, record: SpreadRecord, *, durable: bool = False) -> None:
        """
        Save a record and use it from now on.

        An entry that cannot be saved must not be sent, so with `durable` the error is raised. A
        fact, or an order that closes, counts all the same: better a leg less after a crash than a
        leg that nobody closes now.
        """
        spread_id = record.position.spread_id
        try:
            self._store.save(spread_id, record_to_dict(record))
        except StoreError as error:
            if durable:
                raise
            logger.error("[SAFETY] %s goes on unsaved: %s", spread_id, error)
        self._records[spread_id] = record

    def _close(self, before: SpreadRecord, after: SpreadRecord, now_ms: int) -> None:
        spread_id = after.position.spread_id
        if self._records.get(spread_id) is None:  # another thread was faster
            return
        reason = before.position.reason or after.position.reason or CloseReason.EXTERNAL
        left = Leaving(now_ms, reason, self._exit_z.pop(spread_id, None))
        position = replace(after.position, plan=before.position.plan)
        record = replace(after, position=position, left=left)
        self._keep(record)  # saved until its result is booked
        self._records.pop(spread_id, None)
        self._held_at.pop(spread_id, None)
        self._last_exit[spread_id] = (now_ms, reason)
        self._market_exit |= dict.fromkeys((after.leg_a, after.leg_b), now_ms)
        self._closed.append(ClosedSpread(record))


def _stop_value(plan: EntryPlan, value: float, scale: float, bands: Bands) -> float:
    """Spread value at the stop band, as the mean and the deviation stand at the signal."""
    sign = plan.direction.sign
    return value - sign * (bands.stop_z + sign * plan.z_at_entry) * scale


def _policy(settings: SpreadSettings) -> CoordinatorPolicy:
    return CoordinatorPolicy(
        retry_interval_ms=round(settings.retry_interval_seconds * 1000),
        max_retries=settings.max_leg_attempts,
        leg_timeout_ms=round(settings.leg_timeout_seconds * 1000),
    )


def _latest_fit(track: SpreadTrack, time_ms: int) -> Coefficients | None:
    row = track.row_at(time_ms)
    return track.fit_at(row) if row is not None else None
