"""What a closed spread earned: as JSON, and in one line."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.spreads import SpreadResult

RESULT = SpreadResult(
    spread_id="ETH-BTC",
    direction="long",
    reason="MEAN_REVERSION",
    signal_ms=1_700_000_000_000,
    closed_ms=1_700_003_600_000,
    z_at_entry=-2.512,
    z_at_exit=-0.408,
    hedge_ratio=0.8,
    fills=4,
    gross=12.34567,
    fees=1.2,
    funding=-0.3,
    net=10.84567,
    notional=1800.0,
    realised_share=0.4,
    naked_exposure=104.4,
    naked_seconds=0.2,
)


def test_a_result_comes_back_from_json() -> None:
    text = json.dumps(RESULT.as_json(), allow_nan=False)
    assert SpreadResult(**json.loads(text)) == RESULT


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["z_at_exit", "realised_share"])
def test_a_number_that_json_does_not_have_becomes_null(name: str, value: float) -> None:
    document = replace(RESULT, **{name: value}).as_json()
    assert document[name] is None
    text = json.dumps(document, allow_nan=False)
    assert SpreadResult(**json.loads(text)) == replace(RESULT, **{name: None})


@given(st.lists(st.floats(), min_size=4, max_size=4))
def test_any_result_is_json(numbers: list[float]) -> None:
    gross, fees, funding, net = numbers
    result = replace(RESULT, gross=gross, fees=fees, funding=funding, net=net)
    document = json.loads(json.dumps(result.as_json(), allow_nan=False))
    for name, value in zip(("gross", "fees", "funding", "net"), numbers, strict=True):
        assert document[name] == (value if math.isfinite(value) else None)


def test_the_line_says_all_that_matters() -> None:
    assert RESULT.line() == (
        "ETH-BTC long closed: MEAN_REVERSION, z -2.51 -> -0.41, gross 12.3457, fees 1.2000, "
        "funding -0.3000, net 10.8457, naked 0.2 s (522.00 without a hedge on average)"
    )


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_an_unknown_z_at_exit_is_a_question_mark(unknown: float | None) -> None:
    assert "z -2.51 -> ?, gross" in replace(RESULT, z_at_exit=unknown).line()
