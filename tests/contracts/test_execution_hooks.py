"""What the order guard relies on in the pinned Freqtrade and ccxt, each fact in one test."""

import inspect
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import ccxt
import pytest
from freqtrade.enums import TradingMode
from freqtrade.exceptions import InsufficientFundsError, InvalidOrderException, TemporaryError
from freqtrade.exchange import Exchange
from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.persistence import Order, Trade
from freqtrade.rpc import rpc
from freqtrade.worker import Worker

from freqtrade_ext.sandbox import Effect
from tests.adapters.execution_doubles import (
    ALGO,
    BTC,
    ETH,
    Bench,
    fresh,
    running_bot,
    serve,
)

served = pytest.fixture(serve, scope="module")
bench = pytest.fixture(fresh)


@pytest.fixture(scope="module")
def bot(served: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreqtradeBot]:
    with running_bot(served, tmp_path_factory.mktemp("bot")) as bot:
        yield bot


def source(function: object) -> str:
    return inspect.getsource(function)


# The one ccxt object


def test_orders_go_through_create_order_of_the_ccxt_object_and_its_answer_is_passed_on(
    bench, monkeypatch
):
    asked = []

    def create_order(*arguments):
        asked.append(arguments)
        return {"id": "77", "status": "closed", "filled": 0.1, "average": 1.0, "info": "kept"}

    monkeypatch.setattr(bench.api, "create_order", create_order)
    order = bench.exchange.create_order(
        pair=BTC, ordertype="market", side="sell", amount=0.10009, rate=99.0, leverage=2.0,
        reduceOnly=True,
    )  # fmt: skip
    assert (order["id"], order["status"], order["info"]) == ("77", "closed", "kept")
    ((market, kind, side, amount, price, params),) = asked
    assert (market, kind, side, amount, price) == (BTC, "market", "sell", 0.1, None)
    assert params["reduceOnly"] is True


def test_stops_go_through_it_by_names_with_their_trigger(bench, monkeypatch):
    asked = []

    def create_order(**named):
        asked.append(named)
        return {"id": "77", "status": "open"}

    monkeypatch.setattr(bench.api, "create_order", create_order)
    bench.exchange.create_stoploss(BTC, 0.1, 50.0, {"stoploss": "market"}, "sell", 2.0)
    (named,) = asked
    assert (named["symbol"], named["type"], named["amount"]) == (BTC, "stop_market", 0.1)
    assert named["params"]["stopPrice"] == 50.0
    assert named["params"]["reduceOnly"] is True
    assert bench.exchange.get_option("stoploss_query_requires_stop_flag") is True


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ccxt.InsufficientFunds, InsufficientFundsError),
        (ccxt.InvalidOrder, InvalidOrderException),
        (ccxt.RequestTimeout, TemporaryError),
        (ccxt.NetworkError, TemporaryError),
    ],
)
def test_only_errors_of_ccxt_are_understood(bench, monkeypatch, error, expected):
    def create_order(*arguments):
        raise error("x")

    monkeypatch.setattr(bench.api, "create_order", create_order)
    with pytest.raises(expected):
        bench.exchange.create_order(
            pair=BTC, ordertype="market", side="sell", amount=0.1, rate=99.0, leverage=2.0,
            reduceOnly=True,
        )  # fmt: skip


def test_leverage_and_margin_mode_are_sent_before_every_order_that_opens(bench, monkeypatch):
    asked = []
    monkeypatch.setattr(bench.api, "set_leverage", lambda **named: asked.append(named))
    monkeypatch.setattr(bench.api, "set_margin_mode", lambda *given: asked.append(given))
    for _ in range(2):
        bench.exchange._lev_prep(BTC, 2.0, "buy")
    assert asked.count({"symbol": BTC, "leverage": 2.0}) == 2
    assert asked.count(("isolated", BTC, {})) == 2
    assert "if not reduceOnly:\n                self._lev_prep" in source(Exchange.create_order)


