"""What our models rely on in FreqAI of the pinned Freqtrade, and work around."""

import inspect

import pandas as pd
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
