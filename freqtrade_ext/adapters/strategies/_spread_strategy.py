"""Two legs as two Freqtrade trades: the callbacks, one question or one report each."""

import logging
import math
import time
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from freqtrade.enums import TRADE_MODES
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_msecs
from freqtrade.strategy import DecimalParameter
from pandas import DataFrame

from freqtrade_ext import __version__
from freqtrade_ext.adapters._book_renewal import BookRenewal, Host
from freqtrade_ext.adapters._callbacks import answer_on_error
from freqtrade_ext.adapters._candles import epoch_ms, leg_candles
from freqtrade_ext.adapters._leg_markets import LegMarkets
from freqtrade_ext.adapters._moments import to_ms
from freqtrade_ext.adapters._spread_advice import SpreadAdvice
from freqtrade_ext.adapters._spread_broker import Signalled, SpreadBroker
from freqtrade_ext.adapters._spread_frames import (
    PLOT_CONFIG,
    add_entry_columns,
    add_spread_columns,
)
from freqtrade_ext.adapters._spread_models import SpreadModels
from freqtrade_ext.adapters._spread_view import SpreadView
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.adapters._trade_outcomes import TradeOutcomes
from freqtrade_ext.adapters._universe_view import UniverseView, searched_markets
from freqtrade_ext.adapters.strategies._model_strategy import ModelStrategy
from freqtrade_ext.adapters.strategies._staged_strategy import StagedStrategy
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.learning import Explanation
from freqtrade_ext.risk import RiskSettings, exclusion
from freqtrade_ext.scanner import ScanSection, ScanSettings, SelectionPlan, walk_profile
from freqtrade_ext.settings import SpreadSettings, load_part, load_settings
from freqtrade_ext.spreads import Bands, Candidate, LegCandles, MemoryStore, SpreadSpec, load_book

if TYPE_CHECKING:
    from freqtrade_ext.adapters._live_execution import ExecutionOwner, LiveExecution
    from freqtrade_ext.adapters._spread_orders import SpreadOrders

__all__ = ["SpreadStrategy"]

logger = logging.getLogger(__name__)


