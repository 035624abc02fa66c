"""Scored positions in single markets: the callbacks, one question or one report each."""

import logging
from datetime import datetime
from typing import Any, ClassVar

from freqtrade.enums import TRADE_MODES, TradingMode
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_msecs
from freqtrade.strategy import stoploss_from_absolute
from pandas import DataFrame

from freqtrade_ext import __version__
from freqtrade_ext.adapters._callbacks import answer_on_error
from freqtrade_ext.adapters._funding_check import funding_gaps
from freqtrade_ext.adapters._layer_alarm import LayerAlarm
from freqtrade_ext.adapters._market_track import MarketTrack
from freqtrade_ext.adapters._own_records import OwnRecords
from freqtrade_ext.adapters._regime_desk import Entry, RegimeDesk
from freqtrade_ext.adapters._regime_frames import (
    PLOT_CONFIG,
    TRACKED,
    ScoreTag,
    add_entry_columns,
    add_score_columns,
)
from freqtrade_ext.adapters._regime_inputs import RegimeInputs, warm_up_candles
from freqtrade_ext.adapters._regime_settings import (
    PARAMETERS,
    checked,
    parameters_of,
    with_exits,
    with_signals,
)
from freqtrade_ext.adapters.risk_store import MemoryRiskStore, RiskStore
from freqtrade_ext.adapters.strategies._guarded_strategy import GuardedStrategy
from freqtrade_ext.errors import ConfigError, CorruptStateError, ExtensionError, StoreError
from freqtrade_ext.risk import Close, Reduce, RiskSettings
from freqtrade_ext.settings import load_part, load_settings
from freqtrade_ext.signals import ScoredMarket, SignalSettings, score_market

__all__ = ["RegimeStrategy"]

logger = logging.getLogger(__name__)


class RegimeStrategy(GuardedStrategy):
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
    # A signal is for the very next candle: acting late costs more than the edge is worth.
    ignore_buying_expired_candle_after = 240
    minimal_roi: ClassVar[dict[str, float]] = {}
    # Of the margin; only until the first look, and where a callback fails.
    stoploss = -0.5
    order_types: ClassVar[dict[str, Any]] = {
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
        self.startup_candle_count = warm_up_candles(self._signals, timeframe)
        self._alarm = LayerAlarm(self._tell)
        self._desk: RegimeDesk | None = None
        self._inputs: RegimeInputs | None = None
        self._scored: dict[str, ScoredMarket | None] = {}
        self._now_ms = 0
        self._account_is_known = False

    @property
    def protections(self) -> list[dict[str, Any]]:
        """Guards that Freqtrade asks at each close; from `user_data/protections`."""
        return [{"method": "StoplossFrequency"}, {"method": "KillSwitch"}]
