"""What was decided last for each market; of its own, so that a backtest loads nothing of orders."""

from dataclasses import dataclass, field

__all__ = ["OrderWords"]


@dataclass(slots=True)
class OrderWords:
    """What was decided last for each market, so that an order can say why it is sent."""

    entry_tags: dict[str, str] = field(default_factory=dict)
    closes: dict[str, str] = field(default_factory=dict)
