"""Markets, tracks and records that the tests of the spreads share."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import StoreError
from freqtrade_ext.settings import EdgeSettings, SizingSettings, SpreadSettings
from freqtrade_ext.spreads import (
    Bands,
    BookedOrder,
    Candidate,
    Coefficients,
    Direction,
    EntryPlan,
    HedgeSpace,
    LegBook,
    LegCandles,
    LegName,
    LegPlan,
    SpreadPosition,
    SpreadRecord,
    SpreadSpec,
    SpreadTrack,
    WalkForward,
)

HOUR = 3_600_000
DAY = 24 * HOUR
START = 19_676 * DAY  # a midnight in November 2023
LEG_A, LEG_B = "ETH/USDT:USDT", "BTC/USDT:USDT"
A, B = LegName.A, LegName.B
D = Decimal
Floats = npt.NDArray[np.float64]


def two_markets(
    n_candles: int, *, seed: int = 1, beta: float = 0.8, alpha: float = 0.5, noise: float = 0.02
) -> tuple[LegCandles, LegCandles]:
    """Return two cointegrated markets on hourly candles: log A = alpha + beta log B + AR(1)."""
    rng = np.random.default_rng(seed)
    log_b = np.log(100.0) + 0.02 * rng.standard_normal(n_candles).cumsum()
    residual = np.zeros(n_candles)
    shocks = noise * rng.standard_normal(n_candles)
    for i in range(1, n_candles):
        residual[i] = 0.7 * residual[i - 1] + shocks[i]
    return candles(np.exp(alpha + beta * log_b + residual)), candles(np.exp(log_b))


def candles(close: Floats | Sequence[float], *, start_ms: int = START) -> LegCandles:
    """Return hourly candles that all traded."""
    prices = np.asarray(close, dtype=np.float64)
    times = start_ms + HOUR * np.arange(len(prices), dtype=np.int64)
    return LegCandles(times, prices, np.ones(len(prices), dtype=bool))


def rows(leg: LegCandles, keep: slice | npt.NDArray[Any]) -> LegCandles:
    """Return some candles of a leg."""
    return LegCandles(leg.time_ms[keep], leg.close[keep], leg.traded[keep])


def until(leg: LegCandles, end_ms: int) -> LegCandles:
    """Return the candles of a leg that opened before `end_ms`."""
    return rows(leg, leg.time_ms < end_ms)


def without_trades(leg: LegCandles, where: npt.NDArray[Any] | Sequence[int]) -> LegCandles:
    """Return a leg of which some candles have no volume."""
    traded = leg.traded.copy()
    traded[where] = False
    return replace(leg, traded=traded)


def hourly_plan(**changes: Any) -> WalkForward:
    """Return fits on 100 hours, once a day, and a z-score over 20 hours."""
    plan = WalkForward(candle_ms=HOUR, fit_window=100, refit_every_ms=DAY, z_window=20)
    return replace(plan, **changes)


def fit(at_hour: float = 0, **changes: Any) -> Coefficients:
    """Return a fit made `at_hour` hours after `START`."""
    moment = START + round(at_hour * HOUR)
    coefficients = Coefficients(
        fit_start_ms=moment - 100 * HOUR,
        fitted_at_ms=moment,
        hedge_ratio=0.8,
        intercept=0.0,
        resid_std=0.01,
        stat=-5.0,
        pvalue=0.001,
        half_life=10.0,
    )
    return replace(coefficients, **changes)


def spread_settings(**changes: Any) -> SpreadSettings:
    """Return settings of which every number is said here, so that no default is relied upon."""
    edge = {
        "cost_multiple": 1.0,
        "half_spread_bps": 1.0,
        "promise_share": 0.5,
        "promise_weight": 20.0,
    }
    fields: dict[str, Any] = {
        "max_pvalue": 0.01,
        "max_qvalue": None,
        "min_hedge_ratio": 0.1,
        "max_hedge_ratio": 10.0,
        "min_half_life": 1.0,
        "max_half_life": 200.0,
        "relation_broken_pvalue": 0.5,
        "max_hedge_ratio_drift": 0.5,
        "max_open_spreads": 2,
        "leg_timeout_seconds": 30.0,
        "retry_interval_seconds": 2.0,
        "max_leg_attempts": 5,
        "entry_stop": True,
        "liquidation_guard": 0.7,
        "sizing": SizingSettings(max_risk_per_trade=0.01, max_equity_share=1.0, leverage=3.0),
        "edge": EdgeSettings(**(edge | changes.pop("edge", {}))),
    }
    return SpreadSettings(**(fields | changes))


def track(
    z_score: Sequence[float],
    *,
    scale: float = 0.01,
    fits: Sequence[Coefficients] | None = None,
    fit_rows: Sequence[int] | None = None,
    price: float = 1.0,
) -> SpreadTrack:
    """Return a track with these z-scores, one an hour from `START`, under a fit made then."""
    n_candles = len(z_score)
    times = START + HOUR * np.arange(n_candles, dtype=np.int64)
    z = np.asarray(z_score, dtype=np.float64)
    return SpreadTrack(
        time_ms=times,
        value=z * scale,
        z_score=z,
        scale=np.full(n_candles, scale),
        fit=np.asarray(fit_rows if fit_rows is not None else [0] * n_candles, dtype=np.int64),
        fits=(fit(),) if fits is None else tuple(fits),
        observed_ms=times,
        dependent=np.full(n_candles, price),
        regressor=np.full(n_candles, price),
        plan=hourly_plan(),
    )


def z_only(z_score: Sequence[float]) -> SpreadTrack:
    """
    Return a track whose formation z-score under `fit()` is `z_score`.

    The regressor is 0 in logs, so that the spread value is the dependent price itself.
    """
    values = np.asarray(z_score, dtype=np.float64) * fit().resid_std
    return replace(
        track(z_score),
        dependent=values,
        regressor=np.zeros(len(values)),
        plan=hourly_plan(z_mode="formation"),
    )


def spec(spread_id: str = "ETH-BTC", **changes: Any) -> SpreadSpec:
    """Return a row of the book."""
    moment = datetime(2023, 11, 1, tzinfo=UTC)
    fields = {
        "spread_id": spread_id,
        "leg_a": LEG_A,
        "leg_b": LEG_B,
        "hedge_ratio": 0.8,
        "intercept": 0.0,
        "cointegration_stat": -5.0,
        "pvalue": 0.001,
        "half_life": 10.0,
        "fit_start": datetime(2023, 10, 1, tzinfo=UTC),
        "fit_end": moment,
        "last_updated": moment,
    }
    return SpreadSpec(**(fields | changes))


def candidate(hour: int = 0, z_score: float = -2.5, **changes: Any) -> Candidate:
    """Return a request for an entry after the candle of that hour."""
    asked = Candidate(
        time_ms=START + hour * HOUR,
        spread_id="ETH-BTC",
        leg_a=LEG_A,
        leg_b=LEG_B,
        direction=Direction.LONG if z_score < 0 else Direction.SHORT,
        z_score=z_score,
        edge=0.02,
    )
    return replace(asked, **changes)


def bands(**changes: Any) -> Bands:
    """Return the default bands."""
    return replace(Bands(entry_z=2.0, exit_z=0.5, stop_z=4.0), **changes)


def entry_plan(
    quantity_a: str = "10", quantity_b: str = "-20", *, space: HedgeSpace = "log", lot: str = "1"
) -> EntryPlan:
    """Return what an entry wants of both legs."""
    return EntryPlan(
        direction=Direction.LONG if D(quantity_a) > 0 else Direction.SHORT,
        leg_a=LegPlan(D(quantity_a), D(lot)),
        leg_b=LegPlan(D(quantity_b), D(lot)),
        hedge_space=space,
        hedge_ratio=0.8,
        intercept=0.0,
        z_at_entry=-2.5,
    )


def book(*orders: BookedOrder, held: str | None = None) -> LegBook:
    """Return the books of a leg."""
    return LegBook(orders=orders, held=None if held is None else D(held))


def booked(order_id: str, quantity: str, filled: str = "0", *, is_open: bool = True) -> BookedOrder:
    """Return one of Freqtrade's orders."""
    return BookedOrder(order_id, D(quantity), D(filled), is_open)


