"""What survives a restart: every field, as JSON that every reader accepts."""

import json
import math
from collections.abc import Callable
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads import (
    EntryRequested,
    ExitRequested,
    Leaving,
    LegName,
    MemoryStore,
    SpreadRecord,
    SpreadState,
    TimePassed,
    observe_leg,
    record_from_dict,
    record_to_dict,
)
from freqtrade_ext.spreads._observation import apply_event

from .doubles import START, A, B, D, blank_record, book, booked, done, entry_plan, fit

finite = st.floats(allow_nan=False, allow_infinity=False)
order_names = st.text(st.sampled_from("AB:0123456789-abc"), min_size=1, max_size=8)


def through_json(record: SpreadRecord) -> SpreadRecord:
    return record_from_dict(json.loads(json.dumps(record_to_dict(record), allow_nan=False)))


def episode() -> list[SpreadRecord]:
    """Return a spread at every station of its life."""
    record, _ = apply_event(blank_record(), EntryRequested(plan=entry_plan(), now_ms=START))
    stations = [record]
    books = [
        (A, book(booked("1", "10", "4")), 1),
        (A, book(done("1", "10"), held="10"), 2),
        (B, book(booked("2", "-20", "-5", is_open=False), held="-5"), 3),
    ]
    for leg, seen, at in books:
        record, _ = observe_leg(record, leg, seen, START + at * 1000, settled=True)
        stations.append(record)
    record, _ = apply_event(record, TimePassed(now_ms=START + 8000))
    stations.append(record)
    record, _ = apply_event(
        record, ExitRequested(reason=CloseReason.SPREAD_STOP, now_ms=START + 9000)
    )
    stations.append(record)
    return stations


@pytest.mark.parametrize("station", range(6))
def test_a_record_is_the_same_after_a_restart(station: int) -> None:
    record = episode()[station]
    assert through_json(record) == record


def test_the_stations_are_what_they_are_meant_to_be() -> None:
    states = [record.position.state for record in episode()]
    assert states[0] is SpreadState.OPENING
    assert states[-1] is SpreadState.UNWINDING
    assert len({repr(record) for record in episode()}) == 6


@pytest.mark.parametrize("z_at_exit", [None, -0.4])
def test_how_a_spread_was_left_survives_too(z_at_exit: float | None) -> None:
    left = Leaving(START, CloseReason.SPREAD_STOP, z_at_exit)
    record = blank_record(left=left, stop_value=-0.04, candle_ms=3_600_000)
    assert through_json(record) == record


def test_a_record_without_the_later_fields_is_read() -> None:
    document = record_to_dict(blank_record())
    for name in ("stop_value", "candle_ms", "left"):
        document.pop(name)
    assert record_from_dict(document) == blank_record()


def test_quantities_come_back_as_exact_decimals() -> None:
    record = blank_record(filled={"A:1": D("0.10000000000000000001"), "B:1": D("-3E-8")})
    restored = through_json(record)
    assert restored.filled == record.filled
    assert all(isinstance(value, Decimal) for value in restored.filled.values())


def test_trades_come_back_under_the_names_of_the_legs() -> None:
    restored = through_json(blank_record(trade_ids={A: 7, B: 8}))
    assert restored.trade_ids == {LegName.A: 7, LegName.B: 8}
    assert all(isinstance(leg, LegName) for leg in restored.trade_ids)


def test_the_document_holds_every_field() -> None:
    document = record_to_dict(blank_record())
    assert set(document) == {field.name for field in fields(SpreadRecord)}


@given(
    numbers=st.tuples(finite, finite, finite, finite),
    names=st.dictionaries(order_names, order_names, max_size=4),
    filled=st.dictionaries(
        order_names, st.decimals(allow_nan=False, allow_infinity=False), max_size=4
    ),
    sent=st.dictionaries(order_names, st.integers(0, 2**53), max_size=4),
    signal_ms=st.integers(0, 2**53),
    pvalue=finite,
)
def test_any_finite_record_round_trips(
    numbers: tuple[float, float, float, float],
    names: dict[str, str],
    filled: dict[str, Decimal],
    sent: dict[str, int],
    signal_ms: int,
    pvalue: float,
) -> None:
    scale, exit_z, max_holding, equity = numbers
    record = blank_record(
        scale=scale,
        exit_z=exit_z,
        max_holding=max_holding,
        equity=equity,
        names=names,
        filled=filled,
        sent=sent,
        signal_ms=signal_ms,
        frozen=fit(pvalue=pvalue, hedge_ratio=scale or 1.0),
    )
    assert through_json(record) == record


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["scale", "exit_z", "max_holding", "equity", "stop_value"])
def test_a_number_that_json_does_not_have_is_refused(name: str, value: float) -> None:
    with pytest.raises(IllegalRequest, match=f"ETH-BTC: {name} must be finite, not {value}"):
        blank_record(**{name: value})


@pytest.mark.parametrize(
    "name", ["hedge_ratio", "intercept", "resid_std", "stat", "pvalue", "half_life"]
)
def test_a_fit_with_such_a_number_is_refused_too(name: str) -> None:
    with pytest.raises(IllegalRequest, match=f"ETH-BTC: {name} must be finite, not nan"):
        blank_record(frozen=fit(**{name: math.nan}))
    with pytest.raises(IllegalRequest, match=f"ETH-BTC: {name} must be finite, not inf"):
        replace(blank_record(), frozen=fit(**{name: math.inf}))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("frozen"),
        lambda document: document.pop("position"),
        lambda document: document.update(filled={"A:1": "many"}),
        lambda document: document.update(trade_ids={"C": 1}),
        lambda document: document["position"].update(state="lost"),
        lambda document: document.update(scale=None),
    ],
    ids=["no fit", "no position", "quantity", "leg", "state", "null"],
)
def test_a_document_that_is_not_a_record_is_refused(spoil: Callable[[Any], Any]) -> None:
    document = record_to_dict(blank_record())
    spoil(document)
    with pytest.raises(ValidationError):
        record_from_dict(document)


def test_reading_a_document_does_not_change_it() -> None:
    document = record_to_dict(episode()[2])
    text = json.dumps(document)
    record_from_dict(document)
    assert json.dumps(document) == text


def test_the_memory_store_forgets_everything() -> None:
    store = MemoryStore()
    store.save("one", record_to_dict(blank_record()))
    store.add_result("one", {"net": 1.0})
    assert store.load() == {}
    assert list(store.results()) == []
