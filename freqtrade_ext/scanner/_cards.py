"""What is said about one combination: a candidate, and a card for each chosen spread."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freqtrade_ext.scanner._funnel import Stage

__all__ = [
    "BetaStability",
    "Candidate",
    "Confirmation",
    "Diagnosis",
    "JohansenResult",
    "Retest",
    "SpreadCard",
    "SpreadFit",
]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SpreadFit:
    """Line ``log A = intercept + hedge_ratio · log B + value`` fitted on the discovery part."""

    leg_a: str  # dependent market: of both directions the one with the stronger evidence
    leg_b: str
    hedge_ratio: float
    intercept: float
    resid_std: float  # of the spread value on the discovery part, log units
    stat: float  # Engle-Granger, the weaker of both directions
    pvalue: float  # of `stat`
    qvalue: float  # Benjamini-Hochberg over the family
    qvalue_by: float  # Benjamini-Yekutieli over the family
    lags: int  # of the direction that is traded

    def value(self, log_a: FloatArray, log_b: FloatArray) -> FloatArray:
        """Spread value of log prices, in or after the discovery part; NaN gives NaN."""
        spread: FloatArray = log_a - self.intercept - self.hedge_ratio * log_b
        return spread


@dataclass(frozen=True, slots=True)
class BetaStability:
    """Hedge ratio on both halves of the discovery part, and on the confirmation part."""

    first_half: float
    second_half: float
    later: float

    def drift(self, hedge_ratio: float) -> float:
        """Largest change of a part against the whole, as a share of `hedge_ratio`."""
        parts = (self.first_half, self.second_half, self.later)
        return max(abs(part - hedge_ratio) for part in parts) / abs(hedge_ratio)


@dataclass(frozen=True, slots=True)
class JohansenResult:
    """Trace test of no cointegration (rank 0) between two log prices, constant included."""

    trace: float
    critical_value: float  # of the demanded level; 5 % where none is demanded


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Properties of a spread on the discovery part: for sizes and exits, no protection."""

    half_life: float  # candles
    hurst: float
    mean_crossings: int
    return_correlation: float
    beta: BetaStability
    expected_move_bps: float  # from entry to exit band, share of the promise, of gross notional
    cost_bps: float  # a round trip: four fills with half the book's spread, of gross notional
    trades_per_month: float  # of the trading rule, over the whole window
    score: float  # expected move per cost and half-life: the order of the choice


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Dickey-Fuller test of the spread value, coefficients frozen, on later data."""

    stat: float
    pvalue: float
    level: float  # demanded: the confirmation level divided by the number of survivors
    nobs: int

    @property
    def passed(self) -> bool:
        """Whether the later data confirm the discovery."""
        return self.pvalue <= self.level


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    A combination that survived false-discovery control, and how far it came after that.

    Parameters
    ----------
    fit : SpreadFit
        The line, its test and its q-values.
    stage : Stage
        Last step that it survived; ``CHOSEN`` for a chosen one.
    dropped : str
        Why it did not survive the next one; empty for a chosen one.
    diagnosis, johansen, bootstrap_pvalue, confirmation, steady_pvalue : optional
        What is known of it; None where an earlier step dropped it or the step is left out.
    """

    fit: SpreadFit
    stage: Stage
    dropped: str = ""
    diagnosis: Diagnosis | None = None
    johansen: JohansenResult | None = None
    bootstrap_pvalue: float | None = None
    confirmation: Confirmation | None = None
    steady_pvalue: float | None = None  # with the volatility of both legs made steady


@dataclass(frozen=True, slots=True)
class SpreadCard:
    """
    A chosen spread: everything that is known of it, and why it is believed.

    Parameters
    ----------
    spread_id : str
        Name in the book, from the base currencies.
    fit, diagnosis, johansen, bootstrap_pvalue, confirmation, steady_pvalue :
        As in `Candidate`.
    trusted_because : tuple of str
        Sentences: why it is trusted.
    trust_ends_when : tuple of str
        Sentences: what would end that trust.
    """

    spread_id: str
    fit: SpreadFit
    diagnosis: Diagnosis
    johansen: JohansenResult | None
    bootstrap_pvalue: float | None
    confirmation: Confirmation
    trusted_because: tuple[str, ...]
    trust_ends_when: tuple[str, ...]
    steady_pvalue: float | None = None


@dataclass(frozen=True, slots=True)
class Retest:
    """
    A spread of the current book, tested again on the whole window.

    `reason` is empty when the test could be made; otherwise it says why not, the numbers are NaN.
    """

    leg_a: str
    leg_b: str
    stat: float  # Engle-Granger, the weaker of both directions
    pvalue: float
    hedge_ratio: float
    intercept: float
    half_life: float
    reason: str = ""
