"""Real candles, with their gaps, late rates and silent hours."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from freqtrade_ext.signals import (
    LAYERS,
    MarketInputs,
    SignalSettings,
    explain,
    macro_context,
    score_market,
)

from .doubles import LIVELY, until

pytestmark = pytest.mark.real_data


def futures(folder, coin):
    """Candles and funding of one market."""
    candles = pd.read_feather(folder / f"{coin}_USDT_USDT-5m-futures.feather")
    rates = pd.read_feather(folder / f"{coin}_USDT_USDT-1h-funding_rate.feather")
    return candles, rates.assign(rate=rates["open"])[["date", "rate"]]


def test_a_wide_cross_section_is_scored_and_explained(shared_data):
    """Fifty-five markets of July 2023: every layer that has data speaks somewhere."""
    folder = shared_data / "C_futures_5m_2023Jul" / "futures"
    macro = macro_context(
        futures(folder, "BTC")[0], futures(folder, "ETH")[0], "5m", SignalSettings()
    )
    seen = []
    for path in sorted(folder.glob("*-5m-futures.feather"))[::5]:
        coin = path.name.split("_")[0]
        candles, rates = futures(folder, coin)
        inputs = MarketInputs(f"{coin}/USDT:USDT", "5m", candles, macro=macro, funding=rates)
        scored = score_market(inputs, SignalSettings())
        assert set(scored.neutral) == {"imbalance_trend", "own_record", "model_confidence"}
        found = scored.columns[scored.columns["direction"] != 0]
        explain(scored, found["date"].iloc[0].to_pydatetime()).lines()
        seen.append(found)
    directed = pd.concat(seen)
    assert directed["score"].between(0.0, 100.0).all()
    assert (directed["signal"] != 0).mean() > 0.1
    silent = {"imbalance_trend", "own_record", "model_confidence", "volatile_market"}
    for layer in LAYERS:
        if layer.name not in silent | {"regime_veto"}:
            assert directed[f"layer_{layer.name}"].any(), layer.name
    assert directed["veto_multi_timeframe"].any()


@pytest.mark.parametrize("now", [700, 1_500, 2_345])
def test_outages_do_not_let_the_future_in(shared_data, now):
    """Hourly candles of 2018 with whole hours missing."""
    folder = shared_data / "E_spot_1h_gappy_2018_2021"
    coins = {name: pd.read_feather(folder / f"{name}_USDT-1h.feather").iloc[:3_000]
             for name in ("BTC", "ETH", "LTC")}  # fmt: skip
    gaps = coins["LTC"]["date"].diff() > pd.Timedelta(hours=1)
    assert gaps.any()
    inputs = MarketInputs(
        "LTC/USDT", "1h", coins["LTC"], benchmark=coins["BTC"], references={"ETH": coins["ETH"]}
    )
    settings = LIVELY.model_copy(update={"multi_timeframe": SignalSettings().multi_timeframe})
    whole = score_market(inputs, settings).columns.iloc[:now]
    assert_frame_equal(score_market(until(inputs, now), settings).columns, whole, check_exact=True)
    assert (whole["signal"] != 0).any()
    assert np.isfinite(whole["score"].dropna()).all()
