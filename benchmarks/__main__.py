"""Run every benchmark, or those that are named: ``python -m benchmarks [name ...]``.

Those of models, but for ``model-memory`` and ``drift``, read recorded candles: ../shared/data, or
the folder that SHARED_DATA names; where there are none they say so and are skipped. All of them
together take hours.
"""

import sys
from importlib import import_module

BENCHMARKS = {
    "cointegration": "against_statsmodels",
    "freqtrade": "against_freqtrade",
    "legs": "legs",
    "regime": "regime_pass",
    "scan": "scan_engine",
    "accuracy": "scan_accuracy",
    "honesty": "scan_honesty",
    "evidence": "model_evidence",
    "walk-forward": "model_walk_forward",
    "meta": "model_meta",
    "outcomes": "model_outcomes",
    "model-speed": "model_speed",
    "model-memory": "model_memory",
    "drift": "model_drift",
}


def main(arguments: list[str]) -> None:
    """Run the named benchmarks, all of them by default."""
    wanted = arguments or list(BENCHMARKS)
    if unknown := [name for name in wanted if name not in BENCHMARKS]:
        sys.exit(f"unknown benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    for name in wanted:
        # Not loaded before it is wanted: models need an extra of their own.
        import_module(f"benchmarks.{BENCHMARKS[name]}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
