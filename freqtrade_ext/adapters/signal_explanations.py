"""Signals explained from downloaded candles, as the bot would score them; nothing is asked."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from freqtrade.data.history import load_pair_history
from freqtrade.enums import CandleType
from freqtrade.exceptions import OperationalException
from freqtrade.resolvers import StrategyResolver
from pandas import DataFrame, DatetimeIndex

from freqtrade_ext.adapters._exit_reasons import close_reason_of
from freqtrade_ext.adapters._model_answers import ModelAnswers, market_target
from freqtrade_ext.adapters._moments import from_ms
from freqtrade_ext.adapters._regime_frames import ScoreTag
from freqtrade_ext.adapters._regime_inputs import RegimeInputs
from freqtrade_ext.adapters._regime_models import advice_of, why_silent
from freqtrade_ext.adapters._regime_settings import with_signals
from freqtrade_ext.adapters._stored_answers import stored_answers
from freqtrade_ext.adapters.market_data import (
    BotConfiguration,
    last_backtest,
    load_bot_configuration,
)
from freqtrade_ext.adapters.strategies import RegimeStrategy
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.learning import LearningSettings
from freqtrade_ext.settings import load_part
from freqtrade_ext.signals import (
    LAYERS,
    ClosedTrade,
    Explanation,
    LayerEarnings,
    ModelAdvice,
    OwnRecord,
    ResultSum,
    ScoredMarket,
    SignalSettings,
    explain,
    layer_earnings,
    own_record,
    result_sum,
    score_market,
)

__all__ = ["ScoredCandles", "TradeReport"]

_FUNDING_TIMEFRAMES: Final = ("1h", "8h", "4h")
_DEFAULT_TIMEFRAME: Final = "1h"


@dataclass(frozen=True, slots=True)
class TradeReport:
    """
    The trades of a backtest by what closed them, and by what opened them; in basis points of the
    notional, net of fees and funding.

    Attributes
    ----------
    by_reason : mapping of str to ResultSum
        Close reasons, most trades first.
    layers : tuple of LayerEarnings
        In the registry's order.
    profit : mapping of str to float
        Profit of each close reason in stake currency.
    record : OwnRecord
        Trades and wins by side, by the hour of the entry and by the band of the score.
    left_out : int
        Trades without a score: forced by a person, or of another strategy.
    """

    by_reason: Mapping[str, ResultSum]
    layers: tuple[LayerEarnings, ...]
    profit: Mapping[str, float]
    record: OwnRecord
    left_out: int


class ScoredCandles:
    """
    Downloaded candles of a configuration, scored.

    Parameters
    ----------
    files : sequence of str
        Freqtrade configuration files, later ones overriding earlier ones.
    datadir, timeframe : str, optional
        Instead of the configuration's.

    Raises
    ------
    ConfigError
        If the configuration or the strategy's parameters are wrong.
    """

    def __init__(
        self, files: Sequence[str], *, datadir: str | None = None, timeframe: str | None = None
    ) -> None:
        self._bot = load_bot_configuration(list(files), datadir=datadir)
        raw = self._bot.raw
        self.timeframe = timeframe or raw.get("timeframe") or _DEFAULT_TIMEFRAME
        self._futures = str(raw.get("trading_mode", "spot")) == "futures"
        settings = load_part(raw.get("ext"), "signals", SignalSettings, source=", ".join(files))
        self.settings = _as_the_bot(self._bot, settings)
        self._inputs = RegimeInputs(
            self._candles,
            raw,
            self.settings,
            self.timeframe,
            "funding" if self._futures else None,
            advice=self._advice,
        )
        self._learning = load_part(raw.get("ext"), "learning", LearningSettings)
        self._silent = why_silent(raw, self._learning, self.settings)

    def explain(self, market: str, at: datetime | None = None) -> Explanation:
        """
        Explain the decision of one candle: the last one, or the last that had opened at a time.

        Raises
        ------
        ConfigError
            If there are no candles of the market.
        InfeasibleError
            If no candle had opened by then.
        LayerError
            If a layer fails.
        """
        return explain(self.score(market), at)

    def score(self, market: str) -> ScoredMarket:
        """Score every downloaded candle of a market; raises like `explain`."""
        frame = self._candles(market, self.timeframe, "")
        if frame.empty:
            raise ConfigError(
                f"{self._bot.data}: no {self.timeframe} candles of {market}; get them with: "
                f"freqtrade download-data -c config.json --timeframes {self.timeframe}"
            )
        return score_market(self._inputs.of(market, frame), self.settings)

    def _advice(self, market: str, frame: DataFrame) -> ModelAdvice:
        """Say what the market's model has said; nothing is trained or asked here."""
        if self._silent:
            return ModelAdvice.silent(len(frame), self._silent)
        target = market_target(market)
        stored = stored_answers(self._bot.raw, market, target)
        if stored is None:
            reason = "FreqAI is on, but has stored no answers for this market: backtest first"
            return ModelAdvice.silent(len(frame), reason)
        answers = ModelAnswers.of(stored.on(frame), target)
        return advice_of(answers, len(frame), self._learning, judges_trades=stored.judges_trades)

    def last_trades(self) -> TradeReport:
        """
        Report on the trades of the last backtest.

        Raises
        ------
        ConfigError
            If there is no backtest, or no candles of a market that it traded.
        """
        folder = self._bot.user_data / "backtest_results"
        try:
            trades = last_backtest(folder)["trades"]
        except (OperationalException, ValueError, OSError) as error:
            raise ConfigError(f"{folder}: no backtest result ({error})") from error
        scored = [trade for trade in trades if ScoreTag.parse(trade.get("enter_tag"))]
        results = np.array([_basis_points(trade) for trade in scored], dtype=np.float64)
        return TradeReport(
            by_reason=_by_reason(scored, results),
            layers=layer_earnings(self._points(scored), results),
            profit=_profits(scored),
            record=own_record(map(_closed, scored), datetime.now(UTC)),
            left_out=len(trades) - len(scored),
        )

    def _points(self, trades: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
        """Points of every layer at the signal of every trade."""
        points: dict[str, list[float]] = {layer.name: [] for layer in LAYERS}
        columns = {pair: self.score(pair).columns for pair in _pairs(trades)}
        for trade in trades:
            frame = columns[trade["pair"]]
            opened = from_ms(trade["open_timestamp"])
            # Freqtrade enters at the open of the candle after the signal's.
            row = int(DatetimeIndex(frame["date"]).searchsorted(opened)) - 1
            if row < 0:
                raise ConfigError(f"{trade['pair']}: no candle before the trade of {opened}")
            for layer in LAYERS:
                points[layer.name].append(float(frame[f"layer_{layer.name}"].iloc[row]))
        return points

    def _candles(self, pair: str, timeframe: str, kind: str) -> DataFrame:
        if kind != "funding_rate":
            return self._load(pair, timeframe, CandleType.get_default(self._trading_mode))
        for name in _FUNDING_TIMEFRAMES:  # which one the exchange uses, only the exchange knows
            frame = self._load(pair, name, CandleType.FUNDING_RATE)
            if len(frame):
                return frame
        return frame

    @property
    def _trading_mode(self) -> str:
        return "futures" if self._futures else "spot"

    def _load(self, pair: str, timeframe: str, kind: CandleType) -> DataFrame:
        return load_pair_history(
            pair=pair,
            timeframe=timeframe,
            datadir=Path(self._bot.data),
            data_format=self._bot.raw.get("dataformat_ohlcv", "feather"),
            candle_type=kind,
            fill_up_missing=kind is not CandleType.FUNDING_RATE,
        )


def _as_the_bot(bot: BotConfiguration, settings: SignalSettings) -> SignalSettings:
    """Use the parameters of the strategy's file, where the configuration's strategy has them."""
    if not bot.raw.get("strategy"):
        return settings
    logging.disable(logging.WARNING)  # Freqtrade tells at length what it loads
    try:
        strategy = StrategyResolver.load_strategy(bot.raw)
    except OperationalException as error:
        raise ConfigError(str(error)) from error
    finally:
        logging.disable(logging.NOTSET)
    if not isinstance(strategy, RegimeStrategy):
        return settings
    strategy.read_parameter_file()
    return with_signals(settings, strategy.parameter_values())


def _closed(trade: Mapping[str, Any]) -> ClosedTrade:
    tag = ScoreTag.parse(trade["enter_tag"])
    return ClosedTrade(
        direction=-1 if trade.get("is_short") else 1,
        opened_at=from_ms(trade["open_timestamp"]),
        profit=float(trade["profit_abs"]),
        score=None if tag is None else float(tag.score),
    )


def _pairs(trades: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({trade["pair"] for trade in trades})


def _basis_points(trade: Mapping[str, Any]) -> float:
    # `stake_amount` shrinks with every part that is sold; the profit is that of all parts.
    margin = float(trade.get("max_stake_amount") or trade["stake_amount"])
    notional = margin * float(trade.get("leverage") or 1.0)
    return float(trade["profit_abs"]) / notional * 10_000


def _reason(trade: Mapping[str, Any]) -> str:
    reason = close_reason_of(trade["exit_reason"])
    return str(trade["exit_reason"]) if reason is None else reason.value


def _by_reason(trades: Sequence[Mapping[str, Any]], results: np.ndarray) -> dict[str, ResultSum]:
    reasons = np.array([_reason(trade) for trade in trades], dtype=object)
    sums = {name: result_sum(results[reasons == name]) for name in sorted(set(reasons))}
    return dict(sorted(sums.items(), key=lambda item: -item[1].trades))


def _profits(trades: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    profits: dict[str, float] = {}
    for trade in trades:
        name = _reason(trade)
        profits[name] = profits.get(name, 0.0) + float(trade["profit_abs"])
    return profits
