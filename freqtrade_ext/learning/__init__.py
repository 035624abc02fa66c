"""What models learn and how they are judged: labels, folds, calibration, drift, explanations.

Arrays and frames in, results out; no clock, no Freqtrade. LightGBM, scikit-learn, TA-Lib and river
are loaded when they are first used.
"""

from freqtrade_ext.learning._barriers import BarrierLabels, triple_barrier
from freqtrade_ext.learning._boosting import BASELINE, boost, contributions
from freqtrade_ext.learning._calibration import Calibration, fit_calibration
from freqtrade_ext.learning._confidence import ConfidenceSource, long_confidence, side_confidence
from freqtrade_ext.learning._drift import (
    DriftReference,
    DriftReport,
    feature_drift,
    ks_distance,
    population_stability,
    reference_of,
)
from freqtrade_ext.learning._error_drift import (
    ErrorReference,
    error_drift,
    error_reference,
    error_rise,
)
from freqtrade_ext.learning._explanation import Driver, Explanation, TradeLevels, explain
from freqtrade_ext.learning._features import (
    CANDLE_FEATURES,
    SPREAD_FEATURES,
    candle_features,
    spread_features,
)
from freqtrade_ext.learning._folds import Fold, purged_folds
from freqtrade_ext.learning._labels import (
    candle_moves,
    forward_move,
    move_threshold,
    rolling_volatility,
    sides,
)
from freqtrade_ext.learning._libraries import let_threads_sleep
from freqtrade_ext.learning._mlflow import log_to_mlflow
from freqtrade_ext.learning._move_model import MoveModel, MoveScores, fit_move_model
from freqtrade_ext.learning._outcome_features import OUTCOME_FEATURES, outcome_features
from freqtrade_ext.learning._outcome_file import load_learner, save_learner
from freqtrade_ext.learning._outcome_model import (
    OutcomeLearner,
    OutcomeModel,
    TradeOutcome,
    fit_outcome_model,
)
from freqtrade_ext.learning._registry import ModelCard, ModelRegistry
from freqtrade_ext.learning._scores import (
    Scores,
    non_overlapping,
    profit_factor,
    score_predictions,
)
from freqtrade_ext.learning._settings import (
    DriftSettings,
    LabelSettings,
    LearningSettings,
    OutcomeSettings,
    RegistrySettings,
)
from freqtrade_ext.learning._signal_model import (
    CLASSES,
    SignalModel,
    TrainingRows,
    fit_signal_model,
)
from freqtrade_ext.learning._targets import TargetLabels, label_target
from freqtrade_ext.learning._verdict import (
    ModelState,
    Opinion,
    Verdict,
    judge_entry,
    judge_gain,
    state_verdict,
)
from freqtrade_ext.learning._weights import class_weights

__all__ = [
    "BASELINE",
    "CANDLE_FEATURES",
    "CLASSES",
    "OUTCOME_FEATURES",
    "SPREAD_FEATURES",
    "BarrierLabels",
    "Calibration",
    "ConfidenceSource",
    "DriftReference",
    "DriftReport",
    "DriftSettings",
    "Driver",
    "ErrorReference",
    "Explanation",
    "Fold",
    "LabelSettings",
    "LearningSettings",
    "ModelCard",
    "ModelRegistry",
    "ModelState",
    "MoveModel",
    "MoveScores",
    "Opinion",
    "OutcomeLearner",
    "OutcomeModel",
    "OutcomeSettings",
    "RegistrySettings",
    "Scores",
    "SignalModel",
    "TargetLabels",
    "TradeLevels",
    "TradeOutcome",
    "TrainingRows",
    "Verdict",
    "boost",
    "candle_features",
    "candle_moves",
    "class_weights",
    "contributions",
    "error_drift",
    "error_reference",
    "error_rise",
    "explain",
    "feature_drift",
    "fit_calibration",
    "fit_move_model",
    "fit_outcome_model",
    "fit_signal_model",
    "forward_move",
    "judge_entry",
    "judge_gain",
    "ks_distance",
    "label_target",
    "let_threads_sleep",
    "load_learner",
    "log_to_mlflow",
    "long_confidence",
    "move_threshold",
    "non_overlapping",
    "outcome_features",
    "population_stability",
    "profit_factor",
    "purged_folds",
    "reference_of",
    "rolling_volatility",
    "save_learner",
    "score_predictions",
    "side_confidence",
    "sides",
    "spread_features",
    "state_verdict",
    "triple_barrier",
]
