"""The callbacks of the strategy: what they pass on, and what they answer when something fails."""

import inspect
import pickle
import sys
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from types import SimpleNamespace

import cloudpickle
import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import ConfigurationError, OperationalException
from freqtrade.optimize.backtest_caching import get_strategy_run_id
from freqtrade.strategy import IStrategy

from freqtrade_ext.adapters._spread_orders import SpreadOrders
from freqtrade_ext.adapters._universe_view import UniverseView
from freqtrade_ext.adapters.strategies import SpreadStrategy, _guarded_strategy
from freqtrade_ext.adapters.strategies._staged_strategy import StagedStrategy
from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads import Candidate, Direction

from .desk_doubles import SECTION, Shim, config_of, strategy_of, write_book
from .doubles import BTC, ETH, START, Provider, candles, spec_of

NOW = START + timedelta(hours=300)
TAGGED = SimpleNamespace(enter_tag="ETH-BTC long A", id=1, amount=1.0)
FORCED = SimpleNamespace(enter_tag="force_entry", id=2, amount=1.0)

ENTRY = {"pair": ETH, "current_time": NOW, "entry_tag": "ETH-BTC long A", "side": "long"}
STAKE = ENTRY | {
    "current_rate": 100.0, "proposed_stake": 50.0, "min_stake": 5.0, "max_stake": 1_000.0,
    "leverage": 2.0,
}  # fmt: skip
CONFIRM = ENTRY | {"order_type": "market", "amount": 1.0, "rate": 100.0, "time_in_force": "GTC"}
HELD = {"pair": ETH, "current_time": NOW, "trade": TAGGED}
LEVERAGE = ENTRY | {"current_rate": 1.0, "proposed_leverage": 1.0, "max_leverage": 20.0}
EXIT = HELD | {"current_rate": 100.0, "current_profit": 0.0}
ADJUST = {"trade": TAGGED, "current_time": NOW, "current_rate": 100.0}
ORDER = HELD | {"order": None}
LEAVE = HELD | {
    "order_type": "market", "amount": 1.0, "rate": 100.0, "time_in_force": "GTC",
    "exit_reason": "force_exit",
}  # fmt: skip

ANSWERS = {
    "bot_loop_start": ({"current_time": NOW}, None),
    "custom_stake_amount": (STAKE, 0.0),
    "confirm_trade_entry": (CONFIRM, False),
    "order_filled": (ORDER, None),
    "custom_exit": (EXIT, None),
    "confirm_trade_exit": (LEAVE, True),
    "adjust_trade_position": (ADJUST, None),
    "check_entry_timeout": (ORDER, False),
    "check_exit_timeout": (ORDER, False),
}


class Broken:
    """A broker in which everything fails."""

    def __getattr__(self, name):
        raise StoreError(f"disk full at {name}")


def live_execution():
    """Stands for the order guard of a live bot."""
    return SimpleNamespace(fresh_books=nullcontext, loop=lambda: None)


class Recorder:
    """A broker that answers the same to everything and remembers what it was asked."""

    live = False

    def __init__(self, answer=None):
        self.answer = answer
        self.calls = []
        self.signalled = {}

    def __getattr__(self, name):
        def asked(*args, **kwargs):
            self.calls.append((name, args))
            return self.answer

        return asked


@pytest.fixture(autouse=True)
def _logging(monkeypatch):
    """A dry run puts our log format in place, for which it looks at the credentials."""
    monkeypatch.setattr(Provider, "_api", SimpleNamespace(), raising=False)
    monkeypatch.setattr(_guarded_strategy, "with_credentials", lambda config, api: config)
    monkeypatch.setattr(_guarded_strategy.log_format, "install", lambda *arguments: None)


@pytest.fixture
def strategy(tmp_path):
    write_book(tmp_path)
    strategy = strategy_of(tmp_path)
    strategy._books_are_read = True
    return strategy


@pytest.mark.parametrize("excluded", [[], ["ETH"], [" btc "], [ETH], ["DOGE"]])
def test_a_leg_on_the_list_of_excluded_coins_is_not_entered(tmp_path, excluded):
    write_book(tmp_path)
    config = config_of(tmp_path)
    config["ext"]["risk"] = {"excluded": excluded}
    strategy = Shim(config)
    strategy.dp = strategy_of(tmp_path).dp
    candidate = Candidate(0, "ETH-BTC", ETH, BTC, Direction.LONG, -2.5, 0.02)
    why = strategy.broker.refusal(candidate)
    assert ("is on the list ext.risk.excluded" in why) == (excluded not in ([], ["DOGE"]))


