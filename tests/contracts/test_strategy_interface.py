"""What we rely on in how the pinned Freqtrade loads, calls and protects itself from strategies."""

import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest
from freqtrade.enums import NON_UTIL_MODES, RunMode, TradingMode
from freqtrade.exceptions import ConfigurationError, OperationalException, StrategyError
from freqtrade.persistence import LocalTrade
from freqtrade.resolvers import StrategyResolver
from freqtrade.resolvers.protection_resolver import ProtectionResolver
from freqtrade.strategy import IStrategy
from freqtrade.strategy.strategy_wrapper import strategy_safe_wrapper

from freqtrade_ext.cli._demo_stage import SHIM

USER_DATA = Path(__file__).resolve().parents[2] / "user_data"
NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)


def test_the_pinned_freqtrade_is_installed():
    assert version("freqtrade").startswith("2026.9")


# Shims


def test_the_shipped_shim_is_the_one_of_the_demo_and_short():
    text = (USER_DATA / "strategies" / "SpreadArbitrage.py").read_text(encoding="utf-8")
    assert text == SHIM
    assert len(text.splitlines()) < 30


def strategies_in(folder: Path) -> list[str]:
    config = {"user_data_dir": folder, "strategy_path": str(folder)}
    (folder / "strategies").mkdir(exist_ok=True)
    return [found["name"] for found in StrategyResolver.search_all_objects(config, False)]


def test_the_shim_is_found(tmp_path):
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "SpreadArbitrage.py").write_text(SHIM)
    assert strategies_in(tmp_path) == ["SpreadArbitrage"]


def test_a_class_that_is_only_imported_is_invisible(tmp_path):
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "imported.py").write_text(
        "from freqtrade_ext.adapters.strategies import SpreadStrategy\n"
        "text = 'class SpreadStrategy('\n"
    )
    assert strategies_in(tmp_path) == []


def test_a_dataclass_with_postponed_annotations_fails_in_a_strategy_file(tmp_path, caplog):
    """The file runs without entering `sys.modules`; all that is heard of it is a warning."""
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "Postponed.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from freqtrade.strategy import IStrategy\n\n\n"
        "@dataclass\nclass Band:\n    level: float\n\n\n"
        "class Postponed(IStrategy):\n    pass\n"
    )
    with caplog.at_level(logging.WARNING):
        assert strategies_in(tmp_path) == []
    assert "Could not import" in caplog.text


def test_protections_can_be_given_a_folder_of_the_user():
    """Not advertised: the resolver has no folder of its own, but uses one that it is given."""
    fresh = "from freqtrade.resolvers.protection_resolver import ProtectionResolver as R; "
    code = f"{fresh}import sys; sys.exit(R.user_subdir is not None)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    paths = ProtectionResolver.build_search_paths(
        {"user_data_dir": USER_DATA}, user_subdir="protections"
    )
    assert USER_DATA / "protections" in paths


# Errors


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("x"), KeyError("x")])
def test_a_callback_that_fails_is_answered_with_freqtrades_default(error):
    def confirm_trade_entry() -> bool:
        raise error

    assert strategy_safe_wrapper(confirm_trade_entry, default_retval=True)() is True
    assert strategy_safe_wrapper(confirm_trade_entry, supress_error=True)() is None
    with pytest.raises(StrategyError):
        strategy_safe_wrapper(confirm_trade_entry)()


def test_a_callback_gets_a_copy_of_the_trade():
    """So nothing may be remembered on it."""
    seen = []

    def custom_exit(trade) -> None:
        seen.append(trade)

    trade = LocalTrade(pair="X/Y:Y", exchange="binance", open_rate=1.0, open_date=NOW)
    strategy_safe_wrapper(custom_exit, supress_error=True)(trade=trade)
    assert seen[0] is not trade
    assert seen[0].pair == "X/Y:Y"


EXIT_CODES = [
    pytest.param(OperationalException, 2, id="operational"),
    pytest.param(StrategyError, 2, id="strategy"),
    # A supervisor would take this for success: we never raise it.
    pytest.param(ConfigurationError, 0, id="configuration"),
    pytest.param(RuntimeError, 1, id="anything-else"),
]


