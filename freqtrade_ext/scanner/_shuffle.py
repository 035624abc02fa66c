"""The same data with nothing to find: each market's calendar shuffled in blocks."""

import numpy as np
import numpy.typing as npt

__all__ = ["shuffled_prices"]

FloatArray = npt.NDArray[np.float64]


def shuffled_prices(log_prices: FloatArray, block: int, rng: np.random.Generator) -> FloatArray:
    """
    Permute blocks of returns, independently for each market.

    Parameters
    ----------
    log_prices : array of shape (nobs, n_markets)
        Log prices.
    block : int
        Candles of a block; the last one is shorter.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    array of shape (nobs, n_markets)
        Every market keeps its first and last price, its returns, their fat tails and, within
        blocks, their clusters; whatever tied it to another market is gone.
    """
    returns = np.diff(log_prices, axis=0)
    blocks = np.array_split(np.arange(len(returns)), np.arange(block, len(returns), block))
    result = np.empty_like(log_prices)
    result[0] = log_prices[0]
    for market in range(log_prices.shape[1]):
        order = np.concatenate([blocks[place] for place in rng.permutation(len(blocks))])
        result[1:, market] = log_prices[0, market] + np.cumsum(returns[order, market])
    return result
