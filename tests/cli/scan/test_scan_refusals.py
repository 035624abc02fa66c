"""What goes wrong: empty results, bad input, bad files, a full disk, Ctrl-C.

Bugs that were planted in the code, each of which a test here found: an empty result that empties
the book without being asked; a scan without a single test that ends with exit code 0 or empties the
book; a damaged book that is overwritten; the data folder that Freqtrade would make; a refused file
that does not reach the report; the report's folder renamed before its last file is written;
temporary folders that stay; the book written although the report could not be; exit code 1 for
Ctrl-C; a message that denies a report which has been written; bands that no book row allows found
only after the scan.
"""

import json
import os
import sys

import pytest

from freqtrade_ext.cli.scan import _files, _run
from freqtrade_ext.spreads import load_book

from .conftest import SPREAD, frame_of, world, write_futures

A, B = SPREAD


# Nothing found


def test_an_empty_result_says_so_and_writes_reports_but_no_book(barren):
    result = barren.scan()
    assert result.exit_code == 0, result.output
    assert "No spread was found: none of 10 p-values is small enough" in result.output
    assert "That is a valid and frequent result." in result.output
    assert "is not written" in result.output
    assert not barren.book_path.exists()
    assert json.loads((barren.latest / "report.json").read_text())["spreads"] == []
    assert (barren.latest / "candidates.csv").read_text().count("\n") == 1


def in_use(desk, donor):
    """Give a desk the book of a finished scan."""
    desk.book_path.write_bytes(donor[0].book_path.read_bytes())
    return desk.book_path.read_bytes()


def test_an_empty_result_leaves_the_book_as_it_was(barren, done):
    before = in_use(barren, done)
    result = barren.scan()
    assert result.exit_code == 0
    assert barren.book_path.read_bytes() == before
    assert "is left as it was; --allow-empty would empty it" in result.output
    assert not barren.book_path.with_name("pairs_config.json.bak").exists()


def test_allow_empty_empties_the_book_and_keeps_the_previous_one(barren, done):
    before = in_use(barren, done)
    assert barren.scan("--allow-empty").exit_code == 0
    book = load_book(barren.book_path)
    assert (book.spreads, book.family_size) == ((), 10)
    assert barren.book_path.with_name("pairs_config.json.bak").read_bytes() == before


def test_the_step_where_the_last_candidate_fell_is_named(desk):
    desk.settle(confirm_level=1e-12, null_scan=False)
    result = desk.scan()
    assert result.exit_code == 0
    assert "the last candidates fell at the step “confirmed on later data”" in result.output
    assert not desk.book_path.exists()


@pytest.mark.parametrize(
    ("markets", "says"),
    [
        (A, "it takes two markets, and there is one."),
        (f"{A},{B}", "it takes two markets, and there is none, see the refusals."),
    ],
    ids=["one market", "all refused"],
)
def test_nothing_to_scan_is_exit_code_1_and_the_book_stays(desk, done, markets, says):
    before = in_use(desk, done)
    if markets != A:
        desk.settle(universe={"min_daily_volume": 1e12})
    result = desk.scan("--markets", markets, "--allow-empty")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "nothing could be scanned"
    assert f"Nothing could be tested: {says}" in result.stdout
    assert desk.book_path.read_bytes() == before
    assert (desk.latest / "report.json").exists()


# Files of single markets


