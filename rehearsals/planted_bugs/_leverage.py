"""Bugs of the unified leverage: each factor, bracket and cap."""

from typing import Final

from rehearsals.planted_bugs._bug import PlantedBug, planted_in

__all__ = ["LEVERAGE_BUGS"]

_LEVERAGE: Final = planted_in(
    "signals/_leverage.py",
    "signals/test_leverage.py",
    *(
        (f"leverage: {factor}", text, "", "test_factors_multiply_and_bounds_hold")
        for factor, text in (
            ("price factor", "        * price_factor(price)\n"),
            ("volatility factor", "        * volatility_factor(atr_pct)\n"),
            (
                "balance factor",
                "        * balance_factor(drawdown, settings.full_loss_drawdown)\n",
            ),
            (
                "mtf factor",
                "        * np.clip(np.where(np.isnan(trend), 0.6, trend), 0.6, 1.2)\n",
            ),
        )
    ),
    (
        "leverage: base by the spread",
        'result: FloatArray = bases[np.searchsorted(bounds, careful, side="left")]',
        "result: FloatArray = 50.0 + 0.0 * np.minimum(careful, 1.0)",
        "test_base_by_spread",
    ),
    (
        "leverage: bounds of the mtf factor",
        "np.clip(np.where(np.isnan(trend), 0.6, trend), 0.6, 1.2)",
        "np.where(np.isnan(trend), 0.6, trend)",
        "test_factors_multiply_and_bounds_hold",
    ),
    (
        "leverage: from 3 to 75",
        "np.minimum(np.clip(leverage, LEAST, MOST), np.minimum(bracket, settings.max_leverage))",
        "np.minimum(leverage, np.minimum(bracket, settings.max_leverage))",
        "test_factors_multiply_and_bounds_hold",
    ),
    (
        "leverage: bracket of the exchange",
        "np.minimum(bracket, settings.max_leverage)",
        "settings.max_leverage",
        "test_factors_multiply_and_bounds_hold",
    ),
    (
        "leverage: the user's cap",
        "np.minimum(bracket, settings.max_leverage)",
        "bracket",
        "test_the_default_cap_is_three",
    ),
)
_CAP: Final = planted_in(
    "signals/_leverage_settings.py",
    "signals/test_settings.py",
    (
        "leverage: cap of 3 by default",
        "max_leverage: Annotated[float, Field(ge=1, le=75)] = 3.0",
        "max_leverage: Annotated[float, Field(ge=1, le=75)] = 20.0",
        "test_defaults_are_those_specified",
    ),
)

LEVERAGE_BUGS: Final[tuple[PlantedBug, ...]] = (*_LEVERAGE, *_CAP)