def overridden():
    """Callbacks of Freqtrade that the strategy implements."""
    return {
        name
        for name, function in (vars(StagedStrategy) | vars(SpreadStrategy)).items()
        if inspect.isfunction(function) and not name.startswith("_") and hasattr(IStrategy, name)
    }


@pytest.mark.parametrize("name", ANSWERS)
def test_a_callback_fails_closed(strategy, name, caplog):
    strategy._broker, strategy._execution = Broken(), live_execution()
    arguments, answer = ANSWERS[name]
    assert getattr(strategy, name)(**arguments) == answer
    owner = "StagedStrategy" if name == "bot_loop_start" else "SpreadStrategy"
    assert f"{owner}.{name} failed" in caplog.text
    assert "disk full" in caplog.text


def test_a_live_start_goes_on_with_what_was_being_unwound(tmp_path, database, monkeypatch):
    """While the execution is still starting; the desk can ask the guard by then."""
    sent, asked = [], []
    guard = SimpleNamespace(send=sent.append, is_awaited=asked.append)
    write_book(tmp_path)
    strategy = strategy_of(tmp_path, mode=RunMode.LIVE)

    def started(strategy, settings, owner, then):
        then(SimpleNamespace(guard=guard))

    monkeypatch.setattr(SpreadStrategy, "start_execution", started)

    def unwind(owner, send):
        strategy.broker._is_awaited("a name")
        send(["leg A"])

    monkeypatch.setattr(SpreadOrders, "unwind_left_over", unwind)
    strategy.bot_start()
    assert (sent, asked) == ([["leg A"]], ["a name"])


def test_a_leverage_that_fails_is_none_at_all(strategy):
    assert strategy.leverage(**(LEVERAGE | {"max_leverage": None})) == 1.0


def test_every_callback_has_its_answer():
    """A callback that is added later must say what it answers when it fails."""
    data = {"bot_start", "ft_bot_cleanup", "informative_pairs"}
    data |= {"populate_indicators", "populate_entry_trend", "populate_exit_trend"}
    assert overridden() == set(ANSWERS) | {"leverage"} | data
    for name in set(ANSWERS) | {"leverage"}:
        assert hasattr(getattr(SpreadStrategy, name), "__wrapped__"), name


def test_books_that_could_not_be_read_allow_no_entry(strategy):
    strategy._broker = Recorder(answer=50.0)
    assert strategy.custom_stake_amount(**STAKE) == 50.0
    strategy._broker = Broken()
    strategy.bot_loop_start(NOW)
    strategy._broker = Recorder(answer=50.0)
    assert strategy.custom_stake_amount(**STAKE) == 0.0
    assert strategy.confirm_trade_entry(**CONFIRM) is False
    strategy.bot_loop_start(NOW + timedelta(seconds=5))
    assert strategy.custom_stake_amount(**STAKE) == 50.0


def test_an_entry_is_asked_for_with_its_tag_rate_and_time(strategy):
    strategy._broker = broker = Recorder(answer=50.0)
    assert strategy.custom_stake_amount(**STAKE) == 50.0
    ((name, (tag, rate, leverage, bands, now_ms)),) = broker.calls
    assert (name, str(tag), rate, leverage) == ("stake", "ETH-BTC long A", 100.0, 2.0)
    assert now_ms == int(NOW.timestamp() * 1000)
    assert set(bands) == {"ETH-BTC"}


def test_an_order_is_confirmed_by_the_broker_alone(strategy):
    for answer in (True, False):
        strategy._broker = broker = Recorder(answer)
        assert strategy.confirm_trade_entry(**CONFIRM) is answer
        assert broker.calls[0][0] == "confirm"


def test_an_entry_that_a_person_forces_keeps_its_stake(strategy):
    strategy._broker = broker = Recorder()
    assert strategy.custom_stake_amount(**(STAKE | {"entry_tag": "force_entry"})) == 50.0
    assert strategy.custom_stake_amount(**(STAKE | {"entry_tag": None})) == 50.0
    assert broker.calls == []


