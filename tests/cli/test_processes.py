"""Commands that start something: the sandbox as a process, a bot as a child."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from freqtrade_ext.cli import main
from freqtrade_ext.cli._bot_process import BotProcess, api_server_section, run_freqtrade
from freqtrade_ext.cli._demo import _results
from freqtrade_ext.cli._demo_stage import SHIM, Stage, StageOptions
from freqtrade_ext.errors import VenueError

COMMAND = [sys.executable, "-u", "-c", "from freqtrade_ext.cli import main; main()"]
ROOT = Path(__file__).parents[2]
SMALL = ["--history-days", "1", "--groups", "1"]


def eventually(condition: Callable[[], object], *, seconds: float = 30.0) -> object:
    """Poll until a condition holds; answers its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s")


@contextmanager
def sandbox(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen, Path]]:
    """The sandbox on free ports, as a process."""
    log = folder / "sandbox.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*COMMAND, "sandbox", "--port", "0", "--proxy-port", "0", *SMALL, *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process, log
    finally:
        process.kill()
        process.wait()


def serving(process: subprocess.Popen, log: Path) -> str:
    assert process.poll() is None, log.read_text()
    return log.read_text() if "Ctrl-C ends it." in log.read_text() else ""


@pytest.mark.rehearsal
@pytest.mark.parametrize("way", ["proxy", "http"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_the_sandbox_serves_until_a_signal(tmp_path, way, number):
    config, journal = tmp_path / "sandbox.json", tmp_path / "journal.jsonl"
    arguments = ["--write-config", str(config), "--way", way, "--journal", str(journal)]
    with sandbox(tmp_path, *arguments) as (process, log):
        text = eventually(lambda: serving(process, log))
        url = re.search(r"exchange  (http://127\.0\.0\.1:\d+)", text).group(1)
        with urllib.request.urlopen(f"{url}/fapi/v1/time", timeout=10) as answer:
            assert json.load(answer)["serverTime"] > 0
        written = json.loads(config.read_text())
        section = written["exchange"]
        assert written["user_data_dir"] == str(tmp_path / "sandbox")
        assert section["name"] == "binance"
        assert len(section["pair_whitelist"]) >= 3
        leads_to = section["ccxt_config"]
        assert ("urls" in leads_to) is (way == "http")
        assert ("httpsProxy" in leads_to) is (way == "proxy")
        assert url in json.dumps(leads_to) or way == "proxy"
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/fapi/v1/time", timeout=5)
    assert any("/fapi/v1/time" in line for line in journal.read_text().splitlines())


def test_the_written_configuration_keeps_play_trades_to_itself(tmp_path, monkeypatch):
    shipped = json.loads((ROOT / "user_data" / "config-sandbox.json").read_text())
    monkeypatch.setattr("freqtrade_ext.cli._sandbox._wait_for_signal", lambda: None)
    monkeypatch.chdir(tmp_path)
    arguments = ["--port", "0", "--proxy-port", "0", *SMALL, "--write-config", "play/my.json"]
    result = CliRunner().invoke(main, ["sandbox", *arguments])
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "play" / "my.json").read_text())
    folder = tmp_path / "play" / "my"
    assert written.keys() == shipped.keys()
    assert written["dry_run"] is False
    assert written["user_data_dir"] == str(folder)
    assert folder.is_dir()
    assert written["db_url"] == f"sqlite:///{folder}/trades.sqlite"
    assert str(folder / "trades.sqlite") in result.output


def test_a_configuration_whose_folder_would_be_a_file_is_refused(tmp_path):
    (tmp_path / "taken").write_text("by something else")
    for name in ("taken", "taken.json"):
        result = CliRunner().invoke(main, ["sandbox", "--write-config", str(tmp_path / name)])
        assert result.exit_code == 2
        assert "--write-config" in result.output
    assert (tmp_path / "taken").read_text() == "by something else"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--half-life", "-1"], "half_life_minutes"),
        (["--groups", "0", "--markets-per-group", "1"], "markets_per_group"),
        (["--datadir", "/nowhere"], "/nowhere"),
        (["--way", "pigeon"], "'pigeon' is not one of 'proxy', 'http'"),
        (["--port", "many"], "'many' is not a valid integer"),
    ],
)
def test_a_sandbox_that_cannot_be_is_refused_with_one_message(arguments, text):
    result = CliRunner().invoke(main, ["sandbox", *arguments])
    assert result.exit_code == 2, result.output
    assert text in result.output


def test_the_api_is_on_loopback_with_a_new_password_each_time():
    first, second = api_server_section(), api_server_section()
    assert first["listen_ip_address"] == "127.0.0.1"
    assert first["password"] != second["password"]
    assert len(first["password"]) >= 12
    assert first["jwt_secret_key"] != second["jwt_secret_key"]
    with socket.socket() as probe:  # nobody else has it
        probe.bind(("127.0.0.1", first["listen_port"]))


