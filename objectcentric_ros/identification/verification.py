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

"""A second look at the few candidates between which the distances are undecided: do pictures of them share printed details?

The fusion's trees say how likely each candidate is, by distances and sizes (fusion.py). Where the two likeliest are close, the
points that the query has in common with the references of the likeliest few are counted (local_features.py), and further trees
correct these candidates' log-odds: z' = z + f(z, common points). Everybody else's stay. Verified queries have a temperature and
a weight of "none" of their own (fusion.posterior): they are the harder ones. The paper has no such step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.local_features import LocalFeatures, common_points

PICTURES = ("tray", "bin", "catalog")
"""Sources that have pictures, in the order of the columns."""

EVIDENCE = tuple(f"{source}_{what}" for source in PICTURES for what in ("arranged", "matched"))
"""Columns of evidence: points in one arrangement, and points that match, of the source's reference with most of the former."""

COLUMNS = ("behind", "log_odds", *EVIDENCE, *(f"{name}_behind" for name in EVIDENCE))
"""Columns that the trees see: log-odds and evidence, and how far each is behind the best of the verified candidates."""

RISING = tuple("arranged" in name for name in COLUMNS)
"""Whether the correction never falls with a column."""

Verify = Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.float32]]
"""(P,) numbers of queries and (P,) columns of candidates -> (P, 6) evidence, NaN where a source has no picture."""


@dataclass(frozen=True)
class VerificationConfig:
    """When and how many candidates are verified.

    Args:
        candidates: the likeliest so many; 0 = none ever.
        gap: where the likeliest is ahead of the second by less than this, in log-odds.
        trees, depth, rate, min_child_weight: of the trees that correct the log-odds.
    """

    candidates: int = 5
    gap: float = 2.0
    trees: int = 60
    depth: int = 3
    rate: float = 0.1
    min_child_weight: float = 20.0

    def __post_init__(self) -> None:
        if self.candidates < 0 or self.candidates == 1 or not self.gap > 0:
            raise ValueError(f"candidates must be 0, or 2 and more, and gap positive, got {self.candidates} and {self.gap}")
        if min(self.trees, self.depth) < 1 or not 0 < self.rate <= 1:
            raise ValueError(f"trees and depth must be 1 or more, and rate within 0..1, got {self}")


def undecided(log_odds: NDArray[np.floating], candidates: int, gap: float, most: int | None = None) -> NDArray[np.bool_]:
    """Which candidates are to be verified.

    Args:
        log_odds: (N, C), -inf where there is no reference.
        candidates: see VerificationConfig.
        gap: see there.
        most: queries, those with the least gap; None: however many there are.

    Returns:
        (N, C): the likeliest few of each query whose first is ahead by less than the gap; ties go to the first column.
    """
    z = np.asarray(log_odds, np.float64)
    chosen = np.zeros(z.shape, bool)
    if candidates < 2 or z.shape[-1] < 2:
        return chosen
    order = np.argsort(-z, axis=-1, kind="stable")[..., :candidates]
    best = np.take_along_axis(z, order, axis=-1)
    with np.errstate(invalid="ignore"):
        ahead = np.where(np.isfinite(best[..., 1]), best[..., 0] - best[..., 1], np.inf)
    close = ahead < gap
    if most is not None and close.sum() > most:
        close &= np.argsort(np.argsort(ahead, kind="stable"), kind="stable") < most
    np.put_along_axis(chosen, order, np.isfinite(best) & close[..., None], axis=-1)
    return chosen


def verification_rows(log_odds: NDArray[np.floating], chosen: NDArray[np.bool_],
                      evidence: NDArray[np.floating]) -> NDArray[np.float32]:
    """What the trees see of the verified candidates.

    Args:
        log_odds: (N, C).
        chosen: (N, C), P of them.
        evidence: (P, 6), in the order of np.nonzero(chosen).

    Returns:
        (P, 14) float32, columns as in COLUMNS.
    """
    rows, columns = np.nonzero(chosen)
    z = np.asarray(log_odds, np.float64)[rows, columns]
    values = np.column_stack([z, np.asarray(evidence, np.float64).reshape(-1, len(EVIDENCE))])
    most = np.full((len(chosen), values.shape[1]), -np.inf)
    for column in range(values.shape[1]):
        known = ~np.isnan(values[:, column])
        np.maximum.at(most[:, column], rows[known], values[known, column])
    behind = values - most[rows]
    return np.column_stack([behind[:, :1], values, behind[:, 1:]]).astype(np.float32)


def verified(log_odds: NDArray[np.floating], booster: Any, candidates: int, gap: float, verify: Verify,
             most: int | None = None) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Correct the log-odds of undecided queries.

    Args:
        log_odds: (N, C).
        booster: the trees of the correction.
        candidates: see VerificationConfig.
        gap: see there.
        verify: gives the evidence; isn't asked where all queries are decided.
        most: see undecided.

    Returns:
        (N, C), and (N,) which queries were verified.
    """
    corrected = np.array(log_odds, np.float64)
    chosen = undecided(corrected, candidates, gap, most)
    if chosen.any():
        rows = verification_rows(corrected, chosen, verify(*np.nonzero(chosen)))
        corrected[chosen] += booster.inplace_predict(rows, predict_type="margin", validate_features=False)
    return corrected, np.asarray(chosen.any(axis=-1), bool)


def evidence_of(query: LocalFeatures, references: Mapping[str, Sequence[LocalFeatures]]) -> NDArray[np.float32]:
    """(6,) evidence of one query and one object.

    Args:
        query: points of the query.
        references: source -> points of the object's pictures; sources other than PICTURES are left out.
    """
    found = np.full(len(EVIDENCE), np.nan, np.float32)
    for index, source in enumerate(PICTURES):
        if pictures := references.get(source):
            found[2 * index:2 * index + 2] = max(common_points(query, picture) for picture in pictures)
    return found
