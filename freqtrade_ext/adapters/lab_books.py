"""A bot's database as another process sees it: Freqtrade's trades and orders, and our intents."""

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["BotBooks", "DatabaseLock", "age_books", "read_bot_books"]

_TIMEOUT_SECONDS = 1.0
_EPOCH_MS = re.compile(r"\b1[5-9]\d{11}\b")
_DATES = {
    "trades": ("open_date", "open_date_utc", "stoploss_last_update"),
    "orders": ("order_date", "order_filled_date", "order_update_date"),
}


@dataclass(frozen=True, slots=True)
class BotBooks:
    """
    What a bot's database shows at one moment.

    Attributes
    ----------
    held : mapping of str to float
        Signed quantity of every open trade, by the exchange's own symbol.
    open_trades : int
        Number of open trades.
    known_orders : frozenset of str
        The venue's ids of all orders of all trades, open or closed, and of repairs that our
        intents show as done.
    reported : frozenset of str
        Symbols with an open item of the inbox that says that nobody manages their position.
    """

    held: dict[str, float] = field(default_factory=dict)
    open_trades: int = 0
    known_orders: frozenset[str] = frozenset()
    reported: frozenset[str] = frozenset()


def read_bot_books(database: Path) -> BotBooks | None:
    """
    Read a bot's database.

    Returns
    -------
    BotBooks or None
        Empty books if there is no database or it has no tables yet; None if it is locked.
    """
    if not database.exists():
        return BotBooks()
    address = f"file:{database}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=_TIMEOUT_SECONDS)) as connection:
        try:
            return _read(connection)
        except sqlite3.OperationalError as error:
            return BotBooks() if "no such table" in str(error) else None


def _read(connection: sqlite3.Connection) -> BotBooks:
    connection.execute("BEGIN")  # trades and orders of one moment
    trades = connection.execute(
        "SELECT id, pair, is_short, amount FROM trades WHERE is_open = 1"
    ).fetchall()
    orders = connection.execute(
        "SELECT ft_trade_id, order_id, ft_is_open, side, filled, ft_order_side FROM orders"
    ).fetchall()
    held: dict[str, float] = {}
    for trade_id, market, is_short, amount in trades:
        own = [order for order in orders if order[0] == trade_id]
        working = any(order[2] and order[5] != "stoploss" for order in own)
        signed = _filled(own) if working else (-amount if is_short else amount)
        symbol = _symbol(market)
        held[symbol] = held.get(symbol, 0.0) + signed
    known = frozenset(str(order[1]) for order in orders)
    return BotBooks(held, len(trades), known | _repairs(connection), _reported(connection))


def _symbol(market: str) -> str:
    """The exchange's own name of a market."""
    return market.split(":")[0].replace("/", "")


def _filled(orders: list[tuple]) -> float:
    """Quantity held by what was filled, while an order works and the amount is only a promise."""
    return sum((1.0 if side == "buy" else -1.0) * (filled or 0.0) for *_, side, filled, _ in orders)


def _repairs(connection: sqlite3.Connection) -> frozenset[str]:
    """Orders of reconciliation: no trade of Freqtrade's has to show them."""
    try:
        rows = connection.execute(
            "SELECT venue_order_id, intent FROM ext_intents WHERE venue_order_id IS NOT NULL"
        ).fetchall()
    except sqlite3.OperationalError:  # a bot without the order guard
        return frozenset()
    return frozenset(
        str(venue_id) for venue_id, intent in rows if json.loads(intent).get("purpose") == "repair"
    )


def _reported(connection: sqlite3.Connection) -> frozenset[str]:
    """Positions that reconciliation has reported as nobody's."""
    try:
        rows = connection.execute("SELECT item FROM ext_inbox WHERE closed_ms IS NULL").fetchall()
    except sqlite3.OperationalError:  # a bot without the order guard
        return frozenset()
    items = [json.loads(item) for (item,) in rows]
    return frozenset(
        _symbol(item["market"]) for item in items if item["kind"] == "unknown_position"
    )


class DatabaseLock:
    """
    Keeps every other process from writing to a database; may be taken in one thread and released
    in another.

    Parameters
    ----------
    database : Path
        A SQLite file.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._connection: sqlite3.Connection | None = None

    def take(self) -> None:
        """Take the lock, waiting for a writer for a moment."""
        self._connection = sqlite3.connect(
            self._database, timeout=10.0, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("BEGIN EXCLUSIVE")

    def release(self) -> None:
        """Give the lock back; harmless if it was not taken."""
        if self._connection is not None:
            self._connection.execute("ROLLBACK")
            self._connection.close()
            self._connection = None


def age_books(database: Path, days: int) -> int:
    """
    Make everything in a stopped bot's database some days older; the number of rows changed.

    Freqtrade's dates and every moment (ms since 1970) in our own records are moved back, as if the
    bot had slept through those days with a spread open.
    """
    changed = 0
    with closing(sqlite3.connect(database)) as connection:
        for table, names in _DATES.items():
            present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            for name in present & set(names):
                changed += connection.execute(
                    f"UPDATE {table} SET {name} = strftime('%Y-%m-%d %H:%M:%f', {name}, ?)"  # noqa: S608 - names of ours
                    f" || '000' WHERE {name} IS NOT NULL",
                    (f"-{days} days",),
                ).rowcount
        connection.create_function("aged", 1, lambda text: _aged(text, days))
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
        if "ext_spread_records" in tables:
            changed += connection.execute(
                "UPDATE ext_spread_records SET record = aged(record)"
            ).rowcount
        connection.commit()
    return changed


def _aged(text: str, days: int) -> str:
    return _EPOCH_MS.sub(lambda found: str(int(found[0]) - days * 86_400_000), text)
