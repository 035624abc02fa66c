"""The package loads without the libraries that models need, and says which extra brings them.

Mutants of `_libraries.py` and `_boosting.py`, each killed by the test named:
- threads spin, or LightGBM loaded before they are told: threads_sleep_while_they_wait
- OMP_WAIT_POLICY overwritten: threads_sleep_while_they_wait
- every ModuleNotFoundError blamed on the extra: an_error_inside_a_library_is_its_own
"""

import os
import re
import subprocess
import sys

import pytest

from freqtrade_ext.errors import ConfigError, StoreError
from freqtrade_ext.learning import ModelCard, log_to_mlflow
from freqtrade_ext.learning._libraries import library

HEAVY = ("lightgbm", "sklearn", "river", "talib", "shap", "mlflow", "datasieve", "freqtrade")


def test_loading_the_package_loads_none_of_the_libraries():
    code = (
        "import sys, freqtrade_ext.learning\n"
        f"sys.exit(', '.join(set(sys.modules) & {set(HEAVY)!r}) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("lightgbm", "a model needs lightgbm, which is not installed: "
                     r"pip install 'freqtrade-ext\[freqai\]'"),
        ("sklearn.isotonic", r"a model needs scikit-learn, .*freqtrade-ext\[freqai\]"),
        ("talib", r"a model needs TA-Lib, .*freqtrade-ext\[freqtrade\]"),
        ("mlflow.tracking", r"a model needs mlflow, .*freqtrade-ext\[mlflow\]"),
    ],
)  # fmt: skip
def test_a_missing_library_is_named_with_its_extra(monkeypatch, module, message):
    root = module.split(".")[0]
    for name in [each for each in sys.modules if each.split(".")[0] == root]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("sys.meta_path", [NotHere(root), *sys.meta_path])
    with pytest.raises(ConfigError, match=message):
        library(module, "a model")


class NotHere:
    def __init__(self, root: str) -> None:
        self.root = root

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == self.root:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_an_error_inside_a_library_is_its_own(tmp_path, monkeypatch):
    (tmp_path / "broken_library.py").write_text("import something_else_that_is_absent")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="something_else_that_is_absent"):
        library("broken_library", "a model")


@pytest.mark.parametrize(("given", "spins"), [(None, False), ("active", True)])
def test_threads_sleep_while_they_wait(given, spins):
    """OpenMP itself tells how often it looks before it sleeps; a person's own choice stays."""
    code = (
        "import numpy as np; from freqtrade_ext.learning import boost\n"
        "boost(np.ones((9, 1)), np.ones(9), objective='regression', threads=2)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    chosen = {} if given is None else {"OMP_WAIT_POLICY": given}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment | chosen | {"OMP_DISPLAY_ENV": "verbose"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)
    if not told:
        pytest.skip("this OpenMP is not GNU's and does not tell")
    assert {int(each) > 0 for each in told} == {spins}


class FakeClient:
    """What of MLflow's client is used; the real one is not installed with the tests."""

    runs: dict

    def __init__(self, tracking_uri):
        self.uri, self.logged = tracking_uri, {}
        FakeClient.last = self

    def get_experiment_by_name(self, name):
        return None

    def create_experiment(self, name):
        self.experiment = name
        return "7"

    def create_run(self, experiment, start_time, run_name, tags):
        self.run = (experiment, start_time, run_name, tags)
        info = type("Info", (), {"run_id": "r1"})
        return type("Run", (), {"info": info})

    def log_param(self, run, name, value):
        self.logged[name] = value

    def log_metric(self, run, name, value):
        self.logged[name] = value

    def set_terminated(self, run, end_time):
        self.ended = end_time


def test_a_training_becomes_a_run_with_its_figures(tmp_path, monkeypatch):
    module = type(sys)("mlflow.tracking")
    module.MlflowClient = FakeClient
    monkeypatch.setitem(sys.modules, "mlflow", type(sys)("mlflow"))
    monkeypatch.setitem(sys.modules, "mlflow.tracking", module)
    errors = type(sys)("mlflow.exceptions")
    errors.MlflowException = type("MlflowException", (Exception,), {})
    monkeypatch.setitem(sys.modules, "mlflow.exceptions", errors)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    card = ModelCard(
        market="ETH/USDT:USDT", target="ETH-BTC", kind="K", trained_ms=5, data_start_ms=1,
        data_end_ms=4, rows=9, parameters={"max_depth": 6},
        metrics={"folds": [{"f1": 0.4, "profit_factor": None}, {"f1": 0.5}], "kind": "x"},
        importance={"%-rsi_14": 0.7}, version=3,
    )  # fmt: skip
    assert log_to_mlflow(card, tmp_path / "mlruns") == "r1"
    client = FakeClient.last
    assert client.uri == (tmp_path / "mlruns").as_uri()
    assert client.experiment == "ETH/USDT:USDT"
    assert client.run[2] == "K version 3"
    assert client.logged == {
        "max_depth": 6, "folds/1/f1": 0.4, "folds/2/f1": 0.5, "importance/_-rsi_14": 0.7,
    }  # fmt: skip
    assert client.ended == 5

    def refuses(self, name):
        raise errors.MlflowException("maintenance mode")

    monkeypatch.setattr(FakeClient, "get_experiment_by_name", refuses)
    with pytest.raises(StoreError, match=r"mlruns: MLflow does not take .*: maintenance mode"):
        log_to_mlflow(card, tmp_path / "mlruns")
