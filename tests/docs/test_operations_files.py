"""Dockerfile, compose file and entrypoint: every figure of the specification, and what they do.

The image itself is not built here: that needs a Docker daemon and the base image. The entrypoint
runs for real, with programs of our own in place of `freqtrade` and `freqtrade-ext`.

Bugs planted by hand, each caught by the test named:

1. recovery's exit code is ignored -> test_a_failed_recovery_keeps_the_bot_from_trading
2. no `exec`: the shell stays in front of Freqtrade -> test_freqtrade_takes_the_shells_place
3. no trap: SIGTERM does not reach the recovery ->
   test_a_stop_during_recovery_reaches_it_and_nothing_trades
4. the script goes on after a stop as after any end of the recovery ->
   test_a_stop_during_recovery_reaches_it_and_nothing_trades
5. `--config=x` is not passed on -> test_recovery_reads_the_configuration_of_the_bot
6. recovery before commands that do not trade -> test_other_commands_are_passed_through
7. a file name with a space falls apart -> test_recovery_reads_the_configuration_of_the_bot
8. the port is published to the world -> test_the_port_is_published_on_this_machine_only
9. user_data is part of the image -> test_secrets_and_data_never_reach_the_builder
10. another database is traded than recovered, or only `--db-url=x` is refused ->
    test_a_database_that_recovery_would_not_read_is_refused
11. without a constraint pip may change Freqtrade's versions ->
    test_the_package_is_installed_without_changing_freqtrades_pins
"""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ENTRYPOINT = ROOT / "docker" / "entrypoint.sh"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.production.yml").read_text())
SERVICE = COMPOSE["services"]["freqtrade"]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def instructions():
    """Instructions of the Dockerfile, continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return [tuple(line.split(" ", 1)) for line in lines]


def of(name):
    return [rest for instruction, rest in instructions() if instruction == name]


# Dockerfile


def test_the_base_image_is_freqtrades_own_and_pinned():
    assert of("FROM") == ["freqtradeorg/freqtrade:2026.9_freqai"]


def test_the_pin_is_that_of_the_package():
    project = (ROOT / "pyproject.toml").read_text()
    (low, high) = re.search(r"freqtrade\[hyperopt\]>=([\d.]+),<([\d.]+)", project).groups()
    assert (low, high) == ("2026.9", "2026.10")


def test_the_container_runs_on_utc():
    assert "TZ=UTC" in of("ENV")
    assert SERVICE["environment"]["TZ"] == "UTC"


def test_the_container_never_becomes_root():
    assert of("USER") == ["ftuser"]
    assert all("--chown=ftuser:ftuser" in rest for rest in of("COPY"))


def test_the_package_is_installed_without_changing_freqtrades_pins():
    (run,) = of("RUN")
    freeze, install, check = run.split(" && ")
    (pins,) = re.findall(r"pip freeze --exclude-editable > (\S+)", freeze)
    assert f"-c {pins} " in install
    assert install.endswith("/opt/freqtrade_ext")
    assert "--upgrade" not in install
    assert check == "freqtrade-ext version"


def test_what_is_copied_exists_and_reaches_the_builder():
    kept = [line[1:] for line in ignored() if line.startswith("!")]
    for rest in of("COPY"):
        *sources, _ = [word for word in rest.split() if not word.startswith("--")]
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source.split("/")[0] in kept


def test_the_entrypoint_is_the_script_and_its_default_is_to_trade():
    assert json.loads(of("ENTRYPOINT")[0]) == ["/opt/freqtrade_ext/entrypoint.sh"]
    assert json.loads(of("CMD")[0]) == ["trade"]
    assert os.access(ENTRYPOINT, os.X_OK)


def test_the_health_check_of_the_image_has_the_figures_of_the_specification():
    (check,) = of("HEALTHCHECK")
    assert dict(re.findall(r"--([a-z-]+)=(\d+[sm])", check)) == {
        "interval": "60s",
        "timeout": "10s",
        "start-period": "2m",
    }
    assert "--retries=5" in check
    assert "http://127.0.0.1:8080/api/v1/ping" in check


def ignored():
    return [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]


def test_secrets_and_data_never_reach_the_builder():
    """Everything is left out but what is named, and nothing that is named holds secrets."""
    assert ignored()[0] == "*"
    kept = {line[1:] for line in ignored() if line.startswith("!")}
    assert kept == {"pyproject.toml", "README.md", "freqtrade_ext", "docker"}


# Compose file


def test_compose_has_the_figures_of_the_specification():
    assert SERVICE["restart"] == "unless-stopped"
    assert SERVICE["stop_grace_period"] == "30s"
    assert SERVICE["mem_limit"] == "3500M"
    health = SERVICE["healthcheck"]
    figures = {key: health[key] for key in ("interval", "timeout", "retries", "start_period")}
    assert figures == {"interval": "60s", "timeout": "10s", "retries": 5, "start_period": "2m"}
    assert health["test"][-1] == "http://127.0.0.1:8080/api/v1/ping"
    assert SERVICE["logging"] == {
        "driver": "json-file",
        "options": {"max-size": "50m", "max-file": "5"},
    }


def test_the_health_check_gives_up_before_docker_does():
    seconds = int(SERVICE["healthcheck"]["test"][-2])
    assert SERVICE["healthcheck"]["test"][-3] == "--max-time"
    assert seconds < int(SERVICE["healthcheck"]["timeout"].rstrip("s"))


def test_the_bot_has_less_time_to_stop_than_docker_gives():
    from freqtrade_ext.settings import ExecutionSettings

    grace = int(SERVICE["stop_grace_period"].rstrip("s"))
    assert ExecutionSettings().shutdown_seconds < grace


def test_configuration_and_user_data_are_volumes():
    assert SERVICE["volumes"] == [
        "./config.json:/freqtrade/config.json:ro",
        "./user_data:/freqtrade/user_data",
    ]


def test_the_port_is_published_on_this_machine_only():
    assert SERVICE["ports"] == ["127.0.0.1:8080:8080"]
    assert SERVICE["environment"]["FREQTRADE__API_SERVER__LISTEN_PORT"] == "8080"


def test_secrets_come_from_the_environment_only():
    for name, value in SERVICE["environment"].items():
        if re.search("KEY|SECRET|PASSWORD|USERNAME", name):
            assert re.fullmatch(r"\$\{[A-Z_]+(:-|:\?[^}]+)\}", value), name
    wanted = {"EXCHANGE__KEY", "EXCHANGE__SECRET", "API_SERVER__PASSWORD"}
    assert {f"FREQTRADE__{name}" for name in wanted} <= SERVICE["environment"].keys()


def test_the_interface_cannot_be_without_a_password():
    for name in ("USERNAME", "PASSWORD", "JWT_SECRET_KEY"):
        assert ":?" in SERVICE["environment"][f"FREQTRADE__API_SERVER__{name}"]


def test_every_value_of_the_environment_is_a_text():
    """YAML's true and 8080 would be refused, or become another type, in some versions."""
    assert all(isinstance(value, str) for value in SERVICE["environment"].values())


