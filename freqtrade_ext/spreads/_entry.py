"""Whether a spread that asks to be entered may be, and how large: all the reasons for *no*."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from freqtrade_ext.learning import Verdict
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.settings import SpreadSettings
from freqtrade_ext.spreads._entry_board import Candidate
from freqtrade_ext.spreads._events import LegName
from freqtrade_ext.spreads._leg_sizes import (
    LegLimits,
    LegSizes,
    SizingCase,
    SizingRefusal,
)
from freqtrade_ext.spreads._record import SpreadRecord
from freqtrade_ext.spreads._rules import Bands, expected_move, promise_share, round_trip_cost
from freqtrade_ext.spreads._sizing import size_spread
from freqtrade_ext.spreads._spec import SpreadSpec
from freqtrade_ext.spreads._walk_forward import SpreadTrack

__all__ = ["AccountView", "EntryCase", "LegMarket", "Refusal", "TrackRecord", "size_entry"]

_NO_MODEL = Verdict(1.0)

# After one of these a spread rests until it has been fitted again.
_NEEDS_NEW_FIT = frozenset(
    {CloseReason.SPREAD_STOP, CloseReason.RELATION_BROKEN, CloseReason.EMERGENCY_SL}
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a spread is not entered on this candle."""

    text: str


@dataclass(frozen=True, slots=True)
class LegMarket:
    """A leg's market at the signal: price, limits, fee of one fill, expected funding.

    `funding_rate` is the payment expected over the holding time by a *long* position, as a
    ratio of its notional; negative when a long position receives.
    """

    price: float
    limits: LegLimits
    fee_rate: float
    funding_rate: float = 0.0
    locked: bool = False


@dataclass(frozen=True, slots=True)
class AccountView:
    """Money and trade slots at the moment of entry."""

    equity: float
    available: float
    free_slots: float


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """What closed spreads have earned: net return on gross notional, realised share of promise."""

    returns: Sequence[float] = ()
    realised_shares: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class EntryCase:
    """Everything the decision looks at."""

    candidate: Candidate
    better: Sequence[Candidate]
    spec: SpreadSpec
    track: SpreadTrack
    bands: Bands
    legs: Mapping[LegName, LegMarket]
    account: AccountView
    active: Mapping[str, SpreadRecord]
    markets_in_use: frozenset[str]
    markets_just_left: frozenset[str]
    last_exit: tuple[int, CloseReason] | None
    history: TrackRecord
    model: Verdict = _NO_MODEL


def size_entry(case: EntryCase, settings: SpreadSettings) -> LegSizes | Refusal:
    """
    Decide on an entry: all or nothing.

    Returns
    -------
    LegSizes or Refusal
        The sizes of both legs, or the first reason against the entry, in words.
    """
    refusal = (
        _blocked(case, settings)
        or _not_rearmed(case)
        or _does_not_pay(case, settings)
        or _vetoed(case)
    )
    if refusal is not None:
        return refusal
    row = case.track.row_at(case.candidate.time_ms)
    fit = case.track.fit_at(row) if row is not None else None
    if row is None or fit is None:
        return Refusal("its candle has no fit")
    leg_a, leg_b = case.legs[LegName.A], case.legs[LegName.B]
    sizes = size_spread(
        SizingCase(
            direction=case.candidate.direction,
            price_a=leg_a.price,
            price_b=leg_b.price,
            hedge_ratio=fit.hedge_ratio,
            hedge_space=case.spec.hedge_space,
            spread_std=float(case.track.scale[row]),
            z_score=case.candidate.z_score,
            stop_loss_z=case.bands.stop_z,
            limits_a=leg_a.limits,
            limits_b=leg_b.limits,
        ),
        equity=case.account.equity * case.model.size_factor,
        available=case.account.available * case.model.size_factor,
        settings=settings.sizing,
        closed_returns=case.history.returns,
        cost_per_fill=max(leg_a.fee_rate, leg_b.fee_rate) + settings.edge.half_spread_bps / 10_000,
    )
    if isinstance(sizes, SizingRefusal):
        return Refusal(f"{sizes.reason.replace('_', ' ')}: {sizes.text}")
    return sizes


