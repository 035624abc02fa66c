"""The ``ext`` section of a Freqtrade configuration: its types, its limits, its error messages.

This module is the only reader of that section. A mistake in it is one line that names the key,
the value and what is allowed; nothing starts until every line is gone.
"""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from freqtrade_ext.errors import ConfigError

__all__ = [
    "EdgeSettings",
    "ExecutionSettings",
    "ExtSettings",
    "PolicySettings",
    "PromiseSettings",
    "SizingSettings",
    "SpreadSettings",
    "load_part",
    "load_settings",
    "validation_lines",
]

Candles = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Policy = Literal["adopt", "flatten", "report"]
Part = TypeVar("Part", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SizingSettings(_Section):
    """How large a spread may be.

    Attributes
    ----------
    max_risk_per_trade : float
        Loss at the stop band as a share of equity, for the spread as a whole.
    kelly_fraction : float
        Share of the Kelly bet that the size may not exceed, once enough spreads are closed.
    kelly_min_spreads : int
        Closed spreads needed before the Kelly cap binds.
    kelly_floor : float
        Gross notional, as a multiple of equity, that is allowed however small the Kelly bet is, so
        that a bot without a measured edge goes on small instead of never again. 0: no entries
        while the mean of its closed spreads is not positive.
    max_equity_share : float
        Gross notional of both legs of one spread may not exceed this multiple of equity.
    leverage : float
        Leverage asked for each leg; never above the exchange's bracket.
    """

    max_risk_per_trade: Annotated[float, Field(gt=0, le=0.1)] = 0.01
    kelly_fraction: Share = 0.5
    kelly_min_spreads: Annotated[int, Field(ge=10, le=1000)] = 30
    kelly_floor: Annotated[float, Field(ge=0, le=1)] = 0.1
    max_equity_share: Annotated[float, Field(gt=0, le=10)] = 1.0
    leverage: Annotated[float, Field(ge=1, le=20)] = 2.0


class PromiseSettings(_Section):
    """When the expected move is worth its cost.

    Attributes
    ----------
    cost_multiple : float
        Expected move must be at least this many round-trip costs; 0 switches the rule off.
    half_spread_bps : float
        Half of the bid/ask spread paid by each of the four fills, in basis points.
    promise_share : float
        Share of the promised move (to the exit band) that is expected to be realised before the
        bot has a history of its own.
    """

    cost_multiple: Annotated[float, Field(ge=0, le=20)] = 1.0
    half_spread_bps: Annotated[float, Field(ge=0, le=100)] = 1.0
    promise_share: Share = 0.5


class EdgeSettings(PromiseSettings):
    """When the expected move is worth its cost, as closed spreads teach it.

    Attributes
    ----------
    promise_weight : float
        How many closed spreads that prior counts for against the bot's own history.
    """

    promise_weight: Annotated[float, Field(gt=0, le=1000)] = 20.0


class SpreadSettings(_Section):
    """Everything that governs spreads.

    Attributes
    ----------
    book : str
        Spread book file, relative to ``user_data``.
    select : {"book", "universe"}
        What a backtest may enter: the spreads of the book, or at each refit those that a scan of
        all markets of the whitelist chooses on the data before it. A trading bot trades the book;
        with ``universe`` it must have the book renewed (``scan.while_trading``).
    select_window : int
        Candles of each of those scans, discovery and confirmation together.
    fit_window : int
        Candles of each walk-forward fit.
    refit_every_hours : float
        Time between two fits, counted from midnight UTC of 1 January 1970, so that a backtest and
        a live bot fit at the same moments.
    z_mode : {"rolling", "formation"}
        z-score against a rolling window, or against the fit window's mean and deviation.
    max_pvalue : float
        A spread may be entered while the weaker direction's Engle-Granger p-value of the last fit
        is at most this.
    max_qvalue : float or None
        The same for Benjamini-Hochberg q-values over the whole book at that fit; None: not asked.
    both_directions : bool
        Demand cointegration in both regression directions.
    min_hedge_ratio, max_hedge_ratio : float
        Range of tradable hedge ratios.
    min_half_life, max_half_life : float
        Range of tradable half-lives, in candles.
    relation_broken_pvalue : float
        An open spread is closed when a later fit's p-value exceeds this.
    max_hedge_ratio_drift : float
        An open spread is closed when a later fit's hedge ratio differs by more than this share.
    max_open_spreads : int
        Spreads open at once; each needs two of Freqtrade's trade slots.
    leg_timeout_seconds, retry_interval_seconds, max_leg_attempts :
        Time for a leg to fill; pause between attempts; attempts before both legs are closed.
    entry_stop : bool
        Also stop an open spread where the stop band lay when it was entered, which is what its
        size was computed for: a rolling band moves away from a losing position.
    liquidation_guard : float
        A leg that has used this share of the distance to its liquidation price closes the spread.
    """

    book: Annotated[str, Field(min_length=1)] = "pairs_config.json"
    select: Literal["book", "universe"] = "book"
    select_window: Annotated[int, Field(ge=500, le=4000)] = 2160
    fit_window: Annotated[int, Field(ge=100, le=2000)] = 1440
    refit_every_hours: Annotated[float, Field(gt=0, le=24 * 30)] = 24.0
    z_mode: Literal["rolling", "formation"] = "rolling"
    max_pvalue: Annotated[float, Field(gt=0, le=1)] = 0.01
    max_qvalue: Annotated[float, Field(gt=0, le=1)] | None = 0.1
    both_directions: bool = True
    min_hedge_ratio: Annotated[float, Field(gt=0, le=1)] = 0.1
    max_hedge_ratio: Annotated[float, Field(ge=1, le=1000)] = 10.0
    min_half_life: Annotated[float, Field(ge=0)] = 1.0
    max_half_life: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 200.0
    relation_broken_pvalue: Annotated[float, Field(gt=0, le=1)] = 0.5
    max_hedge_ratio_drift: Annotated[float, Field(gt=0, le=10)] = 0.5
    max_open_spreads: Annotated[int, Field(ge=1, le=100)] = 2
    leg_timeout_seconds: Annotated[float, Field(ge=1, le=600)] = 30.0
    retry_interval_seconds: Annotated[float, Field(ge=0.1, le=60)] = 2.0
    max_leg_attempts: Annotated[int, Field(ge=1, le=100)] = 5
    entry_stop: bool = True
    liquidation_guard: Share = 0.7
    sizing: SizingSettings = SizingSettings()
    edge: EdgeSettings = EdgeSettings()

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> Self:
        if self.min_half_life >= self.max_half_life:
            raise ValueError(
                f"min_half_life ({self.min_half_life}) must be below "
                f"max_half_life ({self.max_half_life})"
            )
        if self.relation_broken_pvalue < self.max_pvalue:
            raise ValueError(
                f"relation_broken_pvalue ({self.relation_broken_pvalue}) must not be below "
                f"max_pvalue ({self.max_pvalue}): a spread would be closed as soon as it is opened"
            )
        return self


class PolicySettings(_Section):
    """What is done about a difference between the exchange and the books, by its class.

    ``adopt`` makes the books follow the exchange, ``flatten`` makes the exchange follow the books
    (closes the excess, cancels the order), ``report`` leaves both alone and tells a person.

    Attributes
    ----------
    external_close, liquidation, adl :
        A position that is smaller on the exchange than in the books, by who did it.
    manual_add : {"adopt", "flatten", "report"}
        A position of a traded leg that is larger on the exchange than in the books.
    quantity_mismatch : {"adopt", "flatten", "report"}
        A difference in part that no order explains.
    foreign_order : {"flatten", "report"}
        An open order in a market of ours that we did not send.
    stale_order : {"adopt", "flatten", "report"}
        An open order of ours that the books show as ended, or not at all.
    unknown_position : {"flatten", "report"}
        A position in a market of ours that neither the books nor an intent explain.
    """

    external_close: Policy = "adopt"
    liquidation: Policy = "adopt"
    adl: Policy = "adopt"
    manual_add: Policy = "flatten"
    quantity_mismatch: Policy = "adopt"
    foreign_order: Literal["flatten", "report"] = "report"
    stale_order: Policy = "flatten"
    unknown_position: Literal["flatten", "report"] = "report"


class ExecutionSettings(_Section):
    """How orders are sent, watched and recovered in live mode.

    Attributes
    ----------
    guard : bool
        Send every order through the order guard. Without it an order whose answer is lost is
        lost, as in stock Freqtrade.
    batch_orders : bool
        Send both legs in one request where the exchange can.
    patience_seconds : float
        How long the guard asks for an order with an unknown outcome before the bot goes on; the
        order is then marked as a ghost and asked for in every loop.
    settling_seconds : float
        How long the exchange must go on answering "no such order" before the order is taken to be
        absent. Exchanges have denied existing orders for more than 20 s.
    watch_every_seconds : float
        Time between two looks of the watcher at the account.
    watch_weight_per_minute : int
        Request weight that the watcher may use; Binance allows 2400 a minute in all.
    shutdown_seconds : float
        How long a bot that is told to stop goes on to bring its legs to rest.
    log_format : {"text", "json"}
        ``json``: one JSON object a line, for log collectors.
    policies : PolicySettings
        What is done about differences.
    """

    guard: bool = True
    batch_orders: bool = True
    patience_seconds: Annotated[float, Field(ge=1, le=60)] = 5.0
    settling_seconds: Annotated[float, Field(ge=5, le=600)] = 30.0
    watch_every_seconds: Annotated[float, Field(ge=1, le=300)] = 5.0
    watch_weight_per_minute: Annotated[int, Field(ge=120, le=2400)] = 300
    shutdown_seconds: Annotated[float, Field(ge=5, le=300)] = 25.0
    log_format: Literal["text", "json"] = "text"
    policies: PolicySettings = PolicySettings()


class ExtSettings(_Section):
    """The whole ``ext`` section.

    Attributes
    ----------
    spreads : SpreadSettings
        How spreads are traded.
    execution : ExecutionSettings
        How orders are sent.
    scan : object
        How spreads are searched for; its keys are in scan_command.md.
    risk : object
        Exits, kill switches and guards of single positions; its keys are in risk.md.
    signals : object
        Layers and scores of the single-coin strategy; its keys are in signals.md.
    learning : object
        What models learn and what follows from it; its keys are in models.md.
    """

    spreads: SpreadSettings = SpreadSettings()
    execution: ExecutionSettings = ExecutionSettings()
    # Their types belong to packages that trading must not depend on: `load_part` reads them.
    scan: dict[str, Any] = {}
    risk: dict[str, Any] = {}
    signals: dict[str, Any] = {}
    learning: dict[str, Any] = {}


def load_settings(section: object, *, source: str = "config.json") -> ExtSettings:
    """
    Validate the ``ext`` section of a configuration.

    Parameters
    ----------
    section : object
        The section as read from JSON; ``None`` (absent) means all defaults.
    source : str
        What the section was read from, for the messages.

    Raises
    ------
    ConfigError
        One line a problem: where, what it is, what would be right.
    """
    return _validated(_object(section, source, "ext"), ExtSettings, source, "ext")


def load_part(
    section: object, name: str, model: type[Part], *, source: str = "config.json"
) -> Part:
    """
    Validate a part of the ``ext`` section whose type is known elsewhere.

    Parameters
    ----------
    section : object
        The whole ``ext`` section as read from JSON, or None.
    name : str
        Key of the part, e.g. ``scan``; absent means all defaults.
    model : type
        Of the part.
    source : str
        What the section was read from, for the messages.

    Raises
    ------
    ConfigError
        One line a problem: where, what it is, what would be right.
    """
    part = _object(section, source, "ext").get(name)
    return _validated(_object(part, source, f"ext.{name}"), model, source, f"ext.{name}")


def _object(section: object, source: str, prefix: str) -> dict[str, Any]:
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise ConfigError(f"{source}: {prefix}: must be an object {{...}} (got {section!r})")
    return dict(section)


def _validated(section: dict[str, Any], model: type[Part], source: str, prefix: str) -> Part:
    try:
        return model.model_validate(section)
    except ValidationError as error:
        lines = validation_lines(error, model, prefix=prefix)
        raise ConfigError("\n".join(f"{source}: {line}" for line in lines)) from None


def validation_lines(error: ValidationError, model: type[BaseModel], *, prefix: str) -> list[str]:
    """Turn a validation error into lines ``key: what is wrong (got value); allowed: ...``."""
    return [_line(problem, model, prefix) for problem in error.errors(include_url=False)]


def _line(problem: Mapping[str, Any], model: type[BaseModel], prefix: str) -> str:
    location = [str(part) for part in problem["loc"]]
    key = ".".join([prefix, *location])
    if problem["type"] == "extra_forbidden":
        names = sorted(_model_at(model, location[:-1]).model_fields)
        near = difflib.get_close_matches(location[-1], names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(names)}"
        return f"{key}: unknown key (got {problem['input']!r}); {hint}"
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}"
    allowed = _allowed(_model_at(model, location[:-1]), location[-1]) if location else "an object"
    return f"{key}: {problem['msg']} (got {problem['input']!r}); allowed: {allowed}"


def _model_at(model: type[BaseModel], path: list[str]) -> type[BaseModel]:
    for part in path:
        field = model.model_fields.get(part)
        nested = field.annotation if field else None
        if not (isinstance(nested, type) and issubclass(nested, BaseModel)):
            break
        model = nested
    return model


def _allowed(model: type[BaseModel], key: str) -> str:
    schema = model.model_json_schema()["properties"].get(key, {})
    options = schema.get("anyOf", [schema])
    return " or ".join(_describe(option) for option in options) or "see the documentation"


_KINDS = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
}


def _describe(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(repr(choice) for choice in schema["enum"])
    kind = _KINDS.get(schema.get("type", "object"), schema.get("type", "object"))
    bounds = [
        f"{word} {schema[name]}"
        for name, word in (
            ("exclusiveMinimum", "above"),
            ("minimum", "from"),
            ("exclusiveMaximum", "below"),
            ("maximum", "up to"),
        )
        if name in schema
    ]
    return " ".join([kind, *bounds])
