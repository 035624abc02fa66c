"""How large a spread may be: from the loss at its stop band to a quantity for each leg."""

import math
from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_DOWN, Decimal
from statistics import fmean, variance

from freqtrade_ext.risk import notional_at_risk
from freqtrade_ext.settings import SizingSettings
from freqtrade_ext.spreads._leg_sizes import (
    LegLimits,
    LegSizes,
    RefusalReason,
    SizeCap,
    SizingCase,
    SizingRefusal,
    to_lots,
)

__all__ = [
    "LegLimits",
    "LegSizes",
    "RefusalReason",
    "SizeCap",
    "SizingCase",
    "SizingRefusal",
    "kelly_share",
    "size_spread",
]


def size_spread(
    case: SizingCase,
    *,
    equity: float,
    available: float,
    settings: SizingSettings,
    closed_returns: Sequence[float] = (),
    cost_per_fill: float = 0.0,
    max_hedge_error: float = 0.05,
) -> LegSizes | SizingRefusal:
    r"""
    Size a spread so that it loses its risk budget when it reaches the stop band.

    Parameters
    ----------
    case : SizingCase
        The spread and its markets.
    equity, available : float
        Account equity, and balance that is free as margin; settlement currency.
    settings : SizingSettings
        Risk budget, Kelly fraction, share of equity, leverage.
    closed_returns : sequence of float
        Profit of each of the strategy's closed spreads over its gross notional at entry.
    cost_per_fill : float
        Fee and half spread of one fill as a ratio of its notional; counted four times into the
        loss at the stop. 0 leaves costs out.
    max_hedge_error : float
        Largest share of leg B's notional that coarse lots may leave unhedged.

    Returns
    -------
    LegSizes or SizingRefusal

    Notes
    -----
    With :math:`N_a` the notional of leg A, :math:`\sigma` the deviation of the spread value,
    :math:`\Delta z` the distance from the z-score to the stop band:

    - log space: :math:`N_b = \beta N_a`; a move :math:`\Delta s` of
      :math:`s = \log A - \alpha - \beta \log B` earns
      :math:`N_a (r_a - \beta r_b) = N_a \Delta s` to first order in the returns (relative error
      about :math:`\Delta s / 2`), so the loss at the stop is :math:`N_a \sigma \Delta z`;
    - price space: :math:`q_b = \beta q_a`; :math:`q_a (\Delta A - \beta \Delta B)
      = q_a \Delta s` exactly, so the loss is :math:`N_a \sigma \Delta z / A`.

    With costs :math:`c` a fill, :math:`2 c (N_a + N_b)` is added. :math:`N_a` is the largest that
    keeps this loss within ``max_risk_per_trade`` of equity, and gross notional within
    ``kelly_fraction`` of the Kelly bet :math:`f = \mu / \sigma_r^2` on `closed_returns` (from
    ``kelly_min_spreads`` of them on; :math:`\mu \le 0` leaves ``kelly_floor``; a floor of 0 then
    is a refusal), within
    ``max_equity_share`` of equity, and within ``leverage`` times `available`.

    The leg with the coarser lot is rounded down first, the other to the nearest lot of its exact
    hedge (down where a cap would be passed), so that the hedge error is below one lot.

    References
    ----------
    .. [1] Thorp, E. O. (2006). The Kelly criterion in blackjack, sports betting and the stock
       market. Handbook of Asset and Liability Management 1, 385-428, eq. 7.3.
    """
    refusal = _refuse_input(case, equity, available, (cost_per_fill, *closed_returns))
    if refusal is not None:
        return refusal
    kelly = kelly_share(closed_returns, settings)
    if kelly <= 0:
        text = f"the mean return of {len(closed_returns)} closed spreads is not positive"
        return SizingRefusal(RefusalReason.NO_EDGE, text)
    loss_per_notional = case.loss_per_notional(cost_per_fill)
    ratio = case.notional_ratio
    gross_caps = {
        SizeCap.KELLY: kelly * equity,
        SizeCap.EQUITY_SHARE: settings.max_equity_share * equity,
        SizeCap.MARGIN: available / (1 / settings.leverage + cost_per_fill),
    }
    caps = {cap: gross / (1 + ratio) for cap, gross in gross_caps.items()}
    caps[SizeCap.RISK] = notional_at_risk(equity, settings.max_risk_per_trade, loss_per_notional)
    caps[SizeCap.MAX_NOTIONAL] = min(case.limits_a.max_notional, case.limits_b.max_notional / ratio)
    cap = min(caps, key=lambda name: caps[name])
    sizes = _sizes(case, caps[cap], cap, loss_per_notional, settings.leverage)
    return _refuse_sizes(sizes, max_hedge_error) or sizes


