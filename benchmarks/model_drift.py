"""False alarms of the drift watch on markets that do not change, and what it finds if they do.

``python -m benchmarks.model_drift [first seed] [runs]``. Everything was chosen on seeds 0 to 199;
the default, 1000 and 40, prints the figures of docs/models.md. Each run: 45 days of made-up 5m
candles to train on, then 30 days without a change, or 5 days, a change, and a look every hour.
"""

import sys
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.model_evidence import DATA
from freqtrade_ext.learning import (
    BASELINE,
    CANDLE_FEATURES,
    DriftSettings,
    ErrorReference,
    candle_features,
    error_drift,
    error_reference,
    error_rise,
    feature_drift,
    fit_move_model,
    forward_move,
    reference_of,
)

DAY, TRAIN, LIVE, CALM, HORIZON = 288, 45, 30, 5, 5
WARM_UP = 60  # candles without all features
# What a model is judged on: the regressor's later tenth, four of the classifier's six blocks.
TENTH, FOLDS = 1 / 10, 4 / 6
SETTINGS = DriftSettings()
KINDS: dict[str, dict[str, Any]] = {
    "a prediction a candle": {},
    "judged on a tenth": {"judged": TENTH},
    "a prediction in five candles": {"held": True},
}
WORLDS = ("independent", "clustered", "clustered, fat tails")


def moves_of(world: str, rng: np.random.Generator, size: int) -> np.ndarray:
    """Moves of a candle: normal; GARCH(1, 1); GARCH(1, 1) with Student's t of 5 degrees."""
    noise = rng.standard_t(5, size) / np.sqrt(5 / 3) if "fat" in world else rng.normal(size=size)
    if world == "independent":
        return noise
    moves, variance = np.empty(size), 1.0
    for index in range(size):
        moves[index] = np.sqrt(variance) * noise[index]
        variance = 0.02 + 0.08 * moves[index] ** 2 + 0.90 * variance
    return moves


def candles(
    world: str, seed: int, days: int, *, factor: float = 1.0, edge: float = 0.0
) -> pd.DataFrame:
    """
    Make candles; five days after the training volatility is multiplied.

    `edge` times a slow state, which the volume shows, moves the price.
    """
    rng = np.random.default_rng(seed)
    size = days * DAY
    moves = moves_of(world, rng, size)
    changed = np.arange(size) >= (TRAIN + CALM) * DAY
    scale = np.where(changed, factor, 1.0)
    wick = 0.0005 * np.abs(rng.standard_normal(size)) * scale
    chance = 0.3 * rng.standard_normal(size)
    state = persistent(rng, size)
    if edge:
        known = np.concatenate([[0.0], state[:-1]])
        moves = moves + edge * known
        chance += 0.6 * state
    close = 100 * np.exp((0.001 * moves * scale).cumsum())
    course = 1 + 0.5 * np.sin(2 * np.pi * np.arange(size) / DAY)
    return pd.DataFrame(
        {
            "date": pd.date_range("2024-01-01", periods=size, freq="5min", tz="UTC"),
            "open": close, "high": close * (1 + wick), "low": close * (1 - wick), "close": close,
            "volume": course * np.exp(chance),
        }
    )  # fmt: skip


def persistent(rng: np.random.Generator, size: int) -> np.ndarray:
    """Autoregression of deviation 1; neighbours correlate by 0.9, as those of an RSI do."""
    noise, state = rng.standard_normal(size), np.empty(size)
    last = 0.0
    for index in range(size):
        state[index] = last = 0.9 * last + np.sqrt(1 - 0.81) * noise[index]
    return state


def features_of(frame: pd.DataFrame) -> np.ndarray:
    return candle_features(frame).to_numpy()[WARM_UP:]


def model_errors(
    frame: pd.DataFrame, *, reverse: bool = False
) -> tuple[ErrorReference, np.ndarray]:
    """
    What to expect of a regressor trained on 45 days, and its errors afterwards.

    `reverse`: five days after the training the labels change their sign.
    """
    features = features_of(frame)
    moves = forward_move(frame["close"].to_numpy(), horizon=HORIZON)[WARM_UP:]
    train = TRAIN * DAY - WARM_UP
    model = fit_move_model(
        features[: train - HORIZON].astype(np.float32),
        moves[: train - HORIZON],
        names=CANDLE_FEATURES,
        horizon=HORIZON,
        held_out_share=TENTH,
        parameters=BASELINE | {"n_estimators": 100},
    )
    live = slice(train, len(moves) - HORIZON)
    if reverse:
        moves[train + CALM * DAY :] *= -1
    predicted = model.predict(features[live].astype(np.float32))
    wrong = np.sign(predicted) != np.sign(moves[live])
    return error_reference(model.errors, HORIZON), wrong.astype(float)