def test_a_person_may_force_other_markets_but_no_leg(strategy):
    by_hand = CONFIRM | {"entry_tag": "force_entry"}
    assert strategy.confirm_trade_entry(**by_hand) is False
    assert strategy.confirm_trade_entry(**(by_hand | {"pair": "XRP/USDT:USDT"})) is True


@pytest.mark.parametrize("reason", [CloseReason.MEAN_REVERSION, CloseReason.ORPHAN_LEG])
def test_an_exit_is_the_reason_alone(strategy, reason):
    strategy._broker = Recorder(reason)
    answer = strategy.custom_exit(**EXIT)
    assert answer == reason.value
    assert type(answer) is str


def test_no_reason_holds(strategy):
    strategy._broker = Recorder(None)
    assert strategy.custom_exit(**EXIT) is None


@pytest.mark.parametrize("name", sorted(set(ANSWERS) - {"bot_loop_start"}))
def test_a_trade_of_a_person_is_left_alone(strategy, name):
    strategy._broker = broker = Recorder(answer=True)
    arguments = dict(ANSWERS[name][0])
    arguments |= {"trade": FORCED} if "trade" in arguments else {"entry_tag": "force_entry"}
    getattr(strategy, name)(**arguments)
    assert broker.calls == []


@pytest.mark.parametrize("name", ["check_entry_timeout", "check_exit_timeout"])
@pytest.mark.parametrize("wanted", [True, False])
def test_an_order_is_canceled_when_the_coordinator_wants_it(strategy, name, wanted):
    strategy._broker = broker = Recorder(wanted)
    assert getattr(strategy, name)(**ORDER) is wanted
    assert broker.calls[0][0] == "wants_cancel"


def test_an_exit_always_passes_and_a_guarded_spread_hears_of_it(strategy):
    """Without the guard the partner is closed a loop later, as its books show it."""
    strategy._broker = broker = Recorder()
    assert strategy.confirm_trade_exit(**LEAVE) is True
    assert broker.calls == []
    strategy._execution = live_execution()
    assert strategy.confirm_trade_exit(**LEAVE) is True
    ((name, (tag, trade, reason, now_ms)),) = broker.calls
    assert (name, str(tag), trade, reason) == (
        "forced_exit", "ETH-BTC long A", TAGGED, "force_exit",
    )  # fmt: skip
    assert now_ms == int(NOW.timestamp() * 1000)


def test_a_loop_of_a_live_bot_works_on_held_books(strategy):
    steps = []

    @contextmanager
    def fresh_books():
        steps.append("held")
        yield
        steps.append("released")

    strategy._execution = SimpleNamespace(
        fresh_books=fresh_books, loop=lambda: steps.append("execution")
    )
    strategy._broker = Recorder()
    strategy._broker.loop = lambda now_ms: steps.append("spreads")
    strategy.bot_loop_start(NOW)
    assert steps == ["held", "execution", "spreads", "released"]


def test_books_that_were_not_reconciled_allow_no_entry(strategy):
    def lost():
        raise VenueError("the account is traded by another bot")

    strategy._execution = SimpleNamespace(fresh_books=nullcontext, loop=lost)
    strategy._broker = broker = Recorder(answer=50.0)
    strategy.bot_loop_start(NOW)
    assert strategy.custom_stake_amount(**STAKE) == 0.0
    assert broker.calls == []


def test_the_guarded_markets_are_the_legs_of_the_book(strategy):
    assert strategy.guarded_markets() == {ETH, BTC}


def test_an_adjustment_and_a_fill_are_passed_on(strategy):
    strategy._broker = broker = Recorder(-12.5)
    assert strategy.adjust_trade_position(**ADJUST) == -12.5
    strategy.order_filled(**ORDER)
    assert [name for name, _ in broker.calls] == ["adjustment", "filled"]


@pytest.mark.parametrize(("bracket", "answer"), [(20.0, 2.0), (1.5, 1.5)])
def test_leverage_is_the_configured_one_within_the_bracket(strategy, bracket, answer):
    assert strategy.leverage(**(LEVERAGE | {"max_leverage": bracket})) == answer


