"""Models of a bot for our own commands: its registry, and priming the outcome model."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from freqtrade.data.btanalysis import load_backtest_data
from freqtrade.data.history import load_pair_history
from freqtrade.enums import CandleType
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_msecs

from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.adapters._regime_frames import ScoreTag
from freqtrade_ext.adapters._spread_view import SpreadView
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.adapters._trade_outcomes import entry_features, outcome_path
from freqtrade_ext.adapters.market_data import BotConfiguration, load_bot_configuration
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.learning import (
    LearningSettings,
    ModelRegistry,
    OutcomeModel,
    TradeOutcome,
    load_learner,
    save_learner,
)
from freqtrade_ext.settings import load_part, load_settings
from freqtrade_ext.spreads import LegName, load_book

__all__ = ["Priming", "model_registry", "prime_outcomes"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Priming:
    """What a backtest has taught: trades read, of these new, those without candles, the model."""

    path: Path
    read: int
    added: int
    without_candles: int
    model: OutcomeModel | None


def model_registry(files: list[str], identifier: str | None = None) -> ModelRegistry:
    """
    Open the registry of the models that a configuration trains.

    Parameters
    ----------
    files : list of str
        Freqtrade configuration files.
    identifier : str, optional
        FreqAI's name of the models; that of the configuration by default.

    Raises
    ------
    ConfigError
        If the configuration is wrong or names no models.
    """
    configuration = load_bot_configuration(files)
    name = identifier or configuration.raw.get("freqai", {}).get("identifier")
    if not name:
        raise ConfigError("freqai.identifier: is missing; or name the models with --identifier")
    settings = load_part(configuration.raw.get("ext"), "learning", LearningSettings)
    folder = configuration.user_data / "models" / str(name) / "registry"
    return ModelRegistry(folder, keep=settings.registry.keep)


def prime_outcomes(files: list[str], backtest: Path, *, strategy: str | None = None) -> Priming:
    """
    Teach the outcome model the trades of a backtest.

    Both legs of a spread are one trade. Features are computed from the candle files as the bot
    computes them at an entry; what neither candles nor the backtest tell stays unknown.

    Raises
    ------
    ConfigError
        If the backtest cannot be read or has no closed trades.
    StoreError
        If what is remembered cannot be read or written.
    """
    configuration = load_bot_configuration(files)
    settings = load_part(configuration.raw.get("ext"), "learning", LearningSettings)
    trades = _closed_trades(backtest, strategy)
    candles = _Candles(configuration)
    found: list[TradeOutcome] = []
    missing = 0
    for entry in _entries(trades, int(timeframe_to_msecs(configuration.timeframe))):
        features = entry.features(candles)
        if features is None:
            missing += 1
            continue
        found.append(TradeOutcome(entry.key, entry.closed_ms, entry.net, features))
    path = outcome_path(configuration.raw)
    learner = load_learner(path, settings.outcome, threads=settings.threads)
    before = learner.seen
    learner.add(sorted(found, key=lambda each: each.closed_ms))
    save_learner(path, learner)
    return Priming(path, len(found) + missing, learner.seen - before, missing, learner.model)


def _closed_trades(backtest: Path, strategy: str | None) -> pd.DataFrame:
    logging.disable(logging.INFO)
    try:
        trades = load_backtest_data(backtest, strategy)
    except (ValueError, KeyError, OSError, OperationalException) as error:
        raise ConfigError(f"{backtest}: cannot be read as a backtest: {error}") from error
    finally:
        logging.disable(logging.NOTSET)
    if trades.empty:
        raise ConfigError(f"{backtest}: has no closed trades")
    return trades


class _Candles:
    """Candle files, and the tracks of the book's spreads on them."""

    def __init__(self, configuration: BotConfiguration) -> None:
        self._configuration = configuration
        self._frames: dict[str, pd.DataFrame] = {}
        self._view: SpreadView | None = None
        spreads = load_settings(configuration.raw.get("ext")).spreads
        book = configuration.user_data / spreads.book
        if book.is_file():
            specs = {spec.spread_id: spec for spec in load_book(book).spreads}
            candle_ms = int(timeframe_to_msecs(configuration.timeframe))
            self._view = SpreadView(specs, spreads, candle_ms)
            self._view.refresh(self, configuration.timeframe, live=False)

    def get_pair_dataframe(self, pair: str, timeframe: str | None = None) -> pd.DataFrame:
        """Read a market's candles, once; the name is that of Freqtrade's data provider."""
        if pair not in self._frames:
            raw = self._configuration.raw
            self._frames[pair] = load_pair_history(
                pair=pair,
                timeframe=self._configuration.timeframe,
                datadir=self._configuration.data,
                data_format=raw.get("dataformat_ohlcv", "feather"),
                candle_type=CandleType.get_default(raw.get("trading_mode", "futures")),
            )
        return self._frames[pair]

    def of_spread(self, spread_id: str, time_ms: int) -> tuple[str | None, dict[str, float]]:
        """Leg A of a spread of the book, and what its track tells of a candle."""
        spec = self._view.specs.get(spread_id) if self._view else None
        track = self._view.tracks.get(spread_id) if self._view else None
        row = track.row_at(time_ms) if track else None
        if spec is None or track is None or row is None:
            return None, {}
        # On leg A's notional, as candidates are ranked: prices of different coins compare.
        unit = track.dependent_at(time_ms) if spec.hedge_space == "price" else 1.0
        edge = (abs(track.z_score[row]) - spec.z_exit) * track.scale[row] / unit
        return spec.leg_a, {"zscore": float(track.z_score[row]), "signal_score": float(edge)}


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    market: str
    spread_id: str | None
    signal_ms: int
    closed_ms: int
    net: float
    leverage: float
    score: int | None

    def features(self, candles: _Candles) -> tuple[float, ...] | None:
        market, known = self.market, {"leverage": self.leverage}
        if self.score is not None:
            known["signal_score"] = float(self.score)
        if self.spread_id is not None:
            leg_a, told = candles.of_spread(self.spread_id, self.signal_ms)
            market, known = leg_a or market, known | told
        frame = candles.get_pair_dataframe(market)
        return entry_features(frame, self.signal_ms, known)


