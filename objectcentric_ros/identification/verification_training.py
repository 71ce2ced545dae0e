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

"""Training of the verification's trees, on cases that the fusion's trees were judged on (needs xgboost)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.fusion_cases import Cases
from objectcentric_ros.identification.fusion_trees import TrainingRows, candidate_loss
from objectcentric_ros.identification.local_bank import LocalBank
from objectcentric_ros.identification.local_features import LOCAL_KEY
from objectcentric_ros.identification.verification import (
    COLUMNS,
    PICTURES,
    RISING,
    VerificationConfig,
    undecided,
    verification_rows,
)


@dataclass(frozen=True)
class VerificationCases:
    """Cases with what verification sees of them.

    Args:
        cases: N cases.
        log_odds: (N, C) of trees that did not see the cases' objects.
        chosen: (N, C), P candidates that are verified.
        features: (P, 14) as verification_rows has them.
    """

    cases: Cases
    log_odds: NDArray[np.float64]
    chosen: NDArray[np.bool_]
    features: NDArray[np.float32]

    @classmethod
    def collect(cls, cases: Cases, log_odds: NDArray[np.float64], bank: LocalBank,
                config: VerificationConfig) -> VerificationCases:
        """Look at the pictures of the undecided cases' likeliest candidates."""
        chosen = undecided(log_odds, config.candidates, config.gap)
        rows, columns = np.nonzero(chosen)
        covered = ~np.isnan(cases.distances[rows, columns, :len(PICTURES)])
        evidence = bank.evidence(cases.queries[rows], cases.members[rows, columns], covered)
        return cls(cases, log_odds, chosen, verification_rows(log_odds, chosen, evidence))

    def corrected(self, booster: Any, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(N, C) log-odds with the correction of the cases (N,) that `rows` names."""
        result = self.log_odds.copy()
        asked = self.chosen & rows[:, None]
        if asked.any():
            result[asked] += booster.inplace_predict(self.features[rows[np.nonzero(self.chosen)[0]]], predict_type="margin",
                                                     validate_features=False)
        return result


def fit_verifier(data: VerificationCases, rows: NDArray[np.bool_], config: VerificationConfig, seed: int) -> Any:
    """An xgboost.Booster f that makes the truth of cases likeliest by z + f, where f counts for verified candidates alone.

    Args:
        data: the cases.
        rows: (N,) those to learn from.
        config: of the trees.
        seed: of nothing but xgboost's own.

    Raises:
        ValueError: no case among them is undecided.
    """
    import xgboost  # training alone needs this part of it

    learnt = rows & data.chosen.any(axis=1)
    if not learnt.any():
        raise ValueError("no case is undecided: nothing to learn verification from; set verification.candidates=0")
    known = np.isfinite(data.log_odds) & learnt[:, None]
    numbers, columns = np.nonzero(known)
    base = data.log_odds[known]
    everybody = TrainingRows(np.empty((len(base), 0), np.float32), (), (columns == data.cases.truth[numbers]).astype(np.float32),
                             numbers)
    verified = data.chosen[known]

    def objective(predicted: NDArray[np.float32], _: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        z = base.copy()
        z[verified] += predicted
        _, gradient, hessian = candidate_loss(z, everybody)
        return gradient[verified], hessian[verified]

    features = data.features[learnt[np.nonzero(data.chosen)[0]]]
    parameters = {"tree_method": "hist", "max_depth": config.depth, "eta": config.rate, "seed": seed, "nthread": 1,
                  "min_child_weight": config.min_child_weight, "base_score": 0.0, "disable_default_eval_metric": True,
                  "monotone_constraints": "(" + ",".join("1" if rising else "0" for rising in RISING) + ")"}
    matrix = xgboost.DMatrix(features, label=everybody.labels[verified], nthread=1)
    return xgboost.train(parameters, matrix, config.trees, obj=objective)


def cross_fit_verifier(data: VerificationCases, folds: NDArray[np.integer], config: VerificationConfig,
                       seed: int) -> NDArray[np.float64]:
    """(N, C) log-odds corrected by trees that were fitted on the cases of other folds; (N,) folds."""
    result = data.log_odds.copy()
    for fold in np.unique(folds).tolist():
        held = folds == fold
        booster = fit_verifier(data, ~held, config, seed)
        result[held] = data.corrected(booster, held)[held]
    return result


def verification_section(config: VerificationConfig, data: VerificationCases, fitted: tuple[float, float]) -> dict[str, Any]:
    """What the model card says of the verification, without the file's hash; fitted temperature and weight of none."""
    return {"local_key": LOCAL_KEY, "candidates": config.candidates, "gap": config.gap, "temperature": fitted[0],
            "none_weight": fitted[1], "columns": list(COLUMNS),
            "trees": config.trees, "cases": int(data.chosen.any(axis=1).sum()), "rows": int(data.chosen.sum())}
