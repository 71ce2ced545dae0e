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

"""What a training of the fusion model is (paper B, section VI): data, test cases, trees and promises, in one file."""

from __future__ import annotations

from dataclasses import dataclass, field

from objectcentric_ros.identification.fusion import FEATURES
from objectcentric_ros.identification.manifest import SPLITS
from objectcentric_ros.identification.verification import VerificationConfig

BEST = "best"
ROWS, CANDIDATES = "rows", "candidates"
OBJECTIVES = (ROWS, CANDIDATES)


@dataclass(frozen=True)
class FusionDataConfig:
    """Where the distances come from.

    Args:
        manifest: dataset folder or manifest file; `--data` of the verb replaces it.
        split: whose queries and objects are used; no encoder may have been trained on them.
        image: image encoder, by name or file, as a robot loads it.
        text: text encoder of its space; empty or null: no titles.
        quarter_turns: orientations (1, 2, 4) in which references are embedded; the identifier takes this number from the card.
        views: whether pictures of bins and catalogs are embedded at several magnifications; from the card too.
        cache: folder of embeddings; empty: `.cache` in the dataset's folder.
    """

    manifest: str = "out/identification"
    split: str = "fusion"
    image: str = "efficientnet_lite0"
    text: str | None = ""
    quarter_turns: int = 1
    views: bool = False
    cache: str = ""

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"unknown split {self.split!r}: there are {', '.join(SPLITS)}")
        if self.quarter_turns not in (1, 2, 4):
            raise ValueError(f"quarter_turns must be 1, 2 or 4, got {self.quarter_turns}")


@dataclass(frozen=True)
class FusionCaseConfig:
    """Cases to learn from; every candidate of one, about 20, is a row.

    Args:
        candidates: smallest and largest candidate set, the true object included.
        per_query: cases a query, each with its own candidates and coverage.
        near: largest share of a query's look-alikes that are among its candidates.
        open_set: share of the cases whose true object is not among the candidates.
        sized: share of the candidates, and of the queries, whose sizes are known, where the dataset knows them.
    """

    candidates: tuple[int, int] = (10, 30)
    per_query: int = 8
    near: float = 0.5
    open_set: float = 0.15
    sized: float = 0.9

    def __post_init__(self) -> None:
        if not 2 <= self.candidates[0] <= self.candidates[1] or self.per_query < 1:
            raise ValueError(f"candidates must be two sizes of 2 or more, and per_query 1 or more, got {self}")
        if not (0 <= self.near <= 1 and 0 <= self.open_set < 1 and 0 <= self.sized <= 1):
            raise ValueError(f"near, open_set and sized must be shares of 1, got {self.near}, {self.open_set} and {self.sized}")


@dataclass(frozen=True)
class TreeConfig:
    """The gradient-boosted trees (XGBoost, hist).

    Args:
        objective: rows: the paper's, whether each candidate by itself is the true one; candidates: which one of a case's
            candidates is, or none, the likelihood that answers are chosen by.
        count, depth, rate: most trees, their depth, and the step of each.
        early_stopping: trees without progress on objects that are not fitted, after which it ends.
        min_child_weight: least sum of p (1 - p) in a leaf; 50 was better with some hundred thousand rows.
        subsample: share of the rows that a tree sees.
    """

    objective: str = CANDIDATES
    count: int = 600
    depth: int = 4
    rate: float = 0.1
    early_stopping: int = 40
    min_child_weight: float = 10.0
    subsample: float = 0.8

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ValueError(f"unknown objective {self.objective!r}: there are {', '.join(OBJECTIVES)}")
        if min(self.count, self.depth, self.early_stopping) < 1 or not 0 < self.rate <= 1 or not 0 < self.subsample <= 1:
            raise ValueError(f"count, depth and early_stopping must be 1 or more, rate and subsample within 0..1, got {self}")


@dataclass(frozen=True)
class PromiseConfig:
    """Validation and calibration, on cases of objects that the trees did not see.

    Args:
        scenarios: coverages tray, bin, catalog, text in per cent; each makes an equal part of the calibration's cases.
        per_query: cases a query and scenario.
        open_set: share of the cases whose true object is not among the candidates; an answer to such a case is wrong.
        targets: precisions that are promised.
        confidence: of the promises.
        draws: how often one case of each object is drawn.
    """

    scenarios: tuple[tuple[float, ...], ...] = ((70.0, 85.0, 100.0, 100.0), (50.0, 70.0, 100.0, 100.0),
                                                (25.0, 50.0, 100.0, 100.0))
    per_query: int = 4
    open_set: float = 0.1
    targets: tuple[float, ...] = (0.9, 0.95, 0.99)
    confidence: float = 0.9
    draws: int = 25

    def __post_init__(self) -> None:
        if not self.scenarios or any(len(rates) != 4 or not all(0 <= rate <= 100 for rate in rates) for rates in self.scenarios):
            raise ValueError(f"scenarios are lists of 4 shares in per cent, got {self.scenarios}")
        if not all(0 < target < 1 for target in (*self.targets, self.confidence)) or not 0 <= self.open_set < 1:
            raise ValueError("targets and confidence must be within 0..1, open_set a share")
        if self.per_query < 1 or self.draws < 1:
            raise ValueError(f"per_query and draws must be 1 or more, got {self.per_query} and {self.draws}")


@dataclass(frozen=True)
class FusionRecipe:
    """A training of the fusion model.

    Args:
        name: of the model.
        features: a key of FEATURES, or "best": whichever validates better, by the mean AURC of the scenarios.
        folds: parts of the objects for cross-fitting: each part is judged by trees that were fitted, and stopped, on others.
        data, cases, trees, promises: see there.
        verification: of the likeliest candidates by what their pictures share with the query.
        seed: of everything random.
    """

    name: str = "identification_fusion"
    features: str = BEST
    folds: int = 5
    data: FusionDataConfig = field(default_factory=FusionDataConfig)
    cases: FusionCaseConfig = field(default_factory=FusionCaseConfig)
    trees: TreeConfig = field(default_factory=TreeConfig)
    promises: PromiseConfig = field(default_factory=PromiseConfig)
    verification: VerificationConfig = field(default_factory=VerificationConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.features not in (*FEATURES, BEST):
            raise ValueError(f"unknown features {self.features!r}: there are {', '.join((*FEATURES, BEST))}")
        if self.folds < 3:
            raise ValueError(f"folds must be 3 or more (fit, stop, judge), got {self.folds}")
