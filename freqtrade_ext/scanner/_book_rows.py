"""Turn the chosen spreads of a scan into a spread book."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.scanner._cards import SpreadCard
from freqtrade_ext.scanner._report import ScanReport
from freqtrade_ext.spreads import SpreadBook, SpreadSpec

__all__ = ["to_book", "to_spec"]


def to_book(
    report: ScanReport,
    *,
    now: datetime,
    data_source: str = "",
    options: Mapping[str, Any] | None = None,
) -> SpreadBook:
    """
    Write the chosen spreads as a spread book.

    Parameters
    ----------
    report : ScanReport
        Of a scan; without cards the book is empty.
    now : datetime
        Time of writing, UTC, not before the end of the data.
    data_source : str
        A note on the data, for people.
    options : mapping, optional
        Fields of `SpreadSpec` to set in every row, e.g. ``max_holding``.

    Returns
    -------
    SpreadBook
        Best first. Coefficients are those of the discovery, which the confirmation tested frozen.
        They are a record: the strategy trades those that it fits anew at every refit.

    Raises
    ------
    InfeasibleError
        If the scan had no data.
    """
    if report.discovery is None:
        raise InfeasibleError("the scan had no data: there is nothing to make a book of")
    return SpreadBook(
        created_at=now,
        timeframe=report.universe.timeframe,
        data_source=data_source,
        family_size=report.family_size,
        spreads=tuple(to_spec(card, report, now=now, options=options) for card in report.cards),
    )


def to_spec(
    card: SpreadCard,
    report: ScanReport,
    *,
    now: datetime,
    options: Mapping[str, Any] | None = None,
) -> SpreadSpec:
    """
    Write one chosen spread as a row of the book; see `to_book`.

    Raises
    ------
    InfeasibleError
        If the scan had no data.
    """
    if report.discovery is None:
        raise InfeasibleError("the scan had no data: there is nothing to make a book of")
    fit, settings = card.fit, report.settings
    longest = settings.max_holding_half_lives * card.diagnosis.half_life
    row: dict[str, Any] = {
        "spread_id": card.spread_id,
        "leg_a": fit.leg_a,
        "leg_b": fit.leg_b,
        "hedge_space": "log",
        "hedge_ratio": fit.hedge_ratio,
        "intercept": fit.intercept,
        "cointegration_stat": fit.stat,
        "pvalue": fit.pvalue,
        "qvalue": fit.qvalue,
        "johansen_trace": card.johansen.trace if card.johansen else None,
        "half_life": card.diagnosis.half_life,
        "hurst": card.diagnosis.hurst if math.isfinite(card.diagnosis.hurst) else None,
        "z_score_threshold": settings.entry_z,
        "z_exit": settings.exit_z,
        "stop_loss_z": settings.stop_z,
        "mean_reversion_window": settings.z_window,
        "max_holding": max(1, math.ceil(longest)),
        "fit_start": report.discovery.start,
        "fit_end": report.discovery.end,
        "last_updated": now,
    }
    return SpreadSpec(**(row | dict(options or {})))
