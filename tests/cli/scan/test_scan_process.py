"""The command as a process: what a shell sees."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from .conftest import new_desk, world

COMMAND = [sys.executable, "-c", "from freqtrade_ext.cli import main; main()", "scan"]


@pytest.mark.rehearsal
def test_ctrl_c_in_the_middle_of_the_work_ends_with_130_and_leaves_nothing(tmp_path):
    """One process: it starts, works (the bootstrap would take minutes), is interrupted."""
    desk = new_desk(tmp_path, world())
    desk.settle(bootstrap={"replications": 100_000, "max_pvalue": 0.05})
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*COMMAND, "-c", str(desk.config)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "COLUMNS": "100"},
        )
    try:
        deadline = time.monotonic() + 60
        while "scan: Johansen: 1 of 1, done" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    finally:
        process.kill()
        process.wait()
    text = log.read_text()
    assert "stopped; nothing has been written" in text
    assert "Traceback" not in text
    assert desk.written() == set()


@pytest.mark.rehearsal
def test_a_whole_scan_as_a_process(tmp_path):
    desk = new_desk(tmp_path, world())
    done = subprocess.run(
        [*COMMAND, "-c", str(desk.config)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1 spread chosen of 15 tested." in done.stdout
    assert "Traceback" not in done.stderr
    report = json.loads((desk.latest / "report.json").read_text())
    assert len(report["spreads"]) == 1
