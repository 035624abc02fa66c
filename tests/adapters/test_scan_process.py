"""What bounds the process that scans.

Planted bugs that these tests have caught: a parent that ended first is waited for, a memory bound
above the user's own hard limit, output of libraries in the answer.
"""

import os
import resource
import subprocess
import sys

import pytest

from freqtrade_ext.adapters import _scan_process

CODE = "from freqtrade_ext.adapters import _scan_process as process; "


def run(code, **more):
    return subprocess.run(
        [sys.executable, "-c", CODE + code],
        capture_output=True, text=True, timeout=60, check=False, **more,
    )  # fmt: skip


def test_a_process_whose_parent_has_gone_ends_at_once():
    done = run(f"process.end_with({os.getpid() + 1}); print('still here')")
    assert done.returncode == 1
    assert done.stdout == ""


def test_a_process_with_its_parent_goes_on():
    done = run(f"process.end_with({os.getpid()}); print('still here')")
    assert (done.returncode, done.stdout) == (0, "still here\n")


def test_without_the_kernel_the_process_looks_for_its_parent(monkeypatch):
    """As on systems without a signal for it."""
    ended = []
    parents = iter([7, 7, 1])
    monkeypatch.setattr(_scan_process.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(_scan_process.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(_scan_process.os, "_exit", ended.append)
    _scan_process._watch(7)
    assert ended == [1]


def test_memory_beyond_the_bound_fails():
    done = run("process.bound_memory(600); bytearray(2**30)")
    assert done.returncode == 1
    assert "MemoryError" in done.stderr


@pytest.mark.parametrize(("hard", "expected"), [(10 * 2**30, 2**30), (2**29, 2**29)])
def test_the_bound_is_never_above_the_hard_limit(monkeypatch, hard, expected):
    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (hard, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: asked.append(limits))
    _scan_process.bound_memory(1024)
    assert asked == [(expected, hard)]


def test_the_module_loads_nothing_heavy():
    """Until the process is bound to its bot, it must not take seconds."""
    done = run("import sys; print(sorted({'freqtrade', 'numpy', 'pandas'} & set(sys.modules)))")
    assert done.stdout == "[]\n"
