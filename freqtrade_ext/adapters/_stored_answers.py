"""Answers of models that FreqAI has stored, for looking back at a bot or at a backtest."""

import logging
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cloudpickle
import pandas as pd

from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.adapters._model_answers import label_of

__all__ = ["StoredAnswers", "stored_answers"]

logger = logging.getLogger(__name__)

_SIDES: Final = ("probability_sell", "probability_hold", "probability_buy")
_COLUMNS: Final = ("date", "do_predict", "drifted", *_SIDES)
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class StoredAnswers:
    """
    What a market's model has said.

    Attributes
    ----------
    answers : DataFrame
        One row a candle, by its opening time (UTC milliseconds), with the columns of FreqAI.
    judges_trades : bool
        Whether both probabilities are that of a gain, whatever the direction.
    """

    answers: pd.DataFrame
    judges_trades: bool

    def on(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Add the answers to candles; where there is none, the model is missing."""
        found = self.answers.reindex(epoch_ms(frame["date"]))
        return frame.assign(**{str(name): found[name].to_numpy() for name in found})


def stored_answers(config: dict[str, Any], market: str, target: str) -> StoredAnswers | None:
    """
    Read what a model has said of a market, in the bot itself and in its backtests.

    A live answer counts more than one of a backtest, a later backtest more than an earlier one.

    Parameters
    ----------
    config : dict
        Freqtrade's configuration; ``freqai.identifier`` names the models.
    market : str
        Freqtrade's name.
    target : str
        What the model should predict; answers about something else are left out.

    Returns
    -------
    StoredAnswers or None
        None where nothing is stored.
    """
    identifier = config.get("freqai", {}).get("identifier")
    if not identifier:
        return None
    folder = Path(config["user_data_dir"]) / "models" / str(identifier)
    wanted = [label_of(target), *_COLUMNS]
    frames = [*_backtests(folder, market), *_live(folder, market)]
    # By number: files and the bot's own store name their time zones differently.
    found = [
        frame[wanted].set_index(epoch_ms(frame["date"])).drop(columns="date")
        for frame in frames
        if set(wanted) <= set(frame)
    ]
    if not found:
        return None
    answers = pd.concat(found)
    answers = answers[~answers.index.duplicated(keep="last")].sort_index()
    # Sides exclude each other, and hold both, so these three add up to 1. The outcome model gives
    # its one probability for either side.
    sums = answers.loc[answers["do_predict"] == 1, list(_SIDES)].sum(axis=1)
    return StoredAnswers(answers, bool((sums > 1 + _ROUNDING).any()))


def _backtests(folder: Path, market: str) -> list[pd.DataFrame]:
    coin = market.split("/", maxsplit=1)[0].lower()
    files = list((folder / "backtesting_predictions").glob(f"cb_{coin}_*_prediction.feather"))
    return [pd.read_feather(file) for file in sorted(files, key=lambda file: file.stat().st_mtime)]


def _live(folder: Path, market: str) -> list[pd.DataFrame]:
    """Read the bot's own answers; they are Freqtrade's file, which is a pickle."""
    file = folder / "historic_predictions.pkl"
    try:
        stored = cloudpickle.loads(file.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        logger.warning("[MODEL] %s: cannot be read (%s)", file, error)
        return []
    frame = stored.get(market)
    return [] if frame is None else [frame.assign(date=frame["date_pred"])]
