"""Between Freqtrade's callbacks and the spread desk: gathers what a decision needs, passes answers.

The broker decides nothing: entries are decided by `size_entry`, exits by `SpreadDesk.review`, and
what each leg must do by the coordinator. It knows in which order Freqtrade asks.
"""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from freqtrade.persistence import Trade

from freqtrade_ext.adapters._books import leg_book
from freqtrade_ext.adapters._callbacks import answer_on_error
from freqtrade_ext.adapters._leg_markets import PRICE_ROOM, LegMarkets
from freqtrade_ext.adapters._moments import from_ms
from freqtrade_ext.adapters._spread_results import SpreadResults
from freqtrade_ext.adapters._spread_view import SpreadView
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.learning import Verdict
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.settings import SpreadSettings
from freqtrade_ext.spreads import (
    AccountView,
    Bands,
    BookedOrder,
    CancelOrder,
    Candidate,
    ClosedSpread,
    EntryBoard,
    EntryCase,
    LegBook,
    LegMarket,
    LegName,
    RecordStore,
    Refusal,
    SpreadDesk,
    SpreadRecord,
    SpreadSpec,
    SubmitOrder,
    TrackRecord,
    outstanding,
    size_entry,
    to_quantity,
)

if TYPE_CHECKING:
    # Only a live bot has one; a backtest must not load what it is made of.
    from freqtrade_ext.adapters._live_execution import LiveExecution
    from freqtrade_ext.adapters._spread_advice import SpreadAdvice

__all__ = ["SpreadBroker"]

logger = logging.getLogger(__name__)

# Freqtrade's own reasons for closing a trade; every other one is a person's.
_FREQTRADE_REASONS = {
    "stop_loss": CloseReason.SL,
    "trailing_stop_loss": CloseReason.TRAILING,
    "emergency_exit": CloseReason.EMERGENCY_SL,
}


@dataclass(frozen=True, slots=True)
class Signalled:
    """The signals that a market's frame carries, and since when Freqtrade would act on them (ms).

    A backtest cuts the first `startup_candle_count` candles of each market, so a market that was
    listed late cannot be entered until that much later.
    """

    board: EntryBoard
    since_ms: float

    def includes(self, candidate: Candidate) -> bool:
        """Whether Freqtrade will be asked to enter this market for the candidate."""
        on_time = candidate.time_ms >= self.since_ms
        return on_time and candidate in self.board.at(candidate.time_ms)