def test_bad_files_are_refusals_and_the_scan_goes_on(desk):
    desk.settle(null_scan=False)
    desk.configure(exchange={"name": "binance", "pair_whitelist": [
        *SPREAD, *(f"{coin}/USDT:USDT" for coin in ("CCC", "DDD", "EEE", "FFF", "GGG"))
    ]})  # fmt: skip
    content = desk.file_of("CCC").read_bytes()
    desk.file_of("CCC").write_bytes(content[: len(content) // 2])
    desk.file_of("DDD").write_bytes(b"")
    desk.file_of("EEE").write_text("no feathers here")
    desk.file_of("FFF").unlink()
    result = desk.scan()
    assert result.exit_code == 0, result.output
    refusals = json.loads((desk.latest / "report.json").read_text())["refusals"]
    assert [each["market"][:3] for each in refusals] == ["CCC", "DDD", "EEE", "FFF", "GGG"]
    assert "CCC_USDT_USDT-1h-futures.feather cannot be read" in refusals[0]["value"]
    assert refusals[3]["value"] == "FFF_USDT_USDT-1h-futures.feather does not exist"
    assert "freqtrade download-data" in refusals[3]["right"]
    assert "refused: 3 × malformed: CCC/USDT:USDT" in result.output
    assert len(load_book(desk.book_path).spreads) == 1


# Options and settings


def test_ray_that_is_not_installed_is_named_and_nothing_is_written(desk, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    refused(desk, "--backend", "ray", says=["needs Ray", "pip install 'freqtrade-ext[ray]'"])


def refused(desk, *arguments, says):
    """A command that is wrong: exit code 2, one message, nothing written."""
    before = desk.written()
    result = desk.scan(*arguments)
    assert result.exit_code == 2, result.output
    for words in says:
        assert words in result.output
    assert "Traceback" not in result.output
    assert desk.written() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-i", "1w"], ["timeframe '1w' cannot be scanned; should be e.g. 5m, 1h or 1d"]),
        (["-i", "4h"], ["no 4h candles of futures markets (there are 6 of 1h futures)"]),
        (["--timerange", "last week"], ["--timerange: ", "20240101-20240601"]),
        (["--timerange", "20240110-20240105"], ["--timerange: "]),
        (["--timerange", "20240201-"], ["holds 456 candles", "should be at least 500"]),
        (["--markets", "AAB/USDT:USDT"], ["'AAB/USDT:USDT' has no 1h", "did you mean AAA/"]),
        (["--markets", "AAA"], ["--markets: 'AAA' is neither a file nor a market"]),
        (["--markets", ","], ["names no market"]),
        (["--jobs", "0"], ["--jobs"]),
        (["--seed", "-1"], ["--seed"]),
        (["--max-qvalue", "7"], ["--max-qvalue: ext.scan.family.max_qvalue: ", "(got 7"]),
        (["--max-spreads", "0"], ["--max-spreads: ext.scan.max_spreads: ", "from 1 up to 1000"]),
    ],
)
def test_a_wrong_option_is_one_message_and_nothing_is_written(desk, arguments, says):
    refused(desk, *arguments, says=says)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"univers": {}}, ["ext.scan.univers: unknown key", "did you mean 'universe'?"]),
        (
            {"universe": {"windw": 3}},
            ["ext.scan.universe.windw: unknown key (got 3); did you mean 'window'?"],
        ),
        ({"confirm_share": 2}, ["ext.scan.confirm_share: ", "(got 2); allowed: number above 0"]),
        ({"exit_z": 3.0}, ["ext.scan: exit_z (3.0) < entry_z (2.0)"]),
        ({"z_window": 10}, ["ext.scan.z_window: 10: should be above 17 candles"]),
        ([], ["ext.scan: "]),
    ],
)
def test_a_wrong_setting_names_file_key_and_value(desk, section, says):
    desk.configure(ext={"scan": section})
    refused(desk, says=[str(desk.config), *says])


def test_a_misspelt_section_is_found(desk):
    desk.configure(ext={"scna": {}})
    refused(desk, says=["ext.scna: unknown key", "did you mean 'scan'?"])


def test_a_data_folder_that_is_not_there_is_named_and_not_made(desk):
    folder = desk.folder / "nowhere"
    refused(desk, "--datadir", str(folder), says=[f"--datadir: {folder} is no folder"])
    assert not folder.exists()


def test_an_empty_data_folder_is_named(desk):
    for path in desk.data.rglob("*.feather"):
        path.unlink()
    refused(desk, says=[str(desk.data), "no feather candle file at all", "download-data"])


def test_the_wrong_trading_mode_says_what_there_is(desk):
    desk.configure(trading_mode="spot", margin_mode="")
    refused(desk, says=["no 1h candles of spot markets (there are 6 of 1h futures)"])


def test_a_missing_configuration_is_named(desk):
    desk.config.unlink()
    refused(desk, says=["config.json"])


def test_a_whitelist_that_matches_nothing(desk):
    desk.configure(exchange={"name": "binance", "pair_whitelist": ["XX.*/EUR"]})
    refused(desk, says=["exchange.pair_whitelist: XX.*/EUR match none of the 6 markets"])


def test_a_damaged_book_stops_the_scan_and_stays(desk):
    desk.book_path.write_text('{"schema_version": 1, "spreads": [{"spread_id": 3}]')
    before = desk.book_path.read_bytes()
    refused(desk, says=[str(desk.book_path), "line 1"])
    assert desk.book_path.read_bytes() == before


def test_a_file_of_markets_that_is_no_list_is_named(desk):
    path = desk.folder / "markets.json"
    path.write_text('["AAA/USDT:USDT", 3]')
    refused(desk, "--markets", str(path), says=[f"--markets: {path}: should be a list of names"])


