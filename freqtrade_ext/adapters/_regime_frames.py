"""Columns of a market's frame: every layer, the score, and the entry signals."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from pandas import DataFrame, concat

from freqtrade_ext.signals import LAYERS, LeverageSettings, ScoredMarket, unified_leverage

__all__ = [
    "PLOT_CONFIG",
    "TRACKED",
    "ScoreTag",
    "add_entry_columns",
    "add_score_columns",
    "trade_columns",
]

TRACKED: Final = ("atr", "atr_pct", "score", "size_factor", "leverage_factor")
_COLOURS: Final = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2")

PLOT_CONFIG: Final[dict[str, Any]] = {
    "main_plot": {},
    "subplots": {
        "z-score": {"z_score": {"color": "#d62728"}},
        "Hurst": {"hurst": {"color": "#1f77b4"}},
        "Score": {
            "score": {"color": "#2ca02c"},
            "required_score": {"color": "#7f7f7f"},
        },
        "Model": {"model_confidence": {"color": "#9467bd"}},
        "Layers": {
            f"layer_{layer.name}": {"color": _COLOURS[number % len(_COLOURS)], "type": "bar"}
            for number, layer in enumerate(LAYERS)
        },
    },
}


@dataclass(frozen=True, slots=True)
class ScoreTag:
    """What the entry tag of a scored trade says: ``long 74``."""

    direction: str
    score: int

    def __str__(self) -> str:
        """Render the tag."""
        return f"{self.direction} {self.score}"

    @staticmethod
    def parse(text: str | None) -> "ScoreTag | None":
        """Read a tag; None for a tag that is not ours."""
        return _parse(text)


@lru_cache(maxsize=10_000)
def _parse(text: str | None) -> ScoreTag | None:
    words = (text or "").split(" ")
    if len(words) != 2 or words[0] not in {"long", "short"} or not words[1].isdigit():
        return None
    return ScoreTag(words[0], int(words[1]))


def add_score_columns(frame: DataFrame, scored: ScoredMarket | None) -> DataFrame:
    """
    Add every column of a scored market, and ``atr`` in price units.

    Without a score (a layer failed) there are no columns but `TRACKED`, all unknown.
    """
    if scored is None:
        return frame.assign(**dict.fromkeys(TRACKED, np.nan))
    added = scored.columns.drop(columns="date")
    kept = frame.drop(columns=[name for name in (*added, "atr") if name in frame])
    atr = added["atr_pct"].to_numpy(np.float64) * kept["close"].to_numpy(np.float64) / 100.0
    return concat([kept, added.assign(atr=atr)], axis=1)


def trade_columns(
    scored: ScoredMarket, close: np.ndarray, leverage: LeverageSettings
) -> dict[str, np.ndarray]:
    """
    Tell score and leverage of an entry after each candle that has a direction; else NaN.

    The leverage is that of an account without drawdown, below the exchange's limit, at the assumed
    bid/ask spread: neither is known of a candle.
    """
    columns = scored.columns
    directed = columns["direction"].to_numpy() != 0
    answers = np.full(len(columns), np.nan)
    answers[directed] = unified_leverage(
        price=close[directed],
        atr_pct=columns["atr_pct"].to_numpy(np.float64)[directed],
        drawdown=0.0,
        exchange_max=leverage.max_leverage,
        settings=leverage,
        mtf_factor=columns["leverage_factor"].to_numpy(np.float64)[directed],
    )
    return {"signal_score": np.floor(columns["score"].to_numpy(np.float64)), "leverage": answers}


def add_entry_columns(frame: DataFrame) -> DataFrame:
    """Add ``enter_long``, ``enter_short`` and ``enter_tag`` from the signals in the frame."""
    signal = frame["signal"].to_numpy() if "signal" in frame else np.zeros(len(frame))
    tags = np.full(len(frame), None, dtype=object)
    scores = frame["score"].to_numpy()
    for row in np.flatnonzero(signal):
        direction = "long" if signal[row] > 0 else "short"
        tags[row] = str(ScoreTag(direction, int(scores[row])))
    return frame.assign(
        enter_long=(signal > 0).astype(int), enter_short=(signal < 0).astype(int), enter_tag=tags
    )
