"""Sockets: bound at once or refused with a reason, and cut without a byte."""

import asyncio
import socket

import pytest

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox._listeners import Connections, bind, http_server
from freqtrade_ext.sandbox._proxy import Proxy


class TestBind:
    def test_any_free_port(self):
        with bind("127.0.0.1", 0) as first, bind("127.0.0.1", 0) as second:
            assert first.getsockname()[1] != second.getsockname()[1]

    def test_a_port_in_use_is_refused_with_advice(self):
        with bind("127.0.0.1", 0) as taken:
            port = taken.getsockname()[1]
            expected = f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another"
            with pytest.raises(ConfigError, match=expected):
                bind("127.0.0.1", port)

    def test_an_address_of_another_machine_is_refused(self):
        with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:0"):
            bind("192.0.2.1", 0)

    def test_listens_at_once(self):
        with (
            bind("127.0.0.1", 0) as listener,
            socket.create_connection(listener.getsockname(), timeout=5) as connection,
        ):
            assert connection.getpeername() == listener.getsockname()


class FakeTransport:
    """Remembers whether it was cut."""

    def __init__(self, client_port: int, server_port: int) -> None:
        self.aborted = False
        self._info = {
            "peername": ("127.0.0.1", client_port),
            "sockname": ("127.0.0.1", server_port),
        }

    def get_extra_info(self, name: str) -> tuple[str, int]:
        return self._info[name]

    def abort(self) -> None:
        self.aborted = True


class TestConnections:
    def test_only_the_one_named_is_cut(self):
        connections = Connections()
        one, other = FakeTransport(1, 80), FakeTransport(2, 80)
        for transport in (one, other):
            connections.opened(transport)
        connections.drop(("127.0.0.1", 1, 80))
        assert (one.aborted, other.aborted) == (True, False)

    def test_one_client_port_may_lead_to_two_of_ours(self):
        connections = Connections()
        plain, tls = FakeTransport(1, 80), FakeTransport(1, 443)
        for transport in (plain, tls):
            connections.opened(transport)
        connections.drop(("127.0.0.1", 1, 443))
        assert (plain.aborted, tls.aborted) == (False, True)

    def test_one_that_has_closed_is_left_alone(self):
        connections = Connections()
        transport = FakeTransport(1, 80)
        connections.opened(transport)
        connections.closed(transport)
        connections.drop(("127.0.0.1", 1, 80))
        assert not transport.aborted

    def test_an_unknown_one_is_nothing_to_do(self):
        Connections().drop(("127.0.0.1", 1, 80))


def test_an_idle_connection_outlives_every_pause_of_a_bot():
    """Once a request met the end of 5 idle seconds: a reset that no fault had ordered."""
    server = http_server(app=None, connections=Connections(), tls=None)
    assert server.config.timeout_keep_alive >= 600


def test_a_proxy_whose_upstream_is_gone_closes_the_connection():
    async def ask() -> bytes:
        with bind("127.0.0.1", 0) as unused:
            nobody = unused.getsockname()
        proxy, listener = Proxy(nobody), bind("127.0.0.1", 0)
        address = listener.getsockname()
        await proxy.start(listener)
        try:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"CONNECT fapi.binance.com:443 HTTP/1.1\r\n\r\n")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer
        finally:
            await proxy.stop()

    assert asyncio.run(ask()) == b""


def test_a_proxy_that_never_started_can_be_stopped():
    asyncio.run(Proxy(("127.0.0.1", 1)).stop())
