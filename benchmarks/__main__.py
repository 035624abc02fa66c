"""Run every benchmark: ``python -m benchmarks [cointegration] [freqtrade] [legs]``."""

import sys

from benchmarks import against_freqtrade, against_statsmodels, legs

BENCHMARKS = {
    "cointegration": against_statsmodels.main,
    "freqtrade": against_freqtrade.main,
    "legs": legs.main,
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
