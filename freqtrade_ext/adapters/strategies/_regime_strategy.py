"""Scored positions in single markets: the callbacks, one question or one report each."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from freqtrade.enums import TRADE_MODES, TradingMode
from freqtrade.exceptions import ExchangeError, OperationalException
from freqtrade.exchange import timeframe_to_msecs
from freqtrade.strategy import stoploss_from_absolute
from pandas import DataFrame

from freqtrade_ext import __version__
from freqtrade_ext.adapters._callbacks import answer_on_error
from freqtrade_ext.adapters._exit_reasons import close_reason_of
from freqtrade_ext.adapters._host_patches import load_protections_of_users
from freqtrade_ext.adapters._layer_alarm import LayerAlarm
from freqtrade_ext.adapters._market_track import MarketTrack
from freqtrade_ext.adapters._moments import to_ms
from freqtrade_ext.adapters._own_records import OwnRecords
from freqtrade_ext.adapters._regime_desk import Entry, RegimeDesk
from freqtrade_ext.adapters._regime_frames import (
    PLOT_CONFIG,
    TRACKED,
    ScoreTag,
    add_entry_columns,
    add_score_columns,
    trade_columns,
)
from freqtrade_ext.adapters._regime_inputs import RegimeInputs
from freqtrade_ext.adapters._regime_models import RegimeModels
from freqtrade_ext.adapters._regime_outcomes import RegimeOutcomes
from freqtrade_ext.adapters._regime_settings import (
    PARAMETERS,
    checked,
    parameters_of,
    with_exits,
    with_signals,
)
from freqtrade_ext.adapters.risk_store import MemoryRiskStore, RiskStore
from freqtrade_ext.adapters.strategies._model_strategy import ModelStrategy
from freqtrade_ext.adapters.strategies._staged_strategy import StagedStrategy
from freqtrade_ext.errors import ConfigError, ExtensionError
from freqtrade_ext.risk import Close, Reduce, RiskSettings
from freqtrade_ext.settings import load_part, load_settings
from freqtrade_ext.signals import (
    ScoredMarket,
    SignalSettings,
    explain,
    score_market,
    startup_candles,
)

if TYPE_CHECKING:
    from freqtrade_ext.adapters._live_execution import ExecutionOwner
    from freqtrade_ext.adapters._position_orders import PositionOrders

__all__ = ["RegimeStrategy"]

logger = logging.getLogger(__name__)

# A strategy's module is imported before its protections are looked up.
load_protections_of_users()


class RegimeStrategy(StagedStrategy, ModelStrategy):
    """
    Scored long and short positions in single markets.

    Signals are scored by `freqtrade_ext.signals`, positions are left by `freqtrade_ext.risk`; this
    class asks for both and reports what Freqtrade's books show. Closes take one path only,
    `custom_exit`; Freqtrade keeps the stop on the exchange where `custom_stoploss` says.
    """

    INTERFACE_VERSION = 3
    timeframe = "1h"
    can_short = True
    process_only_new_candles = True
    use_exit_signal = True
    use_custom_stoploss = True
    position_adjustment_enable = True
    exit_switches = ("use_exit_signal", "use_custom_stoploss", "position_adjustment_enable")
    # A signal is for the very next candle: acting late costs more than the edge is worth.
    ignore_buying_expired_candle_after = 240
    minimal_roi: ClassVar[dict[str, float]] = {}
    # Of the margin; only until the first look, and where a callback fails.
    stoploss = -0.5
    order_types: dict[str, Any] = {  # noqa: RUF012 - as Freqtrade declares it
        "entry": "market",
        "exit": "market",
        "emergency_exit": "market",
        "force_entry": "market",
        "force_exit": "market",
        "stoploss": "market",
        "stoploss_on_exchange": True,
    }
    plot_config = PLOT_CONFIG

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        try:
            settings = load_settings(config.get("ext"), source="configuration")
            self._signals = _part(config, "signals", SignalSettings)
            self._risk = _part(config, "risk", RiskSettings)
        except ConfigError as error:
            # Not ConfigurationError: Freqtrade answers that one with exit code 0.
            raise OperationalException(str(error)) from error
        self._ext, self._execution_settings = settings, settings.execution
        for name, parameter in parameters_of(self._signals, self._risk).items():
            setattr(self, name, parameter)
        # Freqtrade reuses a backtest of the same configuration and strategy file.
        self.config["ext_fingerprint"] = __version__
        self._trades_futures = config.get("trading_mode") == TradingMode.FUTURES
        self.can_short = self._trades_futures
        if not self._trades_futures:  # Binance has no market stop in spot trading
            self.order_types = {**self.order_types, "stoploss": "limit"}
        self.stoploss = -self._risk.kill_switch.full_loss
        timeframe = config.get("timeframe") or self.timeframe
        self.startup_candle_count = startup_candles(timeframe, self._signals)
        # Freqtrade seeks `after_fill` in the signature and does not see through a decorator: the
        # first stop on the exchange would be the common one, for a minute. A backtest moves the
        # stop before it looks at the candle of the entry.
        self._ft_stop_uses_after_fill = config.get("runmode") in TRADE_MODES
        self._alarm = LayerAlarm(self._tell)
        self._layer_models = RegimeModels(self, self._signals)
        self._scored_outcomes: RegimeOutcomes | None = None
        self._desk: RegimeDesk | None = None
        self._inputs: RegimeInputs | None = None
        self._listed: frozenset[str] = frozenset()
        self._risk_kept: tuple[Any, RiskSettings] | None = None

    @property
    def protections(self) -> list[dict[str, Any]]:
        """Guards that Freqtrade asks at each close; from `user_data/protections`."""
        return [{"method": "StoplossFrequency"}, {"method": "KillSwitch"}]

    # Start, loop, end

    @property
    def desk(self) -> RegimeDesk:
        """The positions of this run."""
        if self._desk is None:
            self._desk = self._new_desk()
        return self._desk

    def _new_desk(self) -> RegimeDesk:
        store: RiskStore = MemoryRiskStore()
        if self._is_trading:
            # Only a trading bot has a database; a backtest must not even open it.
            from freqtrade.persistence import Trade

            from freqtrade_ext.adapters.risk_store import RiskTable

            store = RiskTable(Trade.session.get_bind())
        leverage = self._signals.leverage
        return RegimeDesk(self, self.inputs, self._risk_now, leverage, store, live=self._is_trading)

    def prepare(self) -> None:
        """Continue the positions of an earlier run."""
        if self._is_trading:
            checked(self._signals, self._risk, self.parameter_values())
        self._desk = self._new_desk()
        self._layer_models.start()
        if self._is_trading:
            self._desk.bar(self.barred_markets())
        super().prepare()

    def barred_markets(self) -> frozenset[str]:
        """Return the markets that are left to spreads; asked in a trading bot only."""
        # Only a trading bot has a database; a backtest must not even import its tables.
        from freqtrade_ext.adapters._spread_markets import spread_markets

        return spread_markets(self.config, self._ext.spreads)

    def traded_markets(self) -> list[str]:
        """Return the markets of the pairlist."""
        return list(self.dp.current_whitelist())

    def order_owner(self) -> "ExecutionOwner":
        """Say whose the orders are."""
        return self._position_orders()

    def _position_orders(self) -> "PositionOrders":
        from freqtrade_ext.adapters._position_orders import PositionOrders

        return PositionOrders(
            self.desk.words,
            self.guarded_markets,
            places_stops=bool(self.order_types.get("stoploss_on_exchange")),
        )

    def take_over(self) -> None:
        """Know which markets have an order that has not settled; tell of a stop."""
        self._scored_outcomes = self._new_scored_outcomes()
        self.desk.is_unsettled = self._is_unsettled
        self.desk.resume()
        super().take_over()

    def _new_scored_outcomes(self) -> RegimeOutcomes | None:
        """Remember what becomes of the bot's own entries, where that is wanted."""
        settings = self.learning.outcome
        if not settings.enabled:
            return None
        if settings.min_confidence > 0:
            logger.warning(
                "[MODEL] ext.learning.outcome.min_confidence refuses no scored entry; "
                "--freqaimodel TradeOutcomeModel is layer 23, with a floor of its own"
            )

        def frame_of(pair: str) -> DataFrame:
            return self.dp.get_analyzed_dataframe(pair, self.timeframe)[0]

        return RegimeOutcomes(
            self.remembered_outcomes(), frame_of, int(timeframe_to_msecs(self.timeframe))
        )

    def _is_unsettled(self, pair: str) -> bool:
        return self._execution is not None and pair in self._execution.unsettled_markets()

    def guarded_markets(self) -> frozenset[str]:
        """Return the markets of the pairlist, and those that were in it earlier in this run."""
        provider = getattr(self, "dp", None)  # none in `freqtrade-ext recover`
        if provider is not None and provider._pairlists is not None:
            self._listed |= frozenset(provider.current_whitelist())
        return self._listed | super().guarded_markets()

    def begin_anew(self) -> None:
        """Forget the positions of the backtest before; its frames are those of the next one."""
        tracks = self.desk.tracks
        self._desk = self._new_desk()
        self.desk.tracks = tracks
        super().begin_anew()

    def look(self, now_ms: int) -> None:
        """Look at the account."""
        self.desk.loop(now_ms)
        super().look(now_ms)

    # Signals

    @property
    def inputs(self) -> RegimeInputs:
        """What the layers are given."""
        if self._inputs is None:
            funding = self.dp.get_funding_rate_timeframe() if self._trades_futures else None
            records = OwnRecords()
            self._inputs = RegimeInputs(
                self._candles,
                self.config,
                self._signals,
                self.timeframe,
                funding,
                # A backtest has no trades yet when its signals are made.
                (lambda pair: records.of(pair, self._now_ms)) if self._is_trading else _no_record,
                self._layer_models.advice,
            )
        return self._inputs

    def _candles(self, pair: str, timeframe: str, kind: str) -> DataFrame:
        # Not `get_pair_dataframe` in a backtest: it ends where the backtest before has ended.
        read = self.dp.get_pair_dataframe if self._is_trading else self.dp.historic_ohlcv
        return read(pair, timeframe, kind)

    def informative_pairs(self) -> list[tuple[str, str, str]]:
        """Ask for Bitcoin and Ether, and for funding rates."""
        return self.inputs.informative(self.dp.current_whitelist())

    def modelled_markets(self) -> list[str]:
        """Return the markets that may have a scored signal, if models have a say about scores."""
        if self._layer_models.is_silent:
            return []
        barred = self.desk.barred
        return [pair for pair in self.dp.current_whitelist() if pair not in barred]

    def trade_columns(self, pair: str, dataframe: DataFrame) -> Mapping[str, np.ndarray]:
        """Tell score (that without a model) and leverage of an entry after each candle."""
        inputs = replace(self.inputs.of(pair, dataframe), advice=None)
        scored = score_market(inputs, self._signals)
        close = dataframe["close"].to_numpy(np.float64)
        return trade_columns(scored, close, self._signals.leverage)

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """Write every layer, the score and what it was made from."""
        # A search computes this once, and Freqtrade warns where a parameter is read here.
        searches = self.dp.runmode.value == "hyperopt"
        settings = self._signals if searches else self._signals_now()
        dataframe = self._layer_models.predict(dataframe, metadata)
        return add_score_columns(dataframe, self._score(dataframe, metadata["pair"], settings))

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """Write the entry signals."""
        pair = metadata["pair"]
        if self.dp.runmode.value == "hyperopt":  # its parameters have changed since
            scored = self._score(dataframe, pair, self._signals_now())
            dataframe = add_score_columns(dataframe, scored)
        candle_ms = int(timeframe_to_msecs(self.timeframe))
        self.desk.tracks[pair] = MarketTrack(dataframe, candle_ms, TRACKED)
        return add_entry_columns(dataframe)

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """Write nothing: on a candle with an exit signal Freqtrade skips `custom_exit`."""
        return dataframe

    def _signals_now(self) -> SignalSettings:
        return with_signals(self._signals, self.parameter_values())

    def _score(self, frame: DataFrame, pair: str, settings: SignalSettings) -> ScoredMarket | None:
        """
        Score a market; None where a layer fails in a trading bot: it has no signal then.

        Raises
        ------
        LayerError
            In a backtest.
        """
        try:
            scored = score_market(self.inputs.of(pair, frame), settings)
        except ExtensionError as error:
            if not self._is_trading:
                raise
            self._alarm.failed(pair, error)
            return None
        self._alarm.worked(pair)
        if self._is_trading:
            self._layer_models.tell(scored)
        if self._is_trading and logger.isEnabledFor(logging.DEBUG):
            logger.debug("[STRATEGY] %s", "; ".join(explain(scored).lines()))
        return scored

    def read_parameter_file(self) -> None:
        """Take the values that a hyperopt has stored, as Freqtrade does at the start of a bot."""
        for name, each in PARAMETERS.items():
            stored = {
                **getattr(self, f"{each.space}_params", {}),
                **self._ft_params_from_file.get(each.space, {}),
            }
            if name in stored:
                getattr(self, name).value = stored[name]

    def parameter_values(self) -> dict[str, float]:
        """Return the values of the parameters that a hyperopt may move."""
        return {name: float(getattr(self, name).value) for name in PARAMETERS}

    def _risk_now(self) -> RiskSettings:
        values = tuple(self.parameter_values().items())
        if self._risk_kept is None or self._risk_kept[0] != values:
            self._risk_kept = (values, with_exits(self._risk, dict(values)))
        return self._risk_kept[1]

    def _tell(self, text: str) -> None:
        self.dp.send_msg(text, always_send=True)

    # Entries

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
        """Answer the unified leverage, never above the exchange's bracket."""
        entry = Entry(pair, side, current_rate, to_ms(current_time))
        return self.desk.leverage(entry, max_leverage, self._spread_bps(pair))

    def _spread_bps(self, pair: str) -> float | None:
        """Bid/ask spread in basis points; None in a backtest, which asks nobody."""
        if not self._is_trading:
            return None
        try:
            book = self.dp.orderbook(pair, 1)
            bid, ask = float(book["bids"][0][0]), float(book["asks"][0][0])
        except (ExchangeError, IndexError, TypeError) as error:
            logger.warning("[STRATEGY] %s: no bid and ask (%s)", pair, error)
            return None
        return (ask - bid) / ((ask + bid) / 2) * 10_000

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
        """Answer the margin, 0 to refuse; an entry forced by a person keeps its own."""
        if ScoreTag.parse(entry_tag) is None:
            return proposed_stake
        if not self._books_are_read:
            return 0.0
        entry = Entry(pair, side, current_rate, to_ms(current_time))
        return self.desk.stake(entry, leverage, max_stake)

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
        """Let an entry pass unless a rule refuses its market, also one that a person forces."""
        reason = self.desk.refusal(pair)
        if not reason and not self._books_are_read:
            reason = "the account has not been looked at yet"
        if not reason and self._execution is not None and self._execution.stop.is_asked:
            reason = "the bot is about to end, and would leave it without a stop"
        if reason:
            logger.info("[STRATEGY] %s is not entered: %s", pair, reason)
            return False
        self.desk.words.entry_tags[pair] = entry_tag or ""
        return True

    # Exits

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
        """Answer the reason to close this position, or None to hold it."""
        action = self.desk.decide(trade, current_rate, to_ms(current_time))
        return action.reason.value if isinstance(action, Close) else None

    @answer_on_error(None)
    def custom_stoploss(
        self,
        pair: str,
        trade: Any,
        current_time: datetime,
        current_rate: float,
        current_profit: float,
        after_fill: bool,
        **kwargs: Any,
    ) -> float | None:
        """Answer where the stop lies, relative to the rate that Freqtrade asks with."""
        stop = self.desk.stop(trade, to_ms(current_time))
        return stoploss_from_absolute(
            stop, current_rate, is_short=trade.is_short, leverage=trade.leverage or 1.0
        )

    @answer_on_error(None)
    def adjust_trade_position(
        self,
        trade: Any,
        current_time: datetime,
        current_rate: float,
        current_profit: float,
        min_stake: float | None,
        max_stake: float,
        current_entry_rate: float,
        current_exit_rate: float,
        **kwargs: Any,
    ) -> tuple[float, str] | None:
        """Answer the part of a position that is to be closed, as a negative stake."""
        action = self.desk.decide(trade, current_exit_rate, to_ms(current_time))
        if not isinstance(action, Reduce):
            return None
        self.desk.words.closes[trade.pair] = action.reason.value
        return -action.share * float(trade.stake_amount), action.reason.value

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
        """Let every exit pass, and note why it leaves."""
        reason = close_reason_of(exit_reason)
        self.desk.words.closes[pair] = exit_reason if reason is None else reason.value
        return True

    @answer_on_error(None)
    def order_filled(
        self, pair: str, trade: Any, order: Any, current_time: datetime, **kwargs: Any
    ) -> None:
        """Name the rule behind a stop; forget a position that is closed."""
        if order.ft_order_side == trade.exit_side and trade.exit_reason:
            trade.exit_reason = self.desk.exit_reason(trade, trade.exit_reason)
        if not trade.is_open:
            self.desk.closed(trade)
        if self._scored_outcomes is not None:
            self._scored_outcomes.filled(trade, order)
        if self._is_trading and order.ft_order_side == trade.entry_side:
            self._layer_models.entered(pair, self.desk.levels(trade, to_ms(current_time)))


def _part(config: dict[str, Any], name: str, model: Any) -> Any:
    return load_part(config.get("ext"), name, model, source="configuration")


def _no_record(pair: str) -> None:
    return None
