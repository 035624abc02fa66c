"""The file of spreads that may be traded: read with suspicion, written atomically."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.files import replace_file
from freqtrade_ext.spreads._spec import SpreadSpec, Utc

SCHEMA_VERSION: Final = 1


class BookHeader(BaseModel):
    """
    What is said about a spread book as a whole.

    Parameters
    ----------
    schema_version : int
        Version of the file's format.
    created_at : datetime
        When the book was made; aware, UTC.
    timeframe : str
        Timeframe of the candles that the spreads were fitted on, e.g. ``1h``.
    data_source : str
        A note on the data, for people.
    family_size : int
        Number of combinations tested; what a p-value in the book has to be judged against.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: int = SCHEMA_VERSION
    created_at: Utc
    timeframe: Annotated[str, Field(pattern=r"^[1-9][0-9]*[smhdwM]$")]
    data_source: str = ""
    family_size: Annotated[int, Field(ge=0)] = 0


class SpreadBook(BookHeader):
    """
    The spreads that may be traded, and where they come from; see `BookHeader`.

    Two spreads never have the same id, nor the same two markets.
    """

    spreads: tuple[SpreadSpec, ...] = ()

    @model_validator(mode="after")
    def _no_duplicates(self) -> Self:
        problems = [text for _, text in _duplicates([spec.model_dump() for spec in self.spreads])]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def add(self, spec: SpreadSpec) -> "SpreadBook":
        """
        Return a book with one more spread.

        Raises
        ------
        ConfigError
            If its id or its two markets are in the book already.
        """
        rows = [row.model_dump() for row in (*self.spreads, spec)]
        problems = [text for _, text in _duplicates(rows)]
        if problems:
            raise ConfigError(f"spread {spec.spread_id}: {'; '.join(problems)}")
        return self.model_copy(update={"spreads": (*self.spreads, spec)})

    def get(self, spread_id: str) -> SpreadSpec | None:
        """Return the spread of that id, or None."""
        return next((spec for spec in self.spreads if spec.spread_id == spread_id), None)


def load_book(path: Path) -> SpreadBook:
    """
    Read a spread book that a person may have edited.

    Raises
    ------
    ConfigError
        With every problem of the file, one line each: file, spread, field, value, and what
        would be right.
    """
    document = _read_json(path)
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: should be one JSON object {{...}}, not {_shown(document)}")
    version = document.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:  # the rest cannot be judged by rules of another version
        raise ConfigError(
            f"{path}: schema_version: {_shown(version)} is unknown; "
            f"this program reads version {SCHEMA_VERSION}; "
            "make the book anew with `freqtrade-ext book add`"
        )
    rows = document.get("spreads", [])
    header = {key: value for key, value in document.items() if key != "spreads"}
    problems = [*_validate(BookHeader, header), *_row_problems(rows)]
    if problems:
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    return SpreadBook.model_validate_json(json.dumps(document))


def save_book(book: SpreadBook, path: Path) -> None:
    """
    Write a spread book; the previous one is kept beside it as ``*.bak``, an empty one is not.

    The file is complete at every instant; if anything fails, the old file stays.
    """
    path = path.resolve()  # a link stays a link: the file that it points to is replaced
    text = book.model_dump_json(indent=2) + "\n"
    previous = path.read_bytes() if path.exists() else b""
    kept = path.with_name(path.name + ".bak")
    if previous and (b'"spread_id"' in previous or not kept.exists()):
        replace_file(kept, previous, like=path)
    replace_file(path, text.encode())


def _read_json(path: Path) -> Any:
    try:
        text = path.read_bytes().decode("utf-8-sig")  # editors on Windows add a mark
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: does not exist; `freqtrade-ext book add` writes it") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: is a folder; should be a file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start + 1} is not UTF-8; save the file as UTF-8"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    if not text.strip():
        raise ConfigError(f"{path}: is empty; remove it and use `freqtrade-ext book add`")
    try:
        return json.loads(text, object_pairs_hook=_object_without_repeats)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path}: line {error.lineno}, column {error.colno}: {error.msg}; should be JSON"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}; should be JSON of a spread book") from error


def _object_without_repeats(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON would silently take the last of two equal keys; a person meant only one of them."""
    result = dict(items)
    if len(result) != len(items):
        keys = [key for key, _ in items]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        of = f" of spread {result['spread_id']}" if "spread_id" in result else ""
        raise ValueError(f"given twice{of}: {', '.join(twice)}")
    return result


def _row_problems(rows: object) -> list[str]:
    if not isinstance(rows, list):
        return [f"spreads: should be a list [...], not {_shown(rows)}"]
    problems: list[tuple[int, str]] = []
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            problems.append((index, f"should be an object {{...}}, not {_shown(row)}"))
            continue
        problems += [(index, problem) for problem in _validate(SpreadSpec, row)]
    problems += _duplicates(rows)
    problems.sort(key=lambda problem: problem[0])  # stable: order within a row is kept
    return [f"{_row_name(rows, index)}: {text}" for index, text in problems]


def _row_name(rows: Sequence[Any], index: int) -> str:
    row = rows[index]
    spread_id = row.get("spread_id") if isinstance(row, dict) else None
    if isinstance(spread_id, str) and spread_id:
        return f"spread {spread_id} (row {index + 1})"
    return f"spread in row {index + 1}"


def _duplicates(rows: Sequence[Any]) -> Iterator[tuple[int, str]]:
    """Yield (row index, text) for ids and combinations of markets that an earlier row has."""
    ids: dict[object, int] = {}
    markets: dict[object, int] = {}
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            continue
        spread_id, legs = row.get("spread_id"), (row.get("leg_a"), row.get("leg_b"))
        if isinstance(spread_id, str) and ids.setdefault(spread_id, index) != index:
            first = ids[spread_id] + 1
            yield index, f"spread_id: {_shown(spread_id)} is also in row {first}; should be unique"
        known = all(isinstance(leg, str) for leg in legs)
        if known and markets.setdefault(frozenset(legs), index) != index:
            first = markets[frozenset(legs)] + 1
            both = " and ".join(map(str, legs))
            yield index, f"leg_a, leg_b: {both} are also in row {first}; should be there once"


def _validate(model: type[BaseModel], values: Mapping[str, Any]) -> list[str]:
    try:
        # As JSON, because strict rules then still read dates from text.
        model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        return [_sentence(problem, model) for problem in error.errors(include_url=False)]
    return []


def _sentence(problem: ErrorDetails, model: type[BaseModel]) -> str:
    name = ".".join(str(part) for part in problem["loc"]) or "row"
    if problem["type"] == "missing":
        return f"{name}: is missing; should be given"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, model.model_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else "should be removed"
        return f"{name}: {_shown(problem['input'])}: unknown field; {hint}"
    right = problem["msg"].removeprefix("Value error, ").replace("Input should", "should")
    return f"{name}: {_shown(problem['input'])}: {right[:1].lower()}{right[1:]}"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."
