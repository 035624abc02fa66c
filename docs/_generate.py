"""Fill the parts of the documents that come from the code.

A generated part stands between two markers, ``<!-- name -->`` and ``<!-- end of name -->``::

    python docs/_generate.py            # write the parts anew
    python docs/_generate.py --check    # exit code 1 if a part is out of date
"""

import ast
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from freqtrade_ext.learning import LearningSettings
from freqtrade_ext.risk import CloseReason, RiskSettings
from freqtrade_ext.sandbox import Effect
from freqtrade_ext.sandbox.wire import ROUTES, known_errors
from freqtrade_ext.scanner import ScanSection
from freqtrade_ext.settings import ExtSettings, _allowed
from freqtrade_ext.signals import LAYERS, Layer, LeverageSettings, SignalSettings, unified_leverage
from freqtrade_ext.spreads import SpreadBook, SpreadSpec, state_diagram

DOCS: Final = Path(__file__).parent
PACKAGE: Final = DOCS.parent / "freqtrade_ext"

_SPREAD_REASONS: Final = (
    CloseReason.MEAN_REVERSION,
    CloseReason.SPREAD_STOP,
    CloseReason.SPREAD_TIME,
    CloseReason.RELATION_BROKEN,
    CloseReason.EMERGENCY_SL,
    CloseReason.ORPHAN_LEG,
    CloseReason.PARTNER_CLOSED,
    CloseReason.MANUAL,
    CloseReason.SL,
    CloseReason.TRAILING,
)
_TYPES: Final = {"integer": "whole number", "boolean": "true or false"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a numpydoc section: the names it describes, and the text."""

    names: tuple[str, ...]
    text: str


def settings_table(model: type[BaseModel], without: str = "\0") -> str:
    """Every key of a section of the configuration but those that begin with a text."""
    rows = [
        (f"`{path}`", allowed, f"`{_json(default)}`", text)
        for path, allowed, default, text in _settings(model, "")
        if not path.startswith(without)
    ]
    return _table(("key", "allowed", "default", "meaning"), rows)


def layers_table() -> str:
    """The registry of layers, in its order."""
    rows = [
        (
            f"`{layer.name}`",
            str(layer.number or "–"),
            _sentence(layer),
            layer.reads,
            "yes" if layer.vetoes else "–",
        )
        for layer in LAYERS
    ]
    return _table(("layer", "number", "what it does", "reads", "veto"), rows)


def _sentence(layer: Layer) -> str:
    first = (layer.judge.__doc__ or "").strip().split("\n")[0]
    text = re.sub(r"^Layer \d+: ", "", first)
    return f"{text[:1].upper()}{text[1:]}"


def leverage_table() -> str:
    """Leverage of a grid of inputs, without a cap and before the exchange's bracket."""
    free = LeverageSettings(max_leverage=75.0)
    columns = [(price, atr) for price in (100.0, 1.0, 0.01) for atr in (0.5, 1.5, 4.0)]
    rows = []
    for spread in (0.5, 1.5, 2.5, 4.0, 8.0, 15.0, 30.0):
        for drawdown in (0.0, 0.1, 0.2):
            values = [
                unified_leverage(price=price, atr_pct=atr, drawdown=drawdown, exchange_max=75.0,
                                 spread_bps=spread, settings=free)
                for price, atr in columns
            ]  # fmt: skip
            cells = [f"{value:.1f}" for value in values]
            rows.append((f"{spread:g} bp", f"{drawdown:.0%}", *cells))
    names = [f"{price:g}, {atr:g} %" for price, atr in columns]
    return _table(("spread", "drawdown", *names), rows)


def _settings(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, Any, str]]:
    described = [each for each in reversed(model.__mro__) if issubclass(each, BaseModel)]
    texts = {
        name: text
        for each in described
        for entry in _entries(each)
        for name, text in _one_by_one(entry)
    }
    for name, field in model.model_fields.items():
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            yield from _settings(nested, f"{prefix}{name}.")
        elif name not in texts:
            raise SystemExit(f"{model.__name__}.{name} is not described in the class docstring")
        else:
            yield f"{prefix}{name}", _allowed(model, name), field.default, texts[name]


def _one_by_one(entry: Entry) -> Iterator[tuple[str, str]]:
    """Share a text among the names: part by part where it has one part for each."""
    parts = [part.strip() for part in entry.text.rstrip(".").split(";")]
    if len(entry.names) > 1 and len(parts) == len(entry.names):
        for name, part in zip(entry.names, parts, strict=True):
            yield name, f"{part[:1].upper()}{part[1:]}."
    else:
        for name in entry.names:
            yield name, entry.text


def book_table() -> str:
    """The fields of the spread book as a whole."""
    header = SpreadBook.__mro__[1]
    rows = [*_fields(header), ("`spreads`", "list", "`[]`", "The spreads, one object each; below.")]
    return _table(("field", "type", "default", "meaning"), rows)


def spread_table() -> str:
    """The fields of one spread in the book."""
    return _table(("field", "type", "default", "meaning"), _fields(SpreadSpec))


def _fields(model: type[BaseModel]) -> list[tuple[str, ...]]:
    schema = model.model_json_schema()
    return [
        (
            ", ".join(f"`{name}`" for name in entry.names),
            ", ".join(dict.fromkeys(_type(schema["properties"][name]) for name in entry.names)),
            ", ".join(dict.fromkeys(_default(model, name) for name in entry.names)),
            entry.text,
        )
        for entry in _entries(model)
    ]


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f'`"{choice}"`' for choice in schema["enum"])
    if schema.get("format") == "date-time":
        return "UTC time"
    options = [option for option in schema.get("anyOf", [schema]) if option["type"] != "null"]
    return " or ".join(_TYPES.get(option["type"], option["type"]) for option in options)


