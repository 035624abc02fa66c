"""Columns of a market's frame in a bot that trades spreads and scored positions."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pandas import DataFrame

from freqtrade_ext.adapters import _regime_frames as scores
from freqtrade_ext.adapters import _spread_frames as spreads

__all__ = ["PLOT_CONFIG", "SPREAD_COLUMNS", "with_legs"]

# Both have a z-score: that of a spread gets another name.
SPREAD_COLUMNS: Final = {"z_score": "spread_z_score"}
_SIGNALS: Final = ("enter_long", "enter_short", "enter_tag")


def _of_spreads(panels: dict[str, Any]) -> dict[str, Any]:
    return {
        name if name.startswith("Spread") else f"Spread: {name}": {
            SPREAD_COLUMNS.get(column, column): style for column, style in lines.items()
        }
        for name, lines in panels.items()
    }


PLOT_CONFIG: Final[dict[str, Any]] = {
    "main_plot": {},
    "subplots": {
        **_of_spreads(spreads.PLOT_CONFIG["subplots"]),
        **scores.PLOT_CONFIG["subplots"],
    },
}


def with_legs(scored: DataFrame, legs: DataFrame, claimed: npt.NDArray[np.bool_]) -> DataFrame:
    """
    Write the signals of a leg into a scored frame of the same candles.

    A candle's signal is the leg's where there is one, and where the coin belongs to a spread
    (`claimed`): no score enters there.
    """
    is_leg = (legs["enter_long"] + legs["enter_short"]).to_numpy() > 0
    rows = claimed | is_leg
    return scored.assign(
        **{
            name: np.where(rows, legs[name].to_numpy(), scored[name].to_numpy())
            for name in _SIGNALS
        }
    )
