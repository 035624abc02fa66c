"""The section ``ext.scan`` of a configuration: what a scan demands, and when a bot scans."""

from typing import Annotated

from pydantic import Field

from freqtrade_ext.scanner._settings import ScanSettings

__all__ = ["ScanSection"]


class ScanSection(ScanSettings):
    """What a scan demands (`ScanSettings`), and scans of a bot that trades.

    Attributes
    ----------
    while_trading : bool
        Scan the markets of the whitelist in the background while the bot trades, and let the book
        follow.
    refit_every_hours : float
        Time between two of these scans, counted from midnight UTC of 1 January 1970.
    time_limit_minutes : float
        A scan that takes longer is ended; the book stays as it is.
    memory_mb : int
        Address space that a scan may use, MiB; a scan that needs more fails, not the bot.
    max_data_age_hours : float
        A scan whose newest candle closed longer ago is refused: its files are stale.
    """

    while_trading: bool = False
    refit_every_hours: Annotated[float, Field(gt=0, le=24 * 30)] = 24.0
    time_limit_minutes: Annotated[float, Field(ge=0.1, le=24 * 60)] = 60.0
    memory_mb: Annotated[int, Field(ge=1024, le=1_048_576)] = 4096
    max_data_age_hours: Annotated[float, Field(gt=0, le=24 * 30)] = 6.0

    @property
    def search(self) -> ScanSettings:
        """What a scan demands, alone."""
        fields = {name: getattr(self, name) for name in ScanSettings.model_fields}
        return ScanSettings(**fields)
