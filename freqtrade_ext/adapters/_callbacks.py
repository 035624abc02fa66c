"""What a Freqtrade callback answers when it fails.

Freqtrade swallows errors in callbacks and goes ahead as if the answer had been *yes*. For a
two-leg strategy going ahead is the dangerous answer, so each callback names its own.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

__all__ = ["answer_on_error"]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A")


def answer_on_error(answer: A) -> Callable[[Callable[P, T]], Callable[P, T | A]]:
    """Choose what a Freqtrade callback answers when it fails."""

    def decorate(callback: Callable[P, T]) -> Callable[P, T | A]:
        @wraps(callback)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T | A:
            try:
                return callback(*args, **kwargs)
            except Exception:
                logger.exception("%s failed, answering %r", callback.__qualname__, answer)
                return answer

        # Freqtrade copies the trade, deeply, for every call of a callback that is not its own, so
        # that a strategy cannot change it. Ours only read; the copies took half of a backtest.
        if "Strategy." in callback.__qualname__:
            guarded.__qualname__ = f"IStrategy.{callback.__name__}"
        return guarded

    return decorate