def _entries(trades: pd.DataFrame, candle_ms: int) -> Iterator[_Entry]:
    """Entries of a backtest: single trades, and spreads with both legs as one."""
    opened = epoch_ms(trades["open_date"]) // candle_ms * candle_ms - candle_ms
    closed = epoch_ms(trades["close_date"])
    groups: dict[tuple[str, int], list[tuple[bool, int]]] = {}
    for row, (tag, market) in enumerate(zip(trades["enter_tag"], trades["pair"], strict=True)):
        parsed = EntryTag.parse(tag if isinstance(tag, str) else None)
        name = parsed.spread_id if parsed else f"{market}"
        is_leg_b = parsed is not None and parsed.leg is LegName.B
        groups.setdefault((name, int(opened[row])), []).append((is_leg_b, row))
    for (name, signal_ms), rows in groups.items():
        legs = trades.iloc[[row for _, row in sorted(rows)]]
        first: Any = legs.iloc[0]
        put_in = (_margins(legs) * legs["leverage"]).sum()
        yield _Entry(
            key=f"{name} {signal_ms}",
            market=str(first["pair"]),
            spread_id=name if name != first["pair"] else None,
            signal_ms=signal_ms,
            closed_ms=max(int(closed[row]) for _, row in rows),
            net=float(legs["profit_abs"].sum() / put_in) if put_in > 0 else 0.0,
            leverage=float(first["leverage"]),
            score=_score_of(first["enter_tag"]),
        )


def _margins(trades: pd.DataFrame) -> "pd.Series[float]":
    """All that was put into each trade: `stake_amount` shrinks with every part that is sold."""
    left = trades["stake_amount"]
    whole = trades.get("max_stake_amount", left)
    return whole.where(whole > 0, left)


def _score_of(tag: object) -> int | None:
    """Return the score in the tag of a scored entry."""
    scored = ScoreTag.parse(tag if isinstance(tag, str) else None)
    return None if scored is None else scored.score
