"""The package as a whole: examples run, imports stay pure, names are explicit."""

import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

from freqtrade_ext import stats

MODULES = sorted(
    f"{stats.__name__}.{module.name}" for module in pkgutil.iter_modules(stats.__path__)
)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_are_true(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.parametrize(
    "name", [name for name in stats.__all__ if inspect.isfunction(getattr(stats, name))]
)
def test_every_public_function_has_a_full_contract(name):
    docstring = inspect.getdoc(getattr(stats, name))
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"\n{section}\n---" in docstring, section


def test_public_names_are_sorted_and_exist():
    assert list(stats.__all__) == sorted(stats.__all__)
    assert all(hasattr(stats, name) for name in stats.__all__)


@pytest.mark.parametrize("foreign", ["freqtrade", "statsmodels", "pandas", "scipy"])
def test_statistics_load_numpy_only(foreign):
    code = f"import sys, freqtrade_ext.stats; sys.exit({foreign!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
