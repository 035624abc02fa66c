"""SIGTERM ends a bot at rest at once, and one with orders in flight only when they are at rest.

Real signals to this process. Bugs planted by hand, each caught by the test named:

1. a signal is never put off -> test_with_orders_in_flight_the_end_is_put_off_to_a_loop
2. a signal is always put off -> test_an_idle_bot_at_rest_ends_at_once
3. idle is believed anywhere -> test_outside_of_the_sleep_between_loops_the_end_is_put_off
4. a second signal is put off too -> test_a_second_signal_ends_the_bot_as_it_is
5. a stopped bot waits -> test_a_stopped_bot_ends_at_once
6. `check` ends a bot that nobody asked -> test_a_loop_goes_on_until_somebody_asks
7. `check` does not look whether orders are in flight ->
   test_with_orders_in_flight_the_end_is_put_off_to_a_loop
8. the patience has no end -> test_patience_has_an_end
9. the timer outlives the bot -> test_what_is_removed_is_quiet
10. handlers are not given back -> test_what_is_removed_is_quiet
11. any function called _sleep is idle -> test_only_freqtrades_sleep_is_idle
"""

import os
import signal
import threading
import time

import pytest
from freqtrade.worker import Worker

from freqtrade_ext.adapters._shutdown import OrderlyStop


class Bot:
    """What the stop asks about."""

    def __init__(self):
        self.at_rest = True
        self.running = True
        self.stop = OrderlyStop(lambda: self.at_rest, lambda: self.running, 60.0)


@pytest.fixture
def earlier():
    """Handlers of an earlier owner."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handler(number, frame):
        raise AssertionError(f"the earlier handler got {number}")

    for number in kept:
        signal.signal(number, handler)
    yield handler
    for number, before in kept.items():
        signal.signal(number, before)


@pytest.fixture
def bot(earlier):
    bot = Bot()
    assert bot.stop.install()
    yield bot
    bot.stop.remove()


def send(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


@pytest.fixture
def asleep(monkeypatch):
    """Freqtrade's sleep between two loops, during which a signal comes."""

    def sleep(number=signal.SIGTERM):
        monkeypatch.setattr(time, "sleep", lambda seconds: send(number))
        Worker._sleep(5.0)

    return sleep


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_bot_at_rest_ends_at_once(bot, asleep, number):
    with pytest.raises(KeyboardInterrupt):
        asleep(number)


def test_with_orders_in_flight_the_end_is_put_off_to_a_loop(bot, asleep, caplog):
    bot.at_rest = False
    asleep()
    assert bot.stop.is_asked
    assert "orders are in flight" in caplog.text
    bot.stop.check()
    bot.at_rest = True
    with pytest.raises(KeyboardInterrupt):
        bot.stop.check()


def test_outside_of_the_sleep_between_loops_the_end_is_put_off(bot):
    """The bot may stand between an answer and the database, though all looks at rest."""
    send()
    assert bot.stop.is_asked
    with pytest.raises(KeyboardInterrupt):
        bot.stop.check()


def test_only_freqtrades_sleep_is_idle(bot):
    def _sleep():
        send()

    _sleep()
    assert bot.stop.is_asked


def test_whether_it_is_at_rest_is_asked_only_where_no_lock_can_be_held(bot, asleep):
    """The answer needs locks that the interrupted code may hold."""
    asked = []
    bot.stop._at_rest = lambda: asked.append(1) or True
    send()
    assert asked == []


def test_a_second_signal_ends_the_bot_as_it_is(bot):
    bot.at_rest = False
    send()
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


@pytest.mark.parametrize("at_rest", [True, False])
def test_a_stopped_bot_that_sleeps_ends_at_once(bot, asleep, at_rest):
    """It runs no loop in which orders could come to rest."""
    bot.running, bot.at_rest = False, at_rest
    with pytest.raises(KeyboardInterrupt):
        asleep()


def test_a_bot_that_is_stopped_while_it_sends_an_order_is_not_cut_through(bot):
    """/stop comes from another thread; the loop that is running still stands between two legs."""
    bot.running, bot.at_rest = False, False
    send()
    assert bot.stop.is_asked


def test_a_loop_goes_on_until_somebody_asks(bot):
    for at_rest in (True, False):
        bot.at_rest = at_rest
        bot.stop.check()
    assert not bot.stop.is_asked


def wait_a_little(seconds=10.0):
    threading.Event().wait(seconds)


def test_patience_has_an_end(bot):
    bot.at_rest = False
    bot.stop._patience_seconds = 0.05
    send()
    with pytest.raises(KeyboardInterrupt):
        wait_a_little()


def test_what_is_removed_is_quiet(bot, earlier):
    bot.at_rest = False
    bot.stop._patience_seconds = 0.05
    send()
    timer = bot.stop._timer
    bot.stop.remove()
    timer.join(10)
    assert signal.getsignal(signal.SIGTERM) is earlier
    assert signal.getsignal(signal.SIGINT) is earlier
    bot.stop.remove()
    with pytest.raises(AssertionError, match="the earlier handler got"):
        send()


def test_another_thread_cannot_take_the_signals(earlier):
    done = []
    stop = OrderlyStop(lambda: True, lambda: True, 1.0)
    thread = threading.Thread(target=lambda: done.append((stop.install(), stop.remove())))
    thread.start()
    thread.join()
    assert done == [(False, None)]
    assert signal.getsignal(signal.SIGTERM) is earlier


def test_it_can_be_installed_again_after_a_reload(bot, earlier, asleep):
    bot.stop.remove()
    again = OrderlyStop(lambda: True, lambda: True, 1.0)
    again.install()
    with pytest.raises(KeyboardInterrupt):
        asleep()
    again.remove()
    assert signal.getsignal(signal.SIGTERM) is earlier
