"""A scan in a process of its own: started, watched and ended by the bot, which never waits for it.

Job and answer are in files without a name: a killed bot leaves nothing behind.
"""

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, Final

from freqtrade_ext.adapters._scan_job import ScanJob, write_job
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.scanner import MarketHistory, ScanAnswer

__all__ = ["BackgroundScan"]

logger = logging.getLogger(__name__)

_WORKER: Final = (sys.executable, "-m", "freqtrade_ext.adapters._scan_process")
_LAST_LINES: Final = 8
_LAST_BYTES: Final = 20_000
_ONE_THREAD: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}


class BackgroundScan:
    """
    At most one process that scans.

    Parameters
    ----------
    time_limit_seconds : float
        A process that runs longer is killed.
    command : sequence of str
        What is run, with the process id of the bot as a further argument.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self,
        time_limit_seconds: float,
        *,
        command: Sequence[str] = _WORKER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._time_limit_seconds = time_limit_seconds
        self._command = tuple(command)
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._answer: Any = None
        self._log: Any = None
        self._started = 0.0

    @property
    def is_running(self) -> bool:
        """Whether a process has been started and its answer has not been taken."""
        return self._process is not None

    @property
    def process_id(self) -> int | None:
        """Of the process that runs."""
        return self._process.pid if self._process is not None else None

    def start(self, job: ScanJob, newest: Sequence[MarketHistory]) -> bool:
        """
        Start a scan, unless one runs.

        Returns
        -------
        bool
            Whether it was started. If not, a line says why.
        """
        if self._process is not None:
            logger.warning("[STRATEGY] a scan is due, but the one before it still runs")
            return False
        try:
            self._answer = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is read
            self._log = tempfile.TemporaryFile()  # noqa: SIM115
            with tempfile.TemporaryFile() as question:
                write_job(question, job, newest)
                question.seek(0)
                self._process = self._run(question)
        except OSError as error:
            logger.error("[STRATEGY] the scan cannot be started: %s", error)
            self._close()
            return False
        self._started = self._clock()
        return True

    def _run(self, question: BinaryIO) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own module
            (*self._command, str(os.getpid())),
            stdin=question,
            stdout=self._answer,
            stderr=self._log,
            env=os.environ | _ONE_THREAD,
            start_new_session=True,  # Ctrl-C is for the bot, which goes on until it is at rest
        )

    def poll(self) -> ScanAnswer | None:
        """Hand over the answer, once; a scan that failed is told once, with its last lines."""
        if self._process is None:
            return None
        code = self._process.poll()
        if code is None:
            if self._clock() - self._started > self._time_limit_seconds:
                logger.error(
                    "[STRATEGY] the scan took longer than %g min and was ended; the book stays "
                    "as it is",
                    self._time_limit_seconds / 60,
                )
                self.stop()
            return None
        try:
            return self._finished(code)
        finally:
            self._close()

    def _finished(self, code: int) -> ScanAnswer | None:
        if code != 0:
            logger.error(
                "[STRATEGY] the scan failed (exit code %d); the book stays as it is; if this is "
                "about memory or a library that cannot be mapped, raise ext.scan.memory_mb; its "
                "last lines:\n%s",
                code,
                _last_lines(self._log),
            )
            return None
        self._answer.seek(0)
        try:
            return ScanAnswer.parse(self._answer.read().decode(errors="replace"))
        except ConfigError as error:
            logger.error("[STRATEGY] %s; the book stays as it is", error)
            return None

    def stop(self) -> None:
        """End the process, if one runs, without waiting for what it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._close()

    def _close(self) -> None:
        for file in (self._answer, self._log):
            if file is not None:
                file.close()
        self._process = self._answer = self._log = None


def _last_lines(file: BinaryIO) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LAST_BYTES))
    lines = file.read().decode(errors="replace").strip().splitlines()
    return "\n".join(lines[-_LAST_LINES:]) or "(none)"
