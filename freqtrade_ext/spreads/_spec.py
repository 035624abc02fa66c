"""One row of the spread book: which two markets, how they hang together, which bands."""

import math
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

HedgeSpace = Literal["log", "price"]


def _utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError("should carry its time zone, e.g. 2026-01-31T00:00:00Z")
    if moment.utcoffset() != timedelta(0):
        raise ValueError(f"should be UTC, i.e. {moment.astimezone(UTC).isoformat()}")
    return moment


Utc = Annotated[datetime, AfterValidator(_utc)]
SpreadId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,64}$")]
Market = Annotated[str, Field(pattern=r"^[^\s/:]+/[^\s/:]+(:[^\s/:]+)?$")]
Positive = Annotated[float, Field(gt=0)]
Probability = Annotated[float, Field(ge=0, le=1)]


class SpreadSpec(BaseModel):
    """
    A spread that may be traded: ``A = intercept + hedge_ratio · B + e``, in logs or prices.

    Parameters
    ----------
    spread_id : str
        Unique name in the book; letters, digits and ``_ . : / -``, at most 64.
    leg_a, leg_b : str
        The dependent market and the regressor, e.g. ``BTC/USDT:USDT``; same settlement currency.
    hedge_space : {'log', 'price'}
        Space of the regression. ``log`` hedges by notional, ``price`` by units.
    hedge_ratio, intercept : float
        Slope (positive) and constant of the regression.
    cointegration_stat, pvalue : float
        Engle-Granger statistic and MacKinnon p-value, the weaker of both directions.
    qvalue, johansen_trace, hurst : float, optional
        Benjamini-Hochberg q-value, Johansen trace statistic, Hurst exponent of the spread.
    half_life : float
        Half-life of the spread, in candles.
    z_score_threshold, z_exit, stop_loss_z : float
        Bands for entry, exit and stop, in standard deviations;
        ``z_exit < z_score_threshold < stop_loss_z``.
    mean_reversion_window : int
        Candles of the rolling mean and deviation.
    max_holding : int, optional
        Longest time in the position, in candles. None stands for three half-lives.
    fit_start, fit_end, last_updated : datetime
        Data used for the fit, and when the row was written; aware, UTC.
    """

    # Cross-field rules are field validators on the later field: unlike a validator of the whole
    # model they also run when another field is wrong, so that one look shows every problem.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )

    spread_id: SpreadId
    leg_a: Market
    leg_b: Market
    hedge_space: HedgeSpace = "log"
    hedge_ratio: float
    intercept: float
    cointegration_stat: float
    pvalue: Probability
    qvalue: Probability | None = None
    johansen_trace: float | None = None
    half_life: Positive
    hurst: float | None = None
    z_score_threshold: Positive = 2.0
    z_exit: Annotated[float, Field(ge=0)] = 0.5
    stop_loss_z: Positive = 4.0
    mean_reversion_window: Annotated[int, Field(ge=2)] = 50
    max_holding: Annotated[int, Field(gt=0)] | None = None
    fit_start: Utc
    fit_end: Utc
    last_updated: Utc

    @field_validator("leg_b")
    @classmethod
    def _two_markets_of_one_currency(cls, leg_b: str, info: ValidationInfo) -> str:
        leg_a = info.data.get("leg_a")
        if leg_a is None:
            return leg_b
        if leg_a == leg_b:
            raise ValueError("should be another market than leg_a")
        if settlement(leg_a) != settlement(leg_b):
            raise ValueError(f"should be settled in {settlement(leg_a)} like leg_a ({leg_a})")
        return leg_b

    @field_validator("hedge_ratio")
    @classmethod
    def _opposite_sides(cls, hedge_ratio: float) -> float:
        if hedge_ratio <= 0:
            raise ValueError(
                "should be greater than 0: otherwise both legs are on the same side "
                "of the market and nothing is hedged"
            )
        return hedge_ratio

    @field_validator("z_exit")
    @classmethod
    def _exit_inside_entry(cls, z_exit: float, info: ValidationInfo) -> float:
        entry = info.data.get("z_score_threshold", math.inf)
        if z_exit >= entry:
            raise ValueError(f"should be below z_score_threshold ({entry})")
        return z_exit

    @field_validator("stop_loss_z")
    @classmethod
    def _stop_outside_entry(cls, stop_loss_z: float, info: ValidationInfo) -> float:
        entry = info.data.get("z_score_threshold", 0.0)
        if stop_loss_z <= entry:
            raise ValueError(f"should be above z_score_threshold ({entry})")
        return stop_loss_z

    @field_validator("mean_reversion_window")
    @classmethod
    def _stop_within_reach(cls, window: int, info: ValidationInfo) -> int:
        # The last of n values lies at most sqrt(n - 1) population deviations from their mean
        # (Samuelson's inequality, J. Am. Stat. Assoc. 63, 1968, 1522-1525): a shorter window
        # has a stop band that can never be reached, hence no stop.
        stop = info.data.get("stop_loss_z", 0.0)
        if math.sqrt(window - 1) <= stop:
            raise ValueError(
                f"should be above {stop**2 + 1:g} candles: the z-score of a shorter window "
                f"can never reach stop_loss_z ({stop})"
            )
        return window

    @field_validator("fit_end")
    @classmethod
    def _fit_has_a_length(cls, fit_end: datetime, info: ValidationInfo) -> datetime:
        fit_start = info.data.get("fit_start")
        if fit_start is not None and fit_end <= fit_start:
            raise ValueError(f"should be later than fit_start ({fit_start.isoformat()})")
        return fit_end

    @field_validator("last_updated")
    @classmethod
    def _written_after_the_fit(cls, last_updated: datetime, info: ValidationInfo) -> datetime:
        fit_end = info.data.get("fit_end")
        if fit_end is not None and last_updated < fit_end:
            raise ValueError(f"should not be before fit_end ({fit_end.isoformat()})")
        return last_updated

    @property
    def markets(self) -> tuple[str, str]:
        """Leg A and leg B."""
        return self.leg_a, self.leg_b


def settlement(market: str) -> str:
    """
    Return the currency in which a market's profit is paid.

    Examples
    --------
    >>> settlement("BTC/USDT:USDT"), settlement("BTC/USDC")
    ('USDT', 'USDC')
    """
    _, _, tail = market.partition("/")
    quote, _, settle = tail.partition(":")
    return settle or quote
