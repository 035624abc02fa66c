"""Columns of a leg's frame: what its spread looks like, and the entry signals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pandas import DataFrame

from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.adapters._spread_view import SpreadView
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


def add_spread_columns(
    frame: DataFrame, view: SpreadView, market: str, bands: Mapping[str, Bands]
) -> DataFrame:
    """
    Add the columns of the market's first spread in the book (NaN where it has none).

    Adds ``spread_value`` (log or price units), ``z_score``, ``hedge_ratio``, ``spread_pvalue`` of
    the fit in force, and the bands that apply to ``z_score``.
    """
    spec = next((spec for spec in view.spreads_of(market) if spec.spread_id in view.tracks), None)
    columns: dict[str, Any] = dict.fromkeys(
        ("spread_value", "z_score", "hedge_ratio", "spread_pvalue"), np.nan
    )
    band = bands[spec.spread_id] if spec else Bands(np.nan, np.nan, np.nan, np.nan)
    if spec is not None:
        track = view.tracks[spec.spread_id]
        rows, found = _rows(track.time_ms, epoch_ms(frame["date"]))
        fits = track.fit[rows]
        has_fit = found & (fits >= 0)
        ratios = np.array([fit.hedge_ratio for fit in track.fits] or [np.nan])
        pvalues = np.array([fit.pvalue for fit in track.fits] or [np.nan])
        columns = {
            "spread_value": np.where(found, track.value[rows], np.nan),
            "z_score": np.where(found, track.z_score[rows], np.nan),
            "hedge_ratio": np.where(has_fit, ratios[fits], np.nan),
            "spread_pvalue": np.where(has_fit, pvalues[fits], np.nan),
        }
    for name, level in (("entry", band.entry_z), ("exit", band.exit_z), ("stop", band.stop_z)):
        columns[f"z_{name}_upper"] = level
        columns[f"z_{name}_lower"] = -level
    return frame.assign(**columns)


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