def _default(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    return "required" if field.is_required() else f"`{_json(field.default)}`"


def close_reasons() -> str:
    """All close reasons, and whether a trade of a spread can end with them."""
    rows = [
        (
            f"{reason.emoji} `{reason.value}`",
            reason.category.value,
            "yes" if reason in _SPREAD_REASONS else "–",
            reason.sentence,
        )
        for reason in sorted(CloseReason, key=lambda reason: reason not in _SPREAD_REASONS)
    ]
    return _table(("exit reason", "category", "spreads", "meaning"), rows)


def fault_effects() -> str:
    """Effects that a fault can have."""
    rows = []
    for name, effect in vars(Effect).items():
        if not name.isupper():
            continue
        maker = effect.__func__ if isinstance(effect, staticmethod) else None
        given = ", ".join(f"`{key}`" for key in maker.__code__.co_varnames) if maker else "–"
        text = (maker or type(effect)).__doc__ or ""
        rows.append((f"`{name}`", given, " ".join(text.split())))
    return _table(("effect", "takes", "meaning"), rows)


def endpoints() -> str:
    """Endpoints of the exchange's protocol that the sandbox serves."""
    methods: dict[str, list[str]] = {}
    for endpoint in ROUTES:
        method, path = endpoint.split(" ")
        methods.setdefault(path, []).append(method)
    rows = [(f"`{path}`", ", ".join(names)) for path, names in sorted(methods.items())]
    return _table(("path", "methods"), rows)


def error_codes() -> str:
    """Error codes that the sandbox can answer."""
    rows = [
        (f"`{code}`", str(error.status), error.text.replace("{}", "…"))
        for code, error in sorted(known_errors().items(), reverse=True)
    ]
    return _table(("code", "HTTP", "text"), rows)


def modules() -> str:
    """Every module with the first paragraph of its docstring, folder by folder."""
    files: dict[str, list[tuple[str, ...]]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        folder = path.parent.relative_to(PACKAGE.parent).as_posix()
        text = " ".join(docstring.split("\n\n")[0].split()).rstrip(":").replace("``", "`")
        name = "*(package)*" if path.stem == "__init__" else f"`{path.name}`"
        if text:
            files.setdefault(folder, []).append((name, text))
    blocks = [f"**{folder}**\n\n{_table(('module', 'about'), files[folder])}" for folder in files]
    return "\n\n".join(blocks)


def diagram() -> str:
    """States of a spread."""
    return f"```mermaid\n{state_diagram()}\n```"


PARTS: Final[dict[tuple[str, str], Callable[[], str]]] = {
    ("configuration.md", "settings"): partial(settings_table, ExtSettings),
    ("configuration.md", "book fields"): book_table,
    ("configuration.md", "spread fields"): spread_table,
    ("models.md", "learning settings"): partial(settings_table, LearningSettings),
    ("scan_command.md", "scan settings"): partial(settings_table, ScanSection),
    ("risk.md", "risk settings"): partial(settings_table, RiskSettings),
    ("spreads.md", "state diagram"): diagram,
    ("spreads.md", "close reasons"): close_reasons,
    ("signals.md", "layers"): layers_table,
    ("signals.md", "leverage"): leverage_table,
    ("signals.md", "signal settings"): partial(
        settings_table, SignalSettings, "layers."
    ),  # all alike
    ("sandbox.md", "fault effects"): fault_effects,
    ("sandbox.md", "endpoints"): endpoints,
    ("sandbox.md", "error codes"): error_codes,
    ("architecture.md", "modules"): modules,
}


def generated(text: str, name: str) -> str:
    """
    Cut a generated part out of a document.

    Raises
    ------
    ValueError
        If the document lacks its markers.
    """
    return _halves(text, name)[1]


def _halves(text: str, name: str) -> tuple[str, str, str]:
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found_begin, rest = text.partition(begin)
    part, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"no part between <!-- {name} --> and <!-- end of {name} -->")
    return before + begin, part.strip("\n"), end + after


def _entries(model: type[BaseModel]) -> list[Entry]:
    """Read the section that describes the fields of a class."""
    section = re.search(
        r"(?:Attributes|Parameters)\n\s*-{3,}\n(.*)", model.__doc__ or "", flags=re.DOTALL
    )
    entries: list[Entry] = []
    for line in (section[1] if section else "").splitlines():
        words = line.strip()
        indent = len(line) - len(line.lstrip())
        if words and indent <= 4:
            names = words.split(" :")[0].split(", ")
            entries.append(Entry(tuple(names), ""))
        elif words:
            last = entries[-1]
            text = f"{last.text} {words}".strip().replace("``", "`").replace("None", "`null`")
            entries[-1] = Entry(last.names, text)
    return entries


def _json(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return json.dumps(value)
    return f'"{value}"' if isinstance(value, str) else f"{value}"


def _table(heading: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heading, ("---",) * len(heading), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main(arguments: list[str]) -> int:
    """Write the parts, or check them."""
    stale = []
    for (document, name), render in PARTS.items():
        path = DOCS / document
        before, part, after = _halves(path.read_text(encoding="utf-8"), name)
        if part == render():
            continue
        stale.append(f"{document}: {name}")
        if "--check" not in arguments:
            path.write_text(f"{before}\n{render()}\n\n{after}", encoding="utf-8")
    sys.stdout.writelines(f"{line}\n" for line in stale)
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
