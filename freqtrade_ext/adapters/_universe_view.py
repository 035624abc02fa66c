"""The view of a backtest that searches the whole universe: at each refit other spreads.

Which spreads may be entered is decided by `freqtrade_ext.scanner` on the candles before each refit.
What a spread looks like, before and after it is chosen, is the same as for a spread of the book.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from freqtrade.plugins.pairlist.pairlist_helpers import expand_pairlist

from freqtrade_ext.adapters._candles import market_history
from freqtrade_ext.adapters._moments import from_ms
from freqtrade_ext.adapters._spread_view import Shown, SpreadView
from freqtrade_ext.risk import coin_of
from freqtrade_ext.scanner import (
    Selection,
    SelectionCache,
    SelectionPlan,
    SpreadCard,
    select_through_time,
)
from freqtrade_ext.settings import SpreadSettings
from freqtrade_ext.spreads import SpreadSpec

__all__ = ["UniverseView", "searched_markets"]

logger = logging.getLogger(__name__)

# Freqtrade's look-ahead analysis runs the same backtest dozens of times in one process.
_SELECTIONS: Final = SelectionCache()


class UniverseView(SpreadView):
    """
    Tracks and entry board of every spread that a scan has chosen at some refit.

    Parameters
    ----------
    plan : SelectionPlan
        When and how spreads are chosen.
    settings : SpreadSettings
        Limits. `max_qvalue` is not asked: the scan controls it over the whole family.
    candle_ms : int
        Length of a candle.
    """

    def __init__(self, plan: SelectionPlan, settings: SpreadSettings, candle_ms: int) -> None:
        super().__init__({}, settings.model_copy(update={"max_qvalue": None}), candle_ms)
        self.plan = plan
        self.selections: tuple[Selection, ...] = ()
        self._universe: tuple[str, ...] = ()
        self._chosen: dict[str, frozenset[int]] = {}
        self._is_selected = False

    @property
    def markets(self) -> list[str]:
        """Every market that is searched, sorted."""
        return sorted(self._universe)

    @property
    def startup_candles(self) -> int:
        """Candles that Freqtrade must load before the first one that can carry a signal."""
        window = self.plan.settings.z_window
        refit = -(-self.plan.refit_every_ms // self.candle_ms)
        fit = self.settings.fit_window + refit
        return max(self.plan.startup_candles, fit) + window

    @property
    def band_specs(self) -> Mapping[str, SpreadSpec]:
        """Rows whose bands can be checked before anything is chosen."""
        if self.specs or len(self._universe) < 2:
            return self.specs
        leg_a, leg_b = self._universe[:2]
        example = self._row("any-spread", leg_a, leg_b, None, 0)
        return {example.spread_id: example}

    def search(self, markets: Iterable[str]) -> None:
        """Say which markets are searched."""
        self._universe = tuple(sorted(markets))

    def keep_listed(self, listed: set[str]) -> None:
        """Leave out markets that the exchange does not list."""
        for market in self._universe:
            if market not in listed:
                logger.warning("[STRATEGY] %s is not searched: it is not listed", market)
        self._universe = tuple(market for market in self._universe if market in listed)

    def refresh(self, provider: Any, timeframe: str, *, live: bool) -> None:
        """Choose the spreads of every refit, once, and bring their tracks up to date."""
        if not self._is_selected:
            self._select(provider, timeframe)
            self._is_selected = True
        super().refresh(provider, timeframe, live=live)

    def shown_of(self, market: str) -> list[Shown]:
        """At each candle the spread of the market that is chosen then."""
        return [
            Shown(spec, track, (track.fit >= 0) & self._allowed(spec.spread_id)[track.fit])
            for spec in self.spreads_of(market)
            if (track := self.tracks.get(spec.spread_id)) is not None and track.fits
        ]

    def claims(self, market: str, times: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """At which candles (open times, ms) the coin of a market is in a spread that is chosen."""
        claimed = np.zeros(len(times), dtype=bool)
        for leg in self._legs_of(coin_of(market)):
            for shown in self.shown_of(leg):
                if shown.candles is not None:
                    claimed |= np.isin(times, shown.track.time_ms[shown.candles])
        return claimed

    def _legs_of(self, coin: str) -> set[str]:
        legs = (leg for spec in self.specs.values() for leg in spec.markets)
        return {leg for leg in legs if coin_of(leg) == coin}

    def _tradable(self, spread_id: str, qvalues: npt.NDArray[Any] | None) -> npt.NDArray[np.bool_]:
        return super()._tradable(spread_id, qvalues) & self._allowed(spread_id)

    def _allowed(self, spread_id: str) -> npt.NDArray[np.bool_]:
        chosen = self._chosen[spread_id]
        fits = self.tracks[spread_id].fits
        return np.array([fit.fitted_at_ms in chosen for fit in fits], dtype=bool)

    def _select(self, provider: Any, timeframe: str) -> None:
        histories = [
            market_history(market, frame)
            for market in self._universe
            if len(frame := provider.get_pair_dataframe(market, timeframe))
        ]
        self.selections = tuple(select_through_time(histories, self.plan, _SELECTIONS))
        names = _names(self._universe)
        chosen: dict[str, set[int]] = {}
        for selection in self.selections:
            for card in selection.cards:
                legs = card.fit.leg_a, card.fit.leg_b
                spread_id = "-".join(names[leg] for leg in legs)
                if spread_id not in self.specs:
                    self.specs[spread_id] = self._row(spread_id, *legs, card, selection.time_ms)
                chosen.setdefault(spread_id, set()).add(selection.time_ms)
        self._chosen = {spread_id: frozenset(moments) for spread_id, moments in chosen.items()}
        self._tell(len(histories))

    def _row(
        self, spread_id: str, leg_a: str, leg_b: str, card: SpreadCard | None, moment_ms: int
    ) -> SpreadSpec:
        """Write a row as the book has it; its coefficients are a record, they are not traded."""
        settings = self.plan.settings
        moment = max(moment_ms, self.plan.window * self.candle_ms)
        return SpreadSpec(
            spread_id=spread_id,
            leg_a=leg_a,
            leg_b=leg_b,
            hedge_ratio=card.fit.hedge_ratio if card else 1.0,
            intercept=card.fit.intercept if card else 0.0,
            cointegration_stat=card.fit.stat if card else 0.0,
            pvalue=card.fit.pvalue if card else 1.0,
            qvalue=card.fit.qvalue if card else 1.0,
            half_life=card.diagnosis.half_life if card else 1.0,
            z_score_threshold=settings.entry_z,
            z_exit=settings.exit_z,
            stop_loss_z=settings.stop_z,
            mean_reversion_window=settings.z_window,
            fit_start=from_ms(moment - self.plan.window * self.candle_ms),
            fit_end=from_ms(moment),
            last_updated=from_ms(moment),
        )

    def _tell(self, markets: int) -> None:
        found = [selection for selection in self.selections if selection.cards]
        logger.info(
            "[STRATEGY] universe of %d market(s): %d selection(s)%s, %d of them chose spreads: %s",
            markets,
            len(self.selections),
            f" from {from_ms(self.selections[0].time_ms):%Y-%m-%d %H:%M}"
            if self.selections
            else "",
            len(found),
            ", ".join(sorted(self.specs)) or "none",
        )


def searched_markets(config: Mapping[str, Any], listed: Sequence[str]) -> list[str]:
    """
    Markets of the whitelist as the user's files have it, less the blacklist.

    Not the one in force: Freqtrade's look-ahead analysis narrows it to one market at a time, and a
    search among one market finds nothing.
    """
    exchange = (config.get("original_config") or config).get("exchange", {})
    wanted = expand_pairlist(list(exchange.get("pair_whitelist", ())), list(listed))
    unwanted = set(expand_pairlist(list(exchange.get("pair_blacklist", ())), list(listed)))
    return sorted(set(wanted) - unwanted)


def _names(markets: Iterable[str]) -> dict[str, str]:
    """Short names of markets, none twice."""
    names: dict[str, str] = {}
    for market in sorted(markets):
        name = plain = re.sub(r"[^A-Za-z0-9_.]", "_", market.split("/")[0])[:24]
        number = 2
        while name in names.values():
            name, number = f"{plain}_{number}", number + 1
        names[market] = name
    return names
