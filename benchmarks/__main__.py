"""Run every benchmark, or those that are named: ``python -m benchmarks [name ...]``."""

import sys

from benchmarks import (
    against_freqtrade,
    against_statsmodels,
    legs,
    regime_pass,
    scan_accuracy,
    scan_engine,
    scan_honesty,
)

BENCHMARKS = {
    "cointegration": against_statsmodels.main,
    "freqtrade": against_freqtrade.main,
    "legs": legs.main,
    "regime": regime_pass.main,
    "scan": scan_engine.main,
    "accuracy": scan_accuracy.main,
    "honesty": scan_honesty.main,
}


def main() -> None:
    """Run the named benchmarks, all of them by default."""
    wanted = sys.argv[1:] or list(BENCHMARKS)
    for name in wanted:
        if name not in BENCHMARKS:
            sys.exit(f"unknown benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
