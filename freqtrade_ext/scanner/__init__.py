"""
Search a universe of markets for spreads, honestly: arrays in, one frozen report out.

No clock, no input or output, no Freqtrade; times and random seeds are arguments. `scan` makes a
`ScanReport`, `to_book` turns its chosen spreads into a spread book, `review_book` says what a new
report means for the book in use.
"""

from freqtrade_ext.scanner._book_rows import to_book, to_spec
from freqtrade_ext.scanner._cards import (
    BetaStability,
    Candidate,
    Confirmation,
    Diagnosis,
    JohansenResult,
    Retest,
    SpreadCard,
    SpreadFit,
)
from freqtrade_ext.scanner._funnel import Funnel, FunnelStep, Progress, Stage
from freqtrade_ext.scanner._histories import (
    MarketHistory,
    MarketRefusal,
    RefusalReason,
    Span,
    StationaryMarket,
    Treatment,
    TreatmentKind,
    Twin,
    TwinKind,
)
from freqtrade_ext.scanner._report import ScanReport, Universe
from freqtrade_ext.scanner._rescan import (
    ScanAnswer,
    ScanOutcome,
    cooling_spreads,
    due_moment,
    merge_histories,
    parse_cooling,
    render_cooling,
    why_unusable,
)
from freqtrade_ext.scanner._review import (
    BookReview,
    Cooling,
    Verdict,
    cool_down,
    judge_spreads,
    review_book,
)
from freqtrade_ext.scanner._scan import scan, scan_universe
from freqtrade_ext.scanner._section import ScanSection
from freqtrade_ext.scanner._selection import (
    Selection,
    SelectionCache,
    SelectionPlan,
    select_through_time,
    walk_profile,
)
from freqtrade_ext.scanner._settings import (
    BootstrapSettings,
    FamilySettings,
    ScanSettings,
    UniverseSettings,
)
from freqtrade_ext.scanner._universe import build_universe, timeframe_ms

__all__ = [
    "BetaStability",
    "BookReview",
    "BootstrapSettings",
    "Candidate",
    "Confirmation",
    "Cooling",
    "Diagnosis",
    "FamilySettings",
    "Funnel",
    "FunnelStep",
    "JohansenResult",
    "MarketHistory",
    "MarketRefusal",
    "Progress",
    "RefusalReason",
    "Retest",
    "ScanAnswer",
    "ScanOutcome",
    "ScanReport",
    "ScanSection",
    "ScanSettings",
    "Selection",
    "SelectionCache",
    "SelectionPlan",
    "Span",
    "SpreadCard",
    "SpreadFit",
    "Stage",
    "StationaryMarket",
    "Treatment",
    "TreatmentKind",
    "Twin",
    "TwinKind",
    "Universe",
    "UniverseSettings",
    "Verdict",
    "build_universe",
    "cool_down",
    "cooling_spreads",
    "due_moment",
    "judge_spreads",
    "merge_histories",
    "parse_cooling",
    "render_cooling",
    "review_book",
    "scan",
    "scan_universe",
    "select_through_time",
    "timeframe_ms",
    "to_book",
    "to_spec",
    "walk_profile",
    "why_unusable",
]