def _blocked(case: EntryCase, settings: SpreadSettings) -> Refusal | None:
    if case.candidate.spread_id in case.active:
        return Refusal("it is already open or on its way")
    return _market_blocked(case) or _no_room(case, settings)


def _vetoed(case: EntryCase) -> Refusal | None:
    return Refusal(case.model.reason) if case.model.vetoes else None


def _market_blocked(case: EntryCase) -> Refusal | None:
    for market in (case.candidate.leg_a, case.candidate.leg_b):
        if market in case.markets_in_use:
            return Refusal(f"{market} is held by another trade")
        if market in case.markets_just_left:
            return Refusal(f"{market} was traded on this candle already")
    for name, leg in case.legs.items():
        if leg.locked:
            return Refusal(f"leg {name} is locked or about to be delisted")
    return None


def _no_room(case: EntryCase, settings: SpreadSettings) -> Refusal | None:
    free_spreads = settings.max_open_spreads - len(case.active)
    free = min(free_spreads, int(min(case.account.free_slots, 1e6)) // 2)
    if free < 1:
        return Refusal(
            f"{len(case.active)} spreads and {case.account.free_slots:g} free trade slots leave "
            f"no room for two more legs (max_open_spreads is {settings.max_open_spreads})"
        )
    rank = sum(
        other.spread_id not in case.active and not case.markets_in_use & {other.leg_a, other.leg_b}
        for other in case.better
    )
    if rank >= free:
        return Refusal(f"{rank} spreads with a better edge come first")
    return None


def _not_rearmed(case: EntryCase) -> Refusal | None:
    """Refuse a spread that has not been back inside its entry band since it was last left."""
    if case.last_exit is None:
        return None
    left_at_ms, reason = case.last_exit
    # A live bot leaves seconds into a candle, a backtest at its open: both left in that candle.
    left_ms = left_at_ms // case.track.plan.candle_ms * case.track.plan.candle_ms
    rows = (case.track.time_ms >= left_ms) & (case.track.time_ms < case.candidate.time_ms)
    inside = abs(case.track.z_score[rows]) < case.bands.entry_z
    if not inside.any():
        return Refusal(f"z has not been inside the entry band since the exit ({reason})")
    row = case.track.row_at(case.candidate.time_ms)
    fit = case.track.fit_at(row) if row is not None else None
    if reason in _NEEDS_NEW_FIT and (fit is None or fit.fitted_at_ms <= left_ms):
        return Refusal(f"it rests until the next fit after {reason}")
    return None


def _does_not_pay(case: EntryCase, settings: SpreadSettings) -> Refusal | None:
    row = case.track.row_at(case.candidate.time_ms)
    fit = case.track.fit_at(row) if row is not None else None
    if row is None or fit is None or settings.edge.cost_multiple == 0:
        return None
    leg_a, leg_b = case.legs[LegName.A], case.legs[LegName.B]
    in_log_space = case.spec.hedge_space == "log"
    unit_a = 1.0 if in_log_space else leg_a.price
    unit_b = fit.hedge_ratio if in_log_space else fit.hedge_ratio * leg_b.price
    sign = case.candidate.direction.sign
    cost = round_trip_cost(
        unit_a + unit_b,
        max(leg_a.fee_rate, leg_b.fee_rate),
        settings.edge,
        funding=sign * (unit_a * leg_a.funding_rate - unit_b * leg_b.funding_rate),
    )
    share = promise_share(list(case.history.realised_shares), settings.edge)
    move = expected_move(
        case.candidate.z_score, float(case.track.scale[row]), case.bands.exit_z, share
    )
    if move >= settings.edge.cost_multiple * cost:
        return None
    return Refusal(
        f"the expected move of {move / unit_a * 1e4:.1f} bps does not pay "
        f"{settings.edge.cost_multiple:g} × the round trip of {cost / unit_a * 1e4:.1f} bps"
    )