def test_options_of_the_ccxt_object_are_replaced_when_markets_are_loaded_again(bench):
    before = bench.api.options
    bench.exchange.reload_markets(True, load_leverage_tiers=False)
    assert bench.api.options is not before or bench.api.options is bench.exchange._api_async.options
    assert "self._api.options = self._api_async.options" in source(Exchange.reload_markets)


def test_the_methods_of_the_object_can_be_shadowed(bench):
    """Nothing in ccxt's object keeps its own reference to the four methods."""
    names = {"create_order", "fetch_order", "set_leverage", "set_margin_mode"}
    assert not names & set(vars(bench.api))
    assert not hasattr(type(bench.api), "__slots__")


# ccxt's names of orders


def test_a_client_order_id_is_sent_and_found_again(bench):
    params = {"clientOrderId": "hook-1"}
    order = bench.api.create_order(BTC, "market", "buy", 0.1, None, params)
    (sent,) = [
        seen for seen in bench.server.requests_since(0) if seen.client_order_ids == ("hook-1",)
        and seen.endpoint.startswith("POST")
    ]  # fmt: skip
    assert sent.endpoint == "POST /fapi/v1/order"
    assert order["clientOrderId"] == "hook-1"
    assert bench.api.fetch_order("", BTC, params)["id"] == order["id"]
    with pytest.raises(ccxt.OrderNotFound):
        bench.api.fetch_order("", BTC, {"clientOrderId": "hook-nowhere"})


def test_a_client_order_id_of_a_conditional_order_is_an_algo_id(bench):
    bench.api.create_order(BTC, "market", "buy", 0.1)
    params = {"clientOrderId": "hook-2"}
    stop = {"stopPrice": 50.0, "reduceOnly": True} | params
    order = bench.api.create_order(BTC, "market", "sell", 0.1, None, stop)
    sent = [seen.endpoint for seen in bench.server.requests_since(0)
            if seen.client_order_ids == ("hook-2",)]  # fmt: skip
    assert sent == [ALGO]
    found = bench.api.fetch_order("", BTC, params | {"stop": True})
    assert found["id"] == order["id"]
    with pytest.raises(ccxt.OrderNotFound):
        bench.api.fetch_order("", BTC, params)


def test_a_batch_answers_for_each_order_but_in_another_order(bench):
    """Sorted by time, refusals first: answers must be told apart by their names."""
    good = {"symbol": BTC, "type": "market", "side": "buy", "amount": 0.1,
            "params": {"clientOrderId": "hook-3"}}  # fmt: skip
    bad = {"symbol": ETH, "type": "market", "side": "buy", "amount": 0.001,
           "params": {"clientOrderId": "hook-4"}}  # fmt: skip
    first, second = bench.api.create_orders([good, bad])
    assert first["id"] is None
    assert json.loads(bench.api.json(first["info"]))["code"] == -4164
    assert second["clientOrderId"] == "hook-3"


def test_an_answer_that_is_no_json_is_passed_on_as_text(bench):
    """Positions of a web page are no positions: the guard's venue makes it an error."""
    bench.api.__dict__.pop("on_rest_response", None)
    bench.api.create_order(BTC, "market", "buy", 0.1)
    bench.fault("GET /fapi/v3/positionRisk", Effect.GARBLED)
    assert bench.api.fetch_positions() == []
    assert len(bench.api.fetch_positions()) == 1


def test_an_error_carries_the_code_of_the_exchange(bench):
    bench.fault("POST /fapi/v1/order", Effect.REJECT(-2019))
    with pytest.raises(ccxt.InsufficientFunds, match='"code":-2019'):
        bench.api.create_order(BTC, "market", "buy", 0.1)


# The bot


def test_the_exit_lock_is_a_plain_lock_that_force_exits_hold(bot):
    assert isinstance(bot._exit_lock, type(threading.Lock()))
    for function in (rpc.RPC._rpc_force_exit, rpc.RPC._rpc_force_entry, rpc.RPC._rpc_delete):
        assert "with self._freqtrade._exit_lock:" in source(function)