@pytest.mark.parametrize("option", ["--report-dir", "--book"])
def test_a_place_that_cannot_be_written_to_is_found_before_the_work(desk, option):
    blocker = desk.folder / "file"
    blocker.write_text("not a folder")
    refused(desk, option, str(blocker / "in" / "it"), says=[option, f"{blocker} is no folder"])
    refused(desk, "--book", str(desk.data), says=["is a folder; should be a file"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_found_before_the_work(desk):
    place = desk.folder / "locked"
    place.mkdir(mode=0o555)
    refused(desk, "--report-dir", str(place / "r"), says=["cannot be written to"])


# While writing


class FullDisk:
    """Fails, or is interrupted, at the n-th file of a report."""

    def __init__(self, at, error):
        self.at, self.error, self.real = at, error, _files._write

    def __call__(self, path, text):
        self.at -= 1
        if self.at < 0:
            raise self.error
        self.real(path, text)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_full_disk_leaves_no_half_report_and_the_old_book(desk, done, monkeypatch, at):
    before = in_use(desk, done)
    error = OSError(28, "No space left on device", str(desk.reports / "x"))
    monkeypatch.setattr(_files, "_write", FullDisk(at, error))
    result = desk.scan()
    assert result.exit_code == 1
    assert "cannot be written: No space left on device; nothing has been written" in result.stderr
    assert "1 spread chosen" in result.stdout
    assert desk.book_path.read_bytes() == before
    assert list(desk.reports.iterdir()) == []


def test_a_book_that_cannot_be_written_leaves_the_report(desk, monkeypatch):
    def fail(book, path):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(_run, "save_book", fail)
    result = desk.scan()
    assert result.exit_code == 1
    assert f"{desk.book_path}: cannot be written: No space left on device" in result.stderr
    assert "has the report, the book is as it was" in result.stderr
    assert (desk.latest / "report.html").exists()


# Ctrl-C


@pytest.mark.parametrize("at", [0, 1, 2])
def test_ctrl_c_while_writing_leaves_no_half_report(desk, monkeypatch, at):
    monkeypatch.setattr(_files, "_write", FullDisk(at, KeyboardInterrupt()))
    result = desk.scan()
    assert result.exit_code == 130
    assert "stopped; nothing has been written" in result.stderr
    assert list(desk.reports.iterdir()) == []
    assert not desk.book_path.exists()


@pytest.mark.parametrize("place", ["gather", "build_universe", "scan_universe", "report_json"])
def test_ctrl_c_before_writing_leaves_nothing(desk, monkeypatch, place):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(_run, place, interrupted)
    result = desk.scan()
    assert result.exit_code == 130
    assert "stopped; nothing has been written" in result.stderr
    assert desk.written() == set()


def test_ctrl_c_after_the_report_says_what_there_is(desk, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_run, "save_book", interrupted)
    result = desk.scan()
    assert result.exit_code == 130
    assert "has the report, the book is as it was" in result.stderr


def test_where_there_are_no_links_a_text_file_names_the_newest(desk, monkeypatch):
    def no_links(*_, **__):
        raise OSError("no links here")

    monkeypatch.setattr("pathlib.Path.symlink_to", no_links)
    assert desk.scan().exit_code == 0
    name = (desk.reports / "latest.txt").read_text().strip()
    assert (desk.reports / name / "report.json").exists()


# Odd universes


def test_spot_files_of_another_timeframe_are_read(desk):
    for coin, log_prices in world().items():
        path = desk.data / f"{coin}_USDT-5m.feather"
        frame_of(log_prices, "5m", turnover=1e4).to_feather(path)
    desk.configure(trading_mode="spot", margin_mode="")
    desk.settle(null_scan=False, universe={"min_listing_days": 1})
    assert desk.scan("-i", "5m").exit_code == 0
    (row,) = load_book(desk.book_path).spreads
    assert set(row.markets) == {"AAA/USDT", "BBB/USDT"}
    assert load_book(desk.book_path).timeframe == "5m"


def test_a_name_of_other_letters_is_a_market_like_any_other(desk):
    prices = world()
    write_futures(desk.data, {"币安": prices["AAA"], "BBB": prices["BBB"]})
    desk.file_of("AAA").unlink()
    desk.settle(null_scan=False)
    assert desk.scan().exit_code == 0
    (row,) = load_book(desk.book_path).spreads
    assert "币安/USDT:USDT" in row.markets
