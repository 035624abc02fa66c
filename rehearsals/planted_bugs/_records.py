"""Bugs of what the risk rules are told and remember: defaults, close reasons, stored states."""

from typing import Final

from rehearsals.planted_bugs._bug import PlantedBug, planted_in

__all__ = ["RECORD_BUGS"]

_DEFAULTS: Final = planted_in(
    "risk/_settings.py",
    "risk/test_risk_settings.py",
    *(
        (f"default: {text}", text, instead, "test_default")
        for text, instead in (
            ("partial_loss: Share = 0.3", "partial_loss: Share = 0.35"),
            ("full_loss: Share = 0.5", "full_loss: Share = 0.6"),
            ("lock_hours: Hours = 24.0", "lock_hours: Hours = 12.0"),
            ("window_minutes: Minutes = 60", "window_minutes: Minutes = 90"),
            ("lock_minutes: Minutes = 30", "lock_minutes: Minutes = 15"),
            ("under_water_hours: Hours = 12.0", "under_water_hours: Hours = 6.0"),
            ("rest_hours: Hours = 6.0", "rest_hours: Hours = 3.0"),
            ("Field(ge=0.01, le=0.5)] = 0.15", "Field(ge=0.01, le=0.5)] = 0.25"),
        )
    ),
)
_REASONS: Final = planted_in(
    "risk/_close_reasons.py",
    "risk/test_close_reasons.py",
    (
        "close reasons: one of them",
        'TP1 = "TP1"',
        'TP1 = "FIRST_TARGET"',
        "test_reasons_are_exactly_the_specified_ones",
    ),
    (
        "close reasons: what counts as a stop",
        "return self.category in (CloseCategory.STOP, CloseCategory.TRAILING)",
        "return self is CloseReason.SL",
        "test_guard_counts_stops_and_nothing_else",
    ),
    (
        "close reasons: the spread's stop is a stop",
        'CloseCategory.STOP, "💥",',
        'CloseCategory.SIGNAL, "💥",',
        "test_guard_counts_stops_and_nothing_else",
    ),
    (
        "close reasons: a sentence each",
        '"The strategy signalled an exit."',
        '""',
        "test_every_reason_explains_itself",
    ),
)
_STORED: Final = planted_in(
    "risk/_stored_state.py",
    "risk/test_stored_state.py",
    (
        "state: its version is checked",
        "        if version != cls.version:\n",
        "        if False:\n",
        "test_damage_is_named_with_its_place_and_what_to_do",
    ),
    (
        "state: unknown fields are damage",
        'STATE_CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)',
        'STATE_CONFIG = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)',
        "test_damage_is_named_with_its_place_and_what_to_do",
    ),
    (
        "state: NaN is not written",
        "return json.dumps(document, allow_nan=False)",
        "return json.dumps(document)",
        "test_what_could_not_be_read_is_not_written",
    ),
)

RECORD_BUGS: Final[tuple[PlantedBug, ...]] = (*_DEFAULTS, *_REASONS, *_STORED)
