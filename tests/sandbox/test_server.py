"""The server as a process on this machine: start, stop, controls, lost connections."""

import json
import socket
import ssl
import threading

import httpx
import pytest

from freqtrade_ext.errors import ConfigError, ExtensionError
from freqtrade_ext.sandbox import Effect, Fault, SandboxServer, connection_settings
from freqtrade_ext.sandbox.engine import OrderType, PlaceOrder, Side
from freqtrade_ext.sandbox.journal import RequestAnswered

from .doubles import Client, D, Desk, eventually

BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
ORDER = "POST /fapi/v1/order"


def send(stage, endpoint: str, **params: object) -> httpx.Response:
    """Send a signed request over plain HTTP."""
    request = Client(stage.desk).request(endpoint, **params)
    with httpx.Client(base_url=stage.server.url) as http:
        return http.request(
            request.method,
            f"{request.path}?{request.query}",
            content=request.body,
            headers=dict(request.headers),
        )


def get(stage, path: str) -> object:
    return httpx.get(stage.server.url + path).json()


def post(stage, path: str, **body: object) -> httpx.Response:
    return httpx.post(stage.server.url + path, content=json.dumps(body))


def hold(stage, quantity: int = 2) -> None:
    order = PlaceOrder("BTCUSDT", Side.BUY, OrderType.MARKET, D(quantity))
    stage.server.call(lambda: stage.desk.do(order))


class TestLife:
    def test_answers_as_soon_as_it_has_started(self):
        desk = Desk()
        server = SandboxServer(desk.exchange, desk.clock, tick_seconds=0).start()
        try:
            answer = httpx.get(f"{server.url}/fapi/v1/time").json()
            assert answer == {"serverTime": desk.clock.now_ms}
        finally:
            server.stop()

    def test_listens_on_loopback_at_any_free_port(self, stage):
        url = httpx.URL(stage.server.url)
        assert url.host == "127.0.0.1"
        assert url.port not in (0, httpx.URL(stage.server.proxy_url).port)

    def test_stops_answering_and_frees_its_thread(self, stage):
        url = stage.server.url
        stage.server.stop()
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/fapi/v1/ping")
        assert not [t for t in threading.enumerate() if t.name == "sandbox"]

    def test_can_be_stopped_twice_and_started_again(self):
        desk = Desk()
        server = SandboxServer(desk.exchange, desk.clock, tick_seconds=0)
        server.stop()
        for _ in range(2):
            with server:
                assert httpx.get(f"{server.url}/fapi/v1/ping").status_code == 200
            server.stop()

    def test_has_no_address_before_it_runs(self):
        server = SandboxServer(Desk().exchange)
        with pytest.raises(ConfigError, match=r"not running; call start\(\) first"):
            server.url  # noqa: B018

    def test_does_not_start_twice(self, stage):
        with pytest.raises(ConfigError, match="is running already"):
            stage.server.start()

    def test_a_port_in_use_is_named(self, stage):
        port = httpx.URL(stage.server.url).port
        second = SandboxServer(Desk().exchange, port=port)
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}: Address"):
            second.start()
        second.stop()

    def test_a_failure_at_the_start_is_raised_where_it_was_started(self, tmp_path):
        desk = Desk()
        server = SandboxServer(desk.exchange, desk.clock, folder=tmp_path / "missing")
        with pytest.raises(ExtensionError, match="did not start") as caught:
            server.start()
        assert isinstance(caught.value.__cause__, FileNotFoundError)

    def test_a_fixed_port_can_be_taken_again_at_once(self):
        desk = Desk()
        with SandboxServer(desk.exchange, desk.clock) as server:
            port = httpx.URL(server.url).port
        with SandboxServer(desk.exchange, desk.clock, port=port) as server:
            assert httpx.get(f"{server.url}/fapi/v1/ping").status_code == 200

    def test_looks_at_the_market_between_requests(self):
        desk = Desk()
        order = desk.do(PlaceOrder("BTCUSDT", Side.BUY, OrderType.LIMIT, D(1), D(90)))
        with SandboxServer(desk.exchange, desk.clock, tick_seconds=0.01):
            desk.market.set_price("BTCUSDT", 89, desk.clock.now_ms + 1)
            desk.clock.forward(1_000)
            eventually(lambda: not order.is_open)
        assert order.filled_quantity == 1

    def test_a_failing_ticker_does_not_stop_it(self, caplog):
        desk = Desk()
        breaks = []

        def clock() -> int:
            if breaks:
                raise RuntimeError(breaks.pop())
            return desk.clock.now_ms

        with SandboxServer(desk.exchange, clock, tick_seconds=0.01) as server:
            breaks.append("clock broke")
            eventually(lambda: not breaks)
            assert httpx.get(f"{server.url}/fapi/v1/ping").status_code == 200
        assert "the sandbox could not look at the market" in caplog.text