def test_freqtrade_reads_the_variables_as_they_are_meant(monkeypatch):
    pytest.importorskip("freqtrade")
    from freqtrade.configuration.environment_vars import environment_vars_to_dict

    for name, value in SERVICE["environment"].items():
        if name.startswith("FREQTRADE__"):
            given = re.sub(r"\$\{[A-Z_]+:[-?]([^}]*)\}", "12345", value)
            monkeypatch.setenv(name, given if "${" in value else value)
    found = environment_vars_to_dict()
    assert found["api_server"]["enabled"] is True
    assert found["api_server"]["listen_port"] == 8080
    assert found["api_server"]["password"] == "12345"


def test_database_and_log_are_on_the_volume():
    url = SERVICE["environment"]["FREQTRADE__DB_URL"]
    assert url == "${DB_URL:-sqlite:////freqtrade/user_data/tradesv3.dryrun.sqlite}"
    command = SERVICE["command"]
    log = command[command.index("--logfile") + 1]
    assert log.startswith("/freqtrade/user_data/")


def test_the_command_is_recover_and_then_trade(run_entrypoint):
    """The entrypoint adds the recovery; the configuration is that of the volume."""
    command = SERVICE["command"]
    config = SERVICE["volumes"][0].split(":")[1]
    assert command[:3] == ["trade", "--config", config]
    done = run_entrypoint(*command)
    assert done.calls == [["freqtrade-ext", "recover", "-c", config], ["freqtrade", *command]]


