"""What the layers of a market are given: Freqtrade's candles as `MarketInputs`.

Only candles and events are read here, live from Freqtrade's own cache and otherwise from files;
nothing asks the network. What is known live only (order book) is left out, and the layers that
read it say so.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import talib
from freqtrade.exchange import timeframe_to_msecs
from pandas import DataFrame

from freqtrade_ext.adapters._market_track import LastCandle, MarketTrack
from freqtrade_ext.signals import (
    MacroContext,
    MarketInputs,
    ModelAdvice,
    OwnRecord,
    SignalSettings,
    macro_context,
)

__all__ = ["BITCOIN", "ETHER", "RegimeInputs"]

BITCOIN, ETHER = "BTC", "ETH"
_ATR_PERIOD: Final = 14
# A rate is published moments after it was paid: a candle that closes with the event does not know
# it yet, neither live nor here.
_PUBLISHED_AFTER: Final = pd.Timedelta(minutes=1)
# Binance answers 500 questions about funding rates in five minutes.
_MOST_FUNDING_MARKETS: Final = 200

Source = Callable[[str, str, str], DataFrame]  # pair, timeframe, kind of candle ("" for prices)


class RegimeInputs:
    """
    Puts the inputs of markets together, with Bitcoin and Ether prepared once for all of them.

    Parameters
    ----------
    source : callable
        ``(pair, timeframe, kind) -> candles``, empty where there are none.
    config : mapping
        Freqtrade's configuration.
    settings : SignalSettings
        Of the layers.
    timeframe : str
        Of the strategy.
    funding_timeframe : str or None
        Of funding-rate candles; None in spot trading.
    record : callable, optional
        ``pair -> OwnRecord``: the bot's own closed trades.
    advice : callable, optional
        ``(pair, frame) -> ModelAdvice``: what a model says.
    """

    def __init__(
        self,
        source: Source,
        config: Mapping[str, Any],
        settings: SignalSettings,
        timeframe: str,
        funding_timeframe: str | None,
        record: Callable[[str], OwnRecord | None] = lambda pair: None,
        advice: Callable[[str, DataFrame], ModelAdvice | None] = lambda pair, frame: None,
    ) -> None:
        self._source = source
        self._settings = settings
        self._timeframe = timeframe
        self._candle_ms = int(timeframe_to_msecs(timeframe))
        self._funding_timeframe = funding_timeframe
        self._record = record
        self._advice = advice
        stake = config["stake_currency"]
        settle = "" if funding_timeframe is None else f":{stake}"
        self.references = {coin: f"{coin}/{stake}{settle}" for coin in (BITCOIN, ETHER)}
        self._macro: tuple[tuple[Any, ...], MacroContext | None] | None = None
        self._tracks: dict[str, tuple[Any, MarketTrack]] = {}

    def informative(self, markets: list[str]) -> list[tuple[str, str, str]]:
        """
        Name the candles that a bot on these markets needs beside their own.

        Higher timeframes are not among them: the warm-up is long enough to make them from the
        candles that are there, which spares a bot on 500 markets a thousand requests.
        """
        wanted = [(pair, self._timeframe, "") for pair in self.references.values()]
        if self._funding_timeframe is not None and len(markets) <= _MOST_FUNDING_MARKETS:
            wanted += [(pair, self._funding_timeframe, "funding_rate") for pair in markets]
        return wanted

    def of(self, pair: str, frame: DataFrame) -> MarketInputs:
        """Put the inputs of one market together; `frame` has its candles."""
        return MarketInputs(
            market=pair,
            timeframe=self._timeframe,
            candles=frame,
            macro=self._macro_context(),
            funding=self._funding(pair),
            record=self._record(pair),
            advice=self._advice(pair, frame),
        )

    def reference_atr(self, coin: str, now_ms: int) -> float | None:
        """Return Bitcoin's or Ether's average true range as a ratio of its price."""
        last = self._reference_candle(coin, now_ms)
        atr = None if last is None else last.value("atr")
        return None if atr is None or last is None else atr / last.close

    def _reference_candle(self, coin: str, now_ms: int) -> LastCandle | None:
        frame = self._source(self.references[coin], self._timeframe, "")
        if frame.empty:
            return None
        known, track = self._tracks.get(coin, (None, None))
        if track is None or known != _mark(frame):
            track = MarketTrack(frame.assign(atr=_atr(frame)), self._candle_ms, ["atr"])
            self._tracks[coin] = (_mark(frame), track)
        return track.last_closed(now_ms)

    def _macro_context(self) -> MacroContext | None:
        btc, eth = (
            self._source(self.references[coin], self._timeframe, "") for coin in (BITCOIN, ETHER)
        )
        mark = (_mark(btc), _mark(eth))
        if self._macro is None or self._macro[0] != mark:
            found = None
            if len(btc):
                other = eth if len(eth) else None
                found = macro_context(btc, other, self._timeframe, self._settings)
            self._macro = (mark, found)
        return self._macro[1]

    def _funding(self, pair: str) -> DataFrame | None:
        if self._funding_timeframe is None:
            return None
        frame = self._source(pair, self._funding_timeframe, "funding_rate")
        # Some sources fill the hours between two events with a rate of 0.
        paid = frame.loc[frame["open"] != 0] if len(frame) else frame
        if paid.empty:
            return None
        known = pd.DatetimeIndex(paid["date"]) + _PUBLISHED_AFTER
        return DataFrame({"date": known, "rate": paid["open"].to_numpy(np.float64)})


def _atr(frame: DataFrame) -> np.ndarray:
    high, low, close = (frame[name].to_numpy(np.float64) for name in ("high", "low", "close"))
    return np.asarray(talib.ATR(high, low, close, _ATR_PERIOD))


def _mark(frame: DataFrame) -> tuple[int, pd.Timestamp | None]:
    """Tell one state of a growing frame from another."""
    return len(frame), None if frame.empty else frame["date"].iloc[-1]