def test_the_loop_starts_before_anything_that_holds_the_lock(bot):
    """Otherwise `fresh_books`, inside `bot_loop_start`, would wait for itself."""
    text = source(FreqtradeBot.process)
    assert text.index("bot_loop_start") < text.index("with self._exit_lock:")
    before = text[: text.index("bot_loop_start")]
    assert "exit_positions" not in before


@pytest.fixture
def resting(bench, bot):
    """An open trade whose entry rests on the exchange."""
    order = bench.api.create_order(BTC, "limit", "buy", 0.1, 90.0)
    trade = Trade(
        pair=BTC, exchange="binance", open_rate=90.0, open_date=bench_time(order), is_open=True,
        stake_amount=9.0, amount=0.0, fee_open=0.0, fee_close=0.0, leverage=1.0,
        trading_mode=TradingMode.FUTURES, enter_tag="x",
    )  # fmt: skip
    row = Order.parse_from_ccxt_object(order, BTC, "buy", 0.1, 90.0)
    trade.orders.append(row)
    Trade.session.add(trade)
    Trade.commit()
    yield trade
    for left in Trade.get_open_trades():
        left.delete()
    Trade.commit()


def bench_time(order):
    return datetime.fromtimestamp(order["timestamp"] / 1000, UTC)


@pytest.mark.parametrize("look", ["startup_update_open_orders", "manage_open_orders"])
def test_open_rows_are_looked_up_at_the_start_and_in_every_loop(bench, bot, resting, look):
    bench.set_price(BTC, 80)
    with bench.requests() as seen:
        getattr(bot, look)()
    assert "GET /fapi/v1/order" in seen
    assert (resting.amount, resting.has_open_orders) == (0.1, False)


def test_an_order_that_is_not_found_at_the_start_is_taken_for_canceled(bot, resting, monkeypatch):
    """However young it is; so the gate does not let an accepted order be denied."""
    monkeypatch.setattr(bot.exchange._api, "fetch_order", refuse, raising=False)
    bot.startup_update_open_orders()
    assert Trade.get_open_trades() == []  # an entry that was canceled unfilled leaves no trade


def refuse(*arguments, **named):
    raise ccxt.InvalidOrder("Order does not exist.")


def test_every_exit_but_a_liquidation_asks_confirm_trade_exit():
    """So the partner's exit can leave with it."""
    text = source(FreqtradeBot.execute_trade_exit)
    condition = text[text.index("exit_check.exit_type != ExitType.LIQUIDATION") :]
    assert "self.strategy.confirm_trade_exit" in condition[:200]


def test_cleanup_calls_the_strategys():
    assert "self.strategy.ft_bot_cleanup()" in source(FreqtradeBot.cleanup)
    assert "self.freqtrade.cleanup()" in source(Worker._reconfigure)
    assert "self.freqtrade.cleanup()" in source(Worker.exit)


def test_the_worker_sleeps_in_a_method_of_its_own_between_two_loops():
    assert Worker._sleep.__module__ == "freqtrade.worker"
    assert list(inspect.signature(Worker._sleep).parameters) == ["sleep_duration"]
    text = source(Worker._throttle)
    assert text.index("result = func(") < text.index("self._sleep(sleep_duration)")


def test_a_running_bot_does_not_show_its_credentials(bot, bench):
    assert not bot.config["exchange"].get("key")
    assert not bot.config["exchange"].get("secret")
    assert bot.exchange._api.apiKey == bench.server.credentials.key


def test_the_bot_can_be_reached_from_a_strategy(bot):
    assert bot.strategy.dp._DataProvider__rpc._rpc._freqtrade is bot


def test_an_error_of_the_database_leaves_the_session_to_be_rolled_back():
    """Freqtrade's own commit does not: whoever adds rows must."""
    assert "rollback" not in source(Trade.commit)
    assert "rollback" in source(Trade.rollback)
