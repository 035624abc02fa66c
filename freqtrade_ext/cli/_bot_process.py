"""A stock Freqtrade as a child process: start it, talk to its REST API, stop it."""

import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from freqtrade_ext.errors import VenueError

__all__ = ["BotProcess", "api_server_section", "run_freqtrade"]

_STOP_SECONDS = 40.0
_COMMAND_SECONDS = 180.0
_CALL_SECONDS = 60.0  # /forceexit of many trades talks to the exchange for each


def api_server_section() -> dict[str, Any]:
    """Write an ``api_server`` section on a free loopback port with a new password."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        "enabled": True,
        "listen_ip_address": "127.0.0.1",
        "listen_port": port,
        "username": "freqtrader",
        "password": secrets.token_urlsafe(12),
        "jwt_secret_key": secrets.token_hex(32),
    }


def run_freqtrade(arguments: list[str], log: Path, timeout: float = _COMMAND_SECONDS) -> None:
    """
    Run a Freqtrade command to its end, its output in a file.

    Parameters
    ----------
    arguments : list of str
        The command and its arguments.
    log : Path
        The output is appended to it.
    timeout : float
        Longest time, seconds; the command is ended after it.

    Raises
    ------
    VenueError
        If it fails or takes too long, with the end of its output.
    """
    with log.open("ab") as output:
        try:
            finished = subprocess.run(  # noqa: S603 - our own interpreter and arguments
                [sys.executable, "-m", "freqtrade", *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            text = f"freqtrade {arguments[0]} was ended after {timeout:g} s:\n{_tail(log)}"
            raise VenueError(text) from None
    if finished.returncode:
        text = f"freqtrade {arguments[0]} failed ({finished.returncode}):\n{_tail(log)}"
        raise VenueError(text)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


class BotProcess:
    """
    ``freqtrade trade`` with a REST API on this machine.

    Parameters
    ----------
    configs : list of Path
        Configuration files, in Freqtrade's order.
    api : dict
        Their ``api_server`` section.
    log : Path
        Receives the output.
    module : str
        Module that is run in place of Freqtrade's own and takes its arguments.
    environment : mapping of str to str, optional
        Further environment variables.
    """

    def __init__(
        self,
        configs: list[Path],
        api: dict[str, Any],
        log: Path,
        *,
        module: str = "freqtrade",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._arguments = [part for config in configs for part in ("-c", str(config))]
        self._api = api
        self._log = log
        self._module = module
        self._environment = {"PYTHONUNBUFFERED": "1"} | dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Address of the REST API."""
        return f"http://{self._api['listen_ip_address']}:{self._api['listen_port']}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the bot; it is RUNNING when `call` answers."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
                [sys.executable, "-m", self._module, "trade", *self._arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | self._environment,
            )

    def stop(self) -> None:
        """Ask the bot to end, and make it end."""
        if self._process is None or self._process.poll() is not None:
            return
        # Not SIGINT: a shell starts its background jobs with that ignored, and children inherit it.
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it still runs; does not wait for what becomes of it."""
        if self.is_alive and self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End the bot without a chance to clean up."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self.is_alive else None

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def check_alive(self) -> None:
        """Raise VenueError with the end of the log if the bot has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise VenueError(f"the bot ended with {self._process.returncode}:\n{_tail(self._log)}")

    def wait_until_running(self, seconds: float) -> None:
        """Wait for the REST API to say that the bot runs."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                if self.call("GET", "show_config").get("state") == "running":
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            time.sleep(0.2)
        raise VenueError(f"the bot was not running after {seconds:.0f} s; see {self._log}")

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the REST API, e.g. ``call("POST", "stopentry")``."""
        token = f"{self._api['username']}:{self._api['password']}".encode()
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.address}/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": "Basic " + base64.b64encode(token).decode(),
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=_CALL_SECONDS) as answer:  # noqa: S310 - loopback
            return json.load(answer)
