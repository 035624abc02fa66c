"""Places in a running Freqtrade where the crash lab lets it die or fail, by a file's orders.

Nothing of the product knows of this module: `install` wraps Freqtrade's and ccxt's functions in the
process that the crash lab starts. The file is read at every place, so that the lab arms and
disarms a running bot.
"""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Mapping
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ccxt
from freqtrade.exchange import Exchange
from freqtrade.persistence import Trade
from freqtrade.resolvers import StrategyResolver
from sqlalchemy import Engine, event

__all__ = ["CALLBACKS", "CrashPoints", "install", "orders_in"]

CALLBACKS = (
    "bot_loop_start",
    "confirm_trade_entry",
    "custom_exit",
    "custom_stake_amount",
    "leverage",
    "order_filled",
)
_WRITING = ("INSERT", "UPDATE", "DELETE")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class CrashPoints:
    """
    Follows the orders that pass and decides whether a place is the one.

    Parameters
    ----------
    file : Path
        JSON of what is armed: ``step``, ``reduce_only`` (which orders count), ``occurrence`` (the
        order after which the step counts, from 1), ``intents`` (whether the bot writes intents),
        ``fired`` (file that is written when the step is reached), ``seconds`` or ``callback``.
    die : callable
        Ends the process without a chance to clean up.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self,
        file: Path,
        die: Callable[[], None] = _die,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file, self._die, self._clock = file, die, clock
        self._text = ""
        self._armed: Mapping[str, Any] = {}
        self._orders = 0
        self._answered = False
        self._intents: set[str] = set()
        self._requests = 0
        self._until: float | None = None

    def _read(self) -> Mapping[str, Any]:
        """Read what is armed; another text starts the counting anew."""
        text = self._file.read_text("utf-8") if self._file.exists() else ""
        if text != self._text:
            self._text = text
            self._armed = json.loads(text) if text else {}
            self._orders, self._answered, self._until = 0, False, None
            self._intents = set()
        return self._armed

    def _reach(self, step: str, due: bool) -> None:
        if due and self._armed.get("step") == step:
            self._mark()
            self._die()

    def _mark(self) -> None:
        Path(self._armed["fired"]).write_text(str(time.time_ns() // 1_000_000), "utf-8")

    @property
    def _due(self) -> bool:
        return bool(self._armed) and self._orders >= self._armed.get("occurrence", 1)

    def order_wanted(self, reduce_only: bool) -> None:
        """Note that Freqtrade is about to send an order, of which nothing is written yet."""
        armed = self._read()
        if armed and not armed.get("intents") and armed.get("reduce_only") == reduce_only:
            self._reach("before_intent", self._orders + 1 >= armed.get("occurrence", 1))

    def intent(self, client_order_id: str, reduce_only: bool, write: Callable[[], Any]) -> Any:
        """Let an intent be written that is about to be sent."""
        armed = self._read()
        if not armed or armed.get("reduce_only") != reduce_only:
            return write()
        self._intents.add(client_order_id)
        due = len(self._intents) >= armed.get("occurrence", 1)
        self._reach("before_intent", due)
        result = write()
        self._reach("after_intent", due)
        return result

    def request(self, orders: list[bool], private: bool, send: Callable[[], Any]) -> Any:
        """Let a request pass; `orders` tells of each order in it whether it only reduces."""
        armed = self._read()
        self._requests += private
        if armed.get("step") == "recovery":
            self._reach("recovery", self._requests >= armed.get("occurrence", 1))
        matching = sum(one == armed.get("reduce_only") for one in orders)
        self._orders += matching
        if matching and not armed.get("intents"):
            self._reach("after_intent", self._due)
        answer = send()
        if matching and self._due:
            self._answered = True
            self._reach("after_answer", True)
        return answer

    def commit(self, write: Callable[[], Any]) -> Any:
        """Let Freqtrade commit its database."""
        self._read()
        due = self._answered
        self._reach("before_commit", due)
        result = write()
        self._reach("after_commit", due)
        return result

    def disk_is_full(self) -> bool:
        """Whether nothing can be written now: for `seconds` from the order's answer on."""
        armed = self._read()
        if armed.get("step") != "disk_full" or not self._answered:
            return False
        if self._until is None:
            self._until = self._clock() + armed["seconds"]
            self._mark()
        return self._clock() < self._until

    def callback_fails(self, name: str) -> bool:
        """Whether this callback of the strategy is to raise now; it does so once."""
        armed = self._read()
        if armed.get("step") != "callback" or armed.get("callback") != name:
            return False
        if Path(armed["fired"]).exists():
            return False
        self._mark()
        return True


