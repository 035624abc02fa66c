"""
The scan of all ordered combinations against statsmodels, one by one: the difference in *t*.

A seeded sample of real and made-up markets, hard ones among them: near twins, short windows, coarse
prices, smooth series; and what statsmodels answers where the scan refuses.
"""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.tools.sm_exceptions import CollinearityWarning, MissingDataError
from statsmodels.tsa.stattools import coint

from benchmarks.scan_honesty import DATA, REAL_SETS
from freqtrade_ext.stats import EngleGrangerReason, engle_granger_matrix

WANTED = 1e-6
COMBINATIONS = 210  # of each kind, at most: all directions of 15 markets
Prices = np.ndarray


def main() -> None:
    """Print quantiles of the difference by kind and over all, and the refusals."""
    rng = np.random.default_rng(1)
    print(f"Largest differences in t to statsmodels coint (wanted: at most {WANTED:g})")
    everything: list[float] = []
    for title, log_prices in (*_real(), *_made_up(rng)):
        differences, refused = _differences(log_prices, rng)
        everything += differences
        _row(title, differences, refused)
    _row("all", everything, 0)
    _refusals(rng)


def _row(title: str, differences: list[float], refused: int) -> None:
    levels = np.quantile(differences, [0.5, 0.9, 0.99, 0.999, 1.0])
    cells = " ".join(f"{level:8.0e}" for level in levels)
    print(f"  {title:34} {len(differences):5}  {cells}  refused {refused}", flush=True)


def _differences(log_prices: Prices, rng: np.random.Generator) -> tuple[list[float], int]:
    tests = engle_granger_matrix(log_prices)
    places = np.argwhere(~np.eye(log_prices.shape[1], dtype=bool))
    places = rng.permutation(places)[:COMBINATIONS]
    tested = [(i, j) for i, j in places if tests.reason[i, j] == EngleGrangerReason.TESTED]
    differences = [
        abs(float(tests.stat[i, j]) - _statsmodels(log_prices[:, i], log_prices[:, j]))
        for i, j in tested
    ]
    return differences, len(places) - len(tested)


def _statsmodels(y: np.ndarray, x: np.ndarray) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollinearityWarning)
        return float(coint(y, x, trend="c", autolag="aic")[0])


def _real() -> Iterator[tuple[str, Prices]]:
    if not DATA.is_dir():
        print(f"  real data: skipped, {DATA} is absent")
        return
    for (name, (timeframe, folder)), nobs in zip(
        REAL_SETS.items(), (1440, 720, 2160, 720), strict=True
    ):
        closes = [_closes(path) for path in sorted(_files(DATA / name / folder, timeframe))]
        table = pd.concat(closes, axis=1).iloc[-nobs:].dropna(axis=1)
        yield f"{name}, {nobs} candles", np.log(table.to_numpy())


def _files(folder: Path, timeframe: str) -> Iterator[Path]:
    for path in folder.glob(f"*-{timeframe}*.feather"):
        if "mark" not in path.stem and "funding" not in path.stem:
            yield path


def _closes(path: Path) -> pd.Series:
    return pd.read_feather(path, columns=["date", "close"]).set_index("date")["close"]


def _made_up(rng: np.random.Generator) -> Iterator[tuple[str, Prices]]:
    def walks(nobs: int, n_markets: int = 15) -> Prices:
        return 0.01 * rng.standard_normal((nobs, n_markets)).cumsum(axis=0)

    kinds: dict[str, Callable[[], Prices]] = {
        "walks, 720": lambda: walks(720),
        "walks, 2160": lambda: walks(2160),
        "with trends, 300": lambda: walks(300) + 0.05 * np.arange(300)[:, None],
        "spreads of every speed, 720": lambda: _spreads(rng, walks(720, 1)),
        "smooth, 400": lambda: walks(400).cumsum(axis=0),
        "coarse ticks, 400": lambda: np.log(np.round(100 * np.exp(walks(400)), 0) / 100),
        "near twins, 400": lambda: _near_twins(rng, walks(400, 1)),
        "walks, 60": lambda: walks(60),
        "walks, 24": lambda: walks(24),
        "walks, 21": lambda: walks(21),
    }
    yield from ((title, make()) for title, make in kinds.items())


def _spreads(rng: np.random.Generator, base: Prices) -> Prices:
    """Add first-order autoregressions of coefficients from -0.5 to 0.99 to one walk."""
    noise = 0.01 * rng.standard_normal((len(base), 15))
    coefficients = np.linspace(-0.5, 0.99, 15)
    for now in range(1, len(noise)):
        noise[now] += coefficients * noise[now - 1]
    return base + noise


def _near_twins(rng: np.random.Generator, base: Prices) -> Prices:
    """One walk with noise from as large as its own steps down to a thousandth of its spread."""
    scale = base.std() * np.geomspace(1.0, 2e-3, 15)
    return base + scale * rng.standard_normal((len(base), 15))


def _refusals(rng: np.random.Generator) -> None:
    print("Where the scan refuses, and what statsmodels says:")
    walk = 0.01 * rng.standard_normal(300).cumsum()
    other = 0.01 * rng.standard_normal(300).cumsum()
    gap = np.where(np.arange(300) == 100, np.nan, other)
    for title, x in (("twin", 2 * walk + 1), ("constant", np.ones(300)), ("with a NaN", gap)):
        tests = engle_granger_matrix(np.column_stack([walk, x]))
        reason = EngleGrangerReason(tests.reason[0, 1]).name
        try:
            said = f"t = {_statsmodels(walk, x):g}"
        except (ValueError, MissingDataError) as error:
            said = f"{type(error).__name__}: {str(error)[:60]}"
        print(f"  {title:12} {reason:15} statsmodels: {said}")


if __name__ == "__main__":
    main()
