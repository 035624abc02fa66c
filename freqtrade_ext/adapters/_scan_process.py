"""
The process that scans while the bot trades: ``python -m freqtrade_ext.adapters._scan_process PID``.

A job comes in on standard input, an answer leaves on standard output, everything else that is said
goes to standard error. The process is nice, has a bound on its memory, never trades, never talks
to an exchange, and ends with the bot, whose process id is its argument.

What takes seconds to load is loaded last: until then nobody would end with the bot.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from typing import Final

__all__ = ["bound_memory", "end_with", "main"]

_NICENESS: Final = 19
_LOOK_SECONDS: Final = 1.0
_PR_SET_PDEATHSIG: Final = 1  # <sys/prctl.h>


def end_with(parent: int) -> None:
    """
    End this process when the bot ends, however it ends.

    The kernel does it on Linux; everywhere the process looks whether it has been left behind.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def bound_memory(memory_mb: int) -> None:
    """Let this process have no more than so much address space; beyond it fails, not the bot."""
    import resource  # Unix only, as the lock of the lease is

    size = memory_mb * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        size = min(size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (size, hard))


def main() -> None:
    """Read a job, scan, answer."""
    end_with(int(sys.argv[1]))
    os.nice(_NICENESS)
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is printed is no answer
    from freqtrade_ext.adapters._scan_job import read_job
    from freqtrade_ext.adapters._scan_worker import answer

    job, newest = read_job(sys.stdin.buffer)
    bound_memory(job.memory_mb)
    with output:
        output.write(answer(job, newest).render())


if __name__ == "__main__":
    main()