# A bot as a child


@pytest.mark.rehearsal
def test_a_command_that_fails_is_told_with_the_end_of_its_log(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")  # Freqtrade breaks the lines of its log
    log = tmp_path / "freqtrade.log"
    with pytest.raises(VenueError) as error:
        run_freqtrade(["list-pairs", "-c", str(tmp_path / "nowhere.json")], log)
    assert str(error.value).startswith("freqtrade list-pairs failed (2):")
    assert "nowhere.json" in str(error.value)


def test_a_command_that_takes_too_long_is_ended_and_told_with_its_log(tmp_path, monkeypatch):
    (tmp_path / "freqtrade.py").write_text(
        "import os, time\nprint(f'pid {os.getpid()}', flush=True)\ntime.sleep(600)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    log = tmp_path / "freqtrade.log"
    with pytest.raises(VenueError) as error:
        run_freqtrade(["backtesting"], log, timeout=4.0)
    told = re.fullmatch(r"freqtrade backtesting was ended after 4 s:\npid (\d+)", str(error.value))
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.group(1)), 0)


@pytest.mark.rehearsal
def test_a_bot_that_ends_by_itself_is_not_waited_for(tmp_path):
    bot = BotProcess([tmp_path / "nowhere.json"], api_server_section(), tmp_path / "bot.log")
    with bot, pytest.raises(VenueError, match="the bot ended with 2"):
        bot.wait_until_running(60.0)


@pytest.fixture
def child(tmp_path, monkeypatch):
    """A bot process whose program is a sleeper, since only its life matters."""
    program = tmp_path / "sleeper.py"
    program.write_text("import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    start = subprocess.Popen
    monkeypatch.setattr(
        "freqtrade_ext.cli._bot_process.subprocess.Popen",
        lambda line, **more: start([line[0], str(program)], **more),
    )
    bot = BotProcess([], api_server_section(), tmp_path / "bot.log")
    bot.start()
    eventually(lambda: "up" in (tmp_path / "bot.log").read_text())
    yield bot
    bot.kill()


def test_a_bot_that_does_not_answer_in_time_is_told_with_its_log(child, tmp_path):
    with pytest.raises(VenueError) as error:
        child.wait_until_running(0.3)
    assert str(error.value) == f"the bot was not running after 0 s; see {tmp_path / 'bot.log'}"


def test_a_bot_is_asked_to_end(child):
    child.check_alive()
    child.stop()
    assert child._process.poll() == -signal.SIGTERM
    with pytest.raises(VenueError, match="the bot ended with"):
        child.check_alive()
    child.stop()  # again is harmless


def test_a_bot_can_be_killed(child):
    child.kill()
    assert child._process.poll() == -signal.SIGKILL


def test_a_bot_that_was_never_started_can_be_stopped(tmp_path):
    bot = BotProcess([], api_server_section(), tmp_path / "bot.log")
    bot.stop()
    bot.kill()
    bot.check_alive()


# The stage of the demo


@pytest.fixture
def stage(tmp_path):
    stage = Stage.set_up(
        tmp_path / "demo",
        StageOptions(spreads=2, history_minutes=600),
    )
    with stage.rehearsal.journal, stage.rehearsal.server:
        yield stage


def test_a_stage_is_a_whole_user_folder(stage):
    stage.write_config(max_open_trades=2)
    config = json.loads(stage.config.read_text())
    assert (stage.folder / "strategies" / "SpreadArbitrage.py").read_text() == SHIM
    assert config["max_open_trades"] == 2
    assert config["dry_run"] is False
    assert config["exchange"]["ccxt_config"]["httpsProxy"].startswith("http://127.0.0.1:")
    assert config["api_server"]["listen_ip_address"] == "127.0.0.1"
    assert len(config["exchange"]["pair_whitelist"]) == 4
    assert config["db_url"] == f"sqlite:///{stage.database}"


def test_the_legs_for_the_audit_carry_the_hedge_ratios_that_are_known(stage):
    legs = stage.legs()
    assert [(each.leg_a, each.leg_b) for each in legs] == [
        ("ETHUSDT", "BTCUSDT"),
        ("AVAXUSDT", "SOLUSDT"),
    ]
    assert {each.hedge_ratio for each in legs} == {1.0}
    assert stage.legs({"AVAX-SOL": 2.5})[1].hedge_ratio == 2.5


def test_setting_up_again_makes_the_folder_anew(stage):
    (stage.folder / "left over").write_text("of the last run")
    again = Stage.set_up(stage.folder, StageOptions(spreads=2, history_minutes=600))
    with again.rehearsal.journal:
        assert not (stage.folder / "left over").exists()


def test_a_database_without_our_tables_has_no_results(tmp_path):
    assert _results(tmp_path / "nothing.sqlite") == []
