"""The market of the scenarios with a model; the scenarios themselves run by name, in minutes."""

import numpy as np
import pytest

from freqtrade_ext.sandbox.market import SyntheticSpec
from rehearsals.model_scenarios import MINUTE_MS, SCENARIOS, ShiftedMarket
from rehearsals.regime_models import write_candles

ANCHOR = 1_700_000_040_000 // MINUTE_MS * MINUTE_MS


@pytest.fixture
def market():
    return ShiftedMarket(
        SyntheticSpec(
            seed=5, anchor_ms=ANCHOR, groups=0, extra_markets=3, history_minutes=300,
            horizon_minutes=120,
        )
    )  # fmt: skip


def candles(market, now_ms=ANCHOR):
    return market.candles("BTCUSDT", MINUTE_MS, ANCHOR - 120 * MINUTE_MS, now_ms, now_ms)


def deviation(found):
    return np.diff(np.log([each.close for each in found])).std()


def test_a_shift_changes_what_comes_after_it_and_nothing_before(market):
    calm = candles(market)
    market.shift(ANCHOR - 60 * MINUTE_MS)
    wild = candles(market)
    assert wild[:60] == calm[:60]
    assert deviation(wild[60:]) > 3 * deviation(calm[60:])
    assert wild[-1].volume == 20 * calm[-1].volume
    assert [each.open_ms for each in wild] == [each.open_ms for each in calm]


def test_prices_and_candles_agree_after_a_shift(market):
    market.shift(ANCHOR - 60 * MINUTE_MS)
    now = ANCHOR + 7 * MINUTE_MS + 30_000
    forming = candles(market, now)[-1]
    assert float(market.price("BTCUSDT", now)) == pytest.approx(forming.close, rel=1e-3)
    assert forming.low <= forming.close <= forming.high


def test_every_scenario_has_a_name():
    assert set(SCENARIOS) == {"trade", "drift", "kill-training", "kill-save"}
    assert all(scenario.__doc__ for scenario in SCENARIOS.values())


def test_the_planted_hint_says_something_about_the_next_candle(tmp_path):
    import pandas as pd

    write_candles(tmp_path, days=20)
    frame = pd.read_feather(tmp_path / "SOL_USDT-1h.feather")
    moves = np.diff(np.log(frame["close"]))
    hint = np.log(frame["volume"].to_numpy())[:-1]
    assert np.corrcoef(hint, moves)[0, 1] > 0.4
