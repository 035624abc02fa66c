"""Reports made by hand, without a scan: any names, any size."""

from datetime import UTC, datetime

import numpy as np

from freqtrade_ext.cli.scan._document import ScanRun
from freqtrade_ext.scanner import (
    BetaStability,
    Candidate,
    Confirmation,
    Diagnosis,
    Funnel,
    FunnelStep,
    JohansenResult,
    MarketRefusal,
    RefusalReason,
    ScanReport,
    ScanSettings,
    SpreadCard,
    SpreadFit,
    Stage,
    StationaryMarket,
    Treatment,
    TreatmentKind,
    Twin,
    TwinKind,
    Universe,
)

HOUR_MS = 3_600_000
RUN = ScanRun(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), "by hand", 8)
DIAGNOSIS = Diagnosis(
    half_life=12.5,
    hurst=float("nan"),
    mean_crossings=40,
    return_correlation=0.8,
    beta=BetaStability(1.1, 1.3, 1.2),
    expected_move_bps=41.5,
    cost_bps=12.0,
    trades_per_month=9.5,
    score=0.1,
)


def a_fit(leg_a="AAA/USDT", leg_b="BBB/USDT"):
    return SpreadFit(leg_a, leg_b, 1.2, 0.5, 0.02, -6.5, 1e-8, 1e-6, 1e-5, 2)


def a_card(leg_a="AAA/USDT", leg_b="BBB/USDT", *, spread_id="AAA-BBB", because="It is."):
    return SpreadCard(
        spread_id=spread_id,
        fit=a_fit(leg_a, leg_b),
        diagnosis=DIAGNOSIS,
        johansen=JohansenResult(30.0, 15.5),
        bootstrap_pvalue=0.002,
        confirmation=Confirmation(-4.0, 0.0001, 0.05, 200),
        trusted_because=(because,),
        trust_ends_when=("It is no more.",),
    )


def a_universe(markets, *, candles=600, refusals=(), treatments=()):
    rng = np.random.default_rng(1)
    return Universe(
        timeframe="1h",
        candle_ms=HOUR_MS,
        markets=tuple(markets),
        time_ms=1_704_067_200_000 + HOUR_MS * np.arange(candles, dtype=np.int64),
        log_prices=np.cumsum(rng.normal(0, 0.01, (candles, len(markets))), axis=0),
        daily_volume=np.full(len(markets), 1e7),
        refusals=tuple(refusals),
        treatments=tuple(treatments),
    )


def a_funnel(counts=None, expected=2.5):
    given = counts or {}
    steps = tuple(FunnelStep(stage, given.get(stage, 0)) for stage in Stage)
    return Funnel(steps, 0, expected)


def a_report(markets=("AAA/USDT", "BBB/USDT", "CCC/USDT"), cards=(), **changes):
    universe = changes.pop("universe", None) or a_universe(markets)
    size = len(universe.markets)
    pvalues = np.random.default_rng(2).uniform(0, 1, (size, size))
    pvalues = np.maximum(pvalues, pvalues.T)
    np.fill_diagonal(pvalues, np.nan)
    tested = size * (size - 1) // 2
    found = len(universe.time_ms) * 2 // 3
    values = {
        "settings": ScanSettings(),
        "universe": universe,
        "discovery": universe.span(0, found),
        "confirmation": universe.span(found, len(universe.time_ms)),
        "stationary": (),
        "twins": (),
        "screen": f"all {tested} combinations",
        "funnel": a_funnel({Stage.FAMILY: tested, Stage.CHOSEN: len(cards)}),
        "null_funnel": a_funnel(),
        "pvalues": pvalues,
        "qvalues": pvalues,
        "candidates": tuple(Candidate(card.fit, Stage.CHOSEN) for card in cards),
        "cards": tuple(cards),
    }
    return ScanReport(**(values | changes))


def hostile_report(evil):
    """A report in which every text that comes from outside is the same evil one."""
    universe = a_universe(
        ("AAA/USDT", evil, f"{evil}2"),
        refusals=[MarketRefusal(evil, RefusalReason.MALFORMED, evil, evil)],
        treatments=[Treatment(evil, TreatmentKind.SORTED, 3)],
    )
    card = a_card("AAA/USDT", evil, spread_id=evil, because=evil)
    fallen = Candidate(a_fit(evil, f"{evil}2"), Stage.BH, f"because of {evil}")
    return a_report(
        universe=universe,
        cards=(card,),
        screen=evil,
        candidates=(Candidate(card.fit, Stage.CHOSEN), fallen),
        stationary=(StationaryMarket(evil, -4.0, 0.001, pegged=False),),
        twins=(Twin(evil, f"{evil}2", TwinKind.PEGGED, 0.99),),
    )
