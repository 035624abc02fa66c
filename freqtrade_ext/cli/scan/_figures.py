"""Figures of the HTML report, as plotly.js reads them; names in them are escaped."""

import html
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

from freqtrade_ext.scanner import ScanReport, SpreadCard
from freqtrade_ext.stats import rolling_z_score

__all__ = [
    "CLOSE_UP_MARKETS",
    "MOST_POINTS",
    "NAMED_MARKETS",
    "Figure",
    "close_up",
    "cluster_order",
    "heat_map",
    "spread_chart",
]

FloatArray = npt.NDArray[np.float64]

MOST_POINTS: Final = 4000  # of one line; longer ones are thinned out
CLOSE_UP_MARKETS: Final = 60
NAMED_MARKETS: Final = 120  # up to here every market has its name and every cell its p-value
_STEPS: Final = 20  # codes for each power of ten of a p-value in a large heat map
_SMALLEST: Final = 10  # powers of ten; below that p-values are shown alike
_BLUE, _ORANGE, _GREY, _RED, _GREEN = "#1f77b4", "#ff7f0e", "#7f7f7f", "#d62728", "#2ca02c"


@dataclass(frozen=True, slots=True)
class Figure:
    """Traces and layout, and what a reader has to know about them."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    note: str = ""


def cluster_order(log_prices: FloatArray) -> npt.NDArray[np.int64]:
    """
    Order markets so that those whose returns correlate stand together.

    Parameters
    ----------
    log_prices : array of shape (n_candles, n_markets)
        Finite.

    Returns
    -------
    array of int64, shape (n_markets,)
        Leaves of an average-linkage tree over ``1 - correlation``.
    """
    n_markets = log_prices.shape[1]
    if n_markets < 3 or len(log_prices) < 3:
        return np.arange(n_markets)
    returns = np.diff(log_prices, axis=0)
    moving = returns.std(axis=0) > 0
    distance = np.ones((n_markets, n_markets))
    distance[np.ix_(moving, moving)] = 1.0 - np.corrcoef(returns[:, moving], rowvar=False)
    distance = np.clip((distance + distance.T) / 2.0, 0.0, 2.0)
    np.fill_diagonal(distance, 0.0)
    condensed = squareform(distance, checks=False)
    tree = linkage(condensed, method="average")
    if n_markets <= NAMED_MARKETS:  # of cubic cost, and nobody sees it in a large one
        tree = optimal_leaf_ordering(tree, condensed)
    order: npt.NDArray[np.int64] = leaves_list(tree).astype(np.int64)
    return order


def close_up(report: ScanReport) -> Figure | None:
    """Heat map of the markets with the smallest p-values; None where `heat_map` names them all."""
    if len(report.universe.markets) <= NAMED_MARKETS:
        return None
    best = np.min(np.where(np.isfinite(report.pvalues), report.pvalues, np.inf), axis=1)
    return heat_map(report, among=np.sort(np.argsort(best, kind="stable")[:CLOSE_UP_MARKETS]))


def heat_map(report: ScanReport, *, among: npt.NDArray[np.int64] | None = None) -> Figure:
    """
    p-values of the weaker direction, ordered by clusters of returns.

    Parameters
    ----------
    report : ScanReport
        With at least one market.
    among : array of int64, optional
        Places of the markets that are shown; all of the universe by default.
    """
    places = np.arange(len(report.universe.markets)) if among is None else among
    order = places[cluster_order(report.universe.log_prices[:, places])]
    names = [html.escape(report.universe.markets[index]) for index in order]
    pvalues = report.pvalues[np.ix_(order, order)]
    small = len(names) <= NAMED_MARKETS
    trace = {"type": "heatmap", "x": names, "y": names, "hoverongaps": False} | _cells(pvalues)
    if small:
        trace["text"] = [[_p_text(p) for p in row] for row in pvalues]
        trace["hovertemplate"] = "%{y} × %{x}<br>p = %{text}<extra></extra>"
    else:
        trace["hovertemplate"] = "%{y} × %{x}<extra></extra>"
    axis = {"showticklabels": small, "ticks": "", "showgrid": False, "tickfont": {"size": 9}}
    layout = {
        "height": 760,
        "margin": {"l": 110, "r": 20, "t": 20, "b": 110},
        "xaxis": {**axis, "type": "category", "constrain": "domain"},
        "yaxis": {**axis, "type": "category", "scaleanchor": "x", "autorange": "reversed"},
    }
    note = "Markets whose returns move together stand together. Grey: not tested."
    if not small:
        note += f" p-values below 1e-{_SMALLEST} are shown alike; report.json has all of them."
    return Figure([trace], layout, note)


def _cells(pvalues: FloatArray) -> dict[str, Any]:
    """Small whole numbers instead of p-values: a page of 500 markets stays below a megabyte."""
    tested = np.isfinite(pvalues)
    powers = -np.log10(np.clip(np.where(tested, pvalues, 1.0), 10.0**-_SMALLEST, 1.0))
    codes = np.where(tested, 1 + np.rint(powers * _STEPS), 0).astype(int)
    most = 1 + _STEPS * _SMALLEST
    ticks = [0, *range(_SMALLEST + 1)]
    return {
        "z": codes.tolist(),
        "zmin": 0,
        "zmax": most,
        "colorscale": [
            [0.0, "#dddddd"],
            [0.5 / most, "#dddddd"],
            [0.5 / most, "#f7fbff"],
            [2 * _STEPS / most, "#6baed6"],
            [4 * _STEPS / most, "#08306b"],
            [1.0, "#67001f"],
        ],
        "colorbar": {
            "title": {"text": "p-value"},
            "tickvals": [1 + _STEPS * power for power in ticks[1:]],
            "ticktext": [f"1e-{power}" if power else "1" for power in ticks[1:]],
        },
    }


def _p_text(pvalue: float) -> str:
    return "not tested" if np.isnan(pvalue) else f"{pvalue:.2g}"


def spread_chart(card: SpreadCard, report: ScanReport) -> Figure:
    """Prices of both legs, spread value and z-score of one spread over the whole window."""
    universe, fit, settings = report.universe, card.fit, report.settings
    log_a, log_b = universe.log_price(fit.leg_a), universe.log_price(fit.leg_b)
    value = fit.value(log_a, log_b)
    z_score = rolling_z_score(value, settings.z_window)
    step = max(1, -(-len(value) // MOST_POINTS))
    name_a, name_b = html.escape(fit.leg_a), html.escape(fit.leg_b)
    lines = (
        (np.exp(log_a), name_a, _BLUE, "y"),
        (np.exp(fit.intercept + fit.hedge_ratio * log_b), f"{name_b}, fitted to A", _ORANGE, "y"),
        (value, "spread value", _BLUE, "y2"),
        (z_score, "z-score", _BLUE, "y3"),
    )
    start, every = _moment(int(universe.time_ms[0])), universe.candle_ms * step
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x0": start,
            "dx": every,
            "y": _short(line[::step]),
            "yaxis": axis,
            "line": {"color": color, "width": 1},
            "hovertemplate": "%{x|%Y-%m-%d %H:%M}: %{y}<extra>" + name + "</extra>",
        }
        for line, name, color, axis in lines
    ]
    note = f"Every {step}th candle is drawn. " if step > 1 else ""
    note += "The vertical line: discovery ends, confirmation on later data begins. "
    note += "Bands of the z-score: entry dashed, exit dotted, stop solid; of the spread value: "
    note += "two deviations of the discovery."
    return Figure(data, _three_rows(card, report), note)


def _three_rows(card: SpreadCard, report: ScanReport) -> dict[str, Any]:
    shapes = [*_bands(report), *_levels(card), *_confirmation_line(report)]
    row = {"zeroline": False, "showgrid": True, "gridcolor": "#eeeeee"}
    return {
        "height": 720,
        "margin": {"l": 70, "r": 20, "t": 20, "b": 40},
        "hovermode": "x",
        "plot_bgcolor": "#ffffff",
        "legend": {"orientation": "h", "y": 1.06},
        "xaxis": {"type": "date", "anchor": "y3", "showgrid": False},
        "yaxis": {**row, "domain": [0.68, 1.0], "title": {"text": "price of A"}},
        "yaxis2": {**row, "domain": [0.36, 0.64], "title": {"text": "spread (log)"}},
        "yaxis3": {
            **row,
            "domain": [0.0, 0.32],
            "title": {"text": "z-score"},
            "range": [-1.2 * report.settings.stop_z, 1.2 * report.settings.stop_z],
        },
        "shapes": shapes,
    }


def _bands(report: ScanReport) -> list[dict[str, Any]]:
    settings = report.settings
    bands = (
        (settings.entry_z, _ORANGE, "dash"),
        (settings.exit_z, _GREEN, "dot"),
        (settings.stop_z, _RED, "solid"),
    )
    return [
        _level(sign * level, "y3", color, dash)
        for level, color, dash in bands
        for sign in (1.0, -1.0)
    ]


def _levels(card: SpreadCard) -> list[dict[str, Any]]:
    """Mean of the discovery, which is zero, and two of its deviations."""
    return [
        _level(level, "y2", _GREY, dash)
        for level, dash in (
            (0.0, "solid"),
            (2.0 * card.fit.resid_std, "dot"),
            (-2.0 * card.fit.resid_std, "dot"),
        )
    ]


def _level(height: float, axis: str, color: str, dash: str) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "yref": axis,
        "y0": height,
        "y1": height,
        "line": {"color": color, "width": 1, "dash": dash},
    }


def _confirmation_line(report: ScanReport) -> list[dict[str, Any]]:
    if report.confirmation is None:
        return []
    begin = _moment(report.confirmation.start_ms)
    return [
        {
            "type": "line",
            "name": "confirmation begins",
            "xref": "x",
            "x0": begin,
            "x1": begin,
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "line": {"color": "#000000", "width": 2, "dash": "dash"},
        }
    ]


def _short(values: FloatArray) -> list[float | None]:
    """Numbers with six digits; null where there is none."""
    return [None if np.isnan(each) else float(f"{each:.6g}") for each in values]


def _moment(time_ms: int) -> str:
    seconds = np.datetime64(time_ms, "ms").astype(datetime)
    return f"{seconds:%Y-%m-%d %H:%M:%S}"
