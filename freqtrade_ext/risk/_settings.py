"""Settings of the risk rules: the part ``ext.risk`` of a configuration.

Ratios are plain numbers (0.05 is 5 %). Distances of exits are multiples of the ATR.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "AccountSettings",
    "BalanceSettings",
    "ExitSettings",
    "KillSwitchSettings",
    "RecoverySettings",
    "RiskSettings",
    "StoplossGuardSettings",
]

Hours = Annotated[float, Field(gt=0, le=24 * 365)]
Minutes = Annotated[int, Field(ge=1, le=60 * 24 * 30)]
Share = Annotated[float, Field(gt=0, lt=1)]
Coins = Annotated[tuple[str, ...], Field(strict=False)]  # JSON knows lists only


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ExitSettings(_Section):
    """
    When a position of a single market is left.

    Attributes
    ----------
    sl_atr, tp_atr, trail_activation, trail_distance : float
        Stop, in multiples of the ATR; target, likewise; gain that activates the trailing stop,
        likewise; distance of the trailing stop from the best price, likewise.
    exit_tightness : float
        Multiplies all these distances (and `breakeven_atr`): above 1 the exits are wider.
    breakeven_atr : float or None
        Gain, in multiples of the ATR, that moves the stop to the price at which the position
        closes without loss; None: never.
    reduce_first_hours, reduce_second_hours : float or None
        Age at which the target moves towards the entry price, None for never; age at which it
        does so again, None for never.
    target_reduction : float
        Share of the target's distance that each of these takes away.
    gradual_hours : float or None
        Age at which the gradual time exit begins; None: no gradual exit.
    gradual_every_hours, gradual_share : float
        Time from one of its steps to the next; share of the quantity entered that each closes.
    force_hours : float or None
        Age at which a position is closed whatever it earns; None: never.
    adverse_hours : float or None
        Age from which a position that loses, costs included, is closed; None: never.
    deep_loss : float or None
        A position that has used up this share of the distance to its first stop is a deep loser:
        it is closed when it is back at break-even, costs included. None: no such exit.
    emergency_loss : float
        Move of the price against the position, without leverage, at which it is closed at once.
    """

    sl_atr: Annotated[float, Field(ge=1, le=5)] = 2.0
    tp_atr: Annotated[float, Field(ge=1.5, le=6)] = 3.0
    trail_activation: Annotated[float, Field(ge=0.5, le=3)] = 1.5
    trail_distance: Annotated[float, Field(ge=0.3, le=2)] = 1.0
    exit_tightness: Annotated[float, Field(ge=0.5, le=2)] = 1.2
    breakeven_atr: Annotated[float, Field(ge=0.3, le=3)] | None = 1.0
    reduce_first_hours: Hours | None = 4.0
    reduce_second_hours: Hours | None = 8.0
    target_reduction: Share = 0.1
    gradual_hours: Hours | None = 12.0
    gradual_every_hours: Hours = 4.0
    gradual_share: Share = 0.25
    force_hours: Hours | None = 24.0
    adverse_hours: Hours | None = 8.0
    deep_loss: Share | None = 0.6
    emergency_loss: Annotated[float, Field(ge=0.01, le=0.5)] = 0.15

    @model_validator(mode="after")
    def _hours_are_ordered(self) -> Self:
        for earlier, later in (
            ("reduce_first_hours", "reduce_second_hours"),
            ("gradual_hours", "force_hours"),
        ):
            first, second = getattr(self, earlier), getattr(self, later)
            if first is not None and second is not None and first >= second:
                raise ValueError(f"{earlier} ({first}) must be below {later} ({second})")
        return self


class KillSwitchSettings(_Section):
    """
    When a single position has lost too much of its margin.

    Attributes
    ----------
    enabled : bool
        False: positions are left to their other exits.
    partial_loss : float
        Margin loss (unrealised loss over margin) that halves the position, once.
    full_loss : float
        Margin loss that closes it.
    lock_hours : float
        How long its market is locked for entries, from either event on.
    """

    enabled: bool = True
    partial_loss: Share = 0.3
    full_loss: Share = 0.5
    lock_hours: Hours = 24.0

    @model_validator(mode="after")
    def _losses_are_ordered(self) -> Self:
        if self.partial_loss >= self.full_loss:
            raise ValueError(
                f"partial_loss ({self.partial_loss}) must be below full_loss ({self.full_loss})"
            )
        return self


class AccountSettings(_Section):
    """
    When the whole account has lost too much.

    Attributes
    ----------
    enabled : bool
        False: the account is not watched.
    max_drawdown : float
        Drawdown of equity from its peak that closes everything and stops entries.
    confirm_looks : int
        Looks in a row that must show it: one wrong price must not close an account.
    """

    enabled: bool = True
    max_drawdown: Annotated[float, Field(ge=0.01, lt=1)] = 0.2
    confirm_looks: Annotated[int, Field(ge=1, le=10)] = 2


class StoplossGuardSettings(_Section):
    """
    How many losing stops in a short time stop entries for a while.

    Attributes
    ----------
    enabled : bool
        False: stops are not counted.
    stops : int
        Losing stop-like closes that lock.
    window_minutes : int
        Time within which they happen.
    lock_minutes : int
        How long entries rest after the last of them.
    scope : {"global", "market"}
        Count and lock over all markets, or each market for itself.
    """

    enabled: bool = True
    stops: Annotated[int, Field(ge=1, le=100)] = 3
    window_minutes: Minutes = 60
    lock_minutes: Minutes = 30
    scope: Literal["global", "market"] = "global"


class RecoverySettings(_Section):
    """
    When a portfolio that was long under water is closed as a whole.

    Attributes
    ----------
    enabled : bool
        False: never.
    under_water_hours : float
        Time without interruption with unrealised profit below zero that makes a candidate.
    activation : float
        Unrealised profit, in stake currency at `reference_equity`, from which its peak is trailed.
    reference_equity : float
        Equity to which `activation` belongs; it grows and shrinks in proportion to equity.
    min_distance, max_distance : float
        Least trailing distance, a share of the peak of the unrealised profit; greatest.
    rest_hours : float
        How long entries rest after the exit.
    """

    enabled: bool = True
    under_water_hours: Hours = 12.0
    activation: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.5
    reference_equity: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1000.0
    min_distance: Share = 0.015
    max_distance: Share = 0.05
    rest_hours: Hours = 6.0

    @model_validator(mode="after")
    def _distances_are_ordered(self) -> Self:
        if self.min_distance > self.max_distance:
            raise ValueError(
                f"min_distance ({self.min_distance}) must not be above "
                f"max_distance ({self.max_distance})"
            )
        return self


class BalanceSettings(_Section):
    """
    How large a position may be, and how size and leverage shrink with drawdown.

    Attributes
    ----------
    risk_per_trade : float
        Share of equity that a position may lose at its stop, costs included.
    max_equity_share : float
        Notional of a position may not exceed this multiple of equity.
    max_positions : int
        Positions open at once.
    shrink_from, shrink_to : float
        Drawdown from which the balance factor falls below 1; drawdown at which it has fallen to
        `min_factor`.
    min_factor : float
        Smallest balance factor.
    """

    risk_per_trade: Annotated[float, Field(gt=0, le=0.1)] = 0.01
    max_equity_share: Annotated[float, Field(gt=0, le=75)] = 1.0
    max_positions: Annotated[int, Field(ge=1, le=1000)] = 5
    shrink_from: Annotated[float, Field(ge=0, lt=1)] = 0.05
    shrink_to: Share = 0.2
    min_factor: Annotated[float, Field(ge=0.5, le=1)] = 0.5

    @model_validator(mode="after")
    def _drawdowns_are_ordered(self) -> Self:
        if self.shrink_from >= self.shrink_to:
            raise ValueError(
                f"shrink_from ({self.shrink_from}) must be below shrink_to ({self.shrink_to})"
            )
        return self


class RiskSettings(_Section):
    """
    The part ``ext.risk``; read it with ``settings.load_part(ext, "risk", RiskSettings)``.

    Attributes
    ----------
    exits, kill_switch, account, stoploss_guard, recovery, balance :
        One section each.
    excluded : tuple of str
        Coins (``"DOGE"``) or markets (``"DOGE/USDT:USDT"``) that are never entered.
    """

    exits: ExitSettings = ExitSettings()
    kill_switch: KillSwitchSettings = KillSwitchSettings()
    account: AccountSettings = AccountSettings()
    stoploss_guard: StoplossGuardSettings = StoplossGuardSettings()
    recovery: RecoverySettings = RecoverySettings()
    balance: BalanceSettings = BalanceSettings()
    excluded: Coins = ()
