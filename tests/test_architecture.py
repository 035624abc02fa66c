"""The folders are the architecture: who may know whom, how long a file may be, which words it uses.

Imports between our own packages are import-linter's; here is what it cannot see.
"""

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "freqtrade_ext"
MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in MODULES]
CORE = sorted(
    path.stem if path.is_file() else path.name
    for path in PACKAGE.iterdir()
    if (path.is_dir() and (path / "__init__.py").exists() and path.name not in {"adapters", "cli"})
    or (path.suffix == ".py" and path.stem != "__init__")
)
HOSTS = {"freqtrade", "ccxt"}

# Whole words in which `pair` is what other people call something.
ALLOWED_PAIRS = {
    "pair_whitelist",  # a key of Freqtrade's configuration
    "pair_blacklist",
    "pairs_config",  # the name of the spread book's file in the specification
    "pairlists",
    "object_pairs_hook",  # json
}
# Where two of something else are meant: name=value of a query string, members of a group.
OTHER_PAIRS = {
    "sandbox/wire/_auth.py": {"pair"},
    "sandbox/wire/_messages.py": {"pairs"},
    "sandbox/market/_synthetic.py": {"pairs", "_all_pairs"},
}


def test_there_is_a_core():
    assert {
        "stats",
        "signals",
        "spreads",
        "risk",
        "scanner",
        "sandbox",
        "settings",
        "errors",
    } <= set(CORE)


@pytest.mark.parametrize("package", [*CORE, "cli"])
def test_the_core_does_not_load_the_host(package):
    code = (
        f"import sys, freqtrade_ext.{package}\n"
        f"sys.exit(', '.join(set(sys.modules) & {HOSTS!r}) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def imports_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_only_adapters_import_the_host(path):
    """Inside functions too, where loading a package would not show it."""
    imported = {name.split(".")[0] for name in imports_of(ast.parse(path.read_text("utf-8")))}
    allowed = path.is_relative_to(PACKAGE / "adapters")
    assert allowed or not imported & HOSTS


@pytest.mark.parametrize("ring", ["adapters", "sandbox"])
def test_adapters_and_sandbox_never_meet(ring):
    other = {"adapters": "sandbox", "sandbox": "adapters"}[ring]
    for path in (PACKAGE / ring).rglob("*.py"):
        found = list(imports_of(ast.parse(path.read_text("utf-8"))))
        assert not [name for name in found if name.startswith(f"freqtrade_ext.{other}")], path


def length(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_module_is_longer_than_600_lines(path):
    assert length(path) <= 600


def test_the_median_module_is_at_most_150_lines():
    lengths = {name: length(path) for name, path in zip(NAMES, MODULES, strict=True)}
    median = statistics.median(lengths.values())
    assert median <= 150, sorted(lengths.items(), key=lambda row: -row[1])[:10]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body without its docstring; the signature and its contract are free."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    if not body:
        return 0
    last = body[-1].end_lineno or body[-1].lineno
    return last - body[0].lineno + 1


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_function_is_longer_than_40_lines(path):
    long = {each.name: lines_of_code(each) for each in functions(path) if lines_of_code(each) > 40}
    assert long == {}


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_names_its_concept(path):
    vague = {"util", "utils", "helper", "helpers", "common", "misc", "base", "tools"}
    assert path.stem.strip("_") not in vague


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


def identifiers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg or ""
        elif isinstance(node, ast.alias):
            yield from (node.name, node.asname or "")


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_the_word_pair_belongs_to_the_adapters(path):
    """In Freqtrade a pair is one market, in this trade it is two: say market, leg or spread."""
    if path.is_relative_to(PACKAGE / "adapters"):
        pytest.skip("adapters speak Freqtrade's language")
    tree = ast.parse(path.read_text("utf-8"))
    words = {name for name in identifiers(tree) if re.search(r"(^|_)pairs?(_|$)|Pair", name)}
    assert words <= ALLOWED_PAIRS | OTHER_PAIRS.get(str(path.relative_to(PACKAGE)), set())


def test_a_broad_except_is_in_one_place_only():
    """Callbacks choose their answer there; everywhere else an unknown error must be heard."""
    broad = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                kinds = ast.walk(node.type) if node.type else ()
                caught = {each.id for each in kinds if isinstance(each, ast.Name)}
                if node.type is None or caught & {"Exception", "BaseException"}:
                    broad.append(str(path.relative_to(PACKAGE)))
    allowed = {"adapters/_callbacks.py"}
    assert {name for name in broad if not name.startswith("sandbox/")} == allowed
