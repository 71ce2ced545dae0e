# Copyright 2026 the objectcentric_ros developers
# SPDX-License-Identifier: Apache-2.0
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""The trees of the fusion model: what they learn from, and what they minimise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.fusion import FEATURES, fusion_features
from objectcentric_ros.identification.fusion_cases import Cases
from objectcentric_ros.identification.fusion_recipe import CANDIDATES, TreeConfig
from objectcentric_ros.identification.size_evidence import SIZE_FEATURES

_LEAST_HESSIAN = 1e-6


@dataclass(frozen=True)
class TrainingRows:
    """R candidates that have a reference.

    Args:
        features: (R, F) float32.
        names: of the F columns.
        labels: (R,) float32, 1 for the true ones.
        cases: (R,) number of the case that each belongs to, growing.
    """

    features: NDArray[np.float32]
    names: tuple[str, ...]
    labels: NDArray[np.float32]
    cases: NDArray[np.intp]


def training_rows(cases: Cases, features: str) -> TrainingRows:
    """All candidates of the cases that have a reference, with the features that `features` names."""
    covered = cases.covered
    labels = np.arange(covered.shape[1])[None, :] == cases.truth[:, None]
    numbers = np.broadcast_to(np.arange(len(cases))[:, None], covered.shape)
    return TrainingRows(fusion_features(cases.distances, features, cases.sizes)[covered], FEATURES[features],
                        labels[covered].astype(np.float32), numbers[covered])


def candidate_loss(log_odds: NDArray[np.floating], rows: TrainingRows) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Negative log-likelihood of what is true in each case: one of its candidates, or none of them.

    p_c = exp(z_c) / (1 + Σ_k exp(z_k)), p_none = 1 / (1 + Σ_k exp(z_k)): fusion.posterior with T = 1 and w_none = 1.

    Args:
        log_odds: (R,) z.
        rows: R candidates; a case whose true object has no row is a case of none.

    Returns:
        The mean over the cases that have rows, and for each row the gradient p - y and the diagonal p (1 - p) of the Hessian of
        the sum.
    """
    z = np.asarray(log_odds, np.float64)
    if not len(z):
        return 0.0, z, z
    starts = np.flatnonzero(np.diff(rows.cases, prepend=-1))           # rows of a case follow each other
    counts = np.diff(starts, append=len(z))
    largest = np.maximum(np.maximum.reduceat(z, starts), 0.0)
    weights = np.exp(z - np.repeat(largest, counts))
    total = np.exp(-largest) + np.add.reduceat(weights, starts)
    p = weights / np.repeat(total, counts)
    said = np.add.reduceat(np.where(rows.labels > 0, z, 0.0), starts)
    return float(np.mean(np.log(total) + largest - said)), p - rows.labels, np.maximum(p * (1.0 - p), _LEAST_HESSIAN)


def fit_trees(rows: TrainingRows, config: TreeConfig, seed: int, trees: int, stop: TrainingRows | None = None) -> Any:
    """An xgboost.Booster whose odds never rise with a distance or gap; cut at its best tree where there are rows to stop on."""
    import xgboost  # training alone needs this part of it

    parameters: dict[str, Any] = {
        "tree_method": "hist", "max_depth": config.depth, "eta": config.rate, "min_child_weight": config.min_child_weight,
        "subsample": config.subsample, "seed": seed, "nthread": 1,
        "monotone_constraints": "(" + ",".join("0" if name in SIZE_FEATURES else "-1" for name in rows.names) + ")"}
    options: dict[str, Any] = {}
    if config.objective == CANDIDATES:
        parameters |= {"base_score": 0.0, "disable_default_eval_metric": True}
        options["obj"] = _objective(rows)
    else:
        parameters["objective"] = "binary:logistic"
    data = xgboost.DMatrix(rows.features, label=rows.labels, nthread=1)
    if stop is None:
        return xgboost.train(parameters, data, trees, **options)
    if config.objective == CANDIDATES:
        options["custom_metric"] = lambda predicted, _: ("likelihood", candidate_loss(predicted, stop)[0])
    watched = xgboost.DMatrix(stop.features, label=stop.labels, nthread=1)
    booster = xgboost.train(parameters, data, trees, evals=[(watched, "stop")], early_stopping_rounds=config.early_stopping,
                            verbose_eval=False, **options)
    return booster[:booster.best_iteration + 1]


def _objective(rows: TrainingRows) -> Callable[[NDArray[np.float32], Any], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    return lambda predicted, _: candidate_loss(predicted, rows)[1:]