class TestRequests:
    def test_are_answered_with_the_weight_used(self, stage):
        answer = send(stage, "GET /fapi/v3/account")
        assert answer.status_code == 200
        assert answer.headers["x-mbx-used-weight-1m"] == "6"  # the start's own ping included

    def test_reach_the_exchange(self, stage):
        answer = send(stage, ORDER, **BUY, newOrderRespType="RESULT").json()
        assert (answer["status"], answer["avgPrice"]) == ("FILLED", "100.1")

    def test_are_journalled_without_secrets(self, stage):
        send(stage, ORDER, **BUY)
        event = stage.desk.journal.of(RequestAnswered)[-1]
        assert (event.method, event.path, event.status) == ("POST", "/fapi/v1/order", 200)
        assert event.params["symbol"] == "BTCUSDT"
        assert "signature" not in event.params
        assert "sandbox-secret" not in str(stage.desk.journal.events)

    def test_refusals_are_journalled_with_their_code(self, stage):
        assert send(stage, ORDER, **BUY | {"symbol": "X"}).status_code == 400
        assert stage.desk.journal.of(RequestAnswered)[-1].code == -1121

    def test_an_unknown_path_is_answered(self, stage):
        answer = httpx.get(f"{stage.server.url}/api/v3/account")
        assert (answer.status_code, answer.json()["code"]) == (404, -5000)


class TestFaults:
    def test_a_lost_response_drops_the_connection_after_the_order(self, stage):
        stage.server.faults.add(Fault(ORDER, effect=Effect.LOSE_RESPONSE))
        with pytest.raises(httpx.TransportError):
            send(stage, ORDER, **BUY)
        assert stage.desk.exchange.position("BTCUSDT").quantity == 1
        event = stage.desk.journal.of(RequestAnswered)[-1]
        assert (event.path, event.status) == ("/fapi/v1/order", 0)
        stage.server.faults.assert_exhausted()

    def test_other_connections_live_on(self, stage):
        with httpx.Client(base_url=stage.server.url) as other:
            other.get("/fapi/v1/ping")
            stage.server.faults.add(Fault(ORDER, effect=Effect.LOSE_RESPONSE))
            with pytest.raises(httpx.TransportError):
                send(stage, ORDER, **BUY)
            assert other.get("/fapi/v1/ping").status_code == 200

    def test_an_unknown_status_is_answered_after_the_order(self, stage):
        stage.server.faults.add(Fault(ORDER, effect=Effect.UNKNOWN_STATUS))
        assert send(stage, ORDER, **BUY).status_code == 503
        assert stage.desk.exchange.position("BTCUSDT").quantity == 1

    def test_a_rejection_comes_instead_of_the_order(self, stage):
        stage.server.faults.add(Fault(ORDER, effect=Effect.REJECT(-2019)))
        assert send(stage, ORDER, **BUY).json()["code"] == -2019
        assert stage.desk.exchange.book.orders == {}


class TestControls:
    def test_state(self, stage):
        hold(stage)
        state = get(stage, "/sandbox/state")
        assert state["positions"]["BTCUSDT"]["quantity"] == "2"
        assert state["open_orders"] == state["waiting_triggers"] == state["pending_faults"] == []
        assert state["wallet"] == "9999.89990000"

    def test_journal_from_any_place_on(self, stage):
        hold(stage)
        events = get(stage, "/sandbox/journal")
        assert [e["event"] for e in events[-2:]] == ["OrderAccepted", "OrderFilled"]
        assert get(stage, f"/sandbox/journal?since={len(events) - 1}") == events[-1:]

    def test_audit_with_and_without_spreads(self, stage):
        hold(stage)
        assert get(stage, "/sandbox/audit")["positions"] == {"BTCUSDT": "2"}
        report = get(stage, "/sandbox/audit?spread=BTCUSDT:ETHUSDT:0.8")
        assert list(report["naked_exposure"]) == ["BTCUSDT:ETHUSDT"]
        assert report["is_clean"] is False

    def test_a_fault_can_be_injected(self, stage):
        body = {"endpoint": ORDER, "effect": "PARTIAL_FILL", "fraction": "0.5"}
        answer = post(stage, "/sandbox/faults", **body, match={"symbol": "BTCUSDT"})
        assert answer.json()["added"].startswith("PARTIAL_FILL(0.5) at POST /fapi/v1/order")
        assert len(get(stage, "/sandbox/state")["pending_faults"]) == 1
        filled = send(stage, ORDER, **BUY, newOrderRespType="RESULT").json()
        assert filled["executedQty"] == "0.5"

    def test_a_position_can_be_closed_from_outside(self, stage):
        hold(stage)
        assert post(stage, "/sandbox/close", symbol="BTCUSDT", fraction=0.5).json() == {
            "closed": "1"
        }
        assert post(stage, "/sandbox/close", symbol="BTCUSDT").json() == {"closed": "1"}
        assert stage.desk.exchange.account.held == []

    @pytest.mark.parametrize(
        ("path", "body", "reason"),
        [
            ("/sandbox/faults", {"endpoint": "X", "effect": "LOSE_RESPONSE"}, "no such endpoint"),
            ("/sandbox/faults", {"endpoint": ORDER, "effect": "BANG"}, "unknown effect 'BANG'"),
            ("/sandbox/faults", {"effect": "BANG"}, "KeyError: 'endpoint'"),
            ("/sandbox/close", {"symbol": "BTCUSDT"}, "reduce_only_without_position"),
            ("/sandbox/close", {"symbol": "X"}, "instrument_unknown"),
        ],
    )
    def test_a_wrong_request_is_answered_with_the_reason(self, stage, path, body, reason):
        answer = post(stage, path, **body)
        assert answer.status_code == 400
        assert reason in answer.json()["error"]


