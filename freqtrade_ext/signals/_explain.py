"""Why a signal came, or did not: the trace of one decision."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.signals._gate import Gate
from freqtrade_ext.signals._registry import LAYERS
from freqtrade_ext.signals._score import ScoredMarket, base_points
from freqtrade_ext.signals._settings import SignalSettings

__all__ = ["Explanation", "LayerShare", "explain"]

_SIDES: Final = {1: "long", -1: "short"}
_WITHOUT_DIRECTION: Final = {
    Gate.WARMING_UP: "too few candles so far, or the price does not move",
    Gate.NO_TRADES: "nobody traded in the candle",
    Gate.QUIET_HOURS: "quiet hours, and no direction",
    Gate.NEUTRAL: "neutral market, and the order book does not lean far enough",
    Gate.Z_FAIL: "the z-score is within its threshold",
}
_STOPS: Final = {
    Gate.NO_TRADES: "nobody traded in the candle",
    Gate.QUIET_HOURS: "quiet hours",
    Gate.TOO_SOON: "too soon after the market's last one",
}


@dataclass(frozen=True, slots=True)
class LayerShare:
    """What one layer did at one candle.

    Attributes
    ----------
    name : str
        Name in the registry.
    points : float
        Weighted.
    veto : bool
        Whether it rejected the signal.
    remark : str
        ``off``, or why it was neutral, or what it says of the candle; else empty.
    """

    name: str
    points: float
    veto: bool
    remark: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    The trace of one candle's decision.

    Attributes
    ----------
    market : str
        Its name.
    opened_at : datetime
        Time of the candle's open (UTC).
    gate : Gate
        Result of the gate.
    hurst, z_score, strength : float
        As in the columns.
    z_threshold : float
        What the z-score has to pass.
    direction, signal : int
        1 long, -1 short, 0 none.
    by_order_book : bool
        Whether the order book gave the direction, as in a neutral market.
    base, strength_points : float
        Points before the layers.
    layers : tuple of LayerShare
        In the registry's order.
    pre_score, score, required_score, size_factor, leverage_factor : float
        As in the columns.
    """

    market: str
    opened_at: datetime
    gate: Gate
    hurst: float
    z_score: float
    strength: float
    z_threshold: float
    direction: int
    signal: int
    by_order_book: bool
    base: float
    strength_points: float
    layers: tuple[LayerShare, ...]
    pre_score: float
    score: float
    required_score: float
    size_factor: float
    leverage_factor: float

    @property
    def vetoes(self) -> tuple[str, ...]:
        """Names of the layers that rejected the signal."""
        return tuple(layer.name for layer in self.layers if layer.veto)

    def lines(self) -> list[str]:
        """Return the trace as text: ``Z_PASS``, layers, ``PRE_SCORE``, ``SCORE_PASS``, verdict."""
        head = f"{self.market}, candle of {self.opened_at:%Y-%m-%d %H:%M} UTC"
        scores = self._score_lines() if self.direction else []
        return [head, self._gate_line(), *scores, self._verdict()]

    def _gate_line(self) -> str:
        measured = f"H {self.hurst:.2f}, z {self.z_score:+.2f}, threshold {self.z_threshold:.2f}"
        if self.direction == 0:
            return f"Z_FAIL: {_WITHOUT_DIRECTION[self.gate]} ({measured})"
        source = ", from the order book" if self.by_order_book else ""
        return f"Z_PASS: {_SIDES[self.direction]}{source} ({measured})"

    def _score_lines(self) -> list[str]:
        lines = [f"base {self.base:+.1f}", f"strength {self.strength_points:+.1f}"]
        for layer in self.layers:
            veto = " VETO" if layer.veto else ""
            remark = f" ({layer.remark})" if layer.remark else ""
            lines.append(f"layer {layer.name} {layer.points:+.1f}{veto}{remark}")
        word, sign = ("SCORE_PASS", ">=") if self.passes else ("SCORE_LOW", "<")
        return [
            *lines,
            f"PRE_SCORE {self.pre_score:.1f}",
            f"{word} {self.score:.1f} {sign} {self.required_score:.1f}",
        ]

    @property
    def passes(self) -> bool:
        """Whether the score reaches the required one."""
        return self.score >= self.required_score

    def _verdict(self) -> str:
        if self.signal:
            factors = f"size x {self.size_factor:.2f}, leverage x {self.leverage_factor:.2f}"
            return f"signal: {_SIDES[self.signal]}, {factors}"
        if self.direction == 0:
            return "no signal: no direction"
        reasons = [_STOPS[self.gate]] if self.gate in _STOPS else []
        reasons += [f"veto of {name}" for name in self.vetoes]
        if not self.passes:
            reasons.append("the score is too low")
        return f"no signal: {', '.join(reasons)}"


def explain(scored: ScoredMarket, at: datetime | None = None) -> Explanation:
    """
    Explain the decision of one candle.

    Parameters
    ----------
    scored : ScoredMarket
        Result of `score_market`.
    at : datetime, optional
        With time zone; the last candle that opened by then is explained. None: the last one.

    Returns
    -------
    Explanation
        Its `lines` are the trace as text.

    Raises
    ------
    InfeasibleError
        If no candle had opened by then.
    ValueError
        If `at` has no time zone.
    """
    row = _row(scored, at)
    values = scored.columns.iloc[row]
    settings = scored.settings
    strength = float(values["strength"])
    return Explanation(
        market=scored.market,
        opened_at=pd.Timestamp(values["date"]).to_pydatetime(),
        gate=Gate(int(values["gate"])),
        hurst=float(values["hurst"]),
        z_score=float(values["z_score"]),
        strength=strength,
        z_threshold=settings.z_threshold,
        direction=int(values["direction"]),
        signal=int(values["signal"]),
        by_order_book=settings.hurst.reversion <= float(values["hurst"]) <= settings.hurst.trend,
        base=settings.base_score,
        strength_points=_strength_points(strength, settings),
        layers=tuple(_share(scored, values, layer.name, row) for layer in LAYERS),
        pre_score=float(values["pre_score"]),
        score=float(values["score"]),
        required_score=float(values["required_score"]),
        size_factor=float(values["size_factor"]),
        leverage_factor=float(values["leverage_factor"]),
    )


def _strength_points(strength: float, settings: SignalSettings) -> float:
    return float(base_points(np.array(strength), settings)) - settings.base_score


def _row(scored: ScoredMarket, at: datetime | None) -> int:
    if at is None:
        return len(scored.columns) - 1
    if at.tzinfo is None:
        raise ValueError("at has no time zone")
    dates = pd.DatetimeIndex(scored.columns["date"])
    row = int(dates.searchsorted(pd.Timestamp(at), side="right")) - 1
    if row < 0:
        raise InfeasibleError(
            f"{scored.market}: no candle had opened by {at:%Y-%m-%d %H:%M}; the first one is of "
            f"{dates[0]:%Y-%m-%d %H:%M} UTC"
        )
    return row


def _share(scored: ScoredMarket, values: "pd.Series[float]", name: str, row: int) -> LayerShare:
    remark = scored.remarks[name](row) if name in scored.remarks else ""
    if name not in scored.known:
        remark = "off"
    elif not scored.known[name][row] or name in scored.neutral:
        remark = f"neutral: {remark or scored.neutral.get(name, 'no data at this candle')}"
    return LayerShare(
        name=name,
        points=float(values[f"layer_{name}"]),
        veto=bool(values.get(f"veto_{name}", False)),
        remark=remark,
    )
