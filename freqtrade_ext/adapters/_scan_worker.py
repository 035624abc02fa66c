"""A scan on Freqtrade's data files and the newest candles of the bot; see `_scan_process`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from freqtrade.configuration import TimeRange
from freqtrade.data.history import load_pair_history
from freqtrade.enums import CandleType

from freqtrade_ext.adapters._candles import market_history
from freqtrade_ext.adapters._scan_job import ScanJob
from freqtrade_ext.scanner import (
    MarketHistory,
    ScanAnswer,
    ScanOutcome,
    Universe,
    build_universe,
    merge_histories,
    scan_universe,
    why_unusable,
)

__all__ = ["answer"]


def answer(job: ScanJob, newest: dict[str, MarketHistory]) -> ScanAnswer:
    """Scan the files and the bot's newest candles."""
    universe = build_universe(
        _histories(job, newest),
        job.settings.universe,
        timeframe=job.timeframe,
        end_ms=job.due_ms,
    )
    _say_refusals(universe)
    reason = why_unusable(universe, due_ms=job.due_ms, max_age_ms=job.max_age_ms)
    if reason:
        return ScanAnswer(due_ms=job.due_ms, refused=reason)
    report = scan_universe(universe, job.settings, seed=job.due_ms, standing=job.standing)
    return ScanAnswer(due_ms=job.due_ms, outcome=ScanOutcome.of(report))


def _histories(job: ScanJob, newest: dict[str, MarketHistory]) -> Iterator[MarketHistory]:
    for market in job.markets:
        stored = _stored(job, market)
        yield merge_histories(stored, newest[market]) if market in newest else stored


def _stored(job: ScanJob, market: str) -> MarketHistory:
    """Candles of a data file; none where it is missing or damaged, which Freqtrade says."""
    frame = load_pair_history(
        pair=market,
        timeframe=job.timeframe,
        datadir=Path(job.data),
        timerange=TimeRange("date", None, job.since_ms // 1000, 0),
        fill_up_missing=False,
        data_format=job.data_format,
        candle_type=CandleType.from_string(job.candle_type),
    )
    if frame.empty:
        return MarketHistory(market, np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
    return market_history(market, frame)


def _say_refusals(universe: Universe) -> None:
    for refusal in universe.refusals:
        print(refusal, file=sys.stderr)  # noqa: T201
