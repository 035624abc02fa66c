"""Settings of the leverage: the section ``ext.signals.leverage``."""

from typing import Annotated

from pydantic import Field

from freqtrade_ext.signals._layer_settings import Section

__all__ = ["LeverageSettings"]


class LeverageSettings(Section):
    """How high the leverage may be.

    Attributes
    ----------
    max_leverage : float
        Leverage that is never exceeded, whatever the market allows. High leverage is your explicit
        choice: raise this.
    assumed_spread_bps : float
        Bid/ask spread that is assumed where none is known (in backtests), in basis points.
    full_loss_drawdown : float
        Drawdown of the account from its peak at which its factor is at its least.
    """

    max_leverage: Annotated[float, Field(ge=1, le=75)] = 3.0
    assumed_spread_bps: Annotated[float, Field(gt=0, le=1000)] = 5.0
    full_loss_drawdown: Annotated[float, Field(gt=0, le=1)] = 0.2
