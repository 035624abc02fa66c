"""The stateless random numbers under the simulated markets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from freqtrade_ext.sandbox.market._noise import key_of, keys_at, normal, uniform

KEYS = st.integers(0, 2**64 - 1)
PLACES = st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=20)

VIGNA = "S. Vigna, splitmix64.c, seed 1234567; output printed at Rosetta Code, 'Splitmix64'"


def test_hash_agrees_with_the_published_splitmix64():
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert keys_at(1234567, [1, 2, 3, 4, 5]).tolist() == expected, VIGNA


@given(KEYS, PLACES)
def test_a_draw_depends_only_on_its_own_place(key, places):
    together = uniform(key, places)
    alone = [uniform(key, place)[0] for place in places]
    assert together.tolist() == alone


@given(KEYS, PLACES)
def test_uniform_draws_lie_strictly_between_0_and_1(key, places):
    draws = uniform(key, places)
    assert ((draws > 0) & (draws < 1)).all()


@given(KEYS, PLACES)
def test_normal_draws_are_finite(key, places):
    assert np.isfinite(normal(key, places)).all()


def test_the_largest_hash_still_gives_less_than_1(monkeypatch):
    from freqtrade_ext.sandbox.market import _noise

    top = np.array([2**64 - 1, 0], dtype=np.uint64)
    monkeypatch.setattr(_noise, "keys_at", lambda key, index: top)
    high, low = _noise.uniform(0, 0)
    assert 0 < low < high < 1


def test_uniform_draws_pass_a_kolmogorov_smirnov_test():
    assert stats.kstest(uniform(key_of(3, "x"), np.arange(20_000)), "uniform").pvalue > 0.001


def test_normal_draws_pass_a_kolmogorov_smirnov_test():
    assert stats.kstest(normal(key_of(3, "x"), np.arange(20_000)), "norm").pvalue > 0.001


@pytest.mark.parametrize("lag", [1, 2, 1_440])
def test_neighbouring_draws_are_uncorrelated(lag):
    draws = normal(key_of(9), np.arange(50_000))
    assert abs(np.corrcoef(draws[:-lag], draws[lag:])[0, 1]) < 0.02


def test_streams_of_one_seed_are_uncorrelated():
    one, two = (normal(key_of(1, name), np.arange(50_000)) for name in ("a", "b"))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.02


def test_keys_tell_numbers_from_their_text_and_parts_from_their_sum():
    keys = {key_of(1), key_of("1"), key_of(1, 1), key_of(11), key_of("a", "b"), key_of("ab")}
    assert len(keys) == 6


def test_arrays_of_keys_broadcast_against_places():
    keys = keys_at(7, [0, 1, 2])
    grid = keys_at(keys[:, None], np.arange(4))
    assert grid.shape == (3, 4)
    assert grid[2].tolist() == keys_at(int(keys[2]), np.arange(4)).tolist()


def test_hashing_leaves_its_argument_alone():
    places = np.arange(5)
    keys_at(7, places)
    assert places.tolist() == [0, 1, 2, 3, 4]