@pytest.mark.parametrize(("error", "code"), EXIT_CODES)
def test_an_error_at_the_start_becomes_an_exit_code(error, code):
    program = (
        "import freqtrade.main as m\n"
        f"from freqtrade.exceptions import *\n"
        "class Fake:\n"
        "    def __init__(self, args): pass\n"
        "    def get_parsed_arg(self): return {'func': fail}\n"
        f"def fail(args): raise {error.__name__}('the reason')\n"
        "m.Arguments = Fake\n"
        "m.set_mp_start_method = lambda: None\n"
        "m.main(['x'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code, done.stderr
    assert "the reason" in done.stdout + done.stderr


# Exits


class Plain(IStrategy):
    timeframe = "1h"
    stoploss = -0.5
    minimal_roi = {0: 100}  # noqa: RUF012 - as the resolver leaves it
    use_exit_signal = True
    exit_profit_only = False
    ignore_roi_if_entry_signal = False

    def __init__(self):
        super().__init__({"trading_mode": TradingMode.FUTURES, "stake_currency": "USDT"})
        self.asked = 0

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    populate_entry_trend = populate_exit_trend = populate_indicators

    def custom_exit(self, **kwargs):
        self.asked += 1
        return "SPREAD_STOP"


@pytest.mark.parametrize(
    ("enter", "exit_signal", "asked", "reason"),
    [
        pytest.param(False, False, 1, "SPREAD_STOP", id="no-signal"),
        pytest.param(False, True, 0, "exit_signal", id="exit-signal"),
        pytest.param(True, True, 1, "SPREAD_STOP", id="both-signals"),
    ],
)
def test_custom_exit_is_skipped_on_a_candle_with_an_exit_signal(enter, exit_signal, asked, reason):
    strategy = Plain()
    trade = LocalTrade(
        pair="X/Y:Y", exchange="binance", open_rate=100.0, open_date=NOW, stake_amount=100.0,
        amount=1.0, fee_open=0.0, fee_close=0.0, leverage=1.0,
    )  # fmt: skip
    trade.adjust_stop_loss(trade.open_rate, strategy.stoploss, initial=True)
    trade.recalc_open_trade_value()
    moment = NOW + timedelta(hours=1)
    exits = strategy.should_exit(trade, 100.0, moment, enter=enter, exit_=exit_signal)
    assert [found.exit_reason for found in exits] == [reason]
    assert strategy.asked == asked


# Settings of a strategy


def test_the_startup_candles_set_in_the_constructor_count(tmp_path):
    """A strategy may compute them from a file; the class attribute is only the default."""
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "Late.py").write_text(
        "from freqtrade.strategy import IStrategy\n\n\n"
        "class Late(IStrategy):\n"
        "    timeframe = '1h'\n    minimal_roi = {}\n    stoploss = -0.1\n\n"
        "    def __init__(self, config):\n"
        "        super().__init__(config)\n        self.startup_candle_count = 321\n\n"
        "    def populate_indicators(self, dataframe, metadata):\n        return dataframe\n\n"
        "    populate_entry_trend = populate_exit_trend = populate_indicators\n"
    )
    config = {"user_data_dir": tmp_path, "strategy": "Late", "stake_currency": "USDT"}
    strategy = StrategyResolver.load_strategy(config)
    assert strategy.startup_candle_count == 321


def test_the_modes_in_which_legs_are_traced_are_these():
    """`SpreadBroker` treats every other mode as an analysis that may trade one leg alone."""
    values = {mode.value for mode in NON_UTIL_MODES}
    assert values == {"live", "dry_run", "backtest", "hyperopt"}
    assert RunMode.UTIL_NO_EXCHANGE.value == "util_no_exchange"


def test_the_bias_analyses_run_in_a_mode_of_utilities(monkeypatch):
    from freqtrade.commands import optimize_commands
    from freqtrade.optimize.analysis import lookahead_helpers, recursive_helpers

    modes = []

    def setup(args, method, *, set_dry=True):
        modes.append(method)
        return {}

    monkeypatch.setattr("freqtrade.configuration.setup_utils_configuration", setup)
    monkeypatch.setattr(
        lookahead_helpers.LookaheadAnalysisSubFunctions, "start", lambda config: None
    )
    monkeypatch.setattr(
        recursive_helpers.RecursiveAnalysisSubFunctions, "start", lambda config: None
    )
    optimize_commands.start_lookahead_analysis({})
    optimize_commands.start_recursive_analysis({})
    assert modes == [RunMode.UTIL_NO_EXCHANGE, RunMode.UTIL_NO_EXCHANGE]


def test_the_lookahead_analysis_has_slots_without_limit():
    from freqtrade.optimize.analysis.lookahead_helpers import LookaheadAnalysisSubFunctions

    config = LookaheadAnalysisSubFunctions.calculate_config_overrides(
        {
            "targeted_trade_amount": 2, "minimum_trade_amount": 1, "timerange": "20240101-",
            "dry_run_wallet": 1_000, "stake_currency": "USDT", "max_open_trades": 2,
        }
    )  # fmt: skip
    assert config["max_open_trades"] == -1


def test_a_parameter_is_shared_by_all_strategies_of_its_class():
    """Hyperopt moves class attributes: a broker must read them when it decides, not before."""
    from freqtrade_ext.adapters.strategies import SpreadStrategy

    class One(SpreadStrategy):
        pass

    class Other(SpreadStrategy):
        pass

    assert One.entry_scale is Other.entry_scale


def test_a_signal_expires_by_the_ratio_of_the_candle():
    """`ignore_buying_expired_candle_after` counts seconds after the candle's close."""
    strategy = Plain()
    strategy.ignore_buying_expired_candle_after = 240
    opened = pd.Timestamp(NOW).to_pydatetime()
    for seconds, ignored in ((239, False), (241, True)):
        moment = NOW + timedelta(hours=1, seconds=seconds)
        assert (
            strategy.ignore_expired_candle(
                latest_date=opened, current_time=moment, timeframe_seconds=3_600, enter=True
            )
            is ignored
        )
