"""The package as a whole: examples run, names are explicit, nothing heavy is loaded."""

import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

from freqtrade_ext import signals

MODULES = sorted(
    f"{signals.__name__}.{module.name}" for module in pkgutil.iter_modules(signals.__path__)
)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_are_true(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.parametrize(
    "name", [name for name in signals.__all__ if inspect.isfunction(getattr(signals, name))]
)
def test_every_public_function_has_a_full_contract(name):
    docstring = inspect.getdoc(getattr(signals, name))
    for section in ("Parameters", "Returns", "Raises"):
        assert f"\n{section}\n---" in docstring, section


def test_public_names_exist():
    assert all(hasattr(signals, name) for name in signals.__all__)
    assert len(set(signals.__all__)) == len(signals.__all__)


@pytest.mark.parametrize("foreign", ["freqtrade", "ccxt", "numba", "statsmodels", "sklearn"])
def test_signals_load_without_the_host_and_the_compiler(foreign):
    code = f"import sys, freqtrade_ext.signals; sys.exit({foreign!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("layer", signals.LAYERS, ids=lambda layer: layer.name)
def test_every_layer_is_described(layer):
    assert len(inspect.getdoc(layer.judge).splitlines()[0]) > 20