def orders_in(path: str, method: str, params: Any) -> list[bool]:
    """Tell of every order in a request of ccxt's whether it only reduces; stops do not count."""
    if method != "POST" or path not in {"order", "batchOrders"}:
        return []
    batch = params.get("batchOrders", [params]) if path == "batchOrders" else [params]
    if isinstance(batch, str):
        batch = json.loads(batch)
    return [str(one.get("reduceOnly", "false")).lower() == "true" for one in batch]


def install(file: Path) -> CrashPoints:
    """Wrap the places in this process."""
    points = CrashPoints(file)
    _wrap_requests(points)
    _wrap_freqtrade(points)
    _wrap_database(points)
    if find_spec("freqtrade_ext.adapters.execution_store"):
        _wrap_intents(points)
    return points


def _wrap_requests(points: CrashPoints) -> None:
    request = ccxt.binance.request

    @wraps(request)
    def passing(
        self: Any,
        path: str,
        api: Any = "public",
        method: str = "GET",
        params: Any = None,
        **more: Any,
    ) -> Any:
        given = {} if params is None else params
        names = " ".join(api) if isinstance(api, list) else str(api)
        return points.request(
            orders_in(path, method, given),
            "rivate" in names,
            lambda: request(self, path, api, method, given, **more),
        )

    ccxt.binance.request = passing


def _wrap_freqtrade(points: CrashPoints) -> None:
    create_order, commit = Exchange.create_order, Trade.commit
    load_strategy = StrategyResolver.load_strategy

    @wraps(create_order)
    def ordering(self: Any, *args: Any, **kwargs: Any) -> Any:
        points.order_wanted(bool(kwargs.get("reduceOnly", False)))
        return create_order(self, *args, **kwargs)

    @wraps(load_strategy)
    def loading(*args: Any, **kwargs: Any) -> Any:
        strategy = load_strategy(*args, **kwargs)
        for name in CALLBACKS:
            setattr(strategy, name, _failing(points, name, getattr(strategy, name)))
        return strategy

    Exchange.create_order = ordering
    Trade.commit = staticmethod(lambda: points.commit(commit))
    StrategyResolver.load_strategy = staticmethod(loading)


def _failing(points: CrashPoints, name: str, callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def failing(*args: Any, **kwargs: Any) -> Any:
        if points.callback_fails(name):
            raise RuntimeError(f"crash lab: {name} raises")
        return callback(*args, **kwargs)

    return failing


def _wrap_database(points: CrashPoints) -> None:
    @event.listens_for(Engine, "do_execute")
    def refuse(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        if statement.lstrip().upper().startswith(_WRITING) and points.disk_is_full():
            raise sqlite3.OperationalError("database or disk is full")


def _wrap_intents(points: CrashPoints) -> None:
    from freqtrade_ext.adapters.execution_store import IntentTable
    from freqtrade_ext.execution import IntentState, OrderKind

    save = IntentTable.save

    @wraps(save)
    def saving(self: Any, intent: Any) -> None:
        # Stops only reduce too, but are no exits.
        if intent.state is not IntentState.WRITTEN or intent.kind is OrderKind.STOP:
            return save(self, intent)
        points.intent(intent.client_order_id, intent.reduce_only, lambda: save(self, intent))
        return None

    IntentTable.save = saving  # type: ignore[method-assign]
