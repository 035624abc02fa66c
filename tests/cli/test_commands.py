"""The command itself: help, version, and how a mistake is answered."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from freqtrade_ext import __version__
from freqtrade_ext.cli import main


def commands(group=main, path=()):
    """Every command with its path, such as ``("book", "add")``."""
    for name, command in sorted(group.commands.items()):
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = list(commands())


@pytest.mark.parametrize("path", [path for path, _ in ALL], ids=" ".join)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_explains_itself(path, flag):
    result = CliRunner().invoke(main, [*path, flag])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main {' '.join(path)}")


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*row, id=" ".join(row[0])) for row in ALL]
)
def test_every_option_has_a_help_text(path, command):
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []
    assert command.help


def test_the_commands_that_users_were_told_of_are_there():
    assert {"book", "demo", "sandbox", "version"} <= set(main.commands)
    assert {("book", "show"), ("book", "validate"), ("book", "add")} <= {path for path, _ in ALL}


def test_the_help_names_freqtrades_own_commands():
    output = CliRunner().invoke(main, ["-h"]).output
    for command in ("freqtrade trade", "freqtrade backtesting"):
        assert command in output


def test_without_a_command_the_help_is_shown():
    result = CliRunner().invoke(main, [])
    assert "Usage:" in result.output


def test_the_versions_are_those_that_are_installed():
    result = CliRunner().invoke(main, ["version"])
    lines = result.output.splitlines()
    assert lines[0] == f"freqtrade-ext {__version__}"
    assert lines[1].startswith("freqtrade 2026.9")
    assert lines[2].startswith("ccxt ")


def test_a_missing_freqtrade_is_said_and_not_an_error(monkeypatch):
    import importlib.metadata as metadata

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    result = CliRunner().invoke(main, ["version"])
    assert result.exit_code == 0
    assert "freqtrade is not installed" in result.output


@pytest.mark.parametrize("arguments", [["nonsense"], ["book", "nonsense"], ["book", "show", "-x"]])
def test_a_mistyped_command_is_answered_with_exit_code_2(arguments):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "No such" in result.output


def test_the_installed_command_starts_without_loading_freqtrade():
    code = (
        "import sys\n"
        "from freqtrade_ext.cli import main\n"
        "sys.exit(','.join(m for m in ('freqtrade', 'ccxt') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.stderr in (b"", b"\n"), done.stderr
