"""Draw ``docs/spread-chart.png``: one planted spread of the synthetic market, as the bot sees it.

Needs the extra ``plot`` and a Chromium to photograph the page with::

    python docs/make_chart.py --browser chromium

The market is drawn from a seed, so the picture is the same each time.
"""

import argparse
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from freqtrade_ext.sandbox.market import PlantedSpread, SyntheticMarket, SyntheticSpec
from freqtrade_ext.settings import SpreadSettings
from freqtrade_ext.spreads import (
    Bands,
    LegCandles,
    SpreadTrack,
    WalkForward,
    entry_directions,
    tradable_fits,
)
from freqtrade_ext.spreads import track_spread as track_of

PICTURE = Path(__file__).with_name("spread-chart.png")
SEED = 11
HOUR_MS = 3_600_000
ANCHOR_MS = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 1000
WIDTH, HEIGHT = 1200, 820
SHOWN_HOURS = 16 * 24
SETTINGS = SpreadSettings(fit_window=720)
BANDS = Bands(entry_z=2.0, exit_z=0.5, stop_z=4.0)
MARKS = {
    1: ("long the spread", "triangle-up", "#2ca02c"),
    -1: ("short the spread", "triangle-down", "#d62728"),
}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Visit:
    """One time in the market: rows of the entry's and the exit's candle."""

    direction: int
    entry: int
    exit: int


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browser", default="chromium", help="Chromium or Chrome to run")
    browser = parser.parse_args().browser
    market = _market()
    planted = market.planted_spreads()[0]
    legs = [_candles(market, symbol) for symbol in (planted.symbol_a, planted.symbol_b)]
    plan = WalkForward(
        candle_ms=HOUR_MS, fit_window=SETTINGS.fit_window, refit_every_ms=24 * HOUR_MS, z_window=50
    )
    track = track_of(*legs, plan)
    figure = _figure(planted, legs, track)
    page = figure.to_html(include_plotlyjs=True, config={"displayModeBar": False})
    _photograph(page, browser)


def _market() -> SyntheticMarket:
    return SyntheticMarket(
        SyntheticSpec(
            seed=SEED,
            anchor_ms=ANCHOR_MS,
            history_minutes=60 * 1_440,
            horizon_minutes=60,
            groups=1,
            markets_per_group=2,
            extra_markets=0,
            half_life_minutes=420.0,
        )
    )


def _candles(market: SyntheticMarket, symbol: str) -> LegCandles:
    candles = market.candles(symbol, HOUR_MS, market.spec.start_ms, ANCHOR_MS - 1, ANCHOR_MS)
    return LegCandles(
        time_ms=np.array([candle.open_ms for candle in candles], dtype=np.int64),
        close=np.array([candle.close for candle in candles]),
        traded=np.array([candle.volume > 0 for candle in candles]),
    )


def _visits(track: SpreadTrack) -> list[Visit]:
    """Entries and exits by the bands alone, one spread at a time."""
    asked = entry_directions(track, BANDS, tradable_fits(track, SETTINGS))
    visits: list[Visit] = []
    row = 0
    while row < len(asked):
        if asked[row]:
            inside = track.z_score[row + 1 :] * asked[row] >= -BANDS.exit_z
            if not inside.any():
                break
            left = row + 1 + int(np.argmax(inside))
            visits.append(Visit(int(asked[row]), row, left))
            row = left
        row += 1
    return visits


