"""Models of spreads: whose market's model predicts which spread, from what, and what it says."""

from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from pandas import DataFrame

from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.adapters._model_answers import ModelAnswers
from freqtrade_ext.adapters._spread_view import SpreadView
from freqtrade_ext.learning import ModelState, Opinion
from freqtrade_ext.spreads import (
    Bands,
    Candidate,
    LegCandles,
    SpreadSpec,
    SpreadTrack,
    track_spread,
)

__all__ = ["SpreadModels"]


class SpreadModels:
    """
    The models of the spreads in a view.

    FreqAI has one model a market. So each spread gets a host: its leg A, or its leg B where leg A
    is the host of a spread before it in the book; a spread that finds neither free has no model.
    The host's frame carries the spread's features, and its model predicts the spread.

    Parameters
    ----------
    view : SpreadView
        The spreads.
    judges_trades : callable, optional
        Whether the models have learned from closed trades. These are described by leg A's candles,
        so then only leg A is a host.
    """

    def __init__(self, view: SpreadView, judges_trades: Callable[[], bool] = lambda: False) -> None:
        self._view = view
        self._judges_trades = judges_trades
        self._opinions: dict[str, ModelAnswers] = {}
        self._fits: dict[str, tuple[Any, ...]] = {}

    @property
    def hosts(self) -> dict[str, SpreadSpec]:
        """Spread of each host market."""
        hosts: dict[str, SpreadSpec] = {}
        only_a = self._judges_trades()
        for spec in self._view.specs.values():
            legs = (spec.leg_a,) if only_a else (spec.leg_a, spec.leg_b)
            free = [leg for leg in legs if leg not in hosts]
            if free:
                hosts[free[0]] = spec
        return hosts

    def columns(
        self, pair: str, frame: DataFrame, long_candles: Callable[[str], LegCandles | None]
    ) -> Mapping[str, np.ndarray] | None:
        """
        Return what features and labels of the host's spread are made of, candle by candle.

        Parameters
        ----------
        frame : DataFrame
            Candles of the host; a training's frame goes back further than a live view does.
        long_candles : callable
            Candles of a market as far back as a training goes.

        Returns
        -------
        mapping or None
            Arrays as `add_features` wants them, NaN where nothing is known; None for a market
            that is no host.
        """
        spec = self.hosts.get(pair)
        if spec is None:
            return None
        times = epoch_ms(frame["date"])
        track = self._view.tracks.get(spec.spread_id)
        legs = (self._view.candles_of(spec.leg_a), self._view.candles_of(spec.leg_b))
        if track is None or not _covers(track, times):
            legs = (long_candles(spec.leg_a), long_candles(spec.leg_b))
            track = self._long_track(spec, *legs)
        return _columns(spec, track, legs, times)

    def trade_columns(
        self,
        pair: str,
        frame: DataFrame,
        long_candles: Callable[[str], LegCandles | None],
        bands: Mapping[str, Bands],
        leverage: float,
    ) -> dict[str, np.ndarray] | None:
        """
        Tell what candles do not of the host's spread entered after each of them.

        The edge is that of the candidates: what is left to the exit band, on leg A's notional.
        None for a market that is no host; `columns` has the other parameters.
        """
        columns = self.columns(pair, frame, long_candles)
        if columns is None:
            return None
        spec, z_score = self.hosts[pair], columns["z_score"]
        exit_z = bands[spec.spread_id].exit_z if spec.spread_id in bands else spec.z_exit
        return {
            "zscore": z_score,
            "signal_score": (np.abs(z_score) - exit_z) * columns["scale"],
            "leverage": np.full(len(frame), leverage),
        }

    def _long_track(
        self, spec: SpreadSpec, leg_a: LegCandles | None, leg_b: LegCandles | None
    ) -> SpreadTrack | None:
        """Follow a spread as far back as a training goes; the fits are those of the view."""
        if leg_a is None or leg_b is None:
            return None
        track = track_spread(
            leg_a,
            leg_b,
            self._view.plan_of(spec),
            hedge_space=spec.hedge_space,
            known_fits=self._fits.get(spec.spread_id, ()),
        )
        self._fits[spec.spread_id] = track.fits
        return track

    def listen(self, pair: str, frame: DataFrame) -> None:
        """Take over what the host's model says; a frame without predictions says nothing."""
        spec = self.hosts.get(pair)
        if spec is None:
            return
        answers = ModelAnswers.of(frame, spec.spread_id)
        if answers is None:
            self._opinions.pop(spec.spread_id, None)
        else:
            self._opinions[spec.spread_id] = answers

    def forget(self, pair: str) -> None:
        """Its model could not be asked."""
        spec = self.hosts.get(pair)
        if spec is not None:
            self._opinions.pop(spec.spread_id, None)

    def opinion(self, candidate: Candidate) -> Opinion:
        """What the model of a spread says at the candle that gave the signal."""
        known = self._opinions.get(candidate.spread_id)
        if known is None:
            return Opinion(ModelState.MISSING)
        return known.opinion(candidate.time_ms)

    def align(self, queue: "deque[str]", others: Collection[str] = ()) -> None:
        """
        Train the hosts and nobody else: FreqAI begins with every market of the whitelist.

        `others` are markets with a model of their own; one that was a leg before comes back.
        """
        hosts = self.hosts
        for pair in (*hosts, *others):
            if pair not in queue:
                queue.appendleft(pair)  # at the end it would wait until the others are due again
        for pair in list(queue):
            if hosts and pair not in hosts and pair not in others:
                queue.remove(pair)


def _covers(track: SpreadTrack, times: np.ndarray) -> bool:
    if not len(times) or not len(track.time_ms):
        return True
    return bool(track.time_ms[0] <= times[0] and times[-1] <= track.time_ms[-1])


def _columns(
    spec: SpreadSpec,
    track: SpreadTrack | None,
    legs: tuple[LegCandles | None, LegCandles | None],
    times: np.ndarray,
) -> dict[str, np.ndarray]:
    names = ("z_score", "scale", "hedge_ratio", "pvalue", "half_life", "dependent", "regressor")
    columns = {name: np.full(len(times), np.nan) for name in names}
    for name, leg in zip(("dependent", "regressor"), legs, strict=True):
        if leg is not None:
            columns[name] = _closes(leg, times)
    if track is None or not len(track.time_ms):
        return columns
    rows = np.clip(np.searchsorted(track.time_ms, times), 0, len(track.time_ms) - 1)
    found = track.time_ms[rows] == times
    columns["z_score"][found] = track.z_score[rows[found]]
    columns["scale"][found] = track.scale[rows[found]]
    fitted = found & (track.fit[rows] >= 0)
    for name in ("hedge_ratio", "pvalue", "half_life"):
        values = np.array([getattr(fit, name) for fit in track.fits])
        columns[name][fitted] = values[track.fit[rows[fitted]]] if fitted.any() else ()
    if spec.hedge_space == "price":  # labels are moves of log prices: hedge by notional
        columns["hedge_ratio"] *= columns["regressor"] / columns["dependent"]
        columns["scale"] /= columns["dependent"]
    return columns


def _closes(leg: LegCandles, times: np.ndarray) -> np.ndarray:
    """Closes at these candles; NaN where the market did not trade."""
    closes = np.full(len(times), np.nan)
    if len(leg.time_ms):
        rows = np.clip(np.searchsorted(leg.time_ms, times), 0, len(leg.time_ms) - 1)
        found = (leg.time_ms[rows] == times) & leg.traded[rows]
        closes[found] = leg.close[rows[found]]
    return closes
