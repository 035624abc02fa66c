"""The market of the crash lab: planted spreads under the names of the user's own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from freqtrade_ext.errors import ExtensionError
from freqtrade_ext.sandbox.market import SyntheticMarket, SyntheticSpec
from freqtrade_ext.spreads import load_book

__all__ = ["NamedMarket", "lab_market", "names_of_book"]

_SETTLEMENT = "USDT"


class NamedMarket(SyntheticMarket):
    """
    A synthetic market some of whose contracts have other names; prices stay what they were.

    Parameters
    ----------
    spec : SyntheticSpec
        What to draw.
    names : sequence of (str, str)
        Base coins (leg A, leg B) of the first planted spreads, in their order.
    """

    def __init__(self, spec: SyntheticSpec, names: Sequence[tuple[str, str]]) -> None:
        super().__init__(spec)
        new_names = self._new_names(names)
        self._planted = tuple(
            replace(one, symbol_a=new_names[one.symbol_a], symbol_b=new_names[one.symbol_b])
            for one in self._planted
        )
        self._listings = {
            new_names[symbol]: replace(
                listing,
                instrument=replace(
                    listing.instrument,
                    symbol=new_names[symbol],
                    base=new_names[symbol].removesuffix(_SETTLEMENT),
                ),
            )
            for symbol, listing in self._listings.items()
        }
        self._instruments = type(self._instruments)(
            {symbol: listing.instrument for symbol, listing in self._listings.items()}
        )

    def _new_names(self, names: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Map the drawn symbols to the wanted ones; who loses a name to another gets a new one."""
        wanted = {}
        for spread, (coin_a, coin_b) in zip(self._planted, names, strict=False):
            wanted[spread.symbol_a] = f"{coin_a}{_SETTLEMENT}"
            wanted[spread.symbol_b] = f"{coin_b}{_SETTLEMENT}"
        taken = set(wanted.values())
        return {
            symbol: wanted.get(symbol, f"LAB{symbol}" if symbol in taken else symbol)
            for symbol in self._listings
        }


def names_of_book(book: Path) -> list[tuple[str, str]]:
    """
    Coins of the spreads in the user's book, each coin once; none if there is no readable book.

    A group of the market has two contracts, so a spread that shares a leg with an earlier one is
    left out.
    """
    try:
        specs = load_book(book).spreads
    except (ExtensionError, OSError):
        return []
    names: list[tuple[str, str]] = []
    taken: set[str] = set()
    for spec in specs:
        coins = (spec.leg_a.split("/")[0], spec.leg_b.split("/")[0])
        if len({*coins} - taken) == 2:
            names.append(coins)
            taken.update(coins)
    return names


def lab_market(
    seed: int, anchor_ms: int, *, groups: int, names: Sequence[tuple[str, str]]
) -> NamedMarket:
    """
    Draw a market whose spreads leave and reach their mean within a minute or two.

    The common factor moves much more than the spread: a fit of some hundred candles then finds the
    hedge ratio to about 2 %, well within what counts as hedged.
    """
    return NamedMarket(
        SyntheticSpec(
            seed=seed,
            anchor_ms=anchor_ms,
            groups=groups,
            markets_per_group=2,
            extra_markets=0,
            half_life_minutes=1.2,
            spread_sigma=0.01,
            factor_volatility=6e-3,
            history_minutes=720,
            horizon_minutes=2 * 1_440,
        ),
        names[:groups],
    )
