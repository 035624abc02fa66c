"""The file of spreads that may be traded: what people do to it, and what machines do to it."""

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.spreads import SpreadBook, SpreadSpec, load_book, save_book

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


def spec(spread_id: str = "BTC-ETH", leg_a: str = "BTC", leg_b: str = "ETH") -> SpreadSpec:
    return SpreadSpec(
        spread_id=spread_id,
        leg_a=f"{leg_a}/USDT:USDT",
        leg_b=f"{leg_b}/USDT:USDT",
        hedge_ratio=0.8,
        intercept=3.2,
        cointegration_stat=-4.1,
        pvalue=0.004,
        half_life=12.5,
        fit_start=JANUARY,
        fit_end=JANUARY + timedelta(days=30),
        last_updated=JANUARY + timedelta(days=30),
    )


def book(*specs: SpreadSpec) -> SpreadBook:
    return SpreadBook(
        created_at=JANUARY, timeframe="1h", data_source="binance", family_size=10, spreads=specs
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "book.json"


def document(*specs: SpreadSpec) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(book(*(specs or (spec(),))).model_dump_json())
    return result


def complaints(path: Path, content: object) -> list[str]:
    """Lines of the error that loading `content` (JSON, text or bytes) causes, without the path."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ConfigError) as caught:
        load_book(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


# The book itself


def test_book_survives_the_file(path):
    saved = book(spec(), spec("SOL-AVAX", "SOL", "AVAX"))
    save_book(saved, path)
    assert load_book(path) == saved


def test_empty_book_survives_the_file(path):
    save_book(book(), path)
    assert load_book(path).spreads == ()


def test_added_spread_is_found_by_its_id():
    grown = book(spec()).add(spec("SOL-AVAX", "SOL", "AVAX"))
    assert grown.get("SOL-AVAX") == spec("SOL-AVAX", "SOL", "AVAX")
    assert grown.get("XRP-ADA") is None


def test_add_refuses_a_known_id():
    with pytest.raises(ConfigError, match=r'spread BTC-ETH: spread_id: "BTC-ETH" is also in row 1'):
        book(spec()).add(spec(leg_a="SOL"))


def test_add_refuses_the_same_two_markets_the_other_way_round():
    with pytest.raises(ConfigError, match="spread other: leg_a, leg_b: ETH/USDT:USDT and BTC/USDT"):
        book(spec()).add(spec("other", "ETH", "BTC"))


def test_book_with_duplicates_cannot_be_made():
    with pytest.raises(ValidationError, match="is also in row 1"):
        book(spec(), spec())


# Hand-edited files


def test_every_problem_of_the_file_is_one_line(path):
    content = document(spec(), spec("SOL-AVAX", "SOL", "AVAX"))
    content["timeframe"] = "hourly"
    first, second = content["spreads"]
    first["z_exit"] = 3.0
    first["half_life"] = -1
    first["z_score_treshold"] = 2.5
    del second["pvalue"]
    second["spread_id"] = "BTC-ETH"
    assert complaints(path, content) == [
        "timeframe: \"hourly\": string should match pattern '^[1-9][0-9]*[smhdwM]$'",
        "spread BTC-ETH (row 1): half_life: -1: should be greater than 0",
        "spread BTC-ETH (row 1): z_exit: 3.0: should be below z_score_threshold (2.0)",
        "spread BTC-ETH (row 1): z_score_treshold: 2.5: unknown field; "
        "did you mean z_score_threshold?",
        "spread BTC-ETH (row 2): pvalue: is missing; should be given",
        'spread BTC-ETH (row 2): spread_id: "BTC-ETH" is also in row 1; should be unique',
    ]


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("hedge_ratio", -0.5, "-0.5: should be greater than 0: otherwise both legs are on the"),
        ("pvalue", "0.01", '"0.01": should be a valid number'),
        ("pvalue", None, "null: should be a valid number"),
        ("fit_start", "yesterday", '"yesterday": should be a valid datetime'),
        ("fit_start", "2026-01-01T00:00:00", "should carry its time zone, e.g. 2026-01-31T00"),
        ("fit_start", "2026-01-01T00:00:00+02:00", "should be UTC, i.e. 2025-12-31T22:00:00"),
        ("leg_b", "BTC/USDT:USDT", "should be another market than leg_a"),
        ("mean_reversion_window", 10, "10: should be above 17 candles"),
        ("max_holding", 1.5, "1.5: should be a valid integer"),
        ("hedge_space", ["log"], "[\"log\"]: should be 'log' or 'price'"),
        ("comment", "mine", '"mine": unknown field; should be removed'),
    ],
)
def test_wrong_field_is_named_with_spread_value_and_remedy(path, field, value, line):
    content = document()
    content["spreads"][0][field] = value
    (found,) = complaints(path, content)
    assert found.startswith(f"spread BTC-ETH (row 1): {field}: ")
    assert line in found


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_number_that_is_not_finite_is_refused(path, number):
    text = json.dumps(document()).replace('"intercept": 3.2', f'"intercept": {number}')
    (line,) = complaints(path, text)
    assert line.endswith("should be a finite number")
    assert line.startswith("spread BTC-ETH (row 1): intercept: ")


def test_row_without_an_id_is_named_by_its_number(path):
    content = document()
    del content["spreads"][0]["spread_id"]
    assert complaints(path, content) == ["spread in row 1: spread_id: is missing; should be given"]


def test_same_two_legs_twice_are_refused_in_any_order(path):
    content = document(spec(), spec("SOL-AVAX", "SOL", "AVAX"))
    content["spreads"][1] |= {"leg_a": "ETH/USDT:USDT", "leg_b": "BTC/USDT:USDT"}
    assert complaints(path, content) == [
        "spread SOL-AVAX (row 2): leg_a, leg_b: ETH/USDT:USDT and BTC/USDT:USDT are also in row 1; "
        "should be there once"
    ]


def test_row_that_is_no_object_is_refused(path):
    content = document()
    content["spreads"].append("BTC-ETH")
    assert complaints(path, content) == [
        'spread in row 2: should be an object {...}, not "BTC-ETH"'
    ]


def test_spreads_that_are_no_list_are_refused(path):
    content = document() | {"spreads": {"BTC-ETH": {}}}
    assert complaints(path, content) == ['spreads: should be a list [...], not {"BTC-ETH": {}}']


def test_long_values_are_cut_in_messages(path):
    (line,) = complaints(path, document() | {"spreads": "x" * 5_000})
    assert len(line) < 120
    assert line.endswith("...")


def test_file_that_is_no_object_is_refused(path):
    assert complaints(path, [1]) == ["should be one JSON object {...}, not [1]"]


@pytest.mark.parametrize("version", [2, 0, "1", None])
def test_unknown_schema_version_is_the_only_complaint(path, version):
    (line,) = complaints(path, document() | {"schema_version": version, "timeframe": 5})
    assert line.startswith(f"schema_version: {json.dumps(version)} is unknown; this program reads")


def test_field_given_twice_is_refused(path):
    text = json.dumps(document()).replace('"z_exit": 0.5', '"z_exit": 0.5, "z_exit": 0.1')
    (line,) = complaints(path, text)
    assert line.startswith("given twice of spread BTC-ETH: z_exit")


def test_syntax_error_is_shown_with_line_and_column(path):
    (line,) = complaints(path, '{\n  "timeframe": "1h",\n  oops\n}')
    assert line.startswith("line 3, column 3: Expecting property name enclosed in double quotes")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; remove it and use `freqtrade-ext book add`"),
        (b" \n\t", "is empty; remove it and use `freqtrade-ext book add`"),
        (b'{"data_source": "caf\xe9"}', "byte 21 is not UTF-8; save the file as UTF-8"),
        (b"[" * 100_000, "should be JSON of a spread book"),
        (b'{"family_size": ' + b"9" * 5_000 + b"}", "should be JSON of a spread book"),
    ],
    ids=["empty", "blank", "latin-1", "too deep", "too long a number"],
)
def test_file_that_is_no_text_for_us_is_refused(path, content, message):
    (line,) = complaints(path, content)
    assert message in line


def test_byte_order_mark_of_an_editor_is_accepted(path):
    path.write_bytes(b"\xef\xbb\xbf" + book(spec()).model_dump_json().encode())
    assert load_book(path) == book(spec())


def test_missing_file_is_a_config_error(path):
    with pytest.raises(ConfigError, match="does not exist; `freqtrade-ext book add` writes it"):
        load_book(path)


def test_folder_instead_of_a_file_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="is a folder; should be a file"):
        load_book(tmp_path)


def test_path_through_a_file_is_a_config_error(path):
    path.write_text("x")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_book(path / "book.json")


# Writing


def test_previous_book_is_kept_beside_the_new_one(path):
    save_book(book(spec()), path)
    save_book(book(), path)
    assert load_book(path) == book()
    assert load_book(path.with_name("book.json.bak")) == book(spec())


def test_nothing_else_is_left_in_the_folder(path):
    for _ in range(3):
        save_book(book(spec()), path)
    assert sorted(file.name for file in path.parent.iterdir()) == ["book.json", "book.json.bak"]


@pytest.mark.parametrize("call", ["fsync", "fdopen", "replace"])
def test_full_disk_leaves_the_old_book_and_no_rubbish(path, monkeypatch, call):
    save_book(book(spec()), path)

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    if call == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    else:
        monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        save_book(book(), path)
    monkeypatch.undo()
    assert load_book(path) == book(spec())
    assert sorted(file.name for file in path.parent.iterdir()) == ["book.json"]


def test_an_empty_book_does_not_take_the_place_of_the_one_that_was_kept(path):
    save_book(book(spec()), path)
    for _ in range(3):
        save_book(book(), path)
    assert load_book(path.with_name("book.json.bak")) == book(spec())


def test_crash_before_the_last_rename_leaves_the_old_book(path, monkeypatch):
    save_book(book(spec()), path)
    rename = Path.replace

    def die_at_the_book(self: Path, target: Path) -> Path:
        if Path(target) == path:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", die_at_the_book)
    with pytest.raises(KeyboardInterrupt):
        save_book(book(), path)
    monkeypatch.undo()
    assert load_book(path) == book(spec())
    assert load_book(path.with_name("book.json.bak")) == book(spec())


def test_new_text_is_on_the_disk_before_it_takes_the_name(path, monkeypatch):
    steps = []
    sync, rename = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append("sync"), sync(handle))[1])
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (steps.append("rename"), rename(self, to))[1]
    )
    save_book(book(), path)
    assert steps == ["sync", "rename", "sync"]  # the file, its name, the folder


def test_file_keeps_the_permissions_that_a_person_gave_it(path):
    save_book(book(), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.chmod(0o600)
    save_book(book(spec()), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_link_stays_a_link(path, tmp_path):
    real = tmp_path / "real" / "book.json"
    real.parent.mkdir()
    save_book(book(), real)
    path.symlink_to(real)
    save_book(book(spec()), path)
    assert path.is_symlink()
    assert load_book(real) == book(spec())