class SpreadBroker:
    """
    The desk of one run, and what it needs to be asked with.

    Parameters
    ----------
    strategy : IStrategy
        Gives access to Freqtrade's data provider, wallets and pair locks.
    view : SpreadView
        Tracks and entry board.
    settings : SpreadSettings
        Limits.
    store : RecordStore
        Where records survive a restart.
    mode : str
        Freqtrade's run mode.
    """

    def __init__(
        self,
        strategy: Any,
        view: SpreadView,
        markets: LegMarkets,
        settings: SpreadSettings,
        store: RecordStore,
        mode: str,
    ) -> None:
        self._strategy = strategy
        self._view = view
        self._markets = markets
        # The look-ahead analysis has slots without limit, so that each trade stands alone.
        self._one_leg_runs = mode not in {"live", "dry_run", "backtest", "hyperopt"}
        if self._one_leg_runs:
            settings = settings.model_copy(update={"max_open_spreads": 1_000_000})
        self._settings = settings
        self._candle_ms = view.candle_ms
        self.live = mode in {"live", "dry_run"}
        self.execution: LiveExecution | None = None
        self.advice: SpreadAdvice | None = None
        self.desk = SpreadDesk(settings, store, view.candle_ms, self._is_awaited)
        self.desk.restore()
        self.results = SpreadResults(store)
        self.signalled: dict[str, Signalled] = {}
        # Why the strategy takes no such spread, for as long as it does not; empty: it may.
        self.refusal: Callable[[Candidate], str] = _no_refusal
        self._refused: dict[str, str] = {}
        self._said: dict[str, int] = {}
        self._asked: dict[tuple[str, LegName], str] = {}
        self._seen: dict[tuple[str, LegName], tuple[Any, ...]] = {}
        self._liquidation: dict[tuple[str, LegName], tuple[float, float | None]] = {}

    # What the books show

    def loop(self, now_ms: int) -> None:
        """Tell the desk the time and what Freqtrade's books show of every leg."""
        self._liquidation = {}  # of the trades that are open now, not of an earlier episode
        if self.desk.records:
            trades = list(Trade.get_trades_proxy(is_open=True))
            for spread_id in list(self.desk.records):
                self._observe(spread_id, trades, now_ms)
            self.desk.tick(now_ms)  # last, so that no order times out before its fill is seen
        for closed in self.desk.take_closed():
            if not self._book(closed):
                self.desk.put_back(closed)

    @answer_on_error(False)
    def _book(self, closed: ClosedSpread) -> bool:
        """Book a closed spread, unless Freqtrade has not closed its trades yet."""
        if not self.results.is_final(closed):
            return False
        result = self.results.book(closed)
        if self.advice is not None and result is not None:
            self.advice.closed(result)
        elif self.advice is not None:
            self.advice.dropped(closed.record.position.spread_id, closed.record.signal_ms)
        self.desk.forget(closed)
        return True

    @answer_on_error(None)
    def _observe(self, spread_id: str, trades: list[Any], now_ms: int) -> None:
        """Look at both legs; what goes wrong with one spread must not stop the others."""
        for leg in LegName:
            self._observe_leg(spread_id, leg, trades, now_ms)

    def filled(self, tag: EntryTag, trade: Any, now_ms: int) -> None:
        """Tell the desk about a fill as soon as Freqtrade knows it."""
        if tag.spread_id not in self.desk.records:
            return
        self.desk.link_trade(tag.spread_id, tag.leg, trade.id)
        record = self.desk.records[tag.spread_id]
        book = self._named(record, tag.leg, leg_book(trade, in_callback=True))
        self.desk.observe(tag.spread_id, tag.leg, book, now_ms, settled=False)

    def _observe_leg(self, spread_id: str, leg: LegName, trades: list[Any], now_ms: int) -> None:
        record = self.desk.records.get(spread_id)
        if record is None:
            return
        trade = _trade_of(record, leg, trades)
        if trade is None and self._one_leg_runs:
            return
        settled = not self._is_unsettled(record, leg)
        if trade is None:
            self._warn_of_lost_order(record, leg)
            nothing = LegBook(held=to_quantity(0))
            self.desk.observe(spread_id, leg, nothing, now_ms, settled=settled)
            return
        self.desk.link_trade(spread_id, leg, trade.id)
        self._liquidation[spread_id, leg] = (trade.open_rate, trade.liquidation_price)
        seen = (trade.id, trade.amount, trade.is_open, len(trade.orders))
        at_rest = record.position.leg(leg).working is None and not trade.has_open_orders
        if at_rest and self._seen.get((spread_id, leg)) == seen:
            return
        book = self._named(record, leg, leg_book(trade))
        self.desk.observe(spread_id, leg, book, now_ms, settled=settled)
        self._seen[spread_id, leg] = seen

    def _is_unsettled(self, record: SpreadRecord, leg: LegName) -> bool:
        """Whether the leg's order may be on the exchange without being in Freqtrade's books."""
        working = record.position.leg(leg).working
        if self.execution is None or working is None:
            return False
        return self.execution.is_unsettled(working.client_order_id)

    def _is_in_question(self, order: SubmitOrder) -> bool:
        """Whether this very order was sent and is being asked for: asking again finds no more."""
        if self.execution is None:
            return False
        return self.execution.is_open_question(order.client_order_id)

    def _is_awaited(self, client_order_id: str) -> bool:
        return self.execution is not None and self.execution.guard.is_awaited(client_order_id)

    def _named(self, record: SpreadRecord, leg: LegName, book: LegBook) -> LegBook:
        """Give the orders that are new to the record the names that the order guard knows."""
        if self.execution is None:
            return book
        market = record.market(leg)
        orders = tuple(
            order
            if f"{leg}:{order.order_id}" in record.names
            else replace(order, name=self.execution.name_of(market, order.order_id))
            for order in book.orders
        )
        return replace(book, orders=orders)

    def _warn_of_lost_order(self, record: SpreadRecord, leg: LegName) -> None:
        """
        Look at the exchange when an order was sent and Freqtrade shows no trade.

        Freqtrade takes a lost answer for a refusal; the order may have been filled all the same.
        """
        working = record.position.leg(leg).working
        if not self.live or self.execution is not None:  # the order guard looks it up itself
            return
        if working is None or working.client_order_id not in record.sent:
            return
        self._strategy.wallets.update()
        market = record.market(leg)
        if market in self._strategy.wallets.get_all_positions():
            logger.critical(
                "[SAFETY] %s: an order of %s was sent, Freqtrade knows no trade, but the exchange "
                "shows a position: close it by hand; the market is not entered until then",
                record.position.spread_id,
                market,
            )

    # Entry

    def stake(
        self, tag: EntryTag, rate: float, leverage: float, bands: Mapping[str, Bands], now_ms: int
    ) -> float:
        """Stake for the entry order that the desk wants on this leg; 0 when it wants none."""
        if tag.spread_id not in self.desk.records:
            if self.execution is not None and self.execution.stop.is_asked:
                return 0.0
            self._ask_to_open(tag, bands, now_ms)
        order = self._entry_order(tag)
        if order is None or self._partner_failed(tag) or self._is_in_question(order):
            return 0.0
        self._asked[tag.spread_id, tag.leg] = order.client_order_id
        # Freqtrade cuts the amount to whole lots; the last digit must not cost one.
        return float(order.quantity) * rate / leverage * (1 + 1e-9)

    def confirm(self, tag: EntryTag, side: str, quantity: float, now_ms: int) -> bool:
        """Let an entry pass only if it is the order that the desk wants on this leg."""
        order = self._entry_order(tag)
        if order is None or tag.side != side or self._partner_failed(tag):
            return False
        lot = float(self.desk.records[tag.spread_id].position.leg(tag.leg).lot)
        if abs(quantity - float(order.quantity)) > lot / 2:
            logger.warning(
                "[SAFETY] %s: Freqtrade would order %s instead of %s; refused",
                tag,
                quantity,
                order.quantity,
            )
            return False
        self.desk.mark_sent(tag.spread_id, order, now_ms)
        self._assume_partner(tag, now_ms)
        return True

    def _partner_failed(self, tag: EntryTag) -> bool:
        """
        Whether the other leg was asked for before this one, and no trade came of it.

        Freqtrade asks for the legs one after the other and goes on after an error.
        """
        if self._one_leg_runs:
            return False
        partner = tag.leg.other
        order = self.desk.pending_order(tag.spread_id, partner)
        if order is None or self._asked.get((tag.spread_id, partner)) != order.client_order_id:
            return False
        record = self.desk.records[tag.spread_id]
        return _trade_of(record, partner, list(Trade.get_trades_proxy(is_open=True))) is None

    def _entry_order(self, tag: EntryTag) -> SubmitOrder | None:
        order = self.desk.pending_order(tag.spread_id, tag.leg)
        return None if order is None or order.reduce_only else order

    def _ask_to_open(self, tag: EntryTag, bands: Mapping[str, Bands], now_ms: int) -> None:
        candidates = self._view.board(bands).at(self.closed_candle(now_ms))
        place = next((i for i, c in enumerate(candidates) if c.spread_id == tag.spread_id), None)
        if place is None or candidates[place].direction is not tag.direction:
            return
        if self._is_refused(candidates[place]):
            return
        better = [
            other
            for other in candidates[:place]
            if not self.refusal(other)
            and not isinstance(
                size_entry(self._case(other, (), bands, now_ms), self._settings), Refusal
            )
        ]
        case = self._case(candidates[place], tuple(better), bands, now_ms)
        sizes = self._partner_missing(tag, case.candidate) or size_entry(case, self._settings)
        if isinstance(sizes, Refusal):
            self._say(case.candidate, sizes)
            return
        fit = case.track.fit_at(case.track.row_at(case.candidate.time_ms) or 0)
        plan = sizes.plan(intercept=fit.intercept if fit else 0.0)
        self.desk.open_spread(
            case.candidate,
            plan,
            case.track,
            case.bands,
            equity=case.account.equity,
            now_ms=now_ms,
        )
        if self.advice is not None:
            self.advice.entered(case.candidate, case.bands, case.model)

    def _is_refused(self, candidate: Candidate) -> bool:
        """Whether the strategy refuses a spread; logged once, until it has another reason."""
        why, before = self.refusal(candidate), self._refused.get(candidate.spread_id, "")
        self._refused[candidate.spread_id] = why
        if why and why != before:
            level = logging.INFO if self.live else logging.DEBUG
            logger.log(level, "[STRATEGY] %s is not entered: %s", candidate.spread_id, why)
        return bool(why)

    def _case(
        self,
        candidate: Candidate,
        better: tuple[Candidate, ...],
        bands: Mapping[str, Bands],
        now_ms: int,
    ) -> EntryCase:
        spec = self._view.specs[candidate.spread_id]
        open_trades = list(Trade.get_trades_proxy(is_open=True))
        return EntryCase(
            candidate=candidate,
            better=better,
            spec=spec,
            track=self._view.tracks[spec.spread_id],
            bands=bands[spec.spread_id],
            legs={
                LegName.A: self._leg_market(spec.leg_a, spec, candidate, now_ms),
                LegName.B: self._leg_market(spec.leg_b, spec, candidate, now_ms),
            },
            account=self._account(len(open_trades)),
            active=self.desk.records,
            markets_in_use=self._taken(trade.pair for trade in open_trades),
            # A backtest of Freqtrade trades a market once a candle; a live bot must not do more.
            markets_just_left=self.desk.markets_left_since(candidate.time_ms + self._candle_ms),
            last_exit=self.desk.last_exit(spec.spread_id),
            history=TrackRecord() if self._one_leg_runs else self.results.history,
            model=self.advice.verdict(candidate, bands) if self.advice else Verdict(1.0),
        )

    def _leg_market(
        self, market: str, spec: SpreadSpec, candidate: Candidate, now_ms: int
    ) -> LegMarket:
        row = self._view.tracks[spec.spread_id].row_at(candidate.time_ms) or 0
        fit = self._view.tracks[spec.spread_id].fit_at(row)
        holding_ms = (fit.half_life if fit else 0.0) * self._candle_ms
        price = self._view.close_of(market, candidate.time_ms)
        return LegMarket(
            price=price,
            limits=self._markets.limits(market, price),
            fee_rate=self._markets.fee(market),
            funding_rate=self._markets.expected_funding(
                self._strategy.dp, market, now_ms, holding_ms, live=self.live
            ),
            locked=self._is_closed(market, candidate, spec),
        )

    def _is_closed(self, market: str, candidate: Candidate, spec: SpreadSpec) -> bool:
        """Whether Freqtrade has a lock on this side of a market, or it is to be delisted."""
        leg = LegName.A if market == spec.leg_a else LegName.B
        side = EntryTag(spec.spread_id, candidate.direction, leg).side
        moment = from_ms(candidate.time_ms if self.live else candidate.time_ms + self._candle_ms)
        if self._strategy.is_pair_locked(market, candle_date=moment, side=side):
            return True
        return self.live and self._strategy.dp.check_delisting(market) is not None

    def promised(self) -> tuple[int, float]:
        """Return trade slots and margin of legs that are to be entered and are no trades yet."""
        margin, legs = 0.0, 0
        for record in self.desk.records.values():
            for leg in LegName:
                order = self.desk.pending_order(record.position.spread_id, leg)
                if order is None or order.reduce_only:
                    continue
                legs += order.client_order_id not in record.names.values()
                price = self._view.close_of(record.market(leg), record.signal_ms)
                margin += float(order.quantity) * price / self._settings.sizing.leverage
        return legs, margin

    def _account(self, open_trades: int) -> AccountView:
        wallets = self._strategy.wallets
        legs, margin = self.promised()
        return AccountView(
            equity=float(wallets.get_total_stake_amount()),
            available=float(wallets.get_available_stake_amount()) * PRICE_ROOM - margin,
            free_slots=float(self._strategy.max_open_trades) - open_trades - legs,
        )

    def _taken(self, traded: Iterable[str]) -> frozenset[str]:
        """Markets that no new spread may use: traded, promised, or held on the exchange."""
        promised = (record.market(leg) for record in self.desk.records.values() for leg in LegName)
        held = self._strategy.wallets.get_all_positions() if self.live else ()
        unsettled = self.execution.unsettled_markets() if self.execution else ()
        return frozenset((*traded, *promised, *held, *unsettled))

    def _partner_missing(self, tag: EntryTag, candidate: Candidate) -> Refusal | None:
        """Refuse unless Freqtrade has the partner's signal too: both legs or none."""
        partner = candidate.leg_b if tag.leg is LegName.A else candidate.leg_a
        if self._is_alone(partner):
            return None
        signalled = self.signalled.get(partner)
        if signalled is None or not signalled.includes(candidate):
            return Refusal(f"{partner} has no signal on this candle")
        return None

    def _is_alone(self, partner: str) -> bool:
        return self._one_leg_runs and partner not in self._strategy.dp.current_whitelist()

    def _assume_partner(self, tag: EntryTag, now_ms: int) -> None:
        record = self.desk.records[tag.spread_id]
        partner = tag.leg.other
        order = self.desk.pending_order(tag.spread_id, partner)
        if order is None or not self._is_alone(record.market(partner)):
            return
        quantity = order.quantity * (1 if order.side == "buy" else -1)
        assumed = BookedOrder(f"assumed {order.client_order_id}", quantity, quantity, False)
        self.desk.observe(tag.spread_id, partner, LegBook(orders=(assumed,)), now_ms, settled=False)

    def _say(self, candidate: Candidate, refusal: Refusal) -> None:
        """Log a refusal once a candle, not once a loop."""
        if self._said.get(candidate.spread_id) == candidate.time_ms:
            return
        self._said[candidate.spread_id] = candidate.time_ms
        level = logging.INFO if self.live else logging.DEBUG
        logger.log(
            level,
            "[STRATEGY] %s %s at z=%.2f is not entered: %s",
            candidate.spread_id,
            candidate.direction.value,
            candidate.z_score,
            refusal.text,
        )

    # Exit and repair

    def forced_exit(self, tag: EntryTag, trade: Any, exit_reason: str, now_ms: int) -> None:
        """
        Note that something other than the desk closes a leg now: both are closed.

        A person, Freqtrade's own stop or its liquidation guard; the partner's order leaves in the
        same request.
        """
        record = self.desk.records.get(tag.spread_id)
        if record is None or record.trade_ids.get(tag.leg) != trade.id:
            return
        order = self.desk.pending_order(tag.spread_id, tag.leg)
        if order is None or not self._closes(tag, order):
            reason = _FREQTRADE_REASONS.get(exit_reason, CloseReason.MANUAL)
            self.desk.request_exit(tag.spread_id, reason, now_ms)

    def exit_reason(
        self, tag: EntryTag, trade: Any, rate: float, bands: Mapping[str, Bands], now_ms: int
    ) -> CloseReason | None:
        """Reason to close this leg's trade now, or None; a trade that no spread owns is closed."""
        record = self.desk.records.get(tag.spread_id)
        if record is None or record.trade_ids.get(tag.leg, trade.id) != trade.id:
            return CloseReason.ORPHAN_LEG
        self._review(tag, trade, rate, bands, now_ms)
        order = self.desk.ready_order(tag.spread_id, tag.leg)
        if order is None or not self._closes(tag, order):
            return None
        self.desk.mark_sent(tag.spread_id, order, now_ms)
        self._assume_partner(tag, now_ms)
        return order.reason or CloseReason.ORPHAN_LEG

    @answer_on_error(None)
    def _review(
        self, tag: EntryTag, trade: Any, rate: float, bands: Mapping[str, Bands], now_ms: int
    ) -> None:
        """Let the exit rules look; an error here must not hold back an exit decided before."""
        if not self.desk.fits_book(tag.spread_id, self._view.specs.get(tag.spread_id)):
            self.desk.retire(tag.spread_id, now_ms)
            return
        self.desk.review(
            tag.spread_id,
            self._view.tracks.get(tag.spread_id),
            bands[tag.spread_id],
            candle_open_ms=self.closed_candle(now_ms),
            liquidation_share=max(
                _liquidation_share(trade.open_rate, trade.liquidation_price, rate),
                self._partner_liquidation_share(tag, now_ms),
            ),
            now_ms=now_ms,
        )

    def _partner_liquidation_share(self, tag: EntryTag, now_ms: int) -> float:
        """
        Judge the other leg too, at its last close.

        Freqtrade asks about one leg after the other; whichever is asked first must know.
        """
        partner = tag.leg.other
        prices = self._liquidation.get((tag.spread_id, partner))
        record = self.desk.records.get(tag.spread_id)
        if prices is None or record is None:
            return 0.0
        market = record.market(partner)
        return _liquidation_share(*prices, self._view.close_of(market, self.closed_candle(now_ms)))

    def adjustment(self, tag: EntryTag, trade: Any, rate: float, now_ms: int) -> float | None:
        """Stake to add to (+) or take from (-) a leg that was filled in part or must be trimmed."""
        order = self.desk.pending_order(tag.spread_id, tag.leg)
        if order is None or self._closes(tag, order) or not trade.amount:
            return None
        self.desk.mark_sent(tag.spread_id, order, now_ms)
        quantity = float(order.quantity) * (1 + 1e-9)
        if order.reduce_only:
            return -quantity / trade.amount * trade.stake_amount
        return quantity * rate / trade.leverage

    def wants_adjustment(self) -> bool:
        """Whether any leg needs Freqtrade's position adjustment, which costs two requests each."""
        for spread_id, record in self.desk.records.items():
            for leg in LegName:
                order = self.desk.pending_order(spread_id, leg)
                if order is None or not record.position.leg(leg).held:
                    continue
                if not order.reduce_only or order.quantity < abs(record.position.leg(leg).held):
                    return True
        return False

    def wants_cancel(self, tag: EntryTag) -> bool:
        """Whether the coordinator wants the working order of this leg off the book."""
        record = self.desk.records.get(tag.spread_id)
        if record is None:
            return False
        return any(
            isinstance(command, CancelOrder) and command.leg is tag.leg
            for command in outstanding(record.position)
        )

    def _closes(self, tag: EntryTag, order: SubmitOrder) -> bool:
        leg = self.desk.records[tag.spread_id].position.leg(tag.leg)
        return order.reduce_only and order.quantity > abs(leg.held) - leg.lot

    def closed_candle(self, now_ms: int) -> int:
        """Open time of the last candle that is closed at `now_ms`."""
        return (now_ms // self._candle_ms - 1) * self._candle_ms


def _trade_of(record: SpreadRecord, leg: LegName, trades: list[Any]) -> Any:
    """Find the trade of a leg: the open one, or the one it was when last seen."""
    spread_id, trade_id = record.position.spread_id, record.trade_ids.get(leg)
    for trade in trades:
        if EntryTag.marks(trade, spread_id, leg):
            return trade
    if trade_id is None:
        return None
    closed = (trade for trade in Trade.get_trades_proxy(is_open=False) if trade.id == trade_id)
    return next((trade for trade in closed if EntryTag.marks(trade, spread_id, leg)), None)


def _no_refusal(candidate: Candidate) -> str:
    return ""


def _liquidation_share(open_rate: float, liquidation: float | None, rate: float) -> float:
    """Share of the way from the entry price to liquidation that the price has gone."""
    if not liquidation or liquidation == open_rate or not math.isfinite(rate):
        return 0.0
    return (rate - open_rate) / (liquidation - open_rate)
