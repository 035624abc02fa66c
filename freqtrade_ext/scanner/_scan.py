"""Scan a universe of markets for spreads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from freqtrade_ext.scanner._cards import Candidate, SpreadCard
from freqtrade_ext.scanner._choice import to_card
from freqtrade_ext.scanner._funnel import Progress, Stage
from freqtrade_ext.scanner._funnel_run import FunnelRun, empty_run, run_funnel
from freqtrade_ext.scanner._histories import MarketHistory
from freqtrade_ext.scanner._report import ScanReport, Universe
from freqtrade_ext.scanner._retest import retest
from freqtrade_ext.scanner._settings import ScanSettings
from freqtrade_ext.scanner._shuffle import shuffled_prices
from freqtrade_ext.scanner._universe import build_universe
from freqtrade_ext.stats import Backend

__all__ = ["scan", "scan_universe"]


def scan(
    histories: Iterable[MarketHistory],
    settings: ScanSettings,
    *,
    timeframe: str,
    seed: int,
    end_ms: int | None = None,
    excluded: Mapping[str, str] | None = None,
    standing: Sequence[tuple[str, str]] = (),
    jobs: int = 1,
    backend: Backend = "threads",
    progress: Progress | None = None,
) -> ScanReport:
    """
    Search for spreads: discover, correct for the number of tests, confirm, choose.

    Parameters
    ----------
    histories : iterable of MarketHistory
        Candles of all markets, as found; see `build_universe`.
    settings : ScanSettings
        Every limit and level.
    timeframe : str
        Of the candles, e.g. ``1h``.
    seed : int
        Of the shuffle and the bootstrap; the same input and seed give the same report.
    end_ms : int, optional
        Look only at candles that closed by then, e.g. for walk-forward selection.
    excluded : mapping of str to str, optional
        Markets that must not take part, and why.
    standing : sequence of (leg_a, leg_b)
        Spreads of the current book, to be tested again whatever else is found.
    jobs : int
        Cores for the tests.
    backend : {"threads", "ray"}
        Where blocks of tests run; the result is the same.
    progress : Progress, optional
        Told how far the scan is. What it raises ends the scan; nothing is left behind.

    Returns
    -------
    ScanReport
        With no cards where nothing is found, which is valid and frequent.

    Raises
    ------
    ConfigError
        If the timeframe has no fixed length, or a library of the extra ``scan`` is missing.
    InfeasibleError
        If ``family.max_lag`` asks for more lags than the discovery part can carry, or Ray is
        wanted and not installed.
    """
    universe = build_universe(
        histories, settings.universe, timeframe=timeframe, end_ms=end_ms, excluded=excluded
    )
    return scan_universe(
        universe,
        settings,
        seed=seed,
        standing=standing,
        jobs=jobs,
        backend=backend,
        progress=progress,
    )


def scan_universe(
    universe: Universe,
    settings: ScanSettings,
    *,
    seed: int,
    standing: Sequence[tuple[str, str]] = (),
    jobs: int = 1,
    backend: Backend = "threads",
    progress: Progress | None = None,
) -> ScanReport:
    """
    Search for spreads in markets that are on one grid already; see `scan`.

    Parameters
    ----------
    universe : Universe
        From `build_universe`.
    settings, seed, standing, jobs, backend, progress :
        As for `scan`.
    """
    candles = len(universe.time_ms)
    found = candles - round(candles * settings.confirm_share)
    streams = np.random.default_rng(seed).spawn(3)
    null: FunnelRun | None = None
    if len(universe.markets) < 2:
        run = empty_run(len(universe.markets))
    else:
        search = partial(run_funnel, jobs=jobs, backend=backend, progress=progress)
        run = search(universe, found, settings, streams[0], name="scan")
        if settings.null_scan:
            prices = shuffled_prices(universe.log_prices, settings.null_block, streams[1])
            shuffled = replace(universe, log_prices=prices)
            null = search(shuffled, found, settings, streams[2], name="null scan")
    return ScanReport(
        settings=settings,
        universe=universe,
        discovery=universe.span(0, found) if candles else None,
        confirmation=universe.span(found, candles) if candles else None,
        stationary=run.stationary,
        twins=run.twins,
        screen=run.screen,
        funnel=run.funnel,
        null_funnel=null.funnel if null is not None else None,
        pvalues=run.pvalues,
        qvalues=run.qvalues,
        candidates=run.candidates,
        cards=_cards(run, universe, found, settings),
        retests=tuple(
            retest(universe, leg_a, leg_b, max_lag=settings.family.max_lag)
            for leg_a, leg_b in standing
        ),
    )


def _cards(
    run: FunnelRun, universe: Universe, found: int, settings: ScanSettings
) -> tuple[SpreadCard, ...]:
    """Cards of the chosen, best first."""
    chosen = sorted(
        (each for each in run.candidates if each.stage is Stage.CHOSEN), key=_order, reverse=True
    )
    cards: list[SpreadCard] = []
    for candidate in chosen:
        card = to_card(
            candidate,
            family_size=run.funnel.count(Stage.FAMILY),
            confirmation_span=universe.span(found, len(universe.time_ms)),
            settings=settings,
            taken=frozenset(card.spread_id for card in cards),
        )
        cards.append(card)
    return tuple(cards)


def _order(candidate: Candidate) -> float:
    return candidate.diagnosis.score if candidate.diagnosis else 0.0
