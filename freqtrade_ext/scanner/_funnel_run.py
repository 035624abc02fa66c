"""One pass through the funnel: the same for the data and for the shuffled data."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.scanner._bootstrap import bootstrap_pvalue
from freqtrade_ext.scanner._cards import Candidate, SpreadFit
from freqtrade_ext.scanner._choice import choose
from freqtrade_ext.scanner._classes import (
    find_stationary,
    find_twins,
    return_correlations,
    twin_groups,
)
from freqtrade_ext.scanner._confirmation import confirm
from freqtrade_ext.scanner._diagnosis import diagnose, johansen, untradable
from freqtrade_ext.scanner._discovery import Discovery, discover
from freqtrade_ext.scanner._family import Family, choose_family
from freqtrade_ext.scanner._funnel import Funnel, FunnelStep, Progress, Stage
from freqtrade_ext.scanner._histories import StationaryMarket, Twin
from freqtrade_ext.scanner._report import Universe
from freqtrade_ext.scanner._settings import ScanSettings
from freqtrade_ext.scanner._steady_volatility import steady_pvalue
from freqtrade_ext.spreads._spec import settlement
from freqtrade_ext.stats import Backend

__all__ = ["FunnelRun", "empty_run", "run_funnel"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_AFTER_CONTROL = (
    Stage.VOLATILITY,
    Stage.TRADABLE,
    Stage.JOHANSEN,
    Stage.BOOTSTRAP,
    Stage.CONFIRMED,
    Stage.CHOSEN,
)


@dataclass(frozen=True, slots=True, eq=False)
class FunnelRun:
    """What one pass found."""

    stationary: tuple[StationaryMarket, ...]
    twins: tuple[Twin, ...]
    screen: str
    funnel: Funnel
    pvalues: FloatArray
    qvalues: FloatArray
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """What every step after the discovery looks at."""

    universe: Universe
    discovery_candles: int
    settings: ScanSettings
    rng: np.random.Generator
    hear: Callable[[str, int, int], None]
    accepted_pvalue: float  # by false-discovery control

    def discovery_prices(self, market: str) -> FloatArray:
        return self.universe.log_price(market)[: self.discovery_candles]

    def later_prices(self, market: str) -> FloatArray:
        return self.universe.log_price(market)[self.discovery_candles :]


def empty_run(n_markets: int) -> FunnelRun:
    """Return the result of a scan that had nothing to test."""
    nothing = np.full((n_markets, n_markets), np.nan)
    steps = tuple(FunnelStep(stage, 0) for stage in Stage)
    return FunnelRun((), (), "no combinations", Funnel(steps, 0, 0.0), nothing, nothing, ())


def run_funnel(
    universe: Universe,
    discovery_candles: int,
    settings: ScanSettings,
    rng: np.random.Generator,
    *,
    name: str,
    jobs: int = 1,
    backend: Backend = "threads",
    progress: Progress | None = None,
) -> FunnelRun:
    """
    Discover on the first candles, judge the discoveries, confirm them on the rest, choose.

    Parameters
    ----------
    universe : Universe
        At least two markets.
    discovery_candles : int
        Candles of the discovery part.
    settings : ScanSettings
        Of the scan.
    rng : numpy.random.Generator
        For the bootstrap.
    name : str
        What `progress` is told before the step, ``scan`` or ``null scan``.
    jobs : int
        Cores for the tests.
    backend : {"threads", "ray"}
        Where blocks of tests run; the result is the same.
    progress : Progress, optional
        Hears about every step.
    """

    def hear(step: str, done: int, total: int) -> None:
        if progress is not None:
            progress(f"{name}: {step}", done, total)

    prices = universe.log_prices[:discovery_candles]
    stationary = find_stationary(universe.markets, prices, settings.universe)
    correlations = return_correlations(prices)
    twins = find_twins(universe.markets, prices, correlations, settings.universe)
    allowed = _allowed(universe.markets, stationary, twins)
    family = choose_family(correlations, universe.daily_volume, allowed, settings.family)
    discovery = discover(
        prices,
        family,
        settings.family,
        jobs=jobs,
        backend=backend,
        progress=lambda done, total: hear("testing", done, total),
    )
    fits = discovery.fits(universe.markets, prices, settings.family)
    accepted = discovery.accepted_pvalue(settings.family.max_qvalue, settings.family.control)
    case = _Case(universe, discovery_candles, settings, rng, hear, accepted)
    candidates = _judged(fits, case)
    candidates = choose(candidates, twin_groups(twins), settings.max_spreads)
    return FunnelRun(
        stationary=stationary,
        twins=twins,
        screen=family.sentence,
        funnel=_funnel(family, discovery, candidates, settings),
        pvalues=discovery.pvalues,
        qvalues=discovery.qvalues,
        candidates=candidates,
    )


def _allowed(
    markets: tuple[str, ...], stationary: Sequence[StationaryMarket], twins: Sequence[Twin]
) -> BoolArray:
    """Combinations of two markets with a unit root, of one currency, which are not twins."""
    place = {market: index for index, market in enumerate(markets)}
    currencies = np.array([settlement(market) for market in markets])
    allowed: BoolArray = np.equal.outer(currencies, currencies)
    np.fill_diagonal(allowed, val=False)
    for each in stationary:
        allowed[place[each.market], :] = allowed[:, place[each.market]] = False
    for twin in twins:
        row, column = place[twin.market_a], place[twin.market_b]
        allowed[row, column] = allowed[column, row] = False
    return allowed


def _judged(fits: Sequence[SpreadFit], case: _Case) -> tuple[Candidate, ...]:
    """Take every survivor of the control through the steps that look at it alone."""
    settings = case.settings
    reached = Stage.BH if settings.family.control == "bh" else Stage.BY
    candidates = [Candidate(fit, reached) for fit in fits]
    for stage, judge in (
        (Stage.VOLATILITY, _judge_volatility),
        (Stage.TRADABLE, _judge_tradable),
        (Stage.JOHANSEN, _judge_johansen),
        (Stage.BOOTSTRAP, _judge_bootstrap),
        (Stage.CONFIRMED, _judge_confirmed),
    ):
        alive = [place for place, each in enumerate(candidates) if not each.dropped]
        for done, place in enumerate(alive, start=1):
            judged = judge(candidates[place], case, len(alive))
            candidates[place] = judged if judged.dropped else replace(judged, stage=stage)
            case.hear(stage, done, len(alive))
    return tuple(candidates)


def _judge_volatility(candidate: Candidate, case: _Case, _alive: int) -> Candidate:
    wanted = case.settings.family
    if wanted.volatility_bandwidth is None:
        return candidate
    fit = candidate.fit
    pvalue = steady_pvalue(
        case.discovery_prices(fit.leg_a),
        case.discovery_prices(fit.leg_b),
        wanted.volatility_bandwidth,
        max_lag=wanted.max_lag,
    )
    dropped = ""
    if pvalue > case.accepted_pvalue:
        dropped = (
            f"with steady volatility the p-value is {pvalue:.2g}, above the "
            f"{case.accepted_pvalue:.2g} that the family demands"
        )
    return replace(candidate, steady_pvalue=pvalue, dropped=dropped)


def _judge_tradable(candidate: Candidate, case: _Case, _alive: int) -> Candidate:
    fit = candidate.fit
    diagnosis = diagnose(fit, case.universe, case.discovery_candles, case.settings)
    reason = untradable(fit, diagnosis, case.settings)
    return replace(candidate, diagnosis=diagnosis, dropped=reason)


def _judge_johansen(candidate: Candidate, case: _Case, _alive: int) -> Candidate:
    if case.settings.family.johansen_level is None:
        return candidate
    fit = candidate.fit
    test = johansen(
        fit,
        case.discovery_prices(fit.leg_a),
        case.discovery_prices(fit.leg_b),
        case.settings.family,
    )
    dropped = ""
    if not test.trace > test.critical_value:
        dropped = f"Johansen's trace {test.trace:.1f} is not above {test.critical_value:.1f}"
    return replace(candidate, johansen=test, dropped=dropped)


def _judge_bootstrap(candidate: Candidate, case: _Case, _alive: int) -> Candidate:
    wanted = case.settings.bootstrap
    if wanted.replications == 0:
        return candidate
    try:
        pvalue = bootstrap_pvalue(
            case.discovery_prices(candidate.fit.leg_a),
            case.discovery_prices(candidate.fit.leg_b),
            replications=wanted.replications,
            rng=case.rng,
            max_lag=case.settings.family.max_lag,
        )
    except InfeasibleError as error:
        return replace(candidate, bootstrap_pvalue=math.nan, dropped=f"no bootstrap: {error}")
    dropped = ""
    if pvalue > wanted.max_pvalue:
        dropped = f"bootstrap p-value {pvalue:.3g} is above {wanted.max_pvalue:g}"
    return replace(candidate, bootstrap_pvalue=pvalue, dropped=dropped)


def _judge_confirmed(candidate: Candidate, case: _Case, alive: int) -> Candidate:
    fit = candidate.fit
    test = confirm(
        fit,
        case.later_prices(fit.leg_a),
        case.later_prices(fit.leg_b),
        level=case.settings.confirm_level,
        survivors=alive,
        bandwidth=case.settings.family.volatility_bandwidth,
    )
    dropped = ""
    if not test.passed:
        dropped = f"later data: p-value {test.pvalue:.3g} is above {test.level:.3g}"
    return replace(candidate, confirmation=test, dropped=dropped)


def _funnel(
    family: Family, discovery: Discovery, candidates: Sequence[Candidate], settings: ScanSettings
) -> Funnel:
    wanted = settings.family
    raw_one, raw = discovery.raw_hits(wanted.raw_level)
    counts = {
        Stage.COMBINATIONS: family.combinations,
        Stage.FAMILY: discovery.size,
        Stage.RAW_ONE: raw_one,
        Stage.RAW: raw,
        Stage.BH: discovery.survivors(wanted.max_qvalue, "bh"),
        Stage.BY: discovery.survivors(wanted.max_qvalue, "by"),
    }
    for place, stage in enumerate(_AFTER_CONTROL):
        counts[stage] = sum(each.stage in _AFTER_CONTROL[place:] for each in candidates)
    return Funnel(
        steps=tuple(FunnelStep(stage, counts[stage]) for stage in Stage),
        untestable=discovery.untestable,
        expected_by_chance=wanted.raw_level * discovery.size,
    )
