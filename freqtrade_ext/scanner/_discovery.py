"""Test the family in both directions, and correct for how many tests that were."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import false_discovery_control

from freqtrade_ext.scanner._cards import SpreadFit
from freqtrade_ext.scanner._family import Family
from freqtrade_ext.scanner._settings import FamilySettings
from freqtrade_ext.stats import Backend, EngleGrangerMatrix, engle_granger_matrix

__all__ = ["Discovery", "discover", "family_qvalues"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Discovery:
    """
    All tests of one family.

    Parameters
    ----------
    tests : EngleGrangerMatrix
        Both directions.
    pvalues, qvalues, qvalues_by : array of shape (n_markets, n_markets)
        Weaker direction; symmetric, NaN on the diagonal and where not tested.
    untestable : int
        Combinations of the family of which a direction could not be tested.
    """

    tests: EngleGrangerMatrix
    pvalues: FloatArray
    qvalues: FloatArray
    qvalues_by: FloatArray
    untestable: int

    @property
    def size(self) -> int:
        """Combinations that were tested."""
        return self._count(np.isfinite(self.pvalues))

    def raw_hits(self, level: float) -> tuple[int, int]:
        """Combinations with p at `level` in at least one direction, and in both."""
        tested = np.isfinite(self.pvalues)
        low = tested & (self.tests.pvalue <= level)
        return self._count(low | low.T), self._count(low & low.T)

    def survivors(self, level: float, control: Literal["bh", "by"]) -> int:
        """Combinations whose q-value is at most `level`."""
        qvalues = self.qvalues if control == "bh" else self.qvalues_by
        return self._count(qvalues <= level)

    def accepted_pvalue(self, level: float, control: Literal["bh", "by"]) -> float:
        """Largest p-value that the control would accept beside the survivors that there are."""
        if self.size == 0:
            return 0.0
        penalty = 1.0 if control == "bh" else float(np.sum(1.0 / np.arange(1, self.size + 1)))
        return level * self.survivors(level, control) / (self.size * penalty)

    def fits(
        self, markets: tuple[str, ...], log_prices: FloatArray, settings: FamilySettings
    ) -> tuple[SpreadFit, ...]:
        """Return the survivors of the chosen control, smallest q-value first."""
        qvalues = self.qvalues if settings.control == "bh" else self.qvalues_by
        rows, columns = np.nonzero(np.triu(qvalues <= settings.max_qvalue, k=1))
        fits = [
            self._fit(int(row), int(column), markets, log_prices)
            for row, column in zip(rows, columns, strict=True)
        ]
        return tuple(sorted(fits, key=lambda fit: (fit.pvalue, fit.stat, fit.leg_a, fit.leg_b)))

    def _fit(
        self, row: int, column: int, markets: tuple[str, ...], log_prices: FloatArray
    ) -> SpreadFit:
        """Take the direction with the stronger evidence; the p-value is the weaker one's."""
        tests = self.tests
        if tests.stat[column, row] < tests.stat[row, column]:
            row, column = column, row
        ratio, intercept = (
            float(tests.hedge_ratio[row, column]),
            float(tests.intercept[row, column]),
        )
        value = log_prices[:, row] - intercept - ratio * log_prices[:, column]
        return SpreadFit(
            leg_a=markets[row],
            leg_b=markets[column],
            hedge_ratio=ratio,
            intercept=intercept,
            resid_std=float(value.std(ddof=1)),
            stat=float(tests.stat[column, row]),
            pvalue=float(self.pvalues[row, column]),
            qvalue=float(self.qvalues[row, column]),
            qvalue_by=float(self.qvalues_by[row, column]),
            lags=int(tests.lags[row, column]),
        )

    @staticmethod
    def _count(mask: npt.NDArray[np.bool_]) -> int:
        return int(np.count_nonzero(np.triu(mask, k=1)))


def discover(
    log_prices: FloatArray,
    family: Family,
    settings: FamilySettings,
    *,
    jobs: int = 1,
    backend: Backend = "threads",
    progress: Callable[[int, int], None] | None = None,
) -> Discovery:
    """
    Run the Engle-Granger test over a family, both directions.

    Parameters
    ----------
    log_prices : array of shape (nobs, n_markets)
        The discovery part.
    family : Family
        Combinations to test.
    settings : FamilySettings
        Bound of the lags.
    jobs : int
        Cores.
    backend : {"threads", "ray"}
        Where blocks of tests run; the result is the same.
    progress : callable, optional
        Called with (done, total).

    Notes
    -----
    The p-value of a combination is the larger one of its two directions, so its size is at most
    that of either. The limits on the hedge ratio are applied after the correction: the ratio is
    fitted on the same levels as the p-value and says something about it.
    """
    tests = engle_granger_matrix(
        log_prices,
        max_lag=settings.max_lag,
        candidates=family.wanted,
        jobs=jobs,
        backend=backend,
        progress=progress,
    )
    pvalues = np.maximum(tests.pvalue, tests.pvalue.T)  # NaN wins: one direction is no test
    pvalues[~family.wanted] = np.nan
    return Discovery(
        tests=tests,
        pvalues=pvalues,
        qvalues=family_qvalues(pvalues, "bh"),
        qvalues_by=family_qvalues(pvalues, "by"),
        untestable=family.size - Discovery._count(np.isfinite(pvalues)),
    )


def family_qvalues(pvalues: FloatArray, control: Literal["bh", "by"]) -> FloatArray:
    r"""
    Correct a symmetric matrix of p-values for the number of unordered combinations in it.

    Parameters
    ----------
    pvalues : array of shape (n_markets, n_markets)
        Symmetric; NaN where there is no test.
    control : {"bh", "by"}
        Benjamini-Hochberg [1]_, valid under independence and positive dependence, or
        Benjamini-Yekutieli [2]_, valid under any.

    Returns
    -------
    array of shape (n_markets, n_markets)
        Smallest false discovery rate at which the combination is a discovery; NaN as `pvalues`.

    References
    ----------
    .. [1] Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate. Journal of
       the Royal Statistical Society B 57(1), 289-300.
    .. [2] Benjamini, Y. and Yekutieli, D. (2001). The control of the false discovery rate in
       multiple testing under dependency. Annals of Statistics 29(4), 1165-1188.
    """
    rows, columns = np.nonzero(np.triu(np.isfinite(pvalues), k=1))
    qvalues = np.full(pvalues.shape, np.nan)
    if rows.size:
        adjusted = false_discovery_control(pvalues[rows, columns], method=control)
        qvalues[rows, columns] = qvalues[columns, rows] = adjusted
    return qvalues
