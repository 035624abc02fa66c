"""One view of all spreads for all legs: computed once per candle from raw candles.

Freqtrade analyses one market after the other; a leg analysed first would see its partner's
analysed frame one candle old. So nothing here reads analysed frames: both legs' raw candles are
taken from the data provider, and every leg reads the same result.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import false_discovery_control

from freqtrade_ext.adapters._candles import leg_candles
from freqtrade_ext.risk import coin_of
from freqtrade_ext.settings import SpreadSettings
from freqtrade_ext.spreads import (
    Bands,
    EntryBoard,
    LegCandles,
    SpreadSpec,
    SpreadTrack,
    WalkForward,
    entry_directions,
    rank_entries,
    track_spread,
    tradable_fits,
)

__all__ = ["Shown", "SpreadView"]

logger = logging.getLogger(__name__)

# (last candle, number of candles) of each leg: what a track was computed from
TrackKey = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Shown:
    """A spread that a market's columns show, and at which candles of its track; None: at all."""

    spec: SpreadSpec
    track: SpreadTrack
    candles: npt.NDArray[np.bool_] | None = None


class SpreadView:
    """
    Tracks and entry board of every spread of the book.

    Spreads in `barred` are followed and left as usual, but not entered.
    """

    def __init__(
        self, specs: dict[str, SpreadSpec], settings: SpreadSettings, candle_ms: int
    ) -> None:
        self.specs = specs
        self.settings = settings
        self.candle_ms = candle_ms
        self.tracks: dict[str, SpreadTrack] = {}
        self.barred: frozenset[str] = frozenset()
        self._keys: dict[str, TrackKey] = {}
        self._candles: dict[str, tuple[tuple[int, int], LegCandles]] = {}
        self._boards: dict[tuple[Any, ...], EntryBoard] = {}
        self._missing: set[str] = set()

    @property
    def markets(self) -> list[str]:
        """Every leg of every spread, sorted."""
        return sorted({leg for spec in self.specs.values() for leg in (spec.leg_a, spec.leg_b)})

    @property
    def band_specs(self) -> Mapping[str, SpreadSpec]:
        """Rows whose bands are checked before the first candle."""
        return self.specs

    @property
    def startup_candles(self) -> int:
        """Candles that Freqtrade must load before the first one that can carry a signal."""
        return max((self.plan_of(spec).startup_candles for spec in self.specs.values()), default=1)

    def keep_listed(self, listed: set[str]) -> None:
        """Leave out spreads with a leg that the exchange does not list."""
        for spread_id, spec in list(self.specs.items()):
            if absent := {spec.leg_a, spec.leg_b} - listed:
                logger.warning(
                    "[STRATEGY] %s is left out: the exchange does not list %s",
                    spread_id,
                    ", ".join(sorted(absent)),
                )
                del self.specs[spread_id]

    def close_of(self, market: str, time_ms: int) -> float:
        """Close of the candle that opened at `time_ms`; NaN where there is none."""
        cached = self._candles.get(market)
        if cached is None:
            return float("nan")
        candles = cached[1]
        row = int(np.searchsorted(candles.time_ms, time_ms))
        if row >= len(candles.time_ms) or candles.time_ms[row] != time_ms:
            return float("nan")
        return float(candles.close[row])

    def candles_of(self, market: str) -> LegCandles | None:
        """Raw candles of a leg as they were last read."""
        cached = self._candles.get(market)
        return cached[1] if cached else None

    def plan_of(self, spec: SpreadSpec) -> WalkForward:
        """Fit and window lengths of one spread."""
        return WalkForward(
            candle_ms=self.candle_ms,
            fit_window=self.settings.fit_window,
            refit_every_ms=round(self.settings.refit_every_hours * 3_600_000),
            z_window=spec.mean_reversion_window,
            z_mode=self.settings.z_mode,
            both_directions=self.settings.both_directions,
        )

    def spreads_of(self, market: str) -> list[SpreadSpec]:
        """Spreads that have `market` as a leg, in the order of the book."""
        return [spec for spec in self.specs.values() if market in (spec.leg_a, spec.leg_b)]

    def shown_of(self, market: str) -> list[Shown]:
        """What the columns of a market show: its first spread that has a track."""
        first = next(
            (each for each in self.spreads_of(market) if each.spread_id in self.tracks), None
        )
        return [] if first is None else [Shown(first, self.tracks[first.spread_id])]

    def claims(self, market: str, times: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """At which candles (open times, ms) the coin of a market belongs to a spread."""
        is_leg = coin_of(market) in {coin_of(leg) for leg in self.markets}
        return np.full(len(times), is_leg)

    def take_over(self, specs: dict[str, SpreadSpec], barred: frozenset[str]) -> None:
        """
        Use another book from now on; one step, so that no reader sees half of it.

        What is known of a spread is kept where its track would be the same.
        """
        same = {
            spread_id
            for spread_id, spec in specs.items()
            if spread_id in self.specs
            and _track_fields(spec) == _track_fields(self.specs[spread_id])
        }
        self.tracks = {name: track for name, track in self.tracks.items() if name in same}
        self._keys = {name: key for name, key in self._keys.items() if name in same}
        self._boards = {}
        self.specs, self.barred = specs, barred

    def bar(self, spread_ids: Iterable[str]) -> None:
        """Take no more entries of these spreads, from now on."""
        self.barred = self.barred.union(spread_ids)
        self._boards = {}

    def refresh(self, provider: Any, timeframe: str, *, live: bool) -> None:
        """Bring every track up to date with the data provider's raw candles."""
        for spec in self.specs.values():
            leg_a = self._load(provider, timeframe, spec.leg_a, live=live)
            leg_b = self._load(provider, timeframe, spec.leg_b, live=live)
            if leg_a is None or leg_b is None:
                continue
            key = (*leg_a[0], *leg_b[0])
            if self._keys.get(spec.spread_id) == key:
                continue
            known = self.tracks[spec.spread_id].fits if spec.spread_id in self.tracks else ()
            self.tracks[spec.spread_id] = track_spread(
                leg_a[1],
                leg_b[1],
                self.plan_of(spec),
                hedge_space=spec.hedge_space,
                known_fits=known,
            )
            self._keys[spec.spread_id] = key

    def board(self, bands: Mapping[str, Bands]) -> EntryBoard:
        """Rank the entries that all spreads ask for with these bands."""
        key = (tuple(self._keys.items()), tuple(bands.items()))
        if key not in self._boards:
            qvalues = self._qvalues()
            self._boards = {
                key: rank_entries(
                    (
                        spec,
                        self.tracks[spec.spread_id],
                        entry_directions(
                            self.tracks[spec.spread_id],
                            bands[spec.spread_id],
                            self._tradable(spec.spread_id, qvalues.get(spec.spread_id)),
                        ),
                        bands[spec.spread_id].exit_z,
                    )
                    for spec in self.specs.values()
                    if spec.spread_id in self.tracks and spec.spread_id not in self.barred
                )
            }
        return self._boards[key]

    def _tradable(
        self, spread_id: str, qvalues: npt.NDArray[np.float64] | None
    ) -> npt.NDArray[np.bool_]:
        """Which fits of a spread allow entries."""
        return tradable_fits(self.tracks[spread_id], self.settings, qvalues)

    def _load(
        self, provider: Any, timeframe: str, market: str, *, live: bool
    ) -> tuple[tuple[int, int], LegCandles] | None:
        cached = self._candles.get(market)
        if cached and not live:
            return cached
        frame = (
            provider.ohlcv(market, timeframe, copy=False)
            if live
            else provider.get_pair_dataframe(market, timeframe)
        )
        if len(frame) == 0:
            if market not in self._missing:
                logger.warning("[STRATEGY] %s has no %s candles", market, timeframe)
                self._missing.add(market)
            return None
        key = (_last_ms(frame), len(frame))
        if not cached or cached[0] != key:
            cached = self._candles[market] = (key, leg_candles(frame))
        return cached

    def _qvalues(self) -> dict[str, np.ndarray]:
        """Benjamini-Hochberg q-values of each fit, over all spreads fitted at the same moment."""
        if self.settings.max_qvalue is None:
            return {}
        result = {spread_id: np.ones(len(track.fits)) for spread_id, track in self.tracks.items()}
        families: dict[int, list[tuple[str, int, float]]] = {}
        for spread_id, track in self.tracks.items():
            for index, fit in enumerate(track.fits):
                families.setdefault(fit.fitted_at_ms, []).append((spread_id, index, fit.pvalue))
        for family in families.values():
            adjusted = false_discovery_control([pvalue for _, _, pvalue in family], method="bh")
            for (spread_id, index, _), qvalue in zip(family, adjusted, strict=True):
                result[spread_id][index] = qvalue
        return result


def _track_fields(spec: SpreadSpec) -> tuple[Any, ...]:
    """What a track depends on."""
    return spec.leg_a, spec.leg_b, spec.hedge_space, spec.mean_reversion_window


def _last_ms(frame: pd.DataFrame) -> int:
    return int(frame["date"].iloc[-1].timestamp() * 1000)
