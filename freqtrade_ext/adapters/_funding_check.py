"""Whether a backtest will count funding: Freqtrade leaves it out silently where data is missing.

It pays an event only where a mark price with exactly the same time exists. A missing file, a file
with another name, or time stamps that are milliseconds off are all "no funding", without a word.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from freqtrade_ext.adapters._candles import epoch_ms

__all__ = ["funding_gaps"]


def funding_gaps(provider: Any, markets: Iterable[str]) -> Iterator[str]:
    """
    Say what a backtest will leave out.

    Parameters
    ----------
    provider : DataProvider
        Freqtrade's, in a backtest.
    markets : iterable of str
        Markets to check.

    Yields
    ------
    str
        One sentence for each market that has events without a mark price, or no events.
    """
    mark_timeframe = provider._exchange.get_option("mark_ohlcv_timeframe")
    for market in markets:
        funding = _times(provider, market, provider.get_funding_rate_timeframe(), "funding_rate")
        if not len(funding):
            yield f"{market} has no funding rates: its funding counts as zero"
            continue
        marks = _times(provider, market, mark_timeframe, "mark")
        lost = int(np.sum(~np.isin(funding, marks)))
        if lost:
            yield (
                f"{market}: {lost} of {len(funding)} funding events have no mark price at exactly "
                "their time and count as zero; download mark candles and funding rates again"
            )


def _times(provider: Any, market: str, timeframe: str, kind: str) -> np.ndarray:
    frame = provider.get_pair_dataframe(market, timeframe, kind)
    return epoch_ms(frame["date"]) if len(frame) else np.empty(0, dtype=np.int64)
