"""A scan that finds something: what is printed, and every file read back.

Bugs that were planted in the code, each of which a test here found: a row of the CSV left out;
``latest`` that stays on an older folder; the null scan's column showing the scan's counts; the
seed, or the spreads to be tested again, not passed on; the window of ``--timerange`` ignored; an
override put into the wrong section; a candle looked at that has not closed; no word about legs
that the bot cannot trade; the blacklist ignored.
"""

import csv
import json

import pandas as pd
import pytest

from freqtrade_ext.scanner import Stage
from freqtrade_ext.spreads import load_book, save_book

from .conftest import CANDLES, SPREAD, new_desk, world


def strict_json(path):
    """JSON as other languages read it: no NaN, no Infinity."""

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_the_scan_ends_well(done):
    _, result = done
    assert result.exit_code == 0, result.output
    assert "1 spread chosen of 15 tested." in result.output


def test_the_book_has_the_chosen_spread_and_is_valid(done):
    desk, _ = done
    book = load_book(desk.book_path)
    (row,) = book.spreads
    assert set(row.markets) == set(SPREAD)
    assert (book.timeframe, book.family_size) == ("1h", 15)
    assert "binance futures" in book.data_source
    assert row.mean_reversion_window == 50
    assert row.max_holding > 0
    assert row.fit_end < row.last_updated


def test_the_funnel_is_printed_with_the_null_scan_beside_it(done):
    desk, result = done
    report = strict_json(desk.latest / "report.json")
    rows = {
        cells[0].strip(): [cell.strip() for cell in cells[1:4]]
        for line in result.stdout.splitlines()
        if line.startswith("│") and len(cells := line.strip("│").split("│")) == 4
    }
    assert rows["family: tested"][0] == "15"
    assert rows["Benjamini-Hochberg q ≤ 0.05"][0] == "1"
    assert rows["raw p ≤ 0.05, any direction (compare)"][1] == "0.75 to 1.5"
    assert rows["raw p ≤ 0.05, both directions (compare)"][1] == "up to 0.75"
    for name, key in (("scan", 0), ("null", 2)):
        steps = report["funnel" if name == "scan" else "null_funnel"]["steps"]
        assert [cells[key] for cells in rows.values()] == [str(step["count"]) for step in steps]
    assert len(rows) == len(Stage)
    controls = [name for name in rows if name.startswith("Benjamini")]
    assert controls == ["Benjamini-Hochberg q ≤ 0.05", "Benjamini-Yekutieli q ≤ 0.05 (compare)"]


def test_a_card_says_everything_about_the_spread(done):
    _, result = done
    (start,) = [i for i, line in enumerate(result.stdout.splitlines()) if line.startswith("╭─")]
    text = "\n".join(result.stdout.splitlines()[start:])
    for words in (
        "AAA/USDT:USDT",
        "BBB/USDT:USDT",
        "log A = ",
        "Engle-Granger, weaker direction",
        "half-life",
        "β and its stability",
        "expected trades a month",
        "for a round trip that costs 12.0 bps",
        "Why it is trusted",
        "What would end that trust",
    ):
        assert words in text


def test_progress_goes_to_standard_error_as_lines(done):
    _, result = done
    lines = result.stderr.splitlines()
    assert "reading candles: 6 of 6, done" in lines
    assert any(line.startswith("scan: testing: ") for line in lines)
    assert any(line.startswith("null scan: testing: ") for line in lines)
    assert "reading candles" not in result.stdout


def test_the_json_has_the_whole_report(done):
    desk, _ = done
    report = strict_json(desk.latest / "report.json")
    assert report["schema_version"] == 1
    assert report["seed"] == 3
    assert report["settings"]["universe"]["window"] == CANDLES
    assert len(report["markets"]) == 6
    assert len(report["tests"]) == 15
    for row, column, pvalue, qvalue in report["tests"]:
        assert 0 <= row < column < 6
        assert 0 <= pvalue <= qvalue <= 1
    (spread,) = report["spreads"]
    assert {spread["leg_a"], spread["leg_b"]} == set(SPREAD)
    assert spread["trusted_because"]
    assert spread["trust_ends_when"]
    assert report["discovery"]["end"] == report["confirmation"]["start"]


