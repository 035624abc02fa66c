"""Markets whose truth is known: pure noise, and noise with planted spreads."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freqtrade_ext.scanner import MarketHistory

FloatArray = npt.NDArray[np.float64]

START_MS = 1_704_067_200_000  # 2024-01-01
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class World:
    """Log prices of shape (nobs, n_markets), and the markets that truly hang together."""

    log_prices: FloatArray
    planted: frozenset[tuple[str, str]] = frozenset()

    def histories(self) -> list[MarketHistory]:
        """Hourly candles of all markets."""
        times = START_MS + HOUR_MS * np.arange(len(self.log_prices), dtype=np.int64)
        volume = np.full(len(times), 1e6)
        return [
            MarketHistory(name(index), times, np.exp(column), volume)
            for index, column in enumerate(self.log_prices.T)
        ]


def name(index: int) -> str:
    """Name of a market of a world."""
    return f"M{index:04d}/USDT"


def independent_walks(rng: np.random.Generator, nobs: int, n_markets: int) -> FloatArray:
    """Gaussian random walks that share nothing."""
    return 0.01 * rng.standard_normal((nobs, n_markets)).cumsum(axis=0)


def fat_tailed_factor(rng: np.random.Generator, nobs: int, n_markets: int) -> FloatArray:
    """One common factor; it and the rest are Student t with 3 and 4 degrees of freedom."""
    factor = rng.standard_t(3, nobs) / np.sqrt(3)
    own = rng.standard_t(4, (nobs, n_markets)) / np.sqrt(2)
    return _mixed(rng, factor, own).cumsum(axis=0)


def stochastic_volatility(rng: np.random.Generator, nobs: int, n_markets: int) -> FloatArray:
    """One common factor; log volatility of everything is a persistent AR(1)."""
    noise = rng.standard_normal((nobs, n_markets + 1))
    log_volatility = np.empty_like(noise)
    log_volatility[0] = rng.standard_normal(n_markets + 1)
    for row in range(1, nobs):
        log_volatility[row] = 0.98 * log_volatility[row - 1] + 0.15 * noise[row]
    shared = log_volatility[:, :1]
    steps = rng.standard_normal(noise.shape) * np.exp(0.5 * (log_volatility + shared))
    return _mixed(rng, steps[:, 0], steps[:, 1:]).cumsum(axis=0)


def _mixed(rng: np.random.Generator, factor: FloatArray, own: FloatArray) -> FloatArray:
    loadings = rng.uniform(0.5, 1.5, own.shape[1])
    scale = rng.uniform(0.7, 1.3, own.shape[1])
    return 0.01 * (factor[:, None] * loadings + own * scale)


def planted_spreads(
    seed: int, *, nobs: int, n_markets: int, n_spreads: int, half_life: float, looseness: float
) -> World:
    """
    Factor world in which market 2k+1 is a multiple of market 2k plus a mean-reverting spread.

    The spread's innovations are `looseness` times as large as the returns of the other leg (in its
    units), so that returns of both correlate about 1 / sqrt(1 + looseness²).
    """
    rng = np.random.default_rng(seed)
    prices = fat_tailed_factor(rng, nobs, n_markets)
    phi = 0.5 ** (1.0 / half_life)
    planted = set()
    for leg in range(0, 2 * n_spreads, 2):
        ratio = rng.uniform(0.6, 1.6)
        scale = looseness * ratio * np.diff(prices[:, leg]).std()
        shocks = scale * rng.standard_normal(nobs)
        shocks[0] /= np.sqrt(1.0 - phi**2)
        spread = np.empty(nobs)
        level = 0.0
        for row, shock in enumerate(shocks.tolist()):
            level = phi * level + shock
            spread[row] = level
        prices[:, leg + 1] = ratio * prices[:, leg] + spread
        planted.add((name(leg), name(leg + 1)))
    return World(prices, frozenset(planted))
