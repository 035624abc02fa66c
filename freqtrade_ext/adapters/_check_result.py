"""What one check of an installation says."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Check", "CheckStatus"]


class CheckStatus(StrEnum):
    """Outcome of a check."""

    OK = "OK"
    WARN = "WARN"  # trading is possible, and something should be looked at
    FAIL = "FAIL"  # the bot would not start, or should not trade
    SKIP = "SKIP"  # not checked; the text says why


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's table; `advice` says what to do, and is empty where all is well."""

    name: str
    status: CheckStatus
    text: str
    advice: str = ""

    @classmethod
    def ok(cls, name: str, text: str) -> "Check":
        """Say that all is well."""
        return cls(name, CheckStatus.OK, text)

    @classmethod
    def warn(cls, name: str, text: str, advice: str) -> "Check":
        """Say that something should be looked at."""
        return cls(name, CheckStatus.WARN, text, advice)

    @classmethod
    def fail(cls, name: str, text: str, advice: str) -> "Check":
        """Say that the bot cannot or should not trade."""
        return cls(name, CheckStatus.FAIL, text, advice)

    @classmethod
    def skip(cls, name: str, reason: str) -> "Check":
        """Say why something was not checked."""
        return cls(name, CheckStatus.SKIP, f"not checked: {reason}")