def errors_alarm(reference: ErrorReference, wrong: np.ndarray) -> bool:
    """Whether either test of the errors alarms at any time."""
    return error_drift(wrong, reference, SETTINGS).drifted or error_rise(wrong, HORIZON).drifted


def features_alarm(world: str, seed: int) -> bool:
    """Whether features raise an alarm within 30 unchanged days."""
    features = features_of(candles(world, seed, TRAIN + LIVE))
    train = TRAIN * DAY - WARM_UP
    reference = reference_of(features[:train], CANDLE_FEATURES, SETTINGS)
    looks = range(train, len(features) + 1, SETTINGS.check_every)
    return any(feature_drift(reference, features[now - DAY : now]).drifted for now in looks)


def hours_of_features(world: str, seed: int, *, factor: float = 1.0, shift: float = 0.0) -> float:
    """Hours until a change of the features is found; infinite if not within two days."""
    features = features_of(candles(world, seed, TRAIN + CALM + 2, factor=factor)).copy()
    at = (TRAIN + CALM) * DAY - WARM_UP
    train = features[: TRAIN * DAY - WARM_UP]
    features[at:, :-2] += shift * train[:, :-2].std(axis=0)  # the hour of the day stays
    reference = reference_of(train, CANDLE_FEATURES, SETTINGS)
    return first_hour(
        lambda hour: (
            feature_drift(reference, features[at + 12 * hour - DAY : at + 12 * hour]).drifted
        )
    )


def first_hour(alarms: Callable[[int], bool]) -> float:
    return next((hour for hour in range(1, 49) if alarms(hour)), float("inf"))


def hours_of_errors(reference: ErrorReference, wrong: np.ndarray) -> float:
    """
    Hours until errors that change after five days are found; labels are known five candles later.

    A false alarm before the change finds nothing.
    """
    at = CALM * DAY - HORIZON
    if errors_alarm(reference, wrong[:at]):
        return float("inf")
    return first_hour(lambda hour: errors_alarm(reference, wrong[: at + 12 * hour]))


