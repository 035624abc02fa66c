"""A scan in a process of its own.

Planted bugs that these tests have caught: a second process beside the first, a failure that is told
at every loop, a process that outlives the bot, an answer that is taken before the process has
ended, a time limit that counts from the first scan, files that stay behind.
"""

import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from freqtrade_ext.adapters import _background_scan
from freqtrade_ext.adapters._background_scan import BackgroundScan
from freqtrade_ext.adapters._scan_job import ScanJob
from freqtrade_ext.scanner import MarketHistory, ScanSettings

JOB = ScanJob(
    due_ms=1_000,
    timeframe="1h",
    data="nowhere",
    data_format="feather",
    candle_type="futures",
    markets=("A/USDT:USDT",),
    standing=(),
    settings=ScanSettings(),
    max_age_ms=1_000,
    memory_mb=4096,
)
ANSWER = 'print(\'{"due_ms": 1000, "refused": "no data"}\')'


def scan_of(code, **more):
    return BackgroundScan(60.0, command=(sys.executable, "-c", code), **more)


def eventually(question, seconds=20.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := question():
            return found
        time.sleep(0.01)
    raise AssertionError("it never happened")


def finished(scan):
    """Wait for the process itself, without asking the scan for it."""
    process = scan._process
    eventually(lambda: process.poll() is not None)


def runs(process_id):
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_an_answer_is_handed_over_once():
    scan = scan_of(ANSWER)
    assert scan.poll() is None
    assert scan.start(JOB, [])
    assert eventually(scan.poll).refused == "no data"
    assert not scan.is_running
    assert scan.poll() is None


def test_nothing_is_answered_while_the_process_runs():
    scan = scan_of(f"{ANSWER[:-1]}, flush=True); import time; time.sleep(60)")
    scan.start(JOB, [])
    try:
        eventually(lambda: scan._answer.seek(0, os.SEEK_END) > 0)
        assert scan.poll() is None
        assert scan.is_running
    finally:
        scan.stop()


def test_the_bot_never_waits_for_the_process():
    scan = scan_of("import time; time.sleep(60)")
    begin = time.monotonic()
    scan.start(JOB, [])
    for _ in range(100):
        scan.poll()
    assert time.monotonic() - begin < 5.0
    scan.stop()
    assert time.monotonic() - begin < 5.0


def test_two_scans_never_run_at_once(caplog):
    scan = scan_of("import time; time.sleep(60)")
    assert scan.start(JOB, [])
    first = scan.process_id
    try:
        assert not scan.start(JOB, [])
        assert scan.process_id == first
        assert "the one before it still runs" in caplog.text
    finally:
        scan.stop()


def test_a_crash_is_told_once_with_its_last_lines(caplog):
    scan = scan_of(
        "import sys; [print('line', i, file=sys.stderr) for i in range(50)]; sys.exit(3)"
    )
    scan.start(JOB, [])
    finished(scan)
    with caplog.at_level(logging.INFO):
        assert [scan.poll() for _ in range(3)] == [None, None, None]
    (record,) = caplog.records
    text = record.getMessage()
    assert "[STRATEGY] the scan failed (exit code 3); the book stays as it is" in text
    assert "if this is about memory or a library that cannot be mapped, raise ext.scan." in text
    assert text.endswith("line 48\nline 49")
    assert "line 40\n" not in text
    assert not scan.is_running


def test_a_killed_process_is_a_crash(caplog):
    scan = scan_of("import time; time.sleep(60)")
    scan.start(JOB, [])
    os.kill(scan.process_id, 9)
    finished(scan)
    assert scan.poll() is None
    assert "exit code -9" in caplog.text
    assert "(none)" in caplog.text


@pytest.mark.parametrize("code", ["print('hello')", "pass", f"{ANSWER}; print('more')"])
def test_an_answer_that_cannot_be_read_is_told(code, caplog):
    scan = scan_of(code)
    scan.start(JOB, [])
    finished(scan)
    assert scan.poll() is None
    assert "[STRATEGY] unreadable answer of the scan: " in caplog.text


def test_a_scan_that_takes_too_long_is_ended(caplog):
    now = [0.0]
    scan = scan_of("import time; time.sleep(60)", clock=lambda: now[0])
    now[0] = 1_000.0
    scan.start(JOB, [])
    process_id = scan.process_id
    now[0] = 1_060.0
    assert scan.poll() is None
    assert scan.is_running
    now[0] = 1_060.1
    assert scan.poll() is None
    assert not scan.is_running
    assert not runs(process_id)
    assert "took longer than 1 min and was ended" in caplog.text


def test_after_a_failure_the_next_scan_can_run():
    scan = scan_of("raise SystemExit(1)")
    scan.start(JOB, [])
    finished(scan)
    scan.poll()
    scan._command = (sys.executable, "-c", ANSWER)
    assert scan.start(JOB, [])
    assert eventually(scan.poll).refused == "no data"


def test_stop_ends_the_process_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scan = scan_of("import time; time.sleep(60)")
    scan.start(JOB, [])
    process_id = scan.process_id
    assert list(tmp_path.iterdir()) == []  # files without a name: a killed bot leaves none
    scan.stop()
    assert not runs(process_id)
    scan.stop()


def test_a_full_disk_is_told(monkeypatch, caplog):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_background_scan, "write_job", full)
    scan = scan_of(ANSWER)
    assert not scan.start(JOB, [])
    assert not scan.is_running
    assert "[STRATEGY] the scan cannot be started: [Errno 28]" in caplog.text


def test_a_command_that_is_missing_is_told(caplog):
    scan = BackgroundScan(60.0, command=("/nowhere/python",))
    assert not scan.start(JOB, [])
    assert not scan.is_running
    assert "[STRATEGY] the scan cannot be started: " in caplog.text


def test_ctrl_c_is_not_for_the_process():
    """The bot goes on until it is at rest; a scan that dies of it would be told as a crash."""
    scan = scan_of("import time; time.sleep(60)")
    scan.start(JOB, [])
    try:
        assert os.getpgid(scan.process_id) != os.getpgid(0)
    finally:
        scan.stop()


BOT = """
import sys, time
from freqtrade_ext.adapters._background_scan import BackgroundScan
from tests.adapters.test_background_scan import JOB
code = (
    "import sys, time; from freqtrade_ext.adapters._scan_process import end_with; "
    "end_with(int(sys.argv[1])); sys.stderr.flush(); time.sleep(600)"
)
scan = BackgroundScan(60.0, command=(sys.executable, "-c", code))
assert scan.start(JOB, [])
print(scan.process_id, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_killed_bot_leaves_no_orphan():
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {
        "PYTHONPATH": f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    }
    bot = subprocess.Popen(
        [sys.executable, "-c", BOT], stdout=subprocess.PIPE, cwd=root, env=environment
    )
    with bot:
        process_id = int(bot.stdout.readline())
        assert runs(process_id)
        bot.kill()
    eventually(lambda: not runs(process_id))


def test_the_worker_itself_answers():
    """The real process: no file, and candles of the bot for one market only."""
    times = 3_600_000 * np.arange(600, dtype=np.int64)
    walk = np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, 600)))
    newest = [MarketHistory("A/USDT:USDT", times, walk, np.full(600, 1e9))]
    scan = BackgroundScan(120.0)
    job = JOB.model_copy(
        update={"due_ms": 600 * 3_600_000, "markets": ("A/USDT:USDT", "B/USDT:USDT")}
    )
    assert scan.start(job, newest)
    answer = eventually(scan.poll, seconds=100)
    assert answer.due_ms == job.due_ms
    assert answer.refused == "0 market(s) can be scanned: too young (1), no data (1)"
