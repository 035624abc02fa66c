"""Progress as lines: when they come, and what they promise.

Bugs that were planted in the code, each of which a test here found: a line for every unit; the time
left computed from the beginning of the command instead of the step; no line at a step's end.
"""

import io

from rich.console import Console

from freqtrade_ext.cli.scan._progress import PlainLines, progress_on


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_a_step_that_is_quick_is_one_line():
    lines, clock = [], Clock()
    progress = PlainLines(lines.append, clock)
    for done in range(1, 51):
        clock.now += 0.01
        progress("testing", done, 50)
    assert lines == ["testing: 50 of 50, done"]


def test_a_step_that_lasts_says_now_and_then_how_long_it_will():
    lines, clock = [], Clock()
    progress = PlainLines(lines.append, clock)
    progress("reading", 1, 1)
    clock.now += 1000
    progress("testing", 0, 4)
    for done in range(1, 5):
        clock.now += 15
        progress("testing", done, 4)
    assert lines == [
        "reading: 1 of 1, done",
        "testing: 1 of 4, about 45 s left",
        "testing: 2 of 4, about 30 s left",
        "testing: 3 of 4, about 15 s left",
        "testing: 4 of 4, done",
    ]


def test_a_terminal_gets_a_bar_with_the_time_left_and_it_is_cleared_away():
    screen = io.StringIO()
    with progress_on(Console(file=screen, force_terminal=True, width=100)) as heard:
        heard("scan: testing", 1, 4)
        heard("scan: testing", 2, 4)
        heard("[bold]odd", 1, 1)
    drawn = screen.getvalue()
    assert "scan: testing" in drawn
    assert "2/4" in drawn
    assert "left" in drawn
    assert "[bold]odd" in drawn
    assert drawn.rstrip().endswith("\x1b[2K")  # the last lines are erased
