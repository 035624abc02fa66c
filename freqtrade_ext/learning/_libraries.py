"""Libraries of the extra ``freqai``, loaded when they are needed and missed by name."""

import importlib
import os
from typing import Any

from freqtrade_ext.errors import ConfigError

__all__ = ["let_threads_sleep", "library"]

_PACKAGES = {"sklearn": "scikit-learn", "talib": "TA-Lib"}
_EXTRAS = {"mlflow": "mlflow", "talib": "freqtrade"}


def library(module: str, what: str) -> Any:
    """
    Import a module of an optional library.

    Parameters
    ----------
    module : str
        E.g. ``lightgbm`` or ``sklearn.linear_model``.
    what : str
        What needs it, for the message.

    Raises
    ------
    ConfigError
        If it is not installed; the message names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        root = module.split(".")[0]
        if error.name is None or error.name.split(".")[0] != root:
            raise
        raise ConfigError(
            f"{what} needs {_PACKAGES.get(root, root)}, which is not installed: "
            f"pip install 'freqtrade-ext[{_EXTRAS.get(root, 'freqai')}]'"
        ) from error


def let_threads_sleep() -> None:
    """
    Let threads of OpenMP sleep while they wait for each other; called before LightGBM is loaded.

    They spin by default, and on a machine whose cores have other work each waits for one that
    cannot run: two threads then take ten times as long as one. What ``OMP_WAIT_POLICY`` says
    already is left as it is. OpenMP reads it once, when it is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
