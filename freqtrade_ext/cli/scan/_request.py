"""What a person asks of one scan."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # what the stats need takes a second to load
    from freqtrade_ext.stats import Backend

__all__ = ["INTERRUPTED", "ScanRequest"]

INTERRUPTED: Final = 130  # exit code after Ctrl-C


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """
    The options of the command, as they were typed.

    Parameters
    ----------
    configs : tuple of str
        Freqtrade configuration files.
    timeframe, timerange, datadir : str, optional
        As in Freqtrade's own commands.
    markets : tuple of str
        Names, separated by commas, or files of names, or ``all``; empty: the whitelist.
    jobs, seed : int
        Cores for the tests; seed of the shuffle and the bootstrap.
    backend : {"threads", "ray"}
        Where blocks of tests run.
    allow_empty, null_scan : bool
        Whether an empty result empties the book; whether the null scan is made.
    book, report_dir : Path, optional
        Where results go instead of the usual places.
    overrides : tuple of (str, str, value)
        Option, key of ``ext.scan`` with dots, and value of each limit given on the command line.
    """

    configs: tuple[str, ...]
    timeframe: str | None = None
    timerange: str | None = None
    datadir: str | None = None
    markets: tuple[str, ...] = ()
    jobs: int = 1
    backend: "Backend" = "threads"
    seed: int = 0
    allow_empty: bool = False
    null_scan: bool = True
    book: Path | None = None
    report_dir: Path | None = None
    overrides: tuple[tuple[str, str, float], ...] = ()