def kelly_share(closed_returns: Sequence[float], settings: SizingSettings) -> float:
    """
    Gross notional per equity that the Kelly rule allows.

    Returns
    -------
    float
        ``kelly_fraction · mean / variance`` but at least ``kelly_floor``, which is also the
        answer when the mean is not positive; infinite while fewer than ``kelly_min_spreads``
        spreads are closed, or when all returns are the same gain.
    """
    if len(closed_returns) < settings.kelly_min_spreads:
        return math.inf
    mean = fmean(closed_returns)
    if not mean > 0:
        return settings.kelly_floor
    spread_out = variance(closed_returns)
    if not spread_out > 0:
        return math.inf
    return max(settings.kelly_fraction * mean / spread_out, settings.kelly_floor)


def _sizes(
    case: SizingCase, notional_a: float, cap: SizeCap, loss_per_notional: float, leverage: float
) -> LegSizes:
    quantity_a, quantity_b = _hedged_quantities(case, notional_a)
    rounded_a, rounded_b = float(quantity_a) * case.price_a, float(quantity_b) * case.price_b
    return LegSizes(
        case=case,
        quantity_a=quantity_a,
        quantity_b=quantity_b,
        loss_at_stop=rounded_a * loss_per_notional,
        margin=(rounded_a + rounded_b) / leverage,
        cap=cap,
    )


def _hedged_quantities(case: SizingCase, notional_a: float) -> tuple[Decimal, Decimal]:
    """Round both legs, the coarser one first; neither above its exact quantity."""
    lot_a, lot_b = case.limits_a.lot, case.limits_b.lot
    exact_a = notional_a / case.price_a
    b_per_a = case.notional_ratio * case.price_a / case.price_b  # in quantities
    largest_a = to_lots(exact_a, lot_a, ROUND_FLOOR)
    largest_b = to_lots(exact_a * b_per_a, lot_b, ROUND_FLOOR)
    if float(lot_a) * b_per_a >= float(lot_b):
        hedge_b = to_lots(float(largest_a) * b_per_a, lot_b, ROUND_HALF_DOWN)
        return largest_a, min(hedge_b, largest_b)
    hedge_a = to_lots(float(largest_b) / b_per_a, lot_a, ROUND_HALF_DOWN)
    return min(hedge_a, largest_a), largest_b


def _refuse_input(
    case: SizingCase, equity: float, available: float, ratios: Sequence[float]
) -> SizingRefusal | None:
    positive = {
        "price of leg A": case.price_a,
        "price of leg B": case.price_b,
        "hedge ratio": case.hedge_ratio,
        "spread deviation": case.spread_std,
        "equity": equity,
    }
    for name, value in positive.items():
        if not 0 < value < math.inf:
            text = f"{name} should be positive and finite, not {value}"
            return SizingRefusal(RefusalReason.BAD_INPUT, text)
    if not all(map(math.isfinite, (case.z_score, case.stop_loss_z, available, *ratios))):
        text = "z-score, stop band, balance, costs and returns should all be finite"
        return SizingRefusal(RefusalReason.BAD_INPUT, text)
    if case.stop_distance <= 0:
        text = f"z-score {case.z_score:g} is already beyond the stop band ({case.stop_loss_z:g})"
        return SizingRefusal(RefusalReason.BEYOND_STOP, text)
    if available <= 0:
        return SizingRefusal(RefusalReason.NOT_ENOUGH_MARGIN, "no balance is free as margin")
    return None


def _refuse_sizes(sizes: LegSizes, max_hedge_error: float) -> SizingRefusal | None:
    case = sizes.case
    legs = (
        ("A", sizes.quantity_a, case.price_a, case.limits_a),
        ("B", sizes.quantity_b, case.price_b, case.limits_b),
    )
    for name, quantity, price, limits in legs:
        smallest = max(limits.min_entry(price), limits.lot)
        if quantity < smallest:
            short_of_margin = sizes.cap is SizeCap.MARGIN
            return SizingRefusal(
                RefusalReason.NOT_ENOUGH_MARGIN if short_of_margin else RefusalReason.BELOW_MINIMUM,
                f"leg {name} would be {quantity}, limited by {sizes.cap}; "
                f"the smallest order is {smallest}",
            )
    error = abs(sizes.net_exposure) / (sizes.notional_a * case.notional_ratio)
    if error > max_hedge_error:
        text = f"coarse lots would leave {error:.1%} unhedged; at most {max_hedge_error:.1%} is"
        return SizingRefusal(RefusalReason.NOT_HEDGEABLE, f"{text} allowed")
    return None
