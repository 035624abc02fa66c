"""Random numbers without state: each is a function of a key and a place.

A simulated market must answer the same question the same way whenever it is asked, and drawing one
more number somewhere must not move the others. A hash of (key, index) gives both, vectorised.
"""

from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

__all__ = ["key_of", "keys_at", "normal", "uniform"]

# SplitMix64: Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def key_of(*parts: int | str) -> int:
    """Turn a seed and some names into a 64-bit key; different parts give unrelated keys."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def keys_at(key: int | NDArray[np.uint64], index: ArrayLike) -> NDArray[np.uint64]:
    """
    Hash a key at integer places.

    Parameters
    ----------
    key : int or array of uint64
        Key(s), broadcast against `index`.
    index : array-like of int
        Places, negative ones included.

    Returns
    -------
    ndarray of uint64, at least one-dimensional
        Evenly distributed over all 64-bit values; usable as keys in turn.
    """
    # Arrays, never scalars: unsigned wrap-around of scalars would warn.
    hashed = np.array(index, dtype=np.int64, ndmin=1).view(np.uint64)
    hashed *= _GAMMA
    hashed = hashed + np.array(key, dtype=np.uint64, ndmin=1)
    for shift, factor in ((30, _MIX_1), (27, _MIX_2)):
        hashed ^= hashed >> np.uint64(shift)
        hashed *= factor
    hashed ^= hashed >> np.uint64(31)
    return hashed


def uniform(key: int | NDArray[np.uint64], index: ArrayLike) -> NDArray[np.float64]:
    """Draw from the open interval (0, 1) at the given places."""
    return ((keys_at(key, index) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def normal(key: int | NDArray[np.uint64], index: ArrayLike) -> NDArray[np.float64]:
    """Draw from the standard normal distribution at the given places."""
    drawn: NDArray[np.float64] = ndtri(uniform(key, index))
    return drawn
