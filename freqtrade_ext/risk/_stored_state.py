"""State that survives a restart: a frozen dataclass as versioned JSON, and back."""

import json
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from freqtrade_ext.errors import CorruptStateError, IllegalRequest

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["STATE_CONFIG", "StoredState"]

STATE_CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class StoredState:
    """
    Base of frozen dataclasses that are kept in a database as one line of JSON.

    A subclass sets ``__pydantic_config__ = STATE_CONFIG`` and, where losing the state has its own
    consequence, `remedy`.
    """

    __slots__ = ()
    version: ClassVar[int] = 1
    remedy: ClassVar[str] = "restore the database from a backup, or delete the entry to start anew"

    def to_json(self: "DataclassInstance") -> str:
        """
        Write the state as one line of JSON.

        Raises
        ------
        IllegalRequest
            If a number is not finite: JSON has none, so it would not survive a restart.
        """
        document = {"version": type(self).version, **asdict(self)}  # type: ignore[attr-defined]
        try:
            return json.dumps(document, allow_nan=False)
        except ValueError as error:
            raise IllegalRequest(f"{self} cannot be stored: {error}") from error

    @classmethod
    def from_json(cls, text: str, *, place: str = "the database") -> Self:
        """
        Read a state that `to_json` wrote.

        Parameters
        ----------
        text : str
            The stored line.
        place : str
            Where it was read from, for the message: ``"trade 17"``.

        Raises
        ------
        CorruptStateError
            If it cannot be understood, or was written by another version. The message says where,
            why, and what to do.
        """
        try:
            document = json.loads(text)
            version = document.pop("version")
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise cls._corrupt(place, f"it is no stored state ({error!r})") from error
        if version != cls.version:
            why = f"it has version {version!r}, this program reads version {cls.version}"
            raise cls._corrupt(place, why)
        try:
            # As JSON, so that strict validation still reads enumerations from their text.
            adapter = _adapter(cls)  # type: ignore[arg-type]  # a class is hashable
            state: Self = adapter.validate_json(json.dumps(document))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            why = f"{'.'.join(map(str, first['loc'])) or 'state'}: {first['msg']}"
            raise cls._corrupt(place, why) from error
        return state

    @classmethod
    def _corrupt(cls, place: str, why: str) -> CorruptStateError:
        return CorruptStateError(f"{cls.__name__} of {place}: {why}; {cls.remedy}")


@cache
def _adapter(state: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(state)