def test_freqtrade_adjusts_positions_only_while_a_leg_needs_it(strategy):
    for answer in (True, False):
        strategy._broker = Recorder(answer)
        strategy.bot_loop_start(NOW)
        assert strategy.position_adjustment_enable is answer


def test_a_loop_reports_the_time(strategy):
    strategy._broker = broker = Recorder()
    strategy.bot_loop_start(NOW)
    assert broker.calls[0] == ("loop", (int(NOW.timestamp() * 1000),))


def test_time_that_jumps_back_is_the_next_backtest(strategy):
    """Hyperopt goes on with the same object: nothing of the last epoch may stay."""
    strategy.bot_start()
    strategy.bot_loop_start(NOW)
    before = strategy.broker
    before.signalled[ETH] = "signals of this epoch"
    strategy.bot_loop_start(NOW + timedelta(hours=1))
    assert strategy.broker is before
    strategy.bot_loop_start(NOW - timedelta(hours=1))
    assert strategy.broker is not before
    assert strategy.broker.desk is not before.desk
    assert strategy.broker.signalled == {ETH: "signals of this epoch"}


# Start


@pytest.mark.parametrize(
    ("spreads", "text"),
    [
        ({"fit_windo": 100}, "configuration: ext.spreads.fit_windo: unknown key"),
        ({"max_pvalue": 2.0}, "configuration: ext.spreads.max_pvalue: "),
        ({"book": "nowhere.json"}, "nowhere.json: does not exist"),
    ],
)
def test_a_mistake_of_a_person_stops_the_start(tmp_path, spreads, text):
    write_book(tmp_path)
    with pytest.raises(OperationalException) as error:
        Shim(config_of(tmp_path, **spreads))
    assert text in str(error.value)
    assert not isinstance(error.value, ConfigurationError)


def test_a_book_of_another_timeframe_stops_the_start(tmp_path):
    write_book(tmp_path, timeframe="5m")
    with pytest.raises(OperationalException, match=r"timeframe: .*'5m' candles.*'1h'"):
        Shim(config_of(tmp_path))


def test_the_timeframe_of_the_configuration_wins(tmp_path):
    write_book(tmp_path, timeframe="5m")
    strategy = Shim(config_of(tmp_path) | {"timeframe": "5m"})
    assert strategy._view.candle_ms == 300_000


def test_another_book_can_be_named(tmp_path):
    (tmp_path / "books").mkdir()
    write_book(tmp_path / "books", spec_of("named"))
    strategy = Shim(config_of(tmp_path, book="books/pairs_config.json"))
    assert list(strategy._view.specs) == ["named"]


def test_startup_candles_cover_every_spread(tmp_path):
    long = spec_of("SOL-ADA", "SOL/USDT:USDT", "ADA/USDT:USDT", mean_reversion_window=90)
    write_book(tmp_path, spec_of(), long)
    assert Shim(config_of(tmp_path)).startup_candle_count == 100 + 24 + 90


def with_section(folder, runmode=RunMode.BACKTEST, **sections):
    config = config_of(folder) | {"runmode": runmode}
    config["ext"] = config["ext"] | sections
    return config


def test_a_renewed_book_needs_history_for_those_who_join(tmp_path):
    write_book(tmp_path, spec_of(mean_reversion_window=20))
    assert Shim(with_section(tmp_path)).startup_candle_count == 100 + 24 + 20
    renewed = with_section(tmp_path, scan={"while_trading": True})
    assert Shim(renewed).startup_candle_count == 100 + 24 + 50


def universe_section(folder, runmode=RunMode.BACKTEST, **scan):
    return with_section(
        folder, runmode, spreads=SECTION | {"select": "universe", "select_window": 600}, scan=scan
    )


def test_a_backtest_of_a_universe_needs_no_book(tmp_path):
    strategy = Shim(universe_section(tmp_path))
    assert isinstance(strategy._view, UniverseView)
    assert strategy.startup_candle_count == 600 + 12 + 24 + 50


@pytest.mark.parametrize("runmode", [RunMode.LIVE, RunMode.DRY_RUN])
def test_a_trading_bot_trades_a_universe_only_as_a_renewed_book(tmp_path, runmode):
    write_book(tmp_path)
    with pytest.raises(OperationalException, match="'universe' is for backtests"):
        Shim(universe_section(tmp_path, runmode))
    renewed = Shim(universe_section(tmp_path, runmode, while_trading=True))
    assert list(renewed._view.specs) == ["ETH-BTC"]