def done(order_id: str, quantity: str) -> BookedOrder:
    """Return an order that is filled."""
    return booked(order_id, quantity, quantity, is_open=False)


class FakeStore:
    """A store that lives as long as the test, keeps JSON text, and can fail."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.result_texts: list[str] = []
        self.saves = 0
        self.fails = False

    def load(self) -> dict[str, Any]:
        """Read every record."""
        return {spread_id: json.loads(text) for spread_id, text in self.texts.items()}

    def save(self, spread_id: str, record: Mapping[str, Any] | None) -> None:
        """Write or remove one record, as JSON that every reader accepts."""
        if self.fails:
            raise StoreError("the disk is full")
        self.saves += 1
        if record is None:
            self.texts.pop(spread_id, None)
        else:
            self.texts[spread_id] = json.dumps(record, allow_nan=False)

    def add_result(self, spread_id: str, result: Mapping[str, Any]) -> None:
        """Keep a result."""
        self.result_texts.append(json.dumps({**result, "spread_id": spread_id}, allow_nan=False))

    def results(self) -> list[dict[str, Any]]:
        """Read all results."""
        return [json.loads(text) for text in self.result_texts]


def blank_record(spread_id: str = "ETH-BTC", **changes: Any) -> SpreadRecord:
    """Return the record of a spread that has not asked for anything yet."""
    record = SpreadRecord(
        position=SpreadPosition(spread_id),
        leg_a=LEG_A,
        leg_b=LEG_B,
        frozen=fit(),
        signal_ms=START,
        scale=0.01,
        exit_z=0.5,
        max_holding=30.0,
        equity=1000.0,
    )
    return replace(record, **changes)
