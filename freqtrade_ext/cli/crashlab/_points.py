"""Freqtrade with places where it can be made to die: ``python -m`` this module.

Takes Freqtrade's own arguments. The environment variable names the file that arms a place.
"""

import os
import runpy
from pathlib import Path

from freqtrade_ext.errors import ConfigError

__all__ = ["FILE_VARIABLE", "MODULE"]

FILE_VARIABLE = "FREQTRADE_EXT_CRASH_FILE"
MODULE = "freqtrade_ext.cli.crashlab._points"


def main() -> None:
    """Wrap the places, then run Freqtrade as if it had been called by itself."""
    file = os.environ.get(FILE_VARIABLE)
    if not file:
        raise ConfigError(f"{FILE_VARIABLE} must name the file that arms a place")
    from freqtrade_ext.adapters.lab_crash_points import install

    install(Path(file))
    runpy.run_module("freqtrade", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
