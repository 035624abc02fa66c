"""What our models rely on in FreqAI of the pinned Freqtrade, and work around."""

import inspect
from datetime import UTC

import pandas as pd
import pytest
from freqtrade.data.converter import ohlcv_to_dataframe
from freqtrade.data.history import get_datahandler, load_pair_history
from freqtrade.enums import CandleType
from freqtrade.freqai.base_models.BaseRegressionModel import BaseRegressionModel
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.freqai_interface import IFreqaiModel
from freqtrade.strategy import IStrategy


class Plain(IStrategy):
    """Signals nothing."""

    timeframe = "1h"

    def populate_entry_trend(self, dataframe, metadata):
        return dataframe

    populate_exit_trend = populate_indicators = populate_entry_trend


def test_columns_named_buy_and_sell_become_signals():
    """So our probabilities are not called that."""
    frame = pd.DataFrame({"buy": [0.7], "sell": [1.0]})
    strategy = Plain({})
    assert "enter_long" in strategy.advise_entry(frame, {"pair": "ETH/USDT"})
    assert "exit_long" in strategy.advise_exit(frame, {"pair": "ETH/USDT"})


def test_freqais_own_models_forget_which_candles_lack_a_feature():
    """`filter_features` marks them in ``do_predict``; the outlier check overwrites the mark."""
    source = inspect.getsource(BaseRegressionModel.predict)
    assert source.index("filter_features") < source.index("dk.do_predict = outliers")


def test_the_training_thread_looks_at_the_head_of_its_queue_only():
    """So a market that must be trained at once is moved there."""
    source = inspect.getsource(IFreqaiModel._start_scanning)
    assert "pair = self.train_queue[0]" in source
    assert source.index("if retrain:") < source.index("self.train_queue.rotate(-1)")


def test_freqai_writes_its_files_in_place():
    """So our data drawer writes beside and renames."""
    for method in (FreqaiDataDrawer.save_drawer_to_disk, FreqaiDataDrawer.save_data):
        source = inspect.getsource(method)
        assert "open(" in source
        assert "replace(" not in source


def _file_and_exchange(folder):
    """The same market's candles from a file and, two later, as the exchange answers them."""
    rows = [
        [1_700_000_000_000 // 60_000 * 60_000 + 60_000 * n, 1, 2, 0.5, 1.5, 9] for n in range(6)
    ]
    name, kind = "ETH/USDT:USDT", CandleType.FUTURES
    handler = get_datahandler(folder, "feather")
    own = ohlcv_to_dataframe(rows[:4], "1m", name, fill_missing=False, drop_incomplete=False)
    handler.ohlcv_store(name, "1m", own, kind)
    file = load_pair_history(pair=name, timeframe="1m", datadir=folder, candle_type=kind)
    asked = ohlcv_to_dataframe(rows, "1m", name, fill_missing=False, drop_incomplete=False)
    return file, asked


def test_candles_of_a_file_and_of_the_exchange_do_not_mix(tmp_path):
    """
    FreqAI puts the exchange's new candles behind those of its files (`update_historic_data`).

    The two name UTC differently, pandas 3 makes plain objects of the dates, and every training
    after that fails. So `WholeDataDrawer` gives both one zone. Where this test fails, Freqtrade or
    pandas has been repaired, and `load_all_pair_histories` can go.
    """
    file, asked = _file_and_exchange(tmp_path)
    mixed = pd.concat([file, asked.iloc[4:]], ignore_index=True)
    assert mixed["date"].dtype == object
    with pytest.raises(AttributeError, match=r"\.dt accessor"):
        mixed["date"].dt.hour  # noqa: B018
    repaired = file.assign(date=file["date"].dt.tz_convert(UTC))
    whole = pd.concat([repaired, asked.iloc[4:]], ignore_index=True)
    assert whole["date"].dt.minute.is_monotonic_increasing
    assert list(whole["date"]) == list(asked["date"])
