"""A person at a terminal, for the tests of every command."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from freqtrade_ext.cli import main
from freqtrade_ext.spreads import SpreadBook, load_book


@dataclass
class Desk:
    """A user folder with a configuration and a spread book."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config.json"

    @property
    def book_path(self) -> Path:
        return self.folder / "pairs_config.json"

    @property
    def book(self) -> SpreadBook:
        return load_book(self.book_path)

    def run(self, *arguments: str, columns: int = 200) -> Result:
        """Run a command; an exception that the command does not answer fails the test."""
        result = CliRunner().invoke(main, list(arguments), env={"COLUMNS": str(columns)})
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def add(self, *arguments: str) -> Result:
        return self.run("book", "add", *arguments, "-c", str(self.config))

    def configure(self, **changes: Any) -> None:
        document = json.loads(self.config.read_text()) | changes
        self.config.write_text(json.dumps(document))
