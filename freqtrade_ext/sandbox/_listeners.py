"""Sockets and protocols: what is bound before anything starts, and how a connection is dropped."""

import asyncio
import socket
import ssl
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from freqtrade_ext.errors import ConfigError

# Longer than any client's pause. Closing an idle connection races with the client's next request,
# and the loser sees a reset that no script ordered; a bot's usual pause is uvicorn's default, 5 s.
KEEP_ALIVE_SECONDS = 3_600

Ends = tuple[str, int, int]  # client's host and port, and our port: together they are unique


class Connections:
    """Open client connections by their ends, so that one can be cut in mid-request."""

    def __init__(self) -> None:
        self._transports: dict[Ends, asyncio.Transport] = {}

    def opened(self, transport: asyncio.Transport) -> None:
        """Remember a connection."""
        self._transports[_ends(transport)] = transport

    def closed(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._transports = {k: v for k, v in self._transports.items() if v is not transport}

    def drop(self, ends: Ends) -> None:
        """Cut a connection: the client gets no byte of an answer."""
        transport = self._transports.pop(ends, None)
        if transport is not None:
            transport.abort()

    def protocol(self) -> type[asyncio.Protocol]:
        """Uvicorn's HTTP protocol, made to report its connections here."""
        connections = self

        class _ReportingProtocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                self._reported = transport
                connections.opened(transport)
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                connections.closed(self._reported)
                super().connection_lost(exc)

        return _ReportingProtocol


def _ends(transport: asyncio.Transport) -> Ends:
    host, port = transport.get_extra_info("peername")[:2]
    return host, port, transport.get_extra_info("sockname")[1]


def bind(host: str, port: int) -> socket.socket:
    """
    Bind a listening socket.

    Raises
    ------
    ConfigError
        If the address cannot be bound, for instance because the port is in use.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another port, or 0 for any"
        ) from error
    listener.setblocking(False)
    return listener


def http_server(app: Any, connections: Connections, tls: ssl.SSLContext | None) -> uvicorn.Server:
    """Set up an HTTP server for an application, on TLS if a context is given."""
    config = uvicorn.Config(
        app,
        http=connections.protocol(),
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    config.load()
    config.ssl = tls
    return uvicorn.Server(config)
