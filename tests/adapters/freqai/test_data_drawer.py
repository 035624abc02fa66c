"""FreqAI's storage, killed (SIGKILL) while it saves; and versions to go back to.

Mutants of `_data_drawer.py`, each killed by the test named:
- the folder written under its final name: a_killed_bot_continues_with_a_whole_model
- dictionary saved before the folder is there: the same
- pin ignored: a_version_that_was_gone_back_to_is_in_use_at_once
- no look for missing files: a_model_whose_files_are_gone_is_trained_anew
- a pin followed once only: a_training_that_ends_after_the_pin_does_not_replace_the_version
- a pin of an earlier run not noticed: a_market_released_while_the_bot_was_stopped_is_trained_anew
- the queue not told: what_is_trained_anew_comes_first
- predictions of a backtest in place: predictions_of_a_backtest_are_whole_or_absent
- candles of files keep their time zone: a_market_can_be_trained_again_after_a_new_candle
"""

import signal
import subprocess
import sys
from collections import deque
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from freqtrade.configuration import TimeRange
from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.freqai_interface import IFreqaiModel

from freqtrade_ext.adapters.freqai import DirectionRegressor
from freqtrade_ext.adapters.freqai._data_drawer import WholeDataDrawer
from freqtrade_ext.errors import StoreError
from tests.adapters.doubles import ETH

from .freqai_doubles import config_of, frame_of, kitchen_of, trained_on

FIRST, SECOND = 1_700_000_000, 1_700_007_200

CHILD = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.adapters.freqai.test_data_drawer import SECOND, save
from tests.adapters.freqai.freqai_doubles import config_of
from freqtrade_ext.adapters.freqai import DirectionRegressor

