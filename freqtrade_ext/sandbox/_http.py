"""Between the web framework and the protocol: requests read, answers sent or lost."""

import asyncio
import contextlib
import socket
from typing import Any

from starlette.datastructures import Address
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, Response

from freqtrade_ext.errors import ExtensionError
from freqtrade_ext.sandbox._listeners import Connections
from freqtrade_ext.sandbox.wire import Answer, Request

ASK_AGAIN_SECONDS = 0.01


class NoAnswer(Response):
    """No answer at all: the connection is cut."""

    def __init__(self, connections: Connections, http: HttpRequest) -> None:
        super().__init__()
        self._connections = connections
        client = http.client or Address("", 0)
        self._ends = (client.host, client.port, http.scope["server"][1])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Cut the connection and wait until the web server has noticed."""
        self._connections.drop(self._ends)
        # Uvicorn would answer 500 for us unless it knows that the client is gone.
        while (await receive())["type"] != "http.disconnect":
            pass


async def read(http: HttpRequest) -> Request:
    """Read a request as it was sent: signatures cover the raw query and body."""
    body = (await http.body()).decode("utf-8", errors="replace")
    return Request(
        method=http.method,
        path=http.url.path,
        query=http.url.query,
        body=body,
        headers={key.lower(): value for key, value in http.headers.items()},
    )


def sent(answer: Answer) -> Response:
    """Write an answer: JSON, or a page where its body is text."""
    headers = dict(answer.headers)
    if isinstance(answer.body, str):
        return HTMLResponse(answer.body, status_code=answer.status, headers=headers)
    return JSONResponse(answer.body, status_code=answer.status, headers=headers)


async def wait_until_answered(listener: socket.socket, tasks: list[asyncio.Task[None]]) -> None:
    """Wait until a real connection is answered; re-raise what ended a server meanwhile."""
    host, port = listener.getsockname()
    while True:
        for task in tasks:
            if task.done():
                task.result()
                raise ExtensionError("a listener ended before it answered")
        with contextlib.suppress(OSError):
            if await _is_answered(host, port):
                return
        await asyncio.sleep(ASK_AGAIN_SECONDS)


async def _is_answered(host: str, port: int) -> bool:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"GET /fapi/v1/ping HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\r\n")
        return b" 200 " in await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()