class TestProxy:
    def test_presents_the_exchange_with_its_own_certificate(self, stage):
        context = ssl.create_default_context(cafile=str(stage.server.certificate))
        with httpx.Client(proxy=stage.server.proxy_url, verify=context) as client:
            answer = client.get("https://fapi.binance.com/fapi/v1/ping")
        assert answer.json() == {}

    def test_is_not_trusted_by_anybody_else(self, stage):
        with (
            httpx.Client(proxy=stage.server.proxy_url) as client,
            pytest.raises(httpx.ConnectError, match="certificate verify failed"),
        ):
            client.get("https://fapi.binance.com/fapi/v1/ping")

    @pytest.mark.parametrize(
        "url",
        ["https://api.binance.com/", "https://example.com/", "https://fapi.binance.com:8443/"],
    )
    def test_refuses_every_other_host(self, stage, url):
        with (
            httpx.Client(proxy=stage.server.proxy_url) as client,
            pytest.raises(httpx.ProxyError, match="403 Forbidden"),
        ):
            client.get(url)

    def test_says_why_it_refuses(self, stage):
        answer = speak(stage, b"CONNECT api.binance.com:443 HTTP/1.1\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
        assert b"leads to fapi.binance.com:443 only and refused: api.binance.com:443" in answer

    def test_refuses_plain_requests(self, stage):
        answer = speak(stage, b"GET http://fapi.binance.com/ HTTP/1.1\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")

    @pytest.mark.parametrize("bytes_sent", [b"", b"\r\n\r\n", b"nonsense", b"x" * 100_000])
    def test_survives_nonsense(self, stage, bytes_sent):
        speak(stage, bytes_sent)
        answer = speak(stage, b"CONNECT api.binance.com:443 HTTP/1.1\r\n\r\n")
        assert b"403" in answer

    def test_passes_a_lost_response_on(self, stage):
        stage.server.faults.add(Fault("GET /fapi/v1/ping", effect=Effect.LOSE_RESPONSE))
        context = ssl.create_default_context(cafile=str(stage.server.certificate))
        with (
            httpx.Client(proxy=stage.server.proxy_url, verify=context) as client,
            pytest.raises(httpx.TransportError),
        ):
            client.get("https://fapi.binance.com/fapi/v1/ping")

    def test_the_certificate_is_gone_with_the_server_unless_a_folder_is_given(self, tmp_path):
        desk = Desk()
        with SandboxServer(desk.exchange, desk.clock) as server:
            temporary = server.certificate
            assert temporary.is_file()
        assert not temporary.exists()
        with SandboxServer(desk.exchange, desk.clock, folder=tmp_path) as server:
            assert server.certificate.parent == tmp_path
        assert server.certificate.is_file()
        assert b"PRIVATE" not in server.certificate.read_bytes()


def speak(stage, sent: bytes) -> bytes:
    """Send bytes to the proxy and read until it closes."""
    url = httpx.URL(stage.server.proxy_url)
    with socket.create_connection((url.host, url.port), timeout=10) as connection:
        answer = b""
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65_536):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer


class TestConnectionSettings:
    def test_over_http_replace_the_addresses(self, stage):
        section = connection_settings(stage.server, "http")
        api = section["ccxt_config"]["urls"]["api"]
        assert api["fapiPrivateV3"] == f"{stage.server.url}/fapi/v3"
        assert api["fapiData"] == f"{stage.server.url}/futures/data"
        assert all(address.startswith(stage.server.url) for address in api.values())
        assert section["only_from_ccxt"] is True
        assert json.loads(json.dumps(section)) == section

    def test_over_the_proxy_keep_the_addresses(self, stage):
        config = connection_settings(stage.server, "proxy")["ccxt_config"]
        assert "urls" not in config
        assert config["httpsProxy"] == stage.server.proxy_url
        assert config["cafile"] == config["validateServerSsl"] == str(stage.server.certificate)

    def test_do_not_ask_other_hosts_for_markets(self, stage):
        for way in ("http", "proxy"):
            options = connection_settings(stage.server, way)["ccxt_config"]["options"]
            assert options == {"fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False}

    def test_another_way_is_refused(self, stage):
        with pytest.raises(ConfigError, match="unknown way 'carrier pigeon'; valid ways: http"):
            connection_settings(stage.server, "carrier pigeon")
