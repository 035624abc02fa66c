"""What survives a restart, and what is said when it cannot be read back.

Planted bugs, each of which turns a test red: version not checked, unknown fields ignored, numbers
taken for flags, NaN written, a state that loses a field on its way.
"""

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import CorruptStateError, ExtensionError, IllegalRequest
from freqtrade_ext.risk import AccountState, CloseReason, ExitState, RecoveryState

STATES = [ExitState, AccountState, RecoveryState]
FULL = [
    ExitState(
        atr=1.5,
        best_price=103.0,
        worst_price=98.0,
        break_even=True,
        trailing=True,
        stop=101.8,
        stop_reason=CloseReason.TRAILING,
        target_reductions=2,
        halved=True,
        aim_share=0.25,
        aim_reason=CloseReason.TIME_GRADUAL,
        closing=CloseReason.TRAILING,
    ),
    AccountState(
        peak_equity=1250.0, net_deposits=-7.5, breaches=2, stopped_since_ms=5, reason="ümläut"
    ),
    RecoveryState(
        below_since_ms=1,
        candidate=True,
        peak=0.75,
        closing=True,
        resting_until_ms=1_700_000_000_000,
    ),
]


@pytest.mark.parametrize("state", [*FULL, *(each() for each in STATES)], ids=repr)
def test_round_trip(state):
    again = type(state).from_json(state.to_json())
    assert again == state
    assert all(
        type(new) is type(old) for new, old in zip(fields(again), fields(state), strict=True)
    )


def fields(state):
    return [getattr(state, each.name) for each in dataclasses.fields(state)]


@pytest.mark.parametrize("state", FULL, ids=lambda state: type(state).__name__)
def test_the_full_states_here_leave_no_field_at_its_default(state):
    """A field that is added must be added above too, or its round trip is not tested."""
    assert all(new != old for new, old in zip(fields(state), fields(type(state)()), strict=True))


@given(
    st.floats(1e-12, 1e12), st.floats(1e-12, 1e12), st.floats(0, 1), st.sampled_from(CloseReason)
)
def test_numbers_come_back_exactly(atr, stop, share, reason):
    state = ExitState(atr=atr, stop=stop, stop_reason=reason, aim_share=share)
    assert ExitState.from_json(state.to_json()) == state


def test_it_is_one_line_of_json_with_a_version():
    text = ExitState(stop_reason=CloseReason.SL, stop=1.0).to_json()
    assert "\n" not in text
    document = json.loads(text)
    assert (document["version"], document["stop_reason"]) == (1, "SL")


DAMAGES = [
    ("", "it is no stored state"),
    ("not json", "it is no stored state"),
    ("null", "it is no stored state"),
    ("[1, 2]", "it is no stored state"),
    ('"text"', "it is no stored state"),
    ("{}", "it is no stored state"),
    ('{"version": 2}', "it has version 2, this program reads version 1"),
    ('{"version": "1"}', "it has version '1', this program reads version 1"),
    ('{"version": 1, "unheard_of": 3}', "unheard_of"),
]


@pytest.mark.parametrize("kind", STATES)
@pytest.mark.parametrize(("text", "why"), DAMAGES)
def test_damage_is_named_with_its_place_and_what_to_do(kind, text, why):
    with pytest.raises(CorruptStateError) as caught:
        kind.from_json(text, place="trade 17")
    message = str(caught.value)
    assert message.startswith(f"{kind.__name__} of trade 17: ")
    assert why in message
    assert "restore the database from a backup, or delete the entry" in message
    assert isinstance(caught.value, ExtensionError)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (ExitState, "halved", 1),
        (ExitState, "halved", "true"),
        (ExitState, "atr", "1.0"),
        (ExitState, "atr", 0.0),
        (ExitState, "atr", -1.0),
        (ExitState, "stop", math.nan),
        (ExitState, "stop", math.inf),
        (ExitState, "stop_reason", "NO_SUCH_REASON"),
        (ExitState, "target_reductions", 3),
        (ExitState, "aim_share", -0.1),
        (AccountState, "peak_equity", 0.0),
        (AccountState, "breaches", 1.5),
        (AccountState, "stopped_since_ms", "now"),
        (RecoveryState, "below_since_ms", 1.5),
        (RecoveryState, "candidate", None),
    ],
)
def test_a_wrong_value_names_its_field(kind, field, value):
    text = json.dumps({**json.loads(kind().to_json()), field: value})
    with pytest.raises(CorruptStateError, match=f"of the database: {field}"):
        kind.from_json(text)


@pytest.mark.parametrize("cut", [1, 10, 40, -1])
def test_half_a_line_is_damage(cut):
    with pytest.raises(CorruptStateError):
        ExitState.from_json(FULL[0].to_json()[:cut])


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_could_not_be_read_is_not_written(number):
    with pytest.raises(IllegalRequest, match="cannot be stored"):
        ExitState(stop=number).to_json()


@pytest.mark.parametrize(
    ("kind", "consequence"),
    [
        (ExitState, "its stop on the exchange stays as it is"),
        (AccountState, "an account that was stopped trades again"),
        (RecoveryState, "entries do not rest"),
    ],
)
def test_the_consequence_of_deleting_is_told(kind, consequence):
    with pytest.raises(CorruptStateError, match=consequence):
        kind.from_json("")
