"""``freqtrade-ext doctor``: the table, the exit code, and a real exchange that sees no order.

Bugs planted by hand, each caught by the test named:

1. exit code 0 in spite of a FAIL -> test_a_fail_is_exit_code_1
2. a WARN ends with exit code 1 -> test_warnings_are_exit_code_0
3. texts with brackets are taken for markup -> test_brackets_are_shown_as_they_are
4. the status of the document is that of the last check -> test_the_document_is_complete
5. a credential is not handed to ccxt -> test_an_installation_on_the_sandbox_is_in_order (balance)
"""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from freqtrade_ext.adapters import checks
from freqtrade_ext.adapters.checks import Check
from freqtrade_ext.cli import main
from freqtrade_ext.cli._bot_process import run_freqtrade
from freqtrade_ext.cli._demo_stage import Stage, StageOptions


def run(*arguments: str):
    """Run a command; an exception that the command does not answer fails the test."""
    result = CliRunner().invoke(main, list(arguments), env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def found(monkeypatch):
    """The checks that are found, to be filled by the test."""
    told: list[Check] = []
    monkeypatch.setattr(checks, "run_checks", lambda files, *, now, clock_ms: iter(told))
    return told


def test_all_is_well_with_exit_code_0(found):
    found += [Check.ok("python", "3.11"), Check.skip("lease", "no database yet")]
    result = run("doctor")
    assert result.exit_code == 0
    assert "not checked: no database yet" in result.output
    assert result.output.endswith("1 OK, 1 SKIP\n")


def test_warnings_are_exit_code_0(found):
    found += [Check.warn("inbox", "2 open", "look at them")]
    result = run("doctor")
    assert result.exit_code == 0
    assert "→ look at them" in result.output


def test_a_fail_is_exit_code_1(found):
    found += [Check.fail("clock", "off", "set it"), Check.ok("python", "3.11")]
    result = run("doctor")
    assert result.exit_code == 1
    assert "1 OK, 1 FAIL" in result.output


def test_brackets_are_shown_as_they_are(found):
    found += [Check.warn("secrets", "keys [bold] and [/] here", "see [docs]")]
    result = run("doctor")
    assert "keys [bold] and [/] here" in result.output
    assert "see [docs]" in result.output


def test_the_document_is_complete(found):
    found += [Check.warn("a", "x", "y"), Check.fail("b", "x", "y"), Check.ok("c", "z")]
    result = run("doctor", "--json")
    assert result.exit_code == 1
    document = json.loads(result.output)
    assert document["status"] == "FAIL"
    assert document["checks"][0] == {"name": "a", "status": "WARN", "text": "x", "advice": "y"}
    assert [each["name"] for each in document["checks"]] == ["a", "b", "c"]


@pytest.mark.parametrize(("statuses", "worst"), [(["ok"], "OK"), (["ok", "skip"], "OK")])
def test_the_document_of_a_sound_installation_says_ok(found, statuses, worst):
    found += [getattr(Check, status)("x", "y") for status in statuses]
    assert json.loads(run("doctor", "--json").output)["status"] == worst


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_configuration_that_cannot_be_read_is_exit_code_2(tmp_path, flags):
    file = tmp_path / "config.json"
    result = run("doctor", "-c", str(file), *flags)
    assert result.exit_code == 2
    assert str(file) in result.output
    file.write_text("{")
    assert run("doctor", "-c", str(file), *flags).exit_code == 2


# On the sandbox


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("doctor") / "stage"
    options = StageOptions(spreads=2, max_open_spreads=2, history_minutes=600)
    made = Stage.set_up(folder, options)
    with made.rehearsal.journal, made.rehearsal.server:
        made.write_config()
        arguments = ["-c", str(made.config), "--timeframes", "1m", "--days", "1"]
        run_freqtrade(["download-data", *arguments], made.log)
        made.write_book()
        yield made


def doctor_of(stage, *arguments):
    result = run("doctor", "--json", "-c", str(stage.config), *arguments)
    rows = json.loads(result.output)["checks"]
    return result, {row["name"]: row for row in rows}


def requests(stage):
    lines = (stage.folder / "exchange.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return [each for each in events if each["event"] == "RequestAnswered"]


@pytest.mark.rehearsal
def test_an_installation_on_the_sandbox_is_in_order(stage):
    before = len(requests(stage))
    result, rows = doctor_of(stage)
    assert result.exit_code == 0, result.output
    complaints = {name: row["status"] for name, row in rows.items() if row["status"] != "OK"}
    assert complaints == {"secrets": "WARN", "last recovery": "SKIP"} | dict.fromkeys(
        ["mode of the database", "lease", "inbox"], "SKIP"
    )
    assert rows["balance"]["text"] == "10000.00 USDT, 10000.00 free"
    assert rows["markets"]["text"] == "all 4 legs are traded"
    assert "through the proxy" in rows["exchange"]["text"]
    asked = requests(stage)[before:]
    assert {each["method"] for each in asked} == {"GET"}
    assert all(each["status"] == 200 for each in asked)


@pytest.mark.rehearsal
def test_in_dry_run_a_key_is_checked_as_well(stage):
    stage.write_config(dry_run=True)
    try:
        _, rows = doctor_of(stage)
    finally:
        stage.write_config()
    assert rows["mode"]["text"] == "dry-run: no real orders"
    assert rows["balance"]["status"] == "OK"


@pytest.mark.rehearsal
def test_a_wrong_key_fails_where_a_key_is_needed(stage):
    section = stage.rehearsal.exchange_section("proxy") | {"key": "another-key-that-is-wrong"}
    stage.write_config(exchange=section)
    try:
        result, rows = doctor_of(stage)
    finally:
        stage.write_config()
    assert result.exit_code == 1
    failed = [name for name, row in rows.items() if row["status"] == "FAIL"]
    assert failed == ["balance", "positions", "position mode", "asset mode"]
    assert "another-key-that-is-wrong" not in result.output
    assert stage.rehearsal.server.credentials.secret not in result.output


@pytest.mark.rehearsal
def test_an_exchange_that_is_away_is_one_fail_and_no_crash(stage):
    section = stage.rehearsal.exchange_section("proxy")
    section["ccxt_config"] = section["ccxt_config"] | {"httpsProxy": "http://127.0.0.1:9"}
    stage.write_config(exchange=section)
    try:
        result, rows = doctor_of(stage)
    finally:
        stage.write_config()
    assert result.exit_code == 1
    failed = [name for name, row in rows.items() if row["status"] == "FAIL"]
    assert failed == ["exchange"]
    assert rows["clock"]["text"] == "not checked: the exchange does not answer"
