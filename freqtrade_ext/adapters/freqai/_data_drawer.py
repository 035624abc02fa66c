"""FreqAI's storage of models, without moments in which it is half written.

Freqtrade writes several files in place. A process that dies there leaves a model that cannot be
loaded, or a `pair_dictionary.json` that keeps the bot from starting.
"""

import logging
import os
import shutil
from collections.abc import Callable
from datetime import UTC
from io import StringIO
from pathlib import Path
from typing import Any

import cloudpickle
import rapidjson
from freqtrade.configuration import TimeRange
from freqtrade.freqai.data_drawer import METADATA, METADATA_NUMBER_MODE, FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from pandas import DataFrame

from freqtrade_ext.errors import ConfigError, StoreError
from freqtrade_ext.files import Checkpoint, replace_file
from freqtrade_ext.learning import ModelCard, ModelRegistry

__all__ = ["WholeDataDrawer", "keep_predictions_whole"]

logger = logging.getLogger(__name__)

_PARTIAL = ".partial-"
_EARLIER = -1  # no version has this number: whatever holds now is news
# What a prediction needs; the training data itself is not kept for a rollback.
_KEPT = ("_model.joblib", "_metadata.json", "_feature_pipeline.pkl", "_label_pipeline.pkl")


class WholeDataDrawer(FreqaiDataDrawer):
    """
    FreqAI's data drawer with whole files, a registry, and versions to go back to.

    A model's folder is written under another name and renamed; only then is it entered into the
    registry, and last into the dictionary that names the model in use.
    """

    def __init__(
        self,
        full_path: Path,
        config: dict[str, Any],
        registry: ModelRegistry,
        checkpoint: Checkpoint = lambda _: None,
    ) -> None:
        for leftover in full_path.glob(f"{_PARTIAL}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        super().__init__(full_path, config)
        self.registry = registry
        self.on_recorded: Callable[[ModelCard], None] = lambda _: None
        # Told of a market that must be trained anew: FreqAI looks at the head of its queue only.
        self.on_due: Callable[[str], None] = lambda _: None
        self._checkpoint = checkpoint
        self._cards: dict[str, ModelCard] = {}
        self._pins: dict[str, int | None] = {}
        self._saves_drawer = True

    def describe(self, coin: str, card: ModelCard) -> None:
        """Say what is known of the model that will be saved next."""
        self._cards[coin] = card

    def save_data(self, model: Any, coin: str, dk: FreqaiDataKitchen) -> None:
        """Save a model, whole or not at all; see `FreqaiDataDrawer.save_data`."""
        final = Path(dk.data_path)
        partial = final.with_name(f"{_PARTIAL}{os.getpid()}-{final.name}")
        shutil.rmtree(partial, ignore_errors=True)
        before = dict(self.pair_dict[coin])
        self._saves_drawer = is_whole = False
        try:
            dk.data_path = partial
            super().save_data(model, coin, dk)
            self._checkpoint("model files written")
            self._name_folder(dk, partial, final)
            shutil.rmtree(final, ignore_errors=True)
            os.rename(partial, final)
            self._checkpoint("model folder renamed")
            is_whole = True
        finally:
            if not is_whole:
                self.pair_dict[coin].update(before)
            dk.data_path = final
            self._saves_drawer = True
        self.pair_dict[coin]["data_path"] = str(final)
        # A pin that was followed while this model was trained has to be followed again.
        self._pins.pop(coin, None)
        self._record(coin, final)
        self.save_drawer_to_disk()
        self._checkpoint("model in use")

    def save_metadata(self, dk: FreqaiDataKitchen) -> None:
        """Save what a backtest needs of a model that is not kept, and record its training."""
        super().save_metadata(dk)
        self._record(dk.pair, None)

    def _name_folder(self, dk: FreqaiDataKitchen, partial: Path, final: Path) -> None:
        dk.data["data_path"] = str(final)
        text = rapidjson.dumps(dk.data, default=self.np_encoder, number_mode=METADATA_NUMBER_MODE)
        (partial / f"{dk.model_filename}_{METADATA}.json").write_text(text, "utf-8")

    def _record(self, coin: str, folder: Path | None) -> None:
        """Enter a model into the registry; one that cannot be entered is used all the same."""
        card = self._cards.pop(coin, None)
        if card is None:
            return
        written = folder.iterdir() if folder else ()
        files = {each.name: each for each in written if each.name.endswith(_KEPT)}
        try:
            self.on_recorded(self.registry.add(card, files))
        except StoreError as error:
            logger.error("[MODEL] %s: cannot be rolled back to later: %s", coin, error)

    def load_data(self, coin: str, dk: FreqaiDataKitchen) -> Any:
        """Load the model in use, or the version that a person has gone back to."""
        if dk.live:
            self._follow_pin(coin)
        try:
            return super().load_data(coin, dk)
        except FileNotFoundError as error:
            logger.error(
                "[MODEL] %s: the files of its model are gone (%s); training anew", coin, error
            )
            self.pair_dict[coin]["model_filename"] = ""
            self._train_anew(coin)
            return None

    def load_all_pair_histories(self, timerange: TimeRange, dk: FreqaiDataKitchen) -> None:
        """
        Load the candles of all markets from their files, with the time zone of the exchange's.

        Files say ``ZoneInfo("UTC")``, candles of the exchange ``datetime.UTC``. When FreqAI puts a
        new candle behind those of a file, pandas 3 makes plain objects of such a mixture, and every
        later training fails.
        """
        super().load_all_pair_histories(timerange, dk)
        for frames in self.historic_data.values():
            for frame in frames.values():
                frame["date"] = frame["date"].dt.tz_convert(UTC)

    def pinned(self, coin: str) -> int | None:
        """Return the version that a person has gone back to, if its pin can be read."""
        try:
            return self.registry.pinned(coin)
        except StoreError as error:
            logger.error("[MODEL] %s", error)
            return self._pins.get(coin)

    def _follow_pin(self, coin: str) -> None:
        version = self.pinned(coin)
        if version == self._pins.get(coin, self._left_in_use(coin)):
            return
        self._pins[coin] = version
        if version is None:
            logger.info("[MODEL] %s: released, training anew", coin)
            self._train_anew(coin)
            return
        try:
            folder = self.registry.files(coin, version)
        except (ConfigError, StoreError) as error:
            logger.error("[MODEL] %s: %s; the newest model stays in use", coin, error)
            return
        model = next(folder.glob("*_model.joblib"))
        self.pair_dict[coin]["model_filename"] = model.name.removesuffix("_model.joblib")
        self.pair_dict[coin]["data_path"] = str(folder)
        self.model_dictionary.pop(coin, None)
        self.meta_data_dictionary.pop(coin, None)
        logger.info("[MODEL] %s: version %d is in use until it is released", coin, version)

    def _left_in_use(self, coin: str) -> int | None:
        """Return the version that an earlier run went back to, None where it was the newest."""
        folder = Path(self.pair_dict[coin]["data_path"])
        return _EARLIER if folder.is_relative_to(self.registry.folder) else None

    def _train_anew(self, coin: str) -> None:
        self.pair_dict[coin]["trained_timestamp"] = 0
        self.on_due(coin)

    def save_drawer_to_disk(self) -> None:
        """Save which model is in use; not while its folder is still under another name."""
        if self._saves_drawer:
            self._replace_json(self.pair_dictionary_path, self.pair_dict)

    def save_global_metadata_to_disk(self, metadata: dict[str, Any]) -> None:
        """Save FreqAI's metadata, whole."""
        self._replace_json(self.global_metadata_path, metadata)

    def save_metric_tracker_to_disk(self) -> None:
        """Save FreqAI's own metrics, whole."""
        self._replace_json(self.metric_tracker_path, self.metric_tracker)

    def save_historic_predictions_to_disk(self) -> None:
        """
        Save live predictions, whole; no second copy is needed then.

        FreqAI does so in the loop of the thread that trains, where an error would end all training.
        """
        try:
            content = cloudpickle.dumps(
                dict(self.historic_predictions), protocol=cloudpickle.DEFAULT_PROTOCOL
            )
            with self.save_lock:
                replace_file(self.historic_predictions_path, content, checkpoint=self._checkpoint)
        except (OSError, RuntimeError) as error:  # disk full; changed by the bot meanwhile
            logger.error("[MODEL] live predictions were not saved: %s", error)

    def _replace_json(self, path: Path, document: Any) -> None:
        text = StringIO()
        rapidjson.dump(document, text, default=self.np_encoder, number_mode=rapidjson.NM_NATIVE)
        with self.save_lock:
            replace_file(path, text.getvalue().encode(), checkpoint=self._checkpoint)


def keep_predictions_whole(dk: FreqaiDataKitchen) -> None:
    """Let a backtest's predictions take their name when they are written; FreqAI reuses them."""
    save = dk.save_backtesting_prediction

    def save_whole(frame: DataFrame) -> None:
        final = dk.backtesting_results_path
        partial = final.with_name(f"{_PARTIAL}{os.getpid()}-{final.name}")
        dk.backtesting_results_path = partial
        try:
            save(frame)
            os.replace(partial, final)
        finally:
            dk.backtesting_results_path = final
            partial.unlink(missing_ok=True)

    dk.save_backtesting_prediction = save_whole
