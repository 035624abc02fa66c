"""A scan on Freqtrade's data files and the newest candles of the bot; see `_scan_process`."""

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from freqtrade.configuration import TimeRange
from freqtrade.data.history import load_pair_history
from freqtrade.data.history.datahandlers.idatahandler import get_datahandlerclass
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

_RETRY_SECONDS: Final = 5.0  # Freqtrade writes a file of candles in place


def answer(job: ScanJob, newest: dict[str, MarketHistory]) -> ScanAnswer:
    """Scan the files and the bot's newest candles."""
    stored = _all_stored(job)
    universe = build_universe(
        _histories(stored, newest),
        job.settings.universe,
        timeframe=job.timeframe,
        end_ms=job.due_ms,
        excluded=job.excluded,
    )
    universe = _with_files_named(universe, job, stored)
    _say_refusals(universe)
    reason = why_unusable(universe, due_ms=job.due_ms, max_age_ms=job.max_age_ms)
    if reason:
        return ScanAnswer(due_ms=job.due_ms, refused=reason)
    report = scan_universe(universe, job.settings, seed=job.due_ms, standing=job.standing)
    return ScanAnswer(due_ms=job.due_ms, outcome=ScanOutcome.of(report))


def _histories(
    stored: Mapping[str, MarketHistory], newest: Mapping[str, MarketHistory]
) -> Iterator[MarketHistory]:
    for market, history in stored.items():
        yield merge_histories(history, newest[market]) if market in newest else history


def _all_stored(job: ScanJob) -> dict[str, MarketHistory]:
    """Read every file; those without a candle once more, in case they were just being written."""
    stored = {market: _stored(job, market) for market in job.markets}
    again = [
        market
        for market, history in stored.items()
        if not len(history.time_ms) and _file(job, market).exists()
    ]
    if again:
        time.sleep(_RETRY_SECONDS)
        stored |= {market: _stored(job, market) for market in again}
    return stored


def _with_files_named(
    universe: Universe, job: ScanJob, stored: Mapping[str, MarketHistory]
) -> Universe:
    """Say in refusals which file has given no candle: then the market is not to blame."""
    refusals = tuple(
        refusal
        if len(stored[refusal.market].time_ms)
        else replace(refusal, value=f"{refusal.value} ({_file_problem(job, refusal.market)})")
        for refusal in universe.refusals
    )
    return replace(universe, refusals=refusals)


def _file_problem(job: ScanJob, market: str) -> str:
    file = _file(job, market)
    return f"no candle can be read from {file}" if file.exists() else f"there is no {file}"


def _file(job: ScanJob, market: str) -> Path:
    handler = get_datahandlerclass(job.data_format)
    kind = CandleType.from_string(job.candle_type)
    return handler._pair_data_filename(Path(job.data), market, job.timeframe, kind)


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
