"""Faults as a script, not dice: which request goes wrong, when, and how."""

from freqtrade_ext.sandbox.faults._call import NO_ANSWER, FaultedCall, FaultEffect, Missed
from freqtrade_ext.sandbox.faults._effect import Effect
from freqtrade_ext.sandbox.faults._fault import Fault
from freqtrade_ext.sandbox.faults._plan import FaultPlan

__all__ = [
    "NO_ANSWER",
    "Effect",
    "Fault",
    "FaultEffect",
    "FaultPlan",
    "FaultedCall",
    "Missed",
]
