"""What a bot hands to the process that scans for it: one line of JSON, then arrays."""

from collections.abc import Sequence
from typing import Annotated, BinaryIO, Final, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from freqtrade_ext.scanner import MarketHistory, ScanSettings, timeframe_ms

__all__ = ["ScanJob", "read_job", "write_job"]

_DAY_MS: Final = 86_400_000


class ScanJob(BaseModel):
    """
    What is to be scanned.

    Parameters
    ----------
    due_ms : int
        Candles that open at or after this moment are not looked at.
    timeframe : str
        Of the candles.
    data, data_format, candle_type : str
        Freqtrade's data files.
    markets : tuple of str
        The universe.
    standing : tuple of (leg_a, leg_b)
        Spreads of the book, to be tested again.
    excluded : dict of str to str
        Markets that must not take part, and why.
    settings : ScanSettings
        Of the search.
    max_age_ms : int
        How old the newest candle may be.
    memory_mb : int
        Address space of the process, MiB.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    due_ms: int
    timeframe: str
    data: str
    data_format: str
    candle_type: str
    markets: tuple[str, ...]
    standing: tuple[tuple[str, str], ...]
    excluded: dict[str, str] = {}
    settings: ScanSettings
    max_age_ms: int
    memory_mb: Annotated[int, Field(gt=0)]

    @property
    def since_ms(self) -> int:
        """Oldest candle that can matter: of the window, carried into it, or for a market's age."""
        universe = self.settings.universe
        candles = universe.window + universe.max_carry_candles
        age_ms = int(universe.min_listing_days * _DAY_MS) + _DAY_MS
        return self.due_ms - max(candles * timeframe_ms(self.timeframe), age_ms)

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Read the first line of the input."""
        return cls.model_validate_json(line)


def write_job(file: BinaryIO, job: ScanJob, newest: Sequence[MarketHistory]) -> None:
    """Write a job and the newest candles that the bot has, one after the other."""
    file.write(job.model_dump_json().encode() + b"\n")
    names = [each.market for each in newest]
    ends = np.cumsum([len(each.time_ms) for each in newest], dtype=np.int64)
    np.save(file, np.array(names, dtype=np.str_))
    np.save(file, ends)
    for column in ("time_ms", "close", "quote_volume"):
        parts = [getattr(each, column) for each in newest]
        np.save(file, np.concatenate(parts) if parts else np.empty(0))


def read_job(file: BinaryIO) -> tuple[ScanJob, dict[str, MarketHistory]]:
    """Read what `write_job` has written."""
    job = ScanJob.parse(file.readline())
    names, ends, times, closes, volumes = (np.load(file) for _ in range(5))
    newest: dict[str, MarketHistory] = {}
    if not len(names):
        return job, newest
    for name, low, high in zip(names.tolist(), [0, *ends[:-1]], ends, strict=True):
        part = slice(int(low), int(high))
        newest[name] = MarketHistory(
            name, times[part].astype(np.int64), closes[part], volumes[part]
        )
    return job, newest
