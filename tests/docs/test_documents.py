"""The documents say what the code does: links, commands, tables, examples and messages."""

import importlib.util
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from freqtrade_ext.cli import main
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox.faults import Effect, Fault
from freqtrade_ext.settings import load_settings
from freqtrade_ext.spreads import load_book

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^[ ]*```(\w*)\n(.*?)^[ ]*```", flags=re.MULTILINE | re.DOTALL)


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generator", ROOT / "docs/_generate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks its own module up
    spec.loader.exec_module(module)
    return module


generator = load_generator()


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path, language: str) -> list[str]:
    return [body for name, body in FENCE.findall(text_of(path)) if name == language]


def code_lines() -> Iterator[tuple[str, str]]:
    """Every line of a shell block and every piece of inline code, with its document's name."""
    for path in DOCUMENTS:
        for block in blocks(path, "sh"):
            for line in block.splitlines():
                yield path.name, line.strip()
        for code in re.findall(r"`([^`\n]+)`", FENCE.sub("", text_of(path))):
            yield path.name, code


def own_commands() -> list[str]:
    return sorted({line for _, line in code_lines() if line.startswith("freqtrade-ext ")})


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(path)), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("document", "name"), generator.PARTS)
def test_generated_part_is_what_the_code_says(document, name):
    part = generator.generated(text_of(ROOT / "docs" / document), name)
    hint = f"{document} is out of date: run python docs/_generate.py"
    assert part == generator.PARTS[document, name](), hint


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text_of(path))):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), f"{path.name} links to {target}, which does not exist"
        assert not anchor or anchor in anchors(file), f"{path.name}: no heading for {target}"


@pytest.mark.parametrize("line", own_commands())
def test_command_exists(line):
    _, *words = shlex.split(line)
    command: click.Command = main
    while words and isinstance(command, click.Group):
        assert words[0] in command.commands, f"{line}: there is no command {words[0]!r}"
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    for word in words:
        if re.match(r"--?[a-z]", word):
            assert word.split("=")[0] in known, f"{line}: there is no option {word}"


def test_commands_were_found():
    assert any(line.startswith("freqtrade-ext sandbox") for line in own_commands())
    assert any(line.startswith("freqtrade-ext book add") for line in own_commands())


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), flags=re.MULTILINE))
    named = {target for _, line in code_lines() for target in re.findall(r"^make ([a-z-]+)", line)}
    assert {"demo", "test"} <= named
    assert named <= targets


def test_files_of_the_repository_that_the_readme_names_exist():
    for name in ("config.json", "user_data/config-sandbox.json"):
        assert name in text_of(ROOT / "README.md")
        assert (ROOT / name).is_file()
    for source in re.findall(r"^\s*cp (\S+) ", text_of(ROOT / "README.md"), flags=re.MULTILINE):
        assert (ROOT / source).is_file(), f"README.md copies {source}, which does not exist"


def configuration_examples() -> list[dict]:
    return [json.loads(block) for block in blocks(ROOT / "docs/configuration.md", "json")]


def test_example_settings_are_valid():
    (example,) = (example for example in configuration_examples() if "ext" in example)
    load_settings(example["ext"])


def test_example_book_is_valid(tmp_path):
    (example,) = (example for example in configuration_examples() if "spreads" in example)
    file = tmp_path / "book.json"
    file.write_text(json.dumps(example))
    assert len(load_book(file).spreads) == 1


def test_example_messages_are_the_real_ones(tmp_path):
    told = blocks(ROOT / "docs/configuration.md", "text")[0].splitlines()
    with pytest.raises(ConfigError) as wrong_settings:
        load_settings({"spreads": {"max_pvalu": 0.01, "fit_window": 50}})
    (example,) = (example for example in configuration_examples() if "spreads" in example)
    example["spreads"][0]["z_exit"] = 3.0
    file = tmp_path / "pairs_config.json"
    file.write_text(json.dumps(example))
    with pytest.raises(ConfigError) as wrong_book:
        load_book(file)
    real = f"{wrong_settings.value}\n{wrong_book.value}".replace(str(tmp_path), "user_data")
    assert sorted(real.splitlines()) == sorted(told)


def test_example_fault_is_valid():
    (block,) = blocks(ROOT / "docs/sandbox.md", "json")
    asked = json.loads(block)
    effect = Effect.named(asked["effect"], code=asked["code"])
    Fault(asked["endpoint"], asked["occurrence"], effect, match=asked["match"])


def test_example_program_runs():
    (program,) = blocks(ROOT / "docs/sandbox.md", "python")
    names: dict[str, object] = {}
    exec(compile(program, "sandbox.md", "exec"), names)
    assert names["section"]["name"] == "binance"


def test_control_addresses_are_served():
    from freqtrade_ext.sandbox._control import control_routes

    served = {
        f"{method} {route.path}" for route in control_routes(None) for method in route.methods
    }
    told = re.findall(r"^\| `(\w+ /sandbox/\w+)` ", text_of(ROOT / "docs/sandbox.md"), re.MULTILINE)
    assert set(told) == served - {f"HEAD {name.split()[1]}" for name in served}


def test_columns_and_parameters_are_those_of_the_strategy():
    pytest.importorskip("freqtrade")
    from freqtrade_ext.adapters.strategies import SpreadStrategy

    text = text_of(ROOT / "docs/spreads.md")
    for plots in SpreadStrategy.plot_config["subplots"].values():
        for column in plots:
            assert f"`{column}`" in text
    parameters = [name for name in vars(SpreadStrategy) if name.endswith("_scale")]
    for name in parameters:
        parameter = getattr(SpreadStrategy, name)
        row = rf"`{name}` \| {parameter.space} \| {parameter.low:g} … {parameter.high:g} "
        assert re.search(row, text), f"{name} is not in the table of parameters as it is"
