"""What FreqAI has stored of a model's answers.

Bugs planted by hand, each caught by the test named:

1. an earlier backtest counts more than a later one -> test_a_later_backtest_counts_more
2. a backtest counts more than the bot -> test_the_bots_own_answers_count_most
3. answers about a spread are the market's -> test_answers_about_something_else_are_left_out
4. a gain is taken for a direction -> test_a_gain_is_told_from_a_direction
5. a damaged file ends the command -> test_a_damaged_file_is_named
6. dates are compared with their zones -> test_files_and_bot_name_their_time_zone_differently
"""

import os
from datetime import UTC
from zoneinfo import ZoneInfo

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.adapters._model_answers import STATES, ModelAnswers
from freqtrade_ext.adapters._stored_answers import stored_answers
from freqtrade_ext.learning import ModelState

from .doubles import ETH, candles

TARGET = "ETH_USDT_USDT"


@pytest.fixture
def config(tmp_path):
    (tmp_path / "models" / "m" / "backtesting_predictions").mkdir(parents=True)
    return {"user_data_dir": tmp_path, "freqai": {"identifier": "m"}}


def answers(rows, up, *, down=0.2, target=TARGET, date="date", hold=None):
    dates = candles([1.0] * 10)["date"].iloc[rows]
    size = len(dates)
    hold = 1 - up - down if hold is None else hold
    return pd.DataFrame(
        {
            date: dates.to_numpy(), f"&-{target}": np.zeros(size), "do_predict": np.ones(size),
            "drifted": np.zeros(size), "probability_sell": np.full(size, down),
            "probability_hold": np.full(size, hold), "probability_buy": np.full(size, up),
        }
    ).assign(**{date: dates.array})  # fmt: skip


def backtested(config, number, frame, *, seconds):
    folder = config["user_data_dir"] / "models" / "m" / "backtesting_predictions"
    file = folder / f"cb_eth_{number}_prediction.feather"
    frame.reset_index(drop=True).to_feather(file)
    os.utime(file, (seconds, seconds))


def live(config, frame, market=ETH):
    file = config["user_data_dir"] / "models" / "m" / "historic_predictions.pkl"
    file.write_bytes(cloudpickle.dumps({market: frame}))


def ups(stored):
    return stored.answers["probability_buy"].tolist()


def test_nothing_is_stored(config):
    assert stored_answers(config, ETH, TARGET) is None
    assert stored_answers({"user_data_dir": "x"}, ETH, TARGET) is None


def test_a_later_backtest_counts_more(config):
    backtested(config, 2, answers(slice(0, 4), 0.3), seconds=1_000)
    backtested(config, 1, answers(slice(2, 6), 0.6), seconds=2_000)
    assert ups(stored_answers(config, ETH, TARGET)) == [0.3] * 2 + [0.6] * 4


def test_the_bots_own_answers_count_most(config):
    live(config, answers(slice(3, 5), 0.7, date="date_pred"))
    backtested(config, 1, answers(slice(0, 5), 0.3), seconds=9e9)
    assert ups(stored_answers(config, ETH, TARGET)) == [0.3] * 3 + [0.7] * 2


def test_answers_about_something_else_are_left_out(config):
    backtested(config, 1, answers(slice(0, 5), 0.3, target="ETH-BTC"), seconds=1_000)
    live(config, answers(slice(3, 5), 0.7, date="date_pred"), market="BTC/USDT:USDT")
    assert stored_answers(config, ETH, TARGET) is None


@pytest.mark.parametrize(
    ("up", "down", "hold", "judges_trades"),
    [
        (0.5, 0.3, 0.2, False),  # three classes
        (0.6, 0.4, 0.0, False),  # two
        (0.25, 0.25, 0.5, False),  # both sides alike, but it is a direction
        (0.3, 0.3, 0.7, True),  # `OutcomeClassifier.answer`: gain, 1 - gain, gain
    ],
)
def test_a_gain_is_told_from_a_direction(config, up, down, hold, judges_trades):
    backtested(config, 1, answers(slice(0, 5), up, down=down, hold=hold), seconds=1_000)
    assert stored_answers(config, ETH, TARGET).judges_trades is judges_trades


def test_a_damaged_file_is_named(config, caplog):
    file = config["user_data_dir"] / "models" / "m" / "historic_predictions.pkl"
    file.write_bytes(b"")
    backtested(config, 1, answers(slice(0, 5), 0.3), seconds=1_000)
    assert ups(stored_answers(config, ETH, TARGET)) == [0.3] * 5
    assert "historic_predictions.pkl: cannot be read" in caplog.text


def test_a_candle_without_an_answer_has_no_model(config):
    backtested(config, 1, answers(slice(2, 4), 0.3), seconds=1_000)
    frame = stored_answers(config, ETH, TARGET).on(candles([1.0] * 6))
    states = [STATES[code] for code in ModelAnswers.of(frame, TARGET).state]
    nothing = ModelState.MISSING
    assert states == [nothing] * 2 + [ModelState.READY] * 2 + [nothing] * 2


def test_files_and_bot_name_their_time_zone_differently(config):
    """Feather gives ``ZoneInfo("UTC")``, the exchange ``datetime.UTC``, in another unit too."""
    own = answers(slice(3, 5), 0.7, date="date_pred")
    own["date_pred"] = own["date_pred"].dt.tz_convert(UTC).dt.as_unit("us")
    live(config, own)
    backtested(config, 1, answers(slice(0, 5), 0.3), seconds=1_000)
    frame = candles([1.0] * 6)
    for dates in (frame["date"].dt.tz_convert(UTC), frame["date"].dt.tz_convert(ZoneInfo("UTC"))):
        found = stored_answers(config, ETH, TARGET).on(frame.assign(date=dates))
        assert found["probability_buy"].tolist()[:5] == [0.3] * 3 + [0.7] * 2