# Entrypoint

STUB = """#!/bin/bash
printf '%s\\0' "$(basename "$0")" "$@" >> "$CALLS"
printf '\\n' >> "$CALLS"
"""


class Entrypoint:
    """The script with stubs on its path, and what they were called with."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "bin").mkdir()
        self.log = folder / "calls"
        self.log.touch()
        self.stub("freqtrade-ext", "exit 0")
        self.stub("freqtrade", "exit 0")

    def stub(self, name: str, then: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(STUB + then + "\n")
        path.chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        return [line.split("\0")[:-1] for line in self.log.read_text().splitlines()]

    def start(self, *arguments: str) -> subprocess.Popen:
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.Popen(
            [str(ENTRYPOINT), *arguments],
            env={"PATH": path, "CALLS": str(self.log), "MARK": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str) -> "Entrypoint":
        process = self.start(*arguments)
        self.output, self.errors = process.communicate(timeout=30)
        self.returncode = process.returncode
        return self

    def eventually(self, name: str) -> str:
        """Wait for a file that a stub writes; its text."""
        path, deadline = self.folder / name, time.monotonic() + 20
        while time.monotonic() < deadline:
            if path.exists() and path.read_text().endswith("\n"):
                return path.read_text().strip()
            time.sleep(0.02)
        raise AssertionError(f"{name} was not written")


@pytest.fixture
def run_entrypoint(tmp_path):
    return Entrypoint(tmp_path)


def test_recovery_comes_before_the_bot(run_entrypoint):
    done = run_entrypoint("trade")
    assert done.calls == [["freqtrade-ext", "recover"], ["freqtrade", "trade"]]
    assert done.returncode == 0


def test_without_arguments_the_bot_trades(run_entrypoint):
    assert run_entrypoint().calls == [["freqtrade-ext", "recover"], ["freqtrade", "trade"]]


def test_recovery_reads_the_configuration_of_the_bot(run_entrypoint):
    arguments = ["trade", "-c", "a b.json", "--config", "c.json", "--config=d.json", "-v"]
    recover, trade = run_entrypoint(*arguments).calls
    assert recover == ["freqtrade-ext", "recover", "-c", "a b.json", "-c", "c.json", "-c", "d.json"]
    assert trade == ["freqtrade", *arguments]


@pytest.mark.parametrize("option", ["--db-url", "--userdir", "--user-data-dir", "--db"])
@pytest.mark.parametrize("joined", [True, False])
def test_a_database_that_recovery_would_not_read_is_refused(run_entrypoint, option, joined):
    given = [f"{option}=sqlite:///secret"] if joined else [option, "sqlite:///secret"]
    done = run_entrypoint("trade", "-c", "a.json", *given)
    assert (done.returncode, done.calls) == (2, [])
    assert f"{option}: recovery would read another database" in done.errors
    assert "secret" not in done.errors  # a URL may hold a password


def test_other_commands_may_name_a_database(run_entrypoint):
    arguments = ["show_trades", "--db-url", "sqlite:///x"]
    assert run_entrypoint(*arguments).calls == [["freqtrade", *arguments]]


@pytest.mark.parametrize("code", [1, 2, 137])
def test_a_failed_recovery_keeps_the_bot_from_trading(run_entrypoint, code):
    run_entrypoint.stub("freqtrade-ext", f"exit {code}")
    done = run_entrypoint("trade")
    assert done.calls == [["freqtrade-ext", "recover"]]
    assert done.returncode == code
    assert f"recovery ended with {code}: not trading" in done.errors
    assert "recovery_report.json" in done.errors


def test_a_missing_package_keeps_the_bot_from_trading(run_entrypoint):
    (run_entrypoint.folder / "bin" / "freqtrade-ext").unlink()
    path = run_entrypoint.folder / "bin"
    process = subprocess.run(
        [str(ENTRYPOINT), "trade"],
        env={"PATH": f"{path}:/usr/bin:/bin", "CALLS": str(run_entrypoint.log)},
        capture_output=True,
        check=False,
    )
    assert process.returncode == 127
    assert run_entrypoint.calls == []


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        (["backtesting", "-c", "x"], ["freqtrade", "backtesting", "-c", "x"]),
        (["--version"], ["freqtrade", "--version"]),
        (["freqtrade-ext", "doctor"], ["freqtrade-ext", "doctor"]),
    ],
)
def test_other_commands_are_passed_through(run_entrypoint, arguments, called):
    assert run_entrypoint(*arguments).calls == [called]


def test_the_exit_code_of_the_bot_is_that_of_the_container(run_entrypoint):
    run_entrypoint.stub("freqtrade", "exit 42")
    assert run_entrypoint("trade").returncode == 42


def test_freqtrade_takes_the_shells_place(run_entrypoint):
    run_entrypoint.stub("freqtrade", 'echo $$ > "$MARK/pid"')
    process = run_entrypoint.start("trade")
    process.communicate(timeout=30)
    assert int(run_entrypoint.eventually("pid")) == process.pid


WAITS = """trap 'echo told > "$MARK/told"; kill $!; exit {code}' TERM
sleep 20 &
echo up > "$MARK/up"
wait
"""


def test_a_stop_reaches_freqtrade(run_entrypoint):
    run_entrypoint.stub("freqtrade", WAITS.format(code=7))
    process = run_entrypoint.start("trade")
    run_entrypoint.eventually("up")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert run_entrypoint.eventually("told") == "told"
    assert process.returncode == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_during_recovery_reaches_it_and_nothing_trades(run_entrypoint, number):
    run_entrypoint.stub("freqtrade-ext", WAITS.format(code=5))
    process = run_entrypoint.start("trade")
    run_entrypoint.eventually("up")
    process.send_signal(number)
    run_entrypoint.eventually("told")
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert run_entrypoint.calls == [["freqtrade-ext", "recover"]]


def test_a_recovery_that_ends_well_on_a_stop_ends_there(run_entrypoint):
    run_entrypoint.stub("freqtrade-ext", WAITS.format(code=0))
    process = run_entrypoint.start("trade")
    run_entrypoint.eventually("up")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert run_entrypoint.calls == [["freqtrade-ext", "recover"]]


# Document


def test_the_document_has_every_figure():
    for figure in ("30 s", "60 s", "3500 MB", "50 MB", "2 CPUs", "4 GB", "127.0.0.1:8080"):
        assert figure in OPERATIONS, figure


def test_the_document_names_every_variable():
    for variable in re.findall(r"\$\{([A-Z_]+)", json.dumps(COMPOSE)):
        assert f"`{variable}`" in OPERATIONS or f"{variable}=" in OPERATIONS, variable


def test_the_document_says_what_to_do_in_every_state_of_a_recovery():
    for status in ("SUCCESS", "ALERT", "FAILED"):
        assert f"`{status}`" in OPERATIONS


def test_the_document_names_every_class_of_difference():
    from freqtrade_ext.execution import DifferenceKind

    for kind in DifferenceKind:
        assert f"`{kind}`" in OPERATIONS, kind


def test_the_document_names_every_key_of_a_line_of_json():
    from freqtrade_ext.adapters._log_format import _EXTRAS

    for name in ("timestamp", "level", "logger", "category", "message", "exception", *_EXTRAS):
        assert f"`{name}`" in OPERATIONS, name
