"""Trainings in an MLflow file store, for those who compare models there."""

import os
from pathlib import Path
from typing import Any

from freqtrade_ext.errors import StoreError
from freqtrade_ext.learning._libraries import library
from freqtrade_ext.learning._registry import ModelCard

__all__ = ["log_to_mlflow"]


def log_to_mlflow(card: ModelCard, folder: Path) -> str:
    """
    Add a training as a run of the market's experiment.

    Parameters
    ----------
    card : ModelCard
        What is known of the training.
    folder : Path
        Of the file store; made when it is absent.

    Returns
    -------
    str
        MLflow's id of the run.

    Raises
    ------
    ConfigError
        If MLflow is not installed.
    StoreError
        If MLflow refuses.
    """
    # MLflow 3 wants to be told that a file store is meant, not a forgotten old one.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    tracking = library("mlflow.tracking", "ext.learning.registry.mlflow")
    failure = library("mlflow.exceptions", "ext.learning.registry.mlflow").MlflowException
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _add_run(tracking, card, folder)
    except failure as error:
        raise StoreError(f"{folder}: MLflow does not take the training: {error}") from error


def _add_run(tracking: Any, card: ModelCard, folder: Path) -> str:
    client = tracking.MlflowClient(tracking_uri=folder.resolve().as_uri())
    known = client.get_experiment_by_name(card.market)
    experiment = known.experiment_id if known else client.create_experiment(card.market)
    run = client.create_run(
        experiment,
        start_time=card.trained_ms,
        run_name=f"{card.kind} version {card.version}",
        tags={"target": card.target, "kind": card.kind, "version": str(card.version)},
    )
    for name, value in card.parameters.items():
        client.log_param(run.info.run_id, name, value)
    for name, value in _flat("", dict(card.metrics)):
        client.log_metric(run.info.run_id, name, value)
    for name, value in card.importance.items():
        client.log_metric(run.info.run_id, f"importance/{_plain(name)}", value)
    client.set_terminated(run.info.run_id, end_time=card.trained_ms)
    return str(run.info.run_id)


def _flat(prefix: str, value: Any) -> list[tuple[str, float]]:
    """Numbers of nested metrics with a path as their name; what is no number is left out."""
    parts: list[tuple[Any, Any]]
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list):
        parts = list(enumerate(value, start=1))
    elif isinstance(value, int | float):
        return [(prefix, float(value))]
    else:
        return []
    return [
        leaf
        for name, part in parts
        for leaf in _flat(f"{prefix}/{name}" if prefix else str(name), part)
    ]


def _plain(name: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "_-. /" else "_" for sign in name)