def test_the_json_agrees_with_the_book(done):
    desk, _ = done
    (spread,) = strict_json(desk.latest / "report.json")["spreads"]
    (row,) = load_book(desk.book_path).spreads
    for name in ("hedge_ratio", "intercept", "pvalue", "qvalue", "half_life", "johansen_trace"):
        assert spread[name] == getattr(row, name)


def test_the_csv_has_every_candidate_once(done):
    desk, _ = done
    with (desk.latest / "candidates.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    report = strict_json(desk.latest / "report.json")
    assert [row["stage"] for row in rows].count("chosen") == 1
    assert rows[0]["stage"] == "chosen"
    assert len(rows) == len(report["candidates"])
    assert float(rows[0]["pvalue"]) == report["spreads"][0]["pvalue"]
    assert float(rows[0]["beta_later"]) == report["spreads"][0]["beta_later"]


def test_the_files_are_together_and_latest_leads_to_them(done):
    desk, result = done
    folders = [path for path in desk.reports.iterdir() if not path.is_symlink()]
    assert len(folders) == 1
    assert desk.latest.resolve() == folders[0].resolve()
    assert {path.name for path in desk.latest.iterdir()} == {
        "report.json",
        "report.html",
        "candidates.csv",
    }
    assert str(folders[0]) in result.stdout


def test_a_second_scan_keeps_both_reports_and_the_previous_book(desk):
    desk.settle(null_scan=False)
    assert desk.scan().exit_code == 0
    first, before = desk.latest.resolve(), desk.book_path.read_bytes()
    result = desk.scan("--seed", "9")
    assert result.exit_code == 0
    assert first.exists()
    assert desk.latest.resolve() != first
    assert desk.book_path.with_name("pairs_config.json.bak").read_bytes() == before
    assert "the previous one is pairs_config.json.bak" in result.output
    assert "chosen again" in result.output
    assert strict_json(desk.latest / "report.json")["retests"][0]["reason"] == ""


def test_a_spread_that_leaves_the_book_is_named(desk):
    desk.scan("--seed", "3")
    book = load_book(desk.book_path)
    old = book.spreads[0].model_copy(
        update={"spread_id": "OLD-ONE", "leg_a": "OLD/USDT:USDT", "leg_b": "ONE/USDT:USDT"}
    )
    save_book(book.add(old), desk.book_path)
    text = " ".join(desk.scan("--seed", "3").output.split())
    assert "not in the book any more: OLD-ONE; the bot closes" in text


def test_old_data_are_said_to_be_old(done, desk):
    """The files of the tests end long before this year."""
    assert "days too early: bring the files up to date" in " ".join(done[1].output.split())
    text = " ".join(desk.scan("--timerange", "20240103-20240125").output.split())
    assert "too early" not in text


def test_the_same_seed_gives_the_same_report(done, desk):
    desk.scan("--seed", "3")
    ours, theirs = (strict_json(each.latest / "report.json") for each in (desk, done[0]))
    for report in (ours, theirs):
        del report["made_at"], report["data_source"]
    assert ours == theirs


def test_options_override_settings(desk):
    result = desk.scan(
        *("--max-qvalue", "0.2", "--family-size", "7", "--max-spreads", "1", "--no-null-scan"),
        *("--min-daily-volume", "5"),
    )
    assert result.exit_code == 0, result.output
    report = strict_json(desk.latest / "report.json")
    settings = report["settings"]
    assert (settings["family"]["max_qvalue"], settings["family"]["size"]) == (0.2, 7)
    assert settings["max_spreads"] == 1
    assert settings["universe"]["min_daily_volume"] == 5
    assert len(report["tests"]) == 7
    assert report["null_funnel"] is None
    assert "There was no null scan" in result.output


def test_seed_jobs_backend_and_progress_reach_the_scan(desk, monkeypatch):
    from freqtrade_ext.cli.scan import _run

    seen, real = {}, _run.scan_universe

    def watched(universe, settings, **options):
        seen.update(options)
        return real(universe, settings, **options | {"jobs": 1, "backend": "threads"})

    monkeypatch.setattr(_run, "scan_universe", watched)
    assert desk.scan("--jobs", "3", "--backend", "ray", "--seed", "42").exit_code == 0
    assert (seen["jobs"], seen["backend"], seen["seed"]) == (3, "ray", 42)
    assert seen["standing"] == []
    assert callable(seen["progress"])


def test_a_time_range_is_the_window(desk):
    desk.settle(null_scan=False)
    result = desk.scan("--timerange", "20240103-20240125")
    assert result.exit_code == 0, result.output
    report = strict_json(desk.latest / "report.json")
    assert report["discovery"]["start"] == "2024-01-03T00:00:00+00:00"
    assert report["confirmation"]["end"] == "2024-01-25T00:00:00+00:00"


def test_one_file_with_a_wrong_date_does_not_stretch_a_time_range(desk):
    desk.settle(null_scan=False)
    path = sorted((desk.data / "futures").glob("*.feather"))[-1]
    frame = pd.read_feather(path)
    frame.loc[frame.index[-1], "date"] += pd.Timedelta(days=30)
    frame.to_feather(path, compression="lz4", compression_level=9)
    result = desk.scan("--timerange", "20240103-")
    assert result.exit_code == 0, result.output
    report = strict_json(desk.latest / "report.json")
    assert report["discovery"]["start"] == "2024-01-03T00:00:00+00:00"
    assert report["confirmation"]["end"] == "2024-02-20T00:00:00+00:00"


def test_a_time_range_without_a_start_keeps_the_window_of_the_settings(desk):
    desk.settle(null_scan=False, universe={"window": 500, "min_candles": 500})
    desk.scan("--timerange=-20240125")
    report = strict_json(desk.latest / "report.json")
    assert report["confirmation"]["end"] == "2024-01-25T00:00:00+00:00"
    candles = report["discovery"]["candles"] + report["confirmation"]["candles"]
    assert candles == 500


def test_book_and_reports_go_where_the_person_says(desk):
    desk.settle(null_scan=False)
    book, reports = desk.folder / "new" / "mine.json", desk.folder / "elsewhere"
    result = desk.scan("--book", str(book), "--report-dir", str(reports))
    assert result.exit_code == 0, result.output
    assert len(load_book(book).spreads) == 1
    assert (reports / "latest" / "report.json").exists()
    assert desk.written() == set()


@pytest.mark.parametrize("way", ["typed", "lines", "json"])
def test_only_the_named_markets_are_looked_at(desk, way):
    desk.settle(null_scan=False)
    names = [*SPREAD, "CCC/USDT:USDT"]
    file = desk.folder / "markets.txt"
    file.write_text(json.dumps(names) if way == "json" else "# mine\n" + "\n".join(names))
    assert desk.scan("--markets", ",".join(names) if way == "typed" else str(file)).exit_code == 0
    report = strict_json(desk.latest / "report.json")
    assert [each["market"] for each in report["markets"]] == names


def test_the_whitelist_is_what_is_scanned_and_what_can_be_traded(desk):
    desk.settle(null_scan=False)
    desk.configure(
        exchange={
            "name": "binance",
            "pair_whitelist": ["AAA/USDT:USDT", "CCC/USDT:USDT", "XXX/USDT:USDT"],
            "pair_blacklist": ["DDD/.*"],
        }
    )
    desk.scan()
    report = strict_json(desk.latest / "report.json")
    assert [each["market"] for each in report["markets"]] == ["AAA/USDT:USDT", "CCC/USDT:USDT"]
    assert [each["market"] for each in report["refusals"]] == ["XXX/USDT:USDT"]
    result = desk.scan("--markets", "all")
    assert "the bot cannot trade BBB/USDT:USDT: add them to exchange.pair_whitelist" in (
        result.output
    )
    (refusal,) = strict_json(desk.latest / "report.json")["refusals"]
    assert (refusal["market"], refusal["reason"]) == ("DDD/USDT:USDT", "excluded")


def test_a_candle_that_is_not_closed_is_not_looked_at(tmp_path, monkeypatch):
    from freqtrade_ext.cli.scan import _run

    desk = new_desk(tmp_path, world())
    desk.settle(null_scan=False, universe={"window": 650, "min_candles": 500})

    class Clock(_run.datetime):
        @classmethod
        def now(cls, zone):
            return cls(2024, 1, 29, 12, 30, tzinfo=zone)

    monkeypatch.setattr(_run, "datetime", Clock)
    assert desk.scan().exit_code == 0
    report = strict_json(desk.latest / "report.json")
    assert report["confirmation"]["end"] == "2024-01-29T12:00:00+00:00"
    assert desk.latest.resolve().name == "2024-01-29T12-30-00Z"
    assert f"{load_book(desk.book_path).created_at:%H:%M}" == "12:30"
