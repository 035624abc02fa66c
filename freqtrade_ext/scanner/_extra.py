"""Libraries of the extra ``scan``, loaded when they are needed and missed by name."""

import importlib
from typing import Any

from freqtrade_ext.errors import ConfigError

__all__ = ["arch_bootstrap", "johansen_module"]


def arch_bootstrap() -> Any:
    """
    Return ``arch.bootstrap``.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    return _load("arch.bootstrap", "the bootstrap test", "bootstrap.replications to 0")


def johansen_module() -> Any:
    """
    Return statsmodels' module of vector error correction models.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    return _load(
        "statsmodels.tsa.vector_ar.vecm", "Johansen's test", "family.johansen_level to null"
    )


def _load(module: str, what: str, instead: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{what} needs {module.split('.')[0]}, which is not installed: "
            f"pip install 'freqtrade-ext[scan]', or set {instead}"
        ) from error
