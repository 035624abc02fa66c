"""The sandbox as a process on this machine: HTTP, the faithful proxy, a ticker and controls."""

import asyncio
import contextlib
import datetime as dt
import logging
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from freqtrade_ext.errors import ConfigError, ExtensionError
from freqtrade_ext.sandbox._certificate import write_certificate
from freqtrade_ext.sandbox._control import control_routes
from freqtrade_ext.sandbox._http import NoAnswer, read, sent, wait_until_answered
from freqtrade_ext.sandbox._listeners import Connections, bind, http_server
from freqtrade_ext.sandbox._proxy import REAL_HOST, Proxy
from freqtrade_ext.sandbox._request_log import RequestLog, RequestSeen
from freqtrade_ext.sandbox.engine import Exchange
from freqtrade_ext.sandbox.faults import FaultedCall, FaultPlan
from freqtrade_ext.sandbox.journal import Journal, RequestAnswered
from freqtrade_ext.sandbox.wire import Answer, BinanceApi, Credentials, Request

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
TICK_SECONDS = 0.25
START_SECONDS = 15.0
CERTIFICATE = "sandbox-certificate.pem"
NOT_RUNNING = "the sandbox server is not running; call start() first"
SECRET_PARAMS = frozenset({"signature"})

T = TypeVar("T")


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class SandboxServer:
    """
    Serves an exchange on this machine until stopped.

    Parameters
    ----------
    exchange : Exchange
        What is served.
    clock : callable
        Time in milliseconds; the machine's by default.
    journal : Journal, optional
        Receives the requests; usually the one that the exchange records to.
    faults : FaultPlan, optional
        What goes wrong.
    credentials : Credentials
        The API key that may trade.
    host, port : str, int
        Where plain HTTP listens; port 0 takes any free one.
    proxy_port : int
        Where the faithful proxy listens; 0 takes any free one.
    tick_seconds : float
        How often the exchange looks at the market between requests; 0 means never.
    latency_ms : float
        How long every request is on its way, for measuring what a client's requests cost.
    folder : Path, optional
        Where the proxy's certificate is written; a temporary folder by default.
    """

    def __init__(
        self,
        exchange: Exchange,
        clock: Callable[[], int] = wall_clock,
        *,
        journal: Journal | None = None,
        faults: FaultPlan | None = None,
        credentials: Credentials = Credentials(),  # noqa: B008 - frozen
        host: str = LOOPBACK,
        port: int = 0,
        proxy_port: int = 0,
        tick_seconds: float = TICK_SECONDS,
        latency_ms: float = 0.0,
        folder: Path | None = None,
    ) -> None:
        self.exchange = exchange
        self.clock = clock
        self.journal = journal if journal is not None else Journal()
        self.faults = faults if faults is not None else FaultPlan()
        self.api = BinanceApi(exchange, credentials)
        self._host = host
        self._ports = (port, proxy_port)
        self._tick_seconds = tick_seconds
        self._latency_seconds = latency_ms / 1_000
        self._requests = RequestLog()
        self._folder = folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._connections = Connections()
        self._listeners: list[socket.socket] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    @property
    def credentials(self) -> Credentials:
        """The API key that may trade."""
        return self.api.credentials

    @property
    def url(self) -> str:
        """Address of plain HTTP."""
        return f"http://{self._host}:{self._port_of(0)}"

    @property
    def proxy_url(self) -> str:
        """Address of the HTTPS proxy."""
        return f"http://{self._host}:{self._port_of(1)}"

    @property
    def certificate(self) -> Path:
        """Certificate of the HTTPS proxy, which a client has to trust."""
        if self._temporary is not None:
            return Path(self._temporary.name) / CERTIFICATE
        if self._folder is None:
            raise ConfigError(NOT_RUNNING)
        return self._folder / CERTIFICATE

    def _port_of(self, index: int) -> int:
        if not self._listeners:
            raise ConfigError(NOT_RUNNING)
        return int(self._listeners[index].getsockname()[1])

    def start(self) -> Self:
        """
        Serve in a thread; returns once a real connection has been answered.

        Raises
        ------
        ConfigError
            If a port is in use.
        ExtensionError
            If the server does not come up; with the reason as its cause.
        """
        if self._thread is not None:
            raise ConfigError("the sandbox server is running already")
        self._bind()
        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="sandbox-")
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)
        self._thread.start()
        self._ready.wait(START_SECONDS)
        if self._failure is not None or not self._ready.is_set():
            failure = self._failure
            self.stop()
            raise ExtensionError(f"the sandbox server did not start: {failure}") from failure
        return self

    def _bind(self) -> None:
        try:
            for port in (*self._ports, 0):  # plain HTTP, proxy, TLS behind the proxy
                self._listeners.append(bind(self._host, port))
        except ConfigError:
            self._close_listeners()
            raise

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners = []

    def stop(self) -> None:
        """Stop serving and cut open connections; harmless when not running."""
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread is not None:
            self._thread.join()
        self._thread = self._loop = self._stopping = self._failure = None
        self._ready.clear()
        self._close_listeners()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def call(self, function: Callable[[], T]) -> T:
        """Run a function in the server's thread, where the exchange may be touched."""
        if self._loop is None:
            return function()

        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    @property
    def request_count(self) -> int:
        """Number of requests so far: a mark for `requests_since`."""
        return self._requests.count

    def requests_since(self, mark: int = 0) -> list[RequestSeen]:
        """Requests from a mark on, oldest first; at most the latest 10 000."""
        return self.call(lambda: self._requests.since(mark))

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # handed to start(), which waits
            logger.debug("sandbox server ended", exc_info=True)
            self._failure = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        plain, outer, inner = self._listeners
        app = self._app()
        tls = write_certificate(REAL_HOST, dt.datetime.now(dt.UTC), self.certificate)
        servers = [
            (http_server(app, self._connections, None), plain),
            (http_server(app, self._connections, tls), inner),
        ]
        proxy = Proxy(inner.getsockname())
        tasks = [_spawn(server.serve(sockets=[listener])) for server, listener in servers]
        await proxy.start(outer)
        ticker = _spawn(self._tick_forever())
        try:
            await wait_until_answered(plain, tasks)
            self._ready.set()
            await self._stopping.wait()
        finally:
            ticker.cancel()
            await proxy.stop()
            await _shut_down([server for server, _ in servers], [ticker, *tasks])

    async def _tick_forever(self) -> None:
        while self._tick_seconds:
            try:
                self.exchange.advance(self.clock())
            except Exception:  # the next request meets the same error and reports it
                logger.exception("the sandbox could not look at the market")
            await asyncio.sleep(self._tick_seconds)

    def _app(self) -> Starlette:
        methods = ["GET", "POST", "PUT", "DELETE"]
        return Starlette(
            routes=[
                *control_routes(self),
                Route("/{path:path}", self._answer, methods=methods),
            ]
        )

    async def _answer(self, http: HttpRequest) -> Response:
        request = await read(http)
        self._requests.add(request, time.monotonic_ns() / 1_000_000)
        if self._latency_seconds:
            await self._pause(self._latency_seconds)
        answer = await self._answer_with_faults(request)
        self._record(request, answer)
        return NoAnswer(self._connections, http) if answer is None else sent(answer)

    async def _answer_with_faults(self, request: Request) -> Answer | None:
        call = FaultedCall(request, self.exchange, self.clock(), wait=self._pause)
        return await self.faults.serve(
            call,
            lambda under: self.api.answer(request, self.clock(), under),
            self.journal.append,
        )

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than the server runs."""
        if self._stopping is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)

    def _record(self, request: Request, answer: Answer | None) -> None:
        params = {k: v for k, v in request.params.items() if k not in SECRET_PARAMS}
        self.journal.append(
            RequestAnswered(
                time_ms=self.exchange.now_ms,
                method=request.method,
                path=request.path,
                params=params,
                status=answer.status if answer else 0,
                code=answer.code if answer else None,
            )
        )


def _spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(work)


async def _shut_down(servers: list[uvicorn.Server], tasks: list[asyncio.Task[None]]) -> None:
    for server in servers:
        server.should_exit = True
        server.force_exit = True
    await asyncio.gather(*tasks, return_exceptions=True)
