"""Columns of a leg's frame: what its spread looks like, and the entry signals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pandas import DataFrame

from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.adapters._spread_view import Shown, SpreadView
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.spreads import Bands, EntryBoard

__all__ = ["PLOT_CONFIG", "add_entry_columns", "add_spread_columns"]

PLOT_CONFIG: dict[str, Any] = {
    "main_plot": {},
    "subplots": {
        "Spread": {"spread_value": {"color": "#1f77b4"}},
        "z-score": {
            "z_score": {"color": "#d62728"},
            "z_entry_upper": {"color": "#2ca02c"},
            "z_entry_lower": {"color": "#2ca02c"},
            "z_exit_upper": {"color": "#7f7f7f"},
            "z_exit_lower": {"color": "#7f7f7f"},
            "z_stop_upper": {"color": "#ff7f0e"},
            "z_stop_lower": {"color": "#ff7f0e"},
        },
        "Hedge ratio": {"hedge_ratio": {"color": "#9467bd"}},
        "p-value": {"spread_pvalue": {"color": "#8c564b"}},
    },
}

_COLUMNS = (
    "spread_value",
    "z_score",
    "hedge_ratio",
    "spread_pvalue",
    *(f"z_{band}_{side}" for band in ("entry", "exit", "stop") for side in ("upper", "lower")),
)


def add_spread_columns(
    frame: DataFrame, view: SpreadView, market: str, bands: Mapping[str, Bands]
) -> DataFrame:
    """
    Add the columns of the spread that the view shows for the market (NaN where there is none).

    Adds ``spread_value`` (log or price units), ``z_score``, ``hedge_ratio``, ``spread_pvalue`` of
    the fit in force, and the bands that apply to ``z_score``.
    """
    columns = {name: np.full(len(frame), np.nan) for name in _COLUMNS}
    times = epoch_ms(frame["date"])
    for shown in view.shown_of(market):
        _write(columns, shown, bands[shown.spec.spread_id], times)
    return frame.assign(**columns)


def _write(columns: dict[str, np.ndarray], shown: Shown, band: Bands, times: np.ndarray) -> None:
    """Write a spread's values at the candles at which it is shown."""
    track = shown.track
    rows, found = _rows(track.time_ms, times)
    at = np.ones(len(times), dtype=bool)
    if shown.candles is not None:
        at = found & shown.candles[rows] if len(shown.candles) else ~at
    for name, level in (("entry", band.entry_z), ("exit", band.exit_z), ("stop", band.stop_z)):
        columns[f"z_{name}_upper"][at] = level
        columns[f"z_{name}_lower"][at] = -level
    at &= found
    columns["spread_value"][at] = track.value[rows[at]]
    columns["z_score"][at] = track.z_score[rows[at]]
    at[at] = track.fit[rows[at]] >= 0
    fits = track.fit[rows[at]]
    columns["hedge_ratio"][at] = np.array([fit.hedge_ratio for fit in track.fits])[fits]
    columns["spread_pvalue"][at] = np.array([fit.pvalue for fit in track.fits])[fits]


def add_entry_columns(frame: DataFrame, board: EntryBoard, market: str) -> DataFrame:
    """Add ``enter_long``, ``enter_short`` and ``enter_tag`` for every candidate of the market."""
    enter = {"long": np.zeros(len(frame), dtype=int), "short": np.zeros(len(frame), dtype=int)}
    tags = np.full(len(frame), None, dtype=object)
    times = epoch_ms(frame["date"])
    for candidate, leg in board.of_market(market):
        row = int(np.searchsorted(times, candidate.time_ms))
        if row >= len(times) or times[row] != candidate.time_ms:
            continue
        tag = EntryTag(candidate.spread_id, candidate.direction, leg)
        enter[tag.side][row] = 1
        tags[row] = str(tag)
    return frame.assign(enter_long=enter["long"], enter_short=enter["short"], enter_tag=tags)


def _rows(track_ms: np.ndarray, frame_ms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find each frame candle in the track: its row (0 where absent), and whether it is there."""
    if not len(track_ms):
        nowhere = np.zeros(len(frame_ms), dtype=np.int64)
        return nowhere, nowhere.astype(bool)
    rows = np.clip(np.searchsorted(track_ms, frame_ms), 0, len(track_ms) - 1)
    return rows, track_ms[rows] == frame_ms
