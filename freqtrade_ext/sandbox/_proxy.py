"""A local HTTPS proxy that leads to the sandbox what was meant for the real exchange.

A client that keeps the real addresses behaves as in reality: ccxt chooses its table of errors by
them. Whatever is not the exchange is refused, so that a rehearsal cannot leave the machine.
"""

import asyncio
import contextlib
import socket

REAL_HOST = "fapi.binance.com"
LONGEST_HEAD = 16_384
CHUNK = 65_536


class Proxy:
    """
    Accepts ``CONNECT fapi.binance.com:443`` and relays the bytes to a TLS listener.

    Parameters
    ----------
    upstream : tuple of str and int
        Address of the TLS listener that presents the exchange's name.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    async def start(self, listener: socket.socket) -> None:
        """Serve on a bound socket."""
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=LONGEST_HEAD)

    async def stop(self) -> None:
        """Stop listening and cut what is open."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._clients):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            target = _target(await _head(reader))
            if target == f"{REAL_HOST}:443":
                await self._relay(reader, writer)
            else:
                writer.write(_refusal(target))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that went away, or speaks something else, is its own affair
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            pipes = [
                asyncio.ensure_future(_pipe(reader, upstream_writer)),
                asyncio.ensure_future(_pipe(upstream_reader, writer)),
            ]
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
            for pipe in pipes:
                pipe.cancel()
            await asyncio.gather(*pipes, return_exceptions=True)
        finally:
            # Either end's close closes both: a reset upstream must reach the client.
            upstream_writer.transport.abort()
            writer.transport.abort()


async def _head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def _target(head: bytes) -> str:
    """Target of a CONNECT; of anything else the request line, for the refusal to name it."""
    line = head.split(b"\r\n", 1)[0].decode("latin-1")
    words = line.split()
    return words[1].lower() if len(words) > 1 and words[0] == "CONNECT" else line


def _refusal(target: str) -> bytes:
    text = (
        f"The sandbox proxy leads to {REAL_HOST}:443 only and refused: {target}\n"
        "A rehearsal must not reach the network.\n"
    ).encode()
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    return head.encode() + text


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