def made_up_errors(
    seed: int,
    after: float,
    *,
    before: float = 0.48,
    held: bool = False,
    judged: float = FOLDS,
    days: int = CALM + 2,
) -> tuple[ErrorReference, np.ndarray]:
    """
    Errors of predictions of a given quality, without a model.

    A prediction follows the move of the next five candles, with a persistent noise. `held`: it is
    made once in five candles and stays; such errors are independent, and tell least.
    """
    rng = np.random.default_rng(seed)
    known = round(judged * TRAIN * DAY)
    size = known + days * DAY
    share = np.where(np.arange(size) < known + CALM * DAY, before, after)
    if held:
        wrong = rng.random(-(-size // HORIZON)).repeat(HORIZON)[:size] < share
    else:
        steps = rng.standard_normal(size + HORIZON)
        sums = np.convolve(steps, np.ones(HORIZON), "valid")[1:] / np.sqrt(HORIZON)
        # Two normal variables differ in sign with probability arccos(r) / pi.
        corr = np.cos(np.pi * share)
        guess = corr * sums + np.sqrt(1 - corr**2) * persistent(rng, size)
        wrong = np.sign(guess) != np.sign(sums)
    wrong = wrong.astype(float)
    return error_reference(wrong[:known], HORIZON), wrong[known:]


def told(what: str, hours: Iterable[float]) -> None:
    ordered = sorted(hours)
    runs = len(ordered)
    print(
        f"| {what} | {sum(each <= 24 for each in ordered)} of {runs} | "
        f"{ordered[runs // 2]:.0f} | {ordered[-1]:.0f} |",
        flush=True,
    )


def print_false_alarms(seeds: range) -> None:
    """Runs without a change."""
    made_up = [
        [errors_alarm(*made_up_errors(seed, 0.48, days=LIVE, **kind)) for seed in seeds]
        for kind in KINDS.values()
    ]
    runs = len(seeds)
    print(
        f"| {LIVE} days without a change | features | errors | either |\n| --- | --- | --- | --- |"
    )
    for world in WORLDS:
        found = [features_alarm(world, seed) for seed in seeds]
        either = sum(a or b for a, b in zip(found, made_up[0], strict=True))
        print(
            f"| {world} | {sum(found)} of {runs} | {sum(made_up[0])} of {runs} | "
            f"{either} of {runs} |",
            flush=True,
        )
    for kind, alarms in list(zip(KINDS, made_up, strict=True))[1:]:
        print(f"| {kind} | – | {sum(alarms)} of {runs} | – |", flush=True)
    for edge in (0.0, 0.5):
        count = 0
        for seed in seeds:
            frame = candles("clustered", seed, TRAIN + LIVE, edge=edge)
            count += errors_alarm(*model_errors(frame))
        what = "something" if edge else "nothing"
        print(f"| a trained model that knows {what} | – | {count} of {runs} | – |", flush=True)


def print_changes(seeds: range) -> None:
    """Runs with a change."""
    print("\n| change | found within 24 h | median, h | longest, h |\n| --- | --- | --- | --- |")
    for factor, world in product((2.0, 3.0, 4.0), WORLDS):
        hours = [hours_of_features(world, seed, factor=factor) for seed in seeds]
        told(f"volatility times {factor:g}, {world}", hours)
    for shift, world in [(0.5, "clustered"), (0.75, "clustered"), *product((1.0,), WORLDS)]:
        hours = [hours_of_features(world, seed, shift=shift) for seed in seeds]
        told(f"features moved by {shift:g} standard deviations, {world}", hours)
    for (kind, how), after in product(KINDS.items(), (0.75, 0.8, 0.85, 0.9)):
        runs = [made_up_errors(seed, after, **how) for seed in seeds]
        told(f"errors 48% to {after:.0%}, {kind}", [hours_of_errors(*run) for run in runs])
    for edge in (0.3, 0.5, 0.8):
        frames = (candles("clustered", seed, TRAIN + CALM + 2, edge=edge) for seed in seeds)
        runs = [model_errors(frame, reverse=True) for frame in frames]
        before = np.mean([wrong[: CALM * DAY].mean() for _, wrong in runs])
        after = np.mean([wrong[CALM * DAY :].mean() for _, wrong in runs])
        name = f"labels reversed, a trained model's errors {before:.0%} to {after:.0%}"
        told(name, [hours_of_errors(*run) for run in runs])


def trained_again(features: np.ndarray) -> int:
    """Alarms in the days after the first 45, trained again every day and at each alarm."""
    alarms, last, reference = 0, -DAY, None
    for now in range(TRAIN * DAY, len(features) + 1, SETTINGS.check_every):
        if reference is None or now - last >= DAY:
            train = features[now - TRAIN * DAY : now]
            reference, last = reference_of(train, CANDLE_FEATURES, SETTINGS), now
        if feature_drift(reference, features[now - DAY : now]).drifted:
            alarms, reference = alarms + 1, None
    return alarms


def print_trained_again(seeds: range) -> None:
    """How often a bot that obeys is told."""
    counts = [
        trained_again(features_of(candles("clustered", seed, TRAIN + CALM + 10, factor=3.0)))
        for seed in seeds
    ]
    print(
        "\ntrained every day and at each alarm, five unchanged days and ten of volatility times 3: "
        f"{min(counts)} to {max(counts)} alarms, median {np.median(counts):g}"
    )
    found = []
    for path in sorted(DATA.glob("*-5m.feather")):
        frame = pd.read_feather(path).tail((TRAIN + LIVE) * DAY + WARM_UP)
        found.append(trained_again(features_of(frame)))
    if found:
        print(
            f"recorded candles of {len(found)} markets, {LIVE} days: {sum(found)} alarms, "
            f"{min(found)} to {max(found)} a market",
        )


def main() -> None:
    """Print false alarms and delays."""
    first, runs = (int(each) for each in (*sys.argv[1:3], *("1000", "40")[len(sys.argv) - 1 :]))
    print_false_alarms(range(first, first + runs))
    print_changes(range(first, first + runs))
    print_trained_again(range(first, first + runs))


if __name__ == "__main__":
    main()