def test_a_mistake_in_the_search_stops_the_start(tmp_path):
    write_book(tmp_path)
    with pytest.raises(OperationalException, match=r"ext\.scan\.max_spread: unknown key"):
        Shim(with_section(tmp_path, scan={"max_spread": 3}))


def test_bands_of_a_search_are_checked_before_the_first_candle(tmp_path, monkeypatch):
    strategy = strategy_of(tmp_path, select="universe", select_window=600)
    monkeypatch.setattr(strategy.dp, "get_markets", lambda: [ETH, BTC], raising=False)
    strategy.config["exchange"] = {"pair_whitelist": [ETH, BTC]}
    monkeypatch.setattr(strategy.entry_scale, "value", 3.0)
    with pytest.raises(OperationalException, match="any-spread: with the strategy's parameters"):
        strategy.bot_start()


@pytest.mark.parametrize(("mode", "renewed"), [(RunMode.DRY_RUN, True), (RunMode.BACKTEST, False)])
def test_only_a_trading_bot_renews_its_book(tmp_path, database, monkeypatch, mode, renewed):
    write_book(tmp_path)
    strategy = strategy_of(tmp_path, mode=mode)
    strategy._scan = strategy._scan.model_copy(update={"while_trading": True})
    monkeypatch.setattr(strategy.dp, "get_markets", lambda: [ETH, BTC], raising=False)
    strategy.bot_start()
    assert (strategy._renewal is not None) is renewed
    strategy.ft_bot_cleanup()
    assert strategy._renewal is None


def test_a_loop_renews_the_book_after_the_books_are_read(strategy):
    steps = []
    strategy._broker = Recorder()
    strategy._broker.loop = lambda now_ms: steps.append("spreads")
    strategy._renewal = SimpleNamespace(loop=lambda now_ms: steps.append("book"))
    strategy.bot_loop_start(NOW)
    assert steps == ["spreads", "book"]


def test_the_end_of_the_bot_ends_a_scan(strategy):
    ended = []
    strategy._renewal = SimpleNamespace(end=lambda: ended.append(1))
    strategy.ft_bot_cleanup()
    strategy.ft_bot_cleanup()
    assert ended == [1]


def test_a_spread_that_left_the_book_is_guarded_to_the_end_of_the_run(strategy):
    strategy.bot_start()
    strategy._view.take_over({}, frozenset())
    assert strategy.guarded_markets() == {ETH, BTC}


def test_candles_and_funding_of_every_leg_are_asked_for(strategy):
    assert set(strategy.informative_pairs()) == {
        (ETH, "1h", "futures"),
        (BTC, "1h", "futures"),
        (ETH, "1h", "funding_rate"),
        (BTC, "1h", "funding_rate"),
    }


def test_a_spread_with_an_unlisted_leg_is_left_out_at_the_start(tmp_path, caplog):
    write_book(tmp_path, spec_of(), spec_of("XRP-ADA", "XRP/USDT:USDT", "ADA/USDT:USDT"))
    strategy = strategy_of(tmp_path, mode=RunMode.HYPEROPT)
    strategy.bot_start()
    assert list(strategy._view.specs) == ["ETH-BTC"]
    assert "XRP-ADA is left out" in caplog.text


def test_each_scale_moves_its_band(strategy, monkeypatch):
    (before,) = strategy._bands().values()
    assert (before.entry_z, before.exit_z, before.stop_z) == (2.0, 0.5, 4.0)
    assert before.longest(10.0) == 30.0
    for name, value in (("entry", 1.5), ("exit", 0.5), ("stop", 2.0), ("holding", 2.0)):
        monkeypatch.setattr(getattr(strategy, f"{name}_scale"), "value", value)
    (after,) = strategy._bands().values()
    assert (after.entry_z, after.exit_z, after.stop_z) == (3.0, 0.25, 8.0)
    assert after.longest(10.0) == 60.0