def die(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

model = DirectionRegressor(config_of(Path(sys.argv[1])))
model.dd._checkpoint = die
model.dd.registry._checkpoint = die
if sys.argv[2] == "in training":
    model.learn = lambda data: die("in training")
save(model, SECOND, 520)
"""


def save(model, timestamp: int, size: int):
    """Train and save as FreqAI does in live mode."""
    config, frame = model.config, frame_of(size)
    kitchen = trained_on(model, config, frame, live=True)
    model.dd.pair_dict[ETH]["trained_timestamp"] = timestamp
    kitchen.set_new_model_names(ETH, timestamp)
    model.dd.save_data(model.model, ETH, kitchen)
    return kitchen


def loaded(config):
    """What a bot that starts now would predict with."""
    model = DirectionRegressor(config)
    frame = frame_of(540)
    kitchen = kitchen_of(config, frame, live=True)
    model.live = True
    model.model = model.dd.load_data(ETH, kitchen)
    answer, judged = model.predict(frame.tail(20), kitchen)
    assert (judged == 1).all()
    return model, answer


@pytest.mark.parametrize(
    ("step", "is_new"),
    [
        ("in training", False),
        ("model files written", False),
        ("model folder renamed", False),
        ("file placed", False),
        ("version published", False),
        ("model in use", True),
    ],
)
def test_a_killed_bot_continues_with_a_whole_model(tmp_path, step, is_new):
    config = config_of(tmp_path)
    save(DirectionRegressor(config), FIRST, 500)
    root = str(Path(__file__).resolve().parents[3])
    done = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), step, root], check=False)
    assert done.returncode == -signal.SIGKILL, "the step was never reached"
    model, _ = loaded(config)
    stamp = SECOND if is_new else FIRST
    assert model.dd.pair_dict[ETH]["model_filename"] == f"cb_eth_{stamp}"
    assert (
        model.model.trained_ms == frame_of(520 if is_new else 500)["date"].iloc[-1].value // 10**6
    )
    for card in model.dd.registry.cards():
        assert any(model.dd.registry.files(ETH, card.version).iterdir())
    assert not list(Path(model.full_path).glob(".partial*"))


def test_the_files_are_those_that_freqtrade_itself_reads(tmp_path):
    config = config_of(tmp_path)
    _, ours = save(DirectionRegressor(config), FIRST, 500), loaded(config)[1]
    stock = FreqaiDataDrawer(tmp_path / "models" / "test", config)
    frame = frame_of(540)
    kitchen = kitchen_of(config, frame, live=True)
    model = DirectionRegressor(config)
    model.live, model.model = True, stock.load_data(ETH, kitchen)
    answer, _ = model.predict(frame.tail(20), kitchen)
    np.testing.assert_array_equal(answer.to_numpy(), ours.to_numpy())


def test_a_disk_that_fails_leaves_the_previous_model_in_use(tmp_path, monkeypatch):
    config = config_of(tmp_path)
    model = DirectionRegressor(config)
    save(model, FIRST, 500)

    def full(*args, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr("freqtrade_ext.adapters.freqai._data_drawer.os.rename", full)
    with pytest.raises(OSError, match="No space left"):
        save(model, SECOND, 520)
    monkeypatch.undo()
    assert model.dd.pair_dict[ETH]["model_filename"] == f"cb_eth_{FIRST}"
    assert loaded(config)[0].model.trained_ms == frame_of(500)["date"].iloc[-1].value // 10**6


def test_a_model_that_cannot_be_recorded_is_used_all_the_same(tmp_path, monkeypatch, caplog):
    config = config_of(tmp_path)
    model = DirectionRegressor(config)

    def full(*args, **options):
        raise StoreError("disk full")

    monkeypatch.setattr(model.dd.registry, "add", full)
    save(model, FIRST, 500)
    assert "cannot be rolled back to later: disk full" in caplog.text
    assert loaded(config)[0].model is not None


def test_a_version_that_was_gone_back_to_is_in_use_at_once(tmp_path):
    config = config_of(tmp_path)
    model = DirectionRegressor(config)
    for stamp, size in ((FIRST, 500), (SECOND, 520)):
        save(model, stamp, size)
    kitchen = kitchen_of(config, frame_of(540), live=True)
    newest = model.dd.load_data(ETH, kitchen)
    model.dd.registry.pin(ETH, 1)
    older = model.dd.load_data(ETH, kitchen)
    assert older.trained_ms < newest.trained_ms
    assert loaded(config)[0].model.trained_ms == older.trained_ms


def test_a_released_market_is_trained_anew(tmp_path):
    config = config_of(tmp_path)
    model = DirectionRegressor(config)
    save(model, FIRST, 500)
    model.dd.registry.pin(ETH, 1)
    kitchen = kitchen_of(config, frame_of(540), live=True)
    model.dd.load_data(ETH, kitchen)
    model.dd.registry.release(ETH)
    assert model.dd.load_data(ETH, kitchen) is not None
    assert model.dd.pair_dict[ETH]["trained_timestamp"] == 0


def test_a_training_that_ends_after_the_pin_does_not_replace_the_version(tmp_path):
    """A training takes a minute; the bot has followed the pin when it is saved."""
    config = config_of(tmp_path)
    model = DirectionRegressor(config)
    save(model, FIRST, 500)
    kitchen = kitchen_of(config, frame_of(540), live=True)
    model.dd.registry.pin(ETH, 1)
    older = model.dd.load_data(ETH, kitchen)
    save(model, SECOND, 520)
    assert model.dd.load_data(ETH, kitchen).trained_ms == older.trained_ms
    assert model.dd.registry.files(ETH, 2)


def test_a_market_released_while_the_bot_was_stopped_is_trained_anew(tmp_path):
    config = config_of(tmp_path)
    model = DirectionRegressor(config)
    for stamp, size in ((FIRST, 500), (SECOND, 520)):
        save(model, stamp, size)
    model.dd.registry.pin(ETH, 1)
    kitchen = kitchen_of(config, frame_of(540), live=True)
    model.dd.load_data(ETH, kitchen)
    model.dd.save_drawer_to_disk()  # as each training of another market does
    model.dd.registry.release(ETH)
    again = DirectionRegressor(config)
    assert again.dd.load_data(ETH, kitchen) is not None
    assert again.dd.pair_dict[ETH]["trained_timestamp"] == 0


@pytest.mark.parametrize("what", ["released", "files gone"])
def test_what_is_trained_anew_comes_first(tmp_path, what):
    """FreqAI trains the head of its queue only, and only when that one is due."""
    config = config_of(tmp_path)
    model = DirectionRegressor(config)
    save(model, FIRST, 500)
    kitchen = kitchen_of(config, frame_of(540), live=True)
    model.train_queue = deque(["BTC/USDT:USDT", ETH])
    if what == "released":
        model.dd.registry.pin(ETH, 1)
        model.dd.load_data(ETH, kitchen)
        model.dd.registry.release(ETH)
    else:
        model.dd.model_dictionary.clear()
        for file in Path(model.dd.pair_dict[ETH]["data_path"]).iterdir():
            file.unlink()
    model.dd.load_data(ETH, kitchen)
    assert list(model.train_queue) == [ETH, "BTC/USDT:USDT"]


@pytest.mark.parametrize("error", [OSError("No space left"), RuntimeError("changed size")])
def test_predictions_that_cannot_be_saved_do_not_end_the_thread_that_trains(
    tmp_path, monkeypatch, caplog, error
):
    """FreqAI saves them after each training, in the thread's loop, where nothing catches."""
    drawer = DirectionRegressor(config_of(tmp_path)).dd

    def fails(*args, **options):
        raise error

    monkeypatch.setattr("freqtrade_ext.adapters.freqai._data_drawer.replace_file", fails)
    drawer.save_historic_predictions_to_disk()
    assert f"live predictions were not saved: {error}" in caplog.text


def test_a_pinned_version_without_files_leaves_the_newest_in_use(tmp_path, caplog):
    config = config_of(tmp_path, learning={"registry": {"keep": 1}})
    model = DirectionRegressor(config)
    for stamp, size in ((FIRST, 500), (SECOND, 520)):
        save(model, stamp, size)
    (model.dd.registry.folder / "ETH_USDT_USDT" / "pinned.json").write_text('{"version": 1}')
    kitchen = kitchen_of(config, frame_of(540), live=True)
    assert model.dd.load_data(ETH, kitchen).trained_ms == model.model.trained_ms
    assert "are no longer kept" in caplog.text


def test_a_model_whose_files_are_gone_is_trained_anew(tmp_path, caplog):
    config = config_of(tmp_path)
    save(DirectionRegressor(config), FIRST, 500)
    model = DirectionRegressor(config)
    for file in Path(model.dd.pair_dict[ETH]["data_path"]).iterdir():
        file.unlink()
    kitchen = kitchen_of(config, frame_of(540), live=True)
    assert model.dd.load_data(ETH, kitchen) is None
    assert model.dd.pair_dict[ETH]["trained_timestamp"] == 0
    assert "training anew" in caplog.text


def test_what_is_predicted_live_is_saved_whole(tmp_path):
    config = config_of(tmp_path)
    drawer = DirectionRegressor(config).dd
    drawer.historic_predictions[ETH] = frame_of(40)[["date", "close"]]
    drawer.save_historic_predictions_to_disk()
    drawer.save_global_metadata_to_disk({"start": 1})
    drawer.metric_tracker = {ETH: {"time": {"value": [1.0]}}}
    drawer.save_metric_tracker_to_disk()
    again = DirectionRegressor(config).dd
    assert isinstance(again, WholeDataDrawer)
    assert len(again.historic_predictions[ETH]) == 40
    assert again.load_global_metadata_from_disk() == {"start": 1}
    assert not list(Path(again.full_path).glob("*.partial"))


def test_predictions_of_a_backtest_are_whole_or_absent(tmp_path, monkeypatch):
    """FreqAI writes them in place, and the next backtest stumbles over half a file."""
    config = config_of(tmp_path)
    model, frame = DirectionRegressor(config), frame_of(40)[["date", "close"]]
    kitchen = kitchen_of(config, frame_of(60))
    kitchen.model_filename = "cb_eth_1"
    whole = type(frame).to_feather
    seen = []

    def start(self, dataframe, metadata, dk, strategy):
        assert not dk.check_if_backtest_prediction_is_valid(40)
        with pytest.raises(OSError, match="No space left"):
            dk.save_backtesting_prediction(frame)
        assert not list(dk.backtesting_results_path.parent.iterdir())
        monkeypatch.undo()
        dk.save_backtesting_prediction(frame)
        seen.append(dk.check_if_backtest_prediction_is_valid(40))
        return dk

    def full(self, path):
        whole(self, path)
        path.write_bytes(path.read_bytes()[:100])
        raise OSError("No space left on device")

    monkeypatch.setattr(type(frame), "to_feather", full)
    original = IFreqaiModel.start_backtesting
    IFreqaiModel.start_backtesting = start
    try:
        model.start_backtesting(frame, {"pair": ETH}, kitchen, None)
    finally:
        IFreqaiModel.start_backtesting = original
    assert seen == [True]


def test_a_market_can_be_trained_again_after_a_new_candle(tmp_path):
    """FreqAI's own two steps: load the files, and put a candle of the exchange behind them."""
    model = DirectionRegressor(config_of(tmp_path))
    exchange = frame_of(400)
    exchange["date"] = exchange["date"].dt.tz_convert(UTC).dt.as_unit("us")
    model.config["datadir"] = tmp_path
    model.config["candle_type_def"] = CandleType.FUTURES
    get_datahandler(tmp_path, "feather").ohlcv_store(
        ETH, "1h", exchange.iloc[:390], CandleType.FUTURES
    )
    kitchen = kitchen_of(model.config, exchange)
    kitchen.all_pairs = [ETH]
    provider = SimpleNamespace(get_pair_dataframe=lambda pair, timeframe: exchange)
    model.dd.load_all_pair_histories(TimeRange(), kitchen)
    model.dd.update_historic_data(SimpleNamespace(dp=provider), kitchen)
    history = model.dd.historic_data[ETH]["1h"]
    assert len(history) == 400
    assert history["date"].dt.hour.tolist() == exchange["date"].dt.hour.tolist()
