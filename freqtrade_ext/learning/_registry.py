"""Every model ever trained: what it learned, how well, and its files, so that one can go back.

A version is a folder that is built under another name and renamed when it is complete. A process
that dies leaves a folder that nobody reads, and the next one removes it.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from freqtrade_ext.errors import ConfigError, StoreError
from freqtrade_ext.files import Checkpoint, replace_file, sync_folder

__all__ = ["ModelCard", "ModelRegistry"]

_CARD = "card.json"
_PIN = "pinned.json"
_FILES = "files"
_PARTIAL = ".partial-"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """
    What is known of one training.

    Attributes
    ----------
    market : str
        Freqtrade's name of the market whose frame it was trained on.
    target : str
        What it predicts: a spread's name or the market itself.
    kind : str
        Class of the model.
    version : int
        Of this market, from 1; 0 until it is in a registry.
    trained_ms, data_start_ms, data_end_ms : int
        UTC milliseconds: when it was trained, and on which candles (the end is excluded).
    rows : int
        Labelled candles.
    parameters, metrics, importance : mapping
        Of the training; importance as shares of the total gain.
    """

    market: str
    target: str
    kind: str
    trained_ms: int
    data_start_ms: int
    data_end_ms: int
    rows: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    importance: Mapping[str, float] = field(default_factory=dict)
    version: int = 0


class ModelRegistry:
    """
    The trainings in one folder.

    Parameters
    ----------
    folder : Path
        Made when the first model is added.
    keep : int
        Versions of a market that keep their files; cards are kept for ever.
    checkpoint : callable, optional
        Told the name of each step.
    """

    def __init__(
        self, folder: Path, *, keep: int = 10, checkpoint: Checkpoint = lambda _: None
    ) -> None:
        self.folder = folder
        self._keep = keep
        self._checkpoint = checkpoint

    def add(self, card: ModelCard, files: Mapping[str, "Path | bytes"]) -> ModelCard:
        """
        Add a training under the next version.

        Parameters
        ----------
        card : ModelCard
            Its version is ignored.
        files : mapping
            Name to content, or to a file that is linked (copied where the disk cannot link).

        Returns
        -------
        ModelCard
            With its version.

        Raises
        ------
        StoreError
            If it cannot be written; the registry is as before.
        """
        market = self._market(card.market)
        partial = market / f"{_PARTIAL}{os.getpid()}-{card.trained_ms}"
        try:
            (partial / _FILES).mkdir(parents=True, exist_ok=True)
            self._checkpoint("folder made")
            for name, source in files.items():
                _place(source, partial / _FILES / name)
                self._checkpoint("file placed")
            done = self._publish(card, partial, market)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise StoreError(f"{market}: the model could not be recorded: {error}") from error
        self._forget_files(card.market)
        return done

    def _publish(self, card: ModelCard, partial: Path, market: Path) -> ModelCard:
        version = max(self._versions(card.market), default=0) + 1
        while True:
            done = replace(card, version=version)
            text = json.dumps(asdict(done), indent=1, sort_keys=True)
            replace_file(partial / _CARD, text.encode(), checkpoint=self._checkpoint)
            try:
                os.rename(partial, market / str(version))
            except OSError:  # another process was faster
                if not (market / str(version)).exists():
                    raise
                version += 1
                continue
            self._checkpoint("version published")
            sync_folder(market)
            return done

    def cards(self, market: str | None = None) -> list[ModelCard]:
        """List the trainings of a market, or of all, oldest version first."""
        names = [market] if market else self.markets()
        return [
            self.card(name, version) for name in names for version in sorted(self._versions(name))
        ]

    def markets(self) -> list[str]:
        """Markets that have a model, sorted."""
        found = set()
        for folder in self.folder.glob("*"):
            versions = [each for each in folder.glob(f"*/{_CARD}") if each.parent.name.isdigit()]
            if versions:
                found.add(_read_card(versions[0]).market)
        return sorted(found)

    def card(self, market: str, version: int) -> ModelCard:
        """
        Read what is known of one training.

        Raises
        ------
        ConfigError
            If there is no such version; the message names those that there are.
        StoreError
            If its card is damaged.
        """
        path = self._market(market) / str(version) / _CARD
        if not path.is_file():
            known = ", ".join(map(str, sorted(self._versions(market)))) or "none"
            raise ConfigError(f"{market} has no model version {version}; versions: {known}")
        return _read_card(path)

    def files(self, market: str, version: int) -> Path:
        """
        Return the folder with a version's files.

        Raises
        ------
        ConfigError
            If there is no such version, or its files are no longer kept.
        """
        card = self.card(market, version)
        folder = self._market(market) / str(version) / _FILES
        if not any(folder.glob("*")):
            raise ConfigError(
                f"{market}: the files of model version {card.version} are no longer kept "
                f"(ext.learning.registry.keep is {self._keep})"
            )
        return folder

    def pin(self, market: str, version: int) -> None:
        """Use this version until it is released, and train no other; see `files` for errors."""
        self.files(market, version)
        content = json.dumps({"version": version}).encode()
        replace_file(self._market(market) / _PIN, content, checkpoint=self._checkpoint)

    def release(self, market: str) -> bool:
        """Go back to the newest version; whether one was pinned."""
        path = self._market(market) / _PIN
        pinned = path.exists()
        path.unlink(missing_ok=True)
        return pinned

    def pinned(self, market: str) -> int | None:
        """
        Return the version in force, or None where the newest one is.

        Raises
        ------
        StoreError
            If the pin was damaged by hand.
        """
        path = self._market(market) / _PIN
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            return None
        try:
            return int(json.loads(text)["version"])
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f'{path}: must be {{"version": NUMBER}} (got {text!r})') from error

    def sweep(self) -> None:
        """Remove what processes that died have left; only the process that trains may do this."""
        for leftover in [*self.folder.glob(f"*/{_PARTIAL}*"), *self.folder.glob("*/.*.partial")]:
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)

    def _forget_files(self, market: str) -> None:
        """Drop the files of old versions; the one in force is always kept."""
        kept = sorted(self._versions(market))[-self._keep :]
        for version in self._versions(market):
            if version not in kept and version != self.pinned(market):
                shutil.rmtree(self._market(market) / str(version) / _FILES, ignore_errors=True)

    def _versions(self, market: str) -> list[int]:
        return [
            int(each.name)
            for each in self._market(market).glob("*")
            if each.name.isdigit() and (each / _CARD).is_file()
        ]

    def _market(self, market: str) -> Path:
        return self.folder / re.sub(r"[^A-Za-z0-9.-]", "_", market)


def _place(source: "Path | bytes", target: Path) -> None:
    if isinstance(source, bytes):
        target.write_bytes(source)
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _read_card(path: Path) -> ModelCard:
    try:
        return ModelCard(**json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise StoreError(f"{path}: damaged model card: {error}") from error