class SpreadStrategy(StagedStrategy, ModelStrategy):
    """
    Market-neutral trading of the spreads in the spread book.

    Every decision is made by `freqtrade_ext.spreads`; this class asks for it and reports what
    Freqtrade's books show. Exits take one path only, `custom_exit`.
    """

    INTERFACE_VERSION = 3
    timeframe = "1h"
    startup_candle_count: int
    can_short = True
    process_only_new_candles = True
    use_exit_signal = True
    # A signal is for the very next candle: acting late costs more than the edge is worth.
    ignore_buying_expired_candle_after = 240
    minimal_roi: ClassVar[dict[str, float]] = {}
    # Of the margin: a disaster stop on one leg, for when the bot is down. It lies between the
    # liquidation guard (which closes both legs) and the liquidation itself.
    stoploss = -0.8

    # Factors on the bands of each spread in the book, so that one search moves all of them.
    entry_scale = DecimalParameter(0.5, 2.0, default=1.0, decimals=2, space="buy")
    exit_scale = DecimalParameter(0.0, 2.0, default=1.0, decimals=2, space="sell")
    stop_scale = DecimalParameter(0.75, 3.0, default=1.0, decimals=2, space="sell")
    holding_scale = DecimalParameter(0.3, 5.0, default=1.0, decimals=1, space="sell")

    plot_config = PLOT_CONFIG

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        timeframe = config.get("timeframe") or self.timeframe
        try:
            settings = load_settings(config.get("ext"), source="configuration")
            self._spread_settings, self._execution_settings = settings.spreads, settings.execution
            self._scan = load_part(config.get("ext"), "scan", ScanSection, source="configuration")
            self._book = Path(config["user_data_dir"]) / self._spread_settings.book
            searches = _searches(config, self._spread_settings, self._scan)
            view = (
                _search_view(self._spread_settings, self._scan.search, timeframe)
                if searches
                else None
            )
            self._view = view or _load_view(self._book, self._spread_settings, timeframe)
            self._models = self._new_models(searches)
            risk = load_part(config.get("ext"), "risk", RiskSettings, source="configuration")
        except ConfigError as error:
            # Not ConfigurationError: Freqtrade answers that one with exit code 0.
            raise OperationalException(str(error)) from error
        # Freqtrade reuses a backtest when configuration and strategy file are the same; ours also
        # depends on the book and on this package.
        book_bytes = b"" if searches else self._book.read_bytes()
        self.config["ext_fingerprint"] = sha256(__version__.encode() + book_bytes).hexdigest()
        startup = [self.startup_candle_count, self._view.startup_candles]
        if self._scan.while_trading:
            startup.append(self._newcomer_candles())
        self.startup_candle_count = max(startup)
        self._never_entered = partial(exclusion, settings=risk)
        self._markets = LegMarkets()
        self._broker: SpreadBroker | None = None
        self._outcomes: TradeOutcomes | None = None
        self._renewal: BookRenewal | None = None
        self._adjusts = False

    @property
    def broker(self) -> SpreadBroker:
        """The spreads of this run."""
        if self._broker is None:
            self._broker = self._new_broker()
        return self._broker

    def _new_broker(self) -> SpreadBroker:
        mode = str(self.dp.runmode.value)
        store: Any = MemoryStore()
        if mode in {"live", "dry_run"}:
            # Only a trading bot has a database; a backtest must not even import it.
            from freqtrade_ext.adapters.persistence import DatabaseStore

            store = DatabaseStore()
        broker = SpreadBroker(self, self._view, self._markets, self._spread_settings, store, mode)
        broker.refusal = self._exclusion
        outcomes = self._new_outcomes(mode)
        if self._models is not None or outcomes is not None:
            broker.advice = SpreadAdvice(self, self.learning, self._models, outcomes)
        return broker

    def _exclusion(self, candidate: Candidate) -> str:
        legs = (candidate.leg_a, candidate.leg_b)
        return next((why for leg in legs if (why := self._never_entered(leg))), "")

    def _new_models(self, searches: bool) -> SpreadModels | None:
        """Models of the spreads, where FreqAI is on and has a say."""
        if not (self.has_models and self.learning.entries):
            return None
        if searches:
            raise ConfigError(
                "ext.learning.entries: models follow the spreads of the book, not those of "
                "ext.spreads.select 'universe'; set entries to false or freqai.enabled to false"
            )
        return SpreadModels(self._view, lambda: self.judges_trades)

    def _new_outcomes(self, mode: str) -> TradeOutcomes | None:
        """
        The model of the bot's own trades; a backtest's begins with nothing.

        Hyperopt and the analyses trade as if each trade stood alone.
        """
        if not self.learning.outcome.enabled or mode not in {"live", "dry_run", "backtest"}:
            return None
        if mode == "backtest":
            return TradeOutcomes(self.learning, None)
        return self.remembered_outcomes()

    @property
    def asked_leverage(self) -> float:
        """The configured leverage of a leg."""
        return self._spread_settings.sizing.leverage

    def explanation_of(self, spread_id: str) -> Explanation | None:
        """Why the model of a spread said what it said last; None in a backtest."""
        hosts = self._models.hosts if self._models else {}
        host = next((pair for pair, spec in hosts.items() if spec.spread_id == spread_id), None)
        explanations = getattr(self.freqai, "explanations", {})
        return explanations.get(host)

    def model_target(self, pair: str) -> str:
        """Name the spread that the market is the host of, or the market."""
        spec = self._models.hosts.get(pair) if self._models else None
        return spec.spread_id if spec else super().model_target(pair)

    def spread_columns(self, pair: str, dataframe: DataFrame) -> Any:
        """Return the columns of the spread that the market is the host of."""
        return self._models.columns(pair, dataframe, self._long_candles) if self._models else None

    def trade_columns(self, pair: str, dataframe: DataFrame) -> Mapping[str, np.ndarray]:
        """Tell z-score, edge and leverage of the spread that the market is the host of."""
        told = None
        if self._models is not None:
            told = self._models.trade_columns(
                pair, dataframe, self._long_candles, self._bands(), self.asked_leverage
            )
        return super().trade_columns(pair, dataframe) if told is None else told

    def _long_candles(self, pair: str) -> LegCandles | None:
        """Candles of a market as far back as FreqAI has them."""
        history = self.freqai.dd.historic_data.get(pair, {}).get(self.timeframe)
        if history is not None and len(history):
            return leg_candles(history)
        return self._view.candles_of(pair)

    @answer_on_error(None)
    def _predicted(self, dataframe: DataFrame, metadata: dict) -> DataFrame | None:
        """Let the host's model predict; None where it cannot be asked, which has its effect."""
        return self.with_predictions(dataframe, metadata)

    def prepare(self) -> None:
        """Read limits and fees once, and continue the spreads of an earlier run."""
        if self._models is not None:
            self.require_probabilities("an entry")
        if isinstance(self._view, UniverseView):
            listed = list(self.dp._exchange.get_markets())
            self._view.search(searched_markets(self.config, listed))
        _check_bands(self._view.band_specs, self._bands())
        leverage = self._spread_settings.sizing.leverage
        self._markets.read(self.dp, self._view.markets, self.config, leverage)
        self._view.keep_listed(set(self._markets.known))
        self._broker = self._new_broker()
        super().prepare()

    def traded_markets(self) -> list[str]:
        """Return the legs of every spread."""
        return self._view.markets

    def guarded_markets(self) -> frozenset[str]:
        """Return the legs of every spread in the book, or in it earlier in this run."""
        return frozenset(self._view.markets) | frozenset(self._markets.known)

    def order_owner(self) -> "ExecutionOwner":
        """Say whose the orders are: the desk's."""
        return self._spread_orders()

    def _spread_orders(self) -> "SpreadOrders":
        from freqtrade_ext.adapters._spread_orders import SpreadOrders

        return SpreadOrders(
            desk=lambda: self.broker.desk,
            markets=lambda: SpreadStrategy.guarded_markets(self),
            leverage=self._spread_settings.sizing.leverage,
            now_ms=lambda: int(time.time() * 1000),
        )

    @answer_on_error(None)
    def unwind(self, execution: "LiveExecution") -> None:
        """
        Go on with what an earlier run was unwinding; the first loop is seconds away.

        The books are behind until Freqtrade has looked its open orders up, so the desk decides as
        it did before; the orders only reduce.
        """
        self.broker.execution = execution
        self._spread_orders().unwind_left_over(execution.guard.send)
        super().unwind(execution)

    def take_over(self) -> None:
        """Let the book be renewed."""
        self.broker.execution = self._execution
        self._start_renewal()
        super().take_over()

    def _start_renewal(self) -> None:
        """Let the book follow scans in the background; only a trading bot has a later book."""
        if not self._scan.while_trading:
            return
        self._renewal = BookRenewal(self._book, self._scan, self._host())
        self._renewal.restore(int(time.time() * 1000))

    def _host(self) -> Host:
        listed = list(self.dp._exchange.get_markets())
        leverage = self._spread_settings.sizing.leverage
        return Host(
            provider=self.dp,
            config=self.config,
            timeframe=self.timeframe,
            view=self._view,
            markets=self._markets,
            open_spreads=lambda: frozenset(self.broker.desk.records),
            is_at_rest=self._is_at_rest,
            learn=lambda markets: self._markets.read(self.dp, markets, self.config, leverage),
            check=lambda specs: _check_bands(specs, self._bands(specs)),
            searched=lambda: searched_markets(self.config, listed),
        )

    def _is_at_rest(self) -> bool:
        if self._execution is not None:
            return self._execution.is_at_rest()
        return self.broker.desk.is_at_rest

    def ft_bot_cleanup(self) -> None:
        """End a scan in the background, when the bot ends or reloads."""
        renewal, self._renewal = self._renewal, None
        if renewal is not None:
            renewal.end()
        super().ft_bot_cleanup()

    def _newcomer_candles(self) -> int:
        """Candles that a spread needs which joins the book later."""
        hours = math.ceil(
            self._spread_settings.refit_every_hours * 3_600_000 / self._view.candle_ms
        )
        return self._spread_settings.fit_window + hours + self._scan.search.z_window

    def begin_anew(self) -> None:
        """Forget the spreads of the backtest before; its signals hold for the next one too."""
        signalled = self.broker.signalled
        self._broker = self._new_broker()
        self._broker.signalled = signalled
        super().begin_anew()

    def look(self, now_ms: int) -> None:
        """Report the time and the books of every leg."""
        try:
            self.broker.loop(now_ms)
            if self._renewal is not None:
                self._renewal.loop(now_ms)
            self._adjusts = self.broker.wants_adjustment()
            self.position_adjustment_enable = self._adjusts
        finally:
            super().look(now_ms)  # what fails with spreads must not blind the rules of the account

    def informative_pairs(self) -> list[tuple[str, str, str]]:
        """Ask for candles and funding rates of every leg, in the pairlist or not."""
        funding = self.dp.get_funding_rate_timeframe()
        return [
            wanted
            for market in self._view.markets
            for wanted in ((market, self.timeframe, "futures"), (market, funding, "funding_rate"))
        ]

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """Write what the leg's spread looks like, from both legs' raw candles."""
        self._view.refresh(self.dp, self.timeframe, live=self.broker.live)
        if self._models is not None and metadata["pair"] in self._models.hosts:
            self._models.align(self.freqai.train_queue, self.modelled_markets())
            predicted = self._predicted(dataframe, metadata)
            if predicted is None:
                self._models.forget(metadata["pair"])
            else:
                self._models.listen(metadata["pair"], predicted)
                dataframe = predicted
        return add_spread_columns(dataframe, self._view, metadata["pair"], self._bands())

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """Write the leg's entry signals; both legs of a spread get theirs on the same candle."""
        board = self._view.board(self._bands())
        since_ms = (
            0.0 if self.broker.live else _first_traded_ms(dataframe, self.startup_candle_count)
        )
        self.broker.signalled[metadata["pair"]] = Signalled(board, since_ms)
        return add_entry_columns(dataframe, board, metadata["pair"])

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """Write nothing: on a candle with an exit signal Freqtrade skips `custom_exit`."""
        return dataframe

    def _bands(self, specs: Mapping[str, SpreadSpec] | None = None) -> dict[str, Bands]:
        """Bands of spreads with the strategy's scales; by default of those in the view."""
        return {
            spread_id: Bands(
                entry_z=spec.z_score_threshold * self.entry_scale.value,
                exit_z=spec.z_exit * self.exit_scale.value,
                stop_z=spec.stop_loss_z * self.stop_scale.value,
                max_holding=float(spec.max_holding or 0) * self.holding_scale.value,
                half_lives=3.0 * self.holding_scale.value,
            )
            for spread_id, spec in (specs or self._view.band_specs).items()
        }

    @answer_on_error(1.0)
    def leverage(
        self,
        pair: str,
        current_time: datetime,
        current_rate: float,
        proposed_leverage: float,
        max_leverage: float,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> float:
        """Answer the configured leverage, never above the exchange's bracket."""
        return min(self._spread_settings.sizing.leverage, max_leverage)

    @answer_on_error(0.0)
    def custom_stake_amount(
        self,
        pair: str,
        current_time: datetime,
        current_rate: float,
        proposed_stake: float,
        min_stake: float | None,
        max_stake: float,
        leverage: float,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> float:
        """Answer the stake of a leg, 0 to refuse; an entry forced by a person keeps its own."""
        tag = EntryTag.parse(entry_tag)
        if tag is None:
            return proposed_stake
        if not self._books_are_read:
            return 0.0
        return self.broker.stake(tag, current_rate, leverage, self._bands(), to_ms(current_time))

    @answer_on_error(False)
    def confirm_trade_entry(
        self,
        pair: str,
        order_type: str,
        amount: float,
        rate: float,
        time_in_force: str,
        current_time: datetime,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> bool:
        """Let a leg pass only as the order that its spread wants; a person may force others."""
        tag = EntryTag.parse(entry_tag)
        if tag is None:
            return pair not in self._view.markets
        return self._books_are_read and self.broker.confirm(tag, side, amount, to_ms(current_time))

    @answer_on_error(None)
    def order_filled(
        self, pair: str, trade: Any, order: Any, current_time: datetime, **kwargs: Any
    ) -> None:
        """Report a fill."""
        tag = EntryTag.parse(trade.enter_tag)
        if tag is not None:
            self.broker.filled(tag, trade, to_ms(current_time))

    @answer_on_error(None)
    def custom_exit(
        self,
        pair: str,
        trade: Any,
        current_time: datetime,
        current_rate: float,
        current_profit: float,
        **kwargs: Any,
    ) -> str | None:
        """Answer the reason to close this leg, or None to hold it."""
        tag = EntryTag.parse(trade.enter_tag)
        if tag is None:
            return None
        reason = self.broker.exit_reason(
            tag, trade, current_rate, self._bands(), to_ms(current_time)
        )
        return reason.value if reason else None

    @answer_on_error(True)
    def confirm_trade_exit(
        self,
        pair: str,
        trade: Any,
        order_type: str,
        amount: float,
        rate: float,
        time_in_force: str,
        exit_reason: str,
        current_time: datetime,
        **kwargs: Any,
    ) -> bool:
        """Let every exit pass; one that the spread has not asked for closes both legs."""
        tag = EntryTag.parse(trade.enter_tag)
        if tag is not None and self._execution is not None:
            self.broker.forced_exit(tag, trade, exit_reason, to_ms(current_time))
        return True

    @answer_on_error(None)
    def adjust_trade_position(
        self, trade: Any, current_time: datetime, current_rate: float, **kwargs: Any
    ) -> float | None:
        """Top up a leg that was filled in part, or trim the other to it."""
        tag = EntryTag.parse(trade.enter_tag)
        if tag is None:
            return None
        return self.broker.adjustment(tag, trade, current_rate, to_ms(current_time))

    @answer_on_error(False)
    def check_entry_timeout(
        self, pair: str, trade: Any, order: Any, current_time: datetime, **kwargs: Any
    ) -> bool:
        """Cancel an entry order that the coordinator no longer wants."""
        tag = EntryTag.parse(trade.enter_tag)
        return tag is not None and self.broker.wants_cancel(tag)

    @answer_on_error(False)
    def check_exit_timeout(
        self, pair: str, trade: Any, order: Any, current_time: datetime, **kwargs: Any
    ) -> bool:
        """Cancel an exit order that has worked for too long; the coordinator sends another."""
        tag = EntryTag.parse(trade.enter_tag)
        return tag is not None and self.broker.wants_cancel(tag)


def _load_view(path: Path, settings: Any, timeframe: str) -> SpreadView:
    book = load_book(path)
    if book.timeframe != timeframe:
        raise ConfigError(
            f"{path}: timeframe: the spreads were fitted on {book.timeframe!r} candles, the bot "
            f"runs on {timeframe!r}; fit them again or change one of the two"
        )
    specs = {spec.spread_id: spec for spec in book.spreads}
    return SpreadView(specs, settings, _candle_ms(settings, timeframe))


def _search_view(spreads: SpreadSettings, search: ScanSettings, timeframe: str) -> UniverseView:
    candle_ms = _candle_ms(spreads, timeframe)
    plan = SelectionPlan(
        timeframe=timeframe,
        refit_every_ms=round(spreads.refit_every_hours * 3_600_000),
        settings=walk_profile(search, timeframe=timeframe, window=spreads.select_window),
    )
    return UniverseView(plan, spreads, candle_ms)


def _candle_ms(settings: SpreadSettings, timeframe: str) -> int:
    """Length of a candle; the refit interval must be a whole number of them."""
    candle_ms = int(timeframe_to_msecs(timeframe))
    refit_ms = settings.refit_every_hours * 3_600_000
    if refit_ms < candle_ms or refit_ms % candle_ms:
        raise ConfigError(
            f"ext.spreads.refit_every_hours: {settings.refit_every_hours} must be a whole number "
            f"of {timeframe} candles"
        )
    return candle_ms


def _searches(config: dict[str, Any], spreads: SpreadSettings, scan: ScanSection) -> bool:
    """Whether this run chooses its spreads from the universe; a trading bot trades the book."""
    if spreads.select == "book":
        return False
    if config.get("runmode") not in TRADE_MODES:
        return True
    if not scan.while_trading:
        raise ConfigError(
            "ext.spreads.select: 'universe' is for backtests; a trading bot trades the book: have "
            "it renewed with ext.scan.while_trading: true, or set select to 'book'"
        )
    return False


def _check_bands(specs: Mapping[str, SpreadSpec], bands: Mapping[str, Bands]) -> None:
    """Refuse bands that hyperopt's factors have pushed past each other or out of reach."""
    for spread_id, band in bands.items():
        reach = math.sqrt(specs[spread_id].mean_reversion_window - 1)
        if not band.exit_z < band.entry_z < band.stop_z < reach:
            raise ConfigError(
                f"{spread_id}: with the strategy's parameters the bands are exit {band.exit_z:g}, "
                f"entry {band.entry_z:g}, stop {band.stop_z:g}; they must rise, and the stop must "
                f"be below {reach:.1f}, the largest z-score of its window: change entry_scale, "
                "exit_scale or stop_scale in the strategy's parameter file"
            )


def _first_traded_ms(frame: DataFrame, startup: int) -> float:
    """Time of the first candle whose signal a backtest acts on: it cuts the startup candles."""
    times = epoch_ms(frame["date"].iloc[startup : startup + 1])
    return float(times[0]) if len(times) else math.inf
