"""The package as a whole: examples run, names are explicit, the extra is missed by name."""

import doctest
import importlib
import inspect
import pkgutil
import sys

import pytest

from freqtrade_ext import scanner
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.scanner._extra import arch_bootstrap, johansen_module

MODULES = sorted(
    f"{scanner.__name__}.{module.name}" for module in pkgutil.iter_modules(scanner.__path__)
)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_public_names_are_sorted_and_exist():
    assert list(scanner.__all__) == sorted(scanner.__all__)
    assert all(hasattr(scanner, name) for name in scanner.__all__)


_REFUSE_NOTHING = {
    "cool_down",
    "cooling_spreads",
    "due_moment",
    "render_cooling",
    "why_unusable",
}


@pytest.mark.parametrize(
    "name", [name for name in scanner.__all__ if inspect.isfunction(getattr(scanner, name))]
)
def test_every_public_function_has_a_contract(name):
    docstring = inspect.getdoc(getattr(scanner, name))
    refuses_nothing = name in _REFUSE_NOTHING
    assert "\nRaises\n---" in docstring or "; see `scan`" in docstring or refuses_nothing


@pytest.mark.parametrize(
    ("load", "module", "message"),
    [
        (
            arch_bootstrap,
            "arch.bootstrap",
            "the bootstrap test needs arch, which is not installed: "
            "pip install 'freqtrade-ext[scan]', or set bootstrap.replications to 0",
        ),
        (
            johansen_module,
            "statsmodels.tsa.vector_ar.vecm",
            "Johansen's test needs statsmodels, which is not installed: "
            "pip install 'freqtrade-ext[scan]', or set family.johansen_level to null",
        ),
    ],
)
def test_a_missing_library_names_the_extra(monkeypatch, load, module, message):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError) as caught:
        load()
    assert str(caught.value) == message
