"""The effects that a fault can have, by name."""

import inspect
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox.engine import (
    AddExternally,
    AutoDeleverage,
    CloseExternally,
    LiquidateByForce,
    OrderScript,
    PlaceExternally,
)
from freqtrade_ext.sandbox.faults import _account, _lasting, _orders, _transport
from freqtrade_ext.sandbox.faults._call import FaultedCall, FaultEffect

ONE: Final = Decimal(1)
ONLY_FROM_PYTHON: Final = "CALL"

Number = Decimal | float | str


def _number(value: Number, name: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ConfigError(f"{name} must be a number, got {value!r}") from None
    if not number.is_finite():
        raise ConfigError(f"{name} must be finite, got {value!r}")
    return number


def _share(value: Number, what: str) -> Decimal:
    share = _number(value, f"fraction of {what}")
    if not 0 <= share < 1:
        raise ConfigError(f"fraction of {what} must be in [0, 1), got {value}")
    return share


def _part(value: Number) -> Decimal:
    part = _number(value, "fraction")
    if not 0 < part <= 1:
        raise ConfigError(f"fraction of a position must be in (0, 1], got {value}")
    return part


def _seconds(value: Number) -> float:
    seconds = float(_number(value, "seconds"))
    if seconds <= 0:
        raise ConfigError(f"seconds must be positive, got {value}")
    return seconds


def _span(value: Number | None) -> float | None:
    return None if value is None else _seconds(value)


def _ms(value: Number) -> int:
    return round(_seconds(value) * 1_000)


class Effect:
    """
    The effects that a fault can have.

    Where an effect takes a `symbol`, ``own`` is the request's instrument, ``other`` another one
    that is held, and anything else an instrument's name. `seconds` None means for good. `spare`
    spares the request that sets an effect off, so that it begins with the next one.
    """

    DROP_REQUEST: Final[FaultEffect] = _transport.DropRequest()
    LOSE_RESPONSE: Final[FaultEffect] = _transport.LoseResponse()
    LOST_CANCEL: Final[FaultEffect] = _transport.LostCancel()
    UNKNOWN_STATUS: Final[FaultEffect] = _transport.UnknownStatus()
    GARBLED: Final[FaultEffect] = _transport.Garbled()
    FILL_DURING_CANCEL: Final[FaultEffect] = _orders.FillDuringCancel()
    REPEAT_FILLS: Final[FaultEffect] = _transport.RepeatRows()

    @staticmethod
    def TIME_OUT(seconds: Number) -> FaultEffect:  # noqa: N802 - reads as one
        """Act, hold the answer back for so long, and then lose it."""
        return _transport.TimeOut(_seconds(seconds))

    @staticmethod
    def UNKNOWN(code: int) -> FaultEffect:  # noqa: N802 - reads as one
        """Act, and answer with this error code, e.g. -1007 or -1006, as if it were not known."""
        return _transport.Unknown(_transport.error_of(code))

    @staticmethod
    def REJECT(code: int) -> FaultEffect:  # noqa: N802 - reads as one
        """Refuse with this error code, e.g. -2019; the exchange never sees the request."""
        return _transport.Reject(_transport.error_of(code))

    @staticmethod
    def PARTIAL_FILL(fraction: Number) -> FaultEffect:  # noqa: N802 - reads as one
        """
        Fill only this share of the order, in [0, 1).

        The rest of a market order expires, the rest of a limit order rests and never fills.
        """
        return _orders.ScriptedOrder(
            f"PARTIAL_FILL({fraction})", OrderScript(_share(fraction, "a partial fill"))
        )

    @staticmethod
    def STALL(fraction: Number, seconds: Number) -> FaultEffect:  # noqa: N802 - reads as one
        """
        Fill this share of the order, in [0, 1), and the rest only after so long.

        The rest stays open, that of a market order too. Of a conditional order it concerns the
        order that it becomes, and counts from then.
        """
        return _orders.ScriptedOrder(
            f"STALL({fraction}, {seconds})",
            OrderScript(_share(fraction, "a stall"), stall_ms=_ms(seconds), keeps_rest=True),
        )

    @staticmethod
    def CANCEL_ORDER(fraction: Number = 0) -> FaultEffect:  # noqa: N802 - reads as one
        """Accept the order, fill this share of it, in [0, 1), and cancel it at the next moment."""
        return _orders.ScriptedOrder(
            f"CANCEL_ORDER({fraction})",
            OrderScript(_share(fraction, "a canceled order"), keeps_rest=True, cancel_after_ms=0),
        )

    @staticmethod
    def HIDE_ORDER(seconds: Number, lost: bool = True) -> FaultEffect:  # noqa: N802 - reads as one
        """
        Act, lose the answer if `lost`, and do not know the order in queries for so long.

        Positions and balances show it, and it can be canceled.
        """
        return _orders.ScriptedOrder(
            f"HIDE_ORDER({seconds}, {lost})", OrderScript(hide_ms=_ms(seconds)), bool(lost)
        )

    @staticmethod
    def LATE_FILL_REPORT(seconds: Number) -> FaultEffect:  # noqa: N802 - reads as one
        """Fill the order, but show it as new and without fills for so long; positions know."""
        return _orders.ScriptedOrder(
            f"LATE_FILL_REPORT({seconds})", OrderScript(late_ms=_ms(seconds))
        )

    @staticmethod
    def CLOSE_POSITION(  # noqa: N802 - reads as one
        fraction: Number = ONE, symbol: str = _account.OWN
    ) -> FaultEffect:
        """Let a person close this share of a position, in (0, 1], right after the request."""
        return _account.OnAccount("CLOSE_POSITION", CloseExternally, _part(fraction), symbol)

    @staticmethod
    def ADD_POSITION(  # noqa: N802 - reads as one
        fraction: Number = ONE, symbol: str = _account.OWN
    ) -> FaultEffect:
        """Let a person add this share, in (0, 1], to a position, right after the request."""
        return _account.OnAccount("ADD_POSITION", AddExternally, _part(fraction), symbol)

    @staticmethod
    def ADL(  # noqa: N802 - reads as one
        fraction: Number = ONE, symbol: str = _account.OWN
    ) -> FaultEffect:
        """Let auto-deleveraging take this share, in (0, 1], of a position after the request."""
        return _account.OnAccount("ADL", AutoDeleverage, _part(fraction), symbol)

    @staticmethod
    def LIQUIDATE(symbol: str = _account.OWN) -> FaultEffect:  # noqa: N802 - reads as one
        """Liquidate a position right after the request, whatever its margin is."""
        return _account.OnAccount("LIQUIDATE", lambda s, _: LiquidateByForce(s), ONE, symbol)

    @staticmethod
    def FOREIGN_ORDER(symbol: str = _account.OWN) -> FaultEffect:  # noqa: N802 - reads as one
        """Let a person place a limit order far from the market, right after the request."""
        return _account.OnAccount("FOREIGN_ORDER", lambda s, _: PlaceExternally(s), ONE, symbol)

    @staticmethod
    def RATE_LIMIT(seconds: Number, spare: bool = False) -> FaultEffect:  # noqa: N802
        """Refuse every request for so long with HTTP 429, -1003 and ``Retry-After``."""
        return _lasting.RateLimit(_seconds(seconds), bool(spare))

    @staticmethod
    def BAN(seconds: Number, spare: bool = False) -> FaultEffect:  # noqa: N802 - reads as one
        """Refuse every request for so long with HTTP 418, -1003 and ``Retry-After``."""
        return _lasting.Ban(_seconds(seconds), bool(spare))

    @staticmethod
    def OUTAGE(seconds: Number, spare: bool = False) -> FaultEffect:  # noqa: N802 - reads as one
        """Drop every connection for so long; no request reaches the exchange."""
        return _lasting.Outage(_seconds(seconds), bool(spare))

    @staticmethod
    def MAINTENANCE(seconds: Number, spare: bool = False) -> FaultEffect:  # noqa: N802
        """Answer every request for so long with HTTP 503 and a web page."""
        return _lasting.Maintenance(_seconds(seconds), bool(spare))

    @staticmethod
    def LATENCY(  # noqa: N802 - reads as one
        milliseconds: Number, seconds: Number | None = None, spare: bool = False
    ) -> FaultEffect:
        """Hold every request back by this time before it reaches the exchange."""
        return _lasting.Latency(
            float(_number(milliseconds, "milliseconds")), _span(seconds), bool(spare)
        )

    @staticmethod
    def CLOCK_SKEW(  # noqa: N802 - reads as one
        milliseconds: Number, seconds: Number | None = None, spare: bool = False
    ) -> FaultEffect:
        """
        Set the exchange's clock ahead by this time, or back if it is negative.

        Signed requests are refused with -1021 until the client takes over the time that
        ``GET /fapi/v1/time`` shows.
        """
        return _lasting.ClockSkew(
            int(_number(milliseconds, "milliseconds")), _span(seconds), bool(spare)
        )

    @staticmethod
    def STALE_PRICES(seconds: Number, spare: bool = False) -> FaultEffect:  # noqa: N802
        """Show public data for so long as they were when it began; the market moves on."""
        return _lasting.StalePrices(_seconds(seconds), bool(spare))

    @staticmethod
    def NAN_PRICES(  # noqa: N802 - reads as one
        seconds: Number, price: str = "0", spare: bool = False
    ) -> FaultEffect:
        """
        Show no prices for so long.

        Books are empty, tickers show `price`, of candles the newest is missing and the one before
        shows `price`: ``0``, ``NaN`` or empty.
        """
        return _lasting.NanPrices(str(price), _seconds(seconds), bool(spare))

    @staticmethod
    def CALL(  # noqa: N802 - reads as one
        before: Callable[[FaultedCall], object] = _transport.nothing,
        after: Callable[[FaultedCall], object] = _transport.nothing,
    ) -> FaultEffect:
        """Call a function before and one after the exchange acts. From Python only."""
        return _transport.CallBack(before, after)

    @classmethod
    def names(cls) -> list[str]:
        """Names of the effects that a control request may ask for."""
        return [name for name in vars(cls) if name.isupper() and name != ONLY_FROM_PYTHON]

    @classmethod
    def named(cls, name: str, **given: Any) -> FaultEffect:
        """
        Look an effect up by its name, as a control request gives it.

        Raises
        ------
        ConfigError
            If there is no such effect, or it does not take what is given.
        """
        if name not in cls.names():
            raise ConfigError(f"unknown effect {name!r}; valid effects: {', '.join(cls.names())}")
        wanted = {key: value for key, value in given.items() if value is not None}
        if name == cls.UNKNOWN_STATUS.name and "code" in wanted:
            name = "UNKNOWN"
        maker = getattr(cls, name)
        if not inspect.isfunction(maker):
            if wanted:
                raise ConfigError(f"{name} takes nothing, got {', '.join(wanted)}")
            effect: FaultEffect = maker
            return effect
        takes = inspect.signature(maker)
        try:
            takes.bind(**wanted)
        except TypeError as error:
            raise ConfigError(f"{name}: {error}; it takes {', '.join(takes.parameters)}") from error
        made: FaultEffect = maker(**wanted)
        return made
