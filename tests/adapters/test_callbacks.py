"""What a callback answers when it fails."""

import logging

import pytest
from freqtrade.strategy.strategy_wrapper import strategy_safe_wrapper

from freqtrade_ext.adapters._callbacks import answer_on_error


@answer_on_error(False)
def confirm(value: int, *, extra: int = 0) -> bool:
    """Confirm."""
    return 10 / (value + extra) > 1


def test_an_answer_passes_through():
    assert confirm(2, extra=3) is True
    assert confirm(20) is False


def test_a_failure_becomes_the_chosen_answer():
    assert confirm(0) is False


def test_a_failure_is_logged_with_its_traceback(caplog):
    with caplog.at_level(logging.ERROR):
        confirm(0)
    (record,) = caplog.records
    assert record.getMessage() == "confirm failed, answering False"
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize("answer", [None, 0.0, 1.0, False, "leave"])
def test_any_answer_can_be_chosen(answer):
    @answer_on_error(answer)
    def fails() -> object:
        raise KeyError("no such spread")

    assert fails() is answer


def test_freqtrade_never_sees_the_failure():
    """Freqtrade's own wrapper would answer *yes*."""
    assert strategy_safe_wrapper(confirm, default_retval=True)(0) is False


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_request_to_end_the_program_is_not_swallowed(stop):
    @answer_on_error(False)
    def interrupted() -> bool:
        raise stop

    with pytest.raises(stop):
        interrupted()


def test_freqtrade_hands_a_strategys_callback_the_trade_itself():
    """It copies a trade, deeply, for callbacks that are not its own: half of a backtest's time."""

    class SomeStrategy:
        @answer_on_error(None)
        def custom_exit(self, trade: object) -> object:
            return trade

    trade = {"a": "trade"}
    assert strategy_safe_wrapper(SomeStrategy().custom_exit)(trade=trade) is trade


def test_name_and_documentation_stay_those_of_the_callback():
    assert confirm.__qualname__ == "confirm"
    assert confirm.__doc__ == "Confirm."
