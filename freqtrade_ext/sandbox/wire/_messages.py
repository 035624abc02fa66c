"""A request and an answer, free of any web framework, and the reading of parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from freqtrade_ext.sandbox.wire._errors import BAD_PARAMETER, PARAMETER_MISSING, ApiFailure

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request; header names are lower-case."""

    method: str
    path: str
    query: str = ""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """Method and path, the way a fault names them."""
        return f"{self.method} {self.path}"

    @property
    def params(self) -> "Params":
        """Parameters of query and body together."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        pairs += parse_qsl(self.body, keep_blank_values=True)
        return Params(dict(pairs))


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer with a JSON body."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> int | None:
        """Error code in the body, if it is an error."""
        return self.body.get("code") if isinstance(self.body, dict) else None


class Params(dict[str, str]):
    """Parameters of a request, read with Binance's complaints about missing and malformed ones."""

    def text(self, name: str) -> str:
        """Mandatory text."""
        value = self.get(name)
        if not value:
            raise ApiFailure(PARAMETER_MISSING, name)
        return value

    def decimal(self, name: str) -> Decimal:
        """Mandatory decimal number."""
        return _converted(self.text(name), name, _finite)

    def optional_decimal(self, name: str) -> Decimal | None:
        """Decimal number or None."""
        return self.decimal(name) if self.get(name) else None

    def integer(self, name: str) -> int:
        """Mandatory integer."""
        return _converted(self.text(name), name, int)

    def optional_integer(self, name: str) -> int | None:
        """Integer or None."""
        return self.integer(name) if self.get(name) else None

    def flag(self, name: str) -> bool:
        """Boolean that is false when absent."""
        return self.get(name, "").lower() == "true"

    def limit(self, default: int, largest: int) -> int:
        """Length of a list asked for, at least 1, at most `largest`."""
        asked = self.optional_integer("limit")
        return default if asked is None else max(1, min(asked, largest))

    def span(self, now_ms: int) -> tuple[int, int]:
        """Start and end of a history query; everything until now when absent."""
        start_ms = self.optional_integer("startTime")
        end_ms = self.optional_integer("endTime")
        return start_ms or 0, now_ms if end_ms is None else min(end_ms, now_ms)


def _finite(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(text)
    return number


def _converted(text: str, name: str, convert: Callable[[str], T]) -> T:
    try:
        return convert(text)
    except (ValueError, InvalidOperation):
        raise ApiFailure(BAD_PARAMETER, name) from None