def _figure(planted: PlantedSpread, legs: list[LegCandles], track: SpreadTrack) -> go.Figure:
    first = len(track.time_ms) - SHOWN_HOURS
    times = track.time_ms.astype("datetime64[ms]")
    shown = slice(first, None)
    figure = make_subplots(
        rows=4,
        shared_xaxes=True,
        vertical_spacing=0.055,
        row_heights=[0.28, 0.17, 0.39, 0.16],
        subplot_titles=(
            "Closes, rebased to 100",
            "Spread value: log A − α − β · log B, coefficients of the last daily fit",
            "z-score over 50 candles, with its bands",
            "Hedge ratio β of each fit",
        ),
    )
    names = (f"leg A  {planted.symbol_a}", f"leg B  {planted.symbol_b}")
    for leg, name, color in zip(legs, names, ("#1f77b4", "#ff7f0e"), strict=True):
        rebased = 100 * leg.close[shown] / leg.close[first]
        figure.add_scatter(x=times[shown], y=rebased, name=name, line_color=color, row=1, col=1)
    _line(figure, 2, times[shown], track.value[shown], "#1f77b4")
    _line(figure, 3, times[shown], track.z_score[shown], "#444444")
    _bands(figure)
    _marks(figure, times, track, first)
    ratios = np.array(
        [track.fits[index].hedge_ratio if index >= 0 else np.nan for index in track.fit]
    )
    _line(figure, 4, times[shown], ratios[shown], "#9467bd", shape="hv")
    return _styled(figure, planted)


def _line(
    figure: go.Figure, row: int, times: object, values: Floats, color: str, shape: str = "linear"
) -> None:
    figure.add_scatter(
        x=times,
        y=values,
        line={"color": color, "width": 1.6, "shape": shape},
        showlegend=False,
        row=row,
        col=1,
    )


def _bands(figure: go.Figure) -> None:
    levels = (
        ("stop", BANDS.stop_z, "#d62728"),
        ("entry", BANDS.entry_z, "#2ca02c"),
        ("exit", BANDS.exit_z, "#7f7f7f"),
    )
    for name, level, color in levels:
        for signed in (level, -level):
            figure.add_hline(
                y=signed,
                line={"color": color, "dash": "dash", "width": 1.2},
                annotation={"text": f"{name} {signed:+g}", "font": {"color": color, "size": 12}},
                annotation_position="right",
                row=3,
                col=1,
            )


def _marks(
    figure: go.Figure, times: npt.NDArray[np.datetime64], track: SpreadTrack, first: int
) -> None:
    visits = [visit for visit in _visits(track) if visit.entry >= first]
    for direction, (name, symbol, color) in MARKS.items():
        rows = [visit.entry for visit in visits if visit.direction == direction]
        _points(figure, times[rows], track.z_score[rows], f"enter {name}", symbol, color)
    rows = [visit.exit for visit in visits]
    _points(figure, times[rows], track.z_score[rows], "exit", "x", "#111111")


def _points(
    figure: go.Figure, times: object, values: Floats, name: str, symbol: str, color: str
) -> None:
    figure.add_scatter(
        x=times,
        y=values,
        mode="markers",
        name=name,
        marker={"symbol": symbol, "color": color, "size": 8 if symbol == "x" else 13},
        row=3,
        col=1,
    )


def _styled(figure: go.Figure, planted: PlantedSpread) -> go.Figure:
    figure.update_layout(
        template="plotly_white",
        width=WIDTH,
        height=HEIGHT,
        margin={"l": 60, "r": 90, "t": 100, "b": 40},
        font={"family": "DejaVu Sans, Arial, sans-serif", "size": 13},
        title={
            "text": f"{planted.symbol_a[:-4]}-{planted.symbol_b[:-4]}, 1h, synthetic market "
            f"(true β {planted.hedge_ratio:.2f})",
            "x": 0.01,
            "y": 0.985,
        },
        legend={"orientation": "h", "y": 1.085, "x": 1, "xanchor": "right"},
    )
    figure.update_annotations(selector={"xref": "paper"}, x=0, xanchor="left")
    figure.update_yaxes(range=[-4.8, 4.8], row=3, col=1)
    return figure


def _photograph(page: str, browser: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chart.html"
        file.write_text(page, encoding="utf-8")
        subprocess.run(  # noqa: S603 - the reader's own browser
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--window-size={WIDTH + 16},{HEIGHT + 16}",
                "--virtual-time-budget=10000",
                f"--screenshot={PICTURE}",
                file.as_uri(),
            ],
            check=True,
            capture_output=True,
        )


if __name__ == "__main__":
    main()