def test_a_holding_time_of_the_book_is_scaled_too(tmp_path, monkeypatch):
    write_book(tmp_path, spec_of(max_holding=20))
    strategy = strategy_of(tmp_path)
    monkeypatch.setattr(strategy.holding_scale, "value", 0.5)
    assert strategy._bands()["ETH-BTC"].longest(100.0) == 10.0


@pytest.mark.parametrize("hours", [0.5, 1.5])
def test_a_refit_between_candles_stops_the_start(tmp_path, hours):
    write_book(tmp_path)
    with pytest.raises(OperationalException, match=r"refit_every_hours: .* whole number of 1h"):
        Shim(config_of(tmp_path, refit_every_hours=hours))


@pytest.mark.parametrize(("scale", "value"), [("entry", 3.0), ("exit", 6.0), ("stop", 2.0)])
def test_parameters_that_push_bands_past_each_other_stop_the_start(
    strategy, monkeypatch, scale, value
):
    monkeypatch.setattr(getattr(strategy, f"{scale}_scale"), "value", value)
    with pytest.raises(OperationalException, match="ETH-BTC: with the strategy's parameters"):
        strategy.bot_start()


def test_a_changed_book_is_another_backtest(tmp_path):
    """Freqtrade reuses a result when configuration and strategy file are the same."""
    runs = []
    for bands in (spec_of(), spec_of(), spec_of(z_score_threshold=2.5)):
        write_book(tmp_path, bands)
        strategy = strategy_of(tmp_path)
        strategy.__file__ = __file__
        runs.append(get_strategy_run_id(strategy))
    assert runs[0] == runs[1] != runs[2]


# Frames


def analysed(strategy, market_name):
    frame = strategy.dp.frames[market_name]
    frame = strategy.populate_indicators(frame, {"pair": market_name})
    frame = strategy.populate_entry_trend(frame, {"pair": market_name})
    return strategy.populate_exit_trend(frame, {"pair": market_name})


def test_both_legs_get_their_signal_on_the_same_candle(strategy):
    strategy.bot_start()
    of_a, of_b = analysed(strategy, ETH), analysed(strategy, BTC)
    assert of_a["enter_long"].sum() > 3
    assert of_a["enter_long"].tolist() == of_b["enter_short"].tolist()
    assert of_a["enter_short"].tolist() == of_b["enter_long"].tolist()
    tags = of_a["enter_tag"].dropna()
    assert (tags.str[:-1] == of_b["enter_tag"].dropna().str[:-1]).all()


def test_no_exit_signal_is_ever_written(strategy):
    """On a candle with one Freqtrade would not ask `custom_exit`."""
    strategy.bot_start()
    frame = analysed(strategy, ETH)
    assert not [name for name in frame if name.startswith("exit")]


@pytest.mark.parametrize("mode", [RunMode.BACKTEST, RunMode.DRY_RUN])
def test_a_backtest_promises_a_leg_only_after_its_startup_candles(tmp_path, database, mode):
    write_book(tmp_path)
    strategy = strategy_of(tmp_path, mode=mode)
    strategy.bot_start()
    strategy.dp.frames[ETH] = strategy.dp.frames[ETH].iloc[50:].reset_index(drop=True)
    analysed(strategy, ETH)
    since_ms = strategy.broker.signalled[ETH].since_ms
    late = (START + timedelta(hours=50 + strategy.startup_candle_count)).timestamp() * 1000
    assert since_ms == (late if mode is RunMode.BACKTEST else 0.0)


def test_a_market_with_fewer_candles_than_the_startup_is_never_promised(strategy):
    strategy.bot_start()
    strategy.dp.frames[ETH] = candles(range(1, 20))
    analysed(strategy, ETH)
    assert strategy.broker.signalled[ETH].since_ms == float("inf")


def test_hyperopt_can_send_the_strategy_to_another_process(strategy):
    strategy.bot_start()
    analysed(strategy, ETH)
    analysed(strategy, BTC)
    module = sys.modules[SpreadStrategy.__module__]
    cloudpickle.register_pickle_by_value(module)  # as hyperopt does with a strategy's bases
    try:
        copy = pickle.loads(cloudpickle.dumps(strategy))
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    copy.bot_loop_start(NOW)
    assert copy._books_are_read
    assert copy._view.board(copy._bands()) == strategy._view.board(strategy._bands())
