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

"""How an answer is chosen among candidates, and how much its confidence is worth (paper B, section VI)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.evaluation_recipe import MIN_DISTANCE
from objectcentric_ros.identification.fusion import FusionModel
from objectcentric_ros.identification.fusion_cases import likeliest
from objectcentric_ros.identification.local_bank import LocalBank
from objectcentric_ros.identification.size_evidence import SIZE_FEATURES
from objectcentric_ros.identification.verification import PICTURES, Verify

_BLOCK = 4096               # cases whose features are held at once


@dataclass(frozen=True)
class Pictures:
    """What N cases show, for methods that look at pictures again.

    Args:
        bank: of the queries' and references' points.
        queries: (N,) numbers of queries.
        objects: (N, K) numbers of objects; those without a reference are not looked at.
    """

    bank: LocalBank
    queries: NDArray[np.intp]
    objects: NDArray[np.intp]

    def verify(self, block: slice, distances: NDArray[np.float32]) -> Verify:
        """Gives the evidence of a block of cases, whose (n, K, 4) distances say what is covered."""
        queries, objects = self.queries[block], self.objects[block]

        def verify(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
            covered = ~np.isnan(distances[rows, columns, :len(PICTURES)])
            return self.bank.evidence(queries[rows], objects[rows, columns], covered)

        return verify


class Method(Protocol):
    """Gives every candidate a score; the highest one is the answer, and its score the confidence."""

    @property
    def name(self) -> str:
        """In the tables."""
        ...

    def scores(self, distances: NDArray[np.float32], sizes: NDArray[np.float32],
               pictures: Pictures | None = None) -> NDArray[np.float64]:
        """Scores (N, K) of (N, K, 4) distances, NaN where there is no reference, and (N, K, 2) size evidence.

        A candidate without any reference has the lowest.
        """
        ...


@dataclass(frozen=True)
class MinDistance:
    """The nearest reference, whatever its source: the paper's comparison."""

    name: str = MIN_DISTANCE

    def scores(self, distances: NDArray[np.float32], sizes: NDArray[np.float32],
               pictures: Pictures | None = None) -> NDArray[np.float64]:
        """Minus the least distance, -inf without a reference."""
        return -np.where(np.isnan(distances), np.inf, distances).min(axis=-1).astype(np.float64)


@dataclass(frozen=True)
class Fused:
    """A fusion model: the probability that the query shows the candidate."""

    name: str
    model: FusionModel

    def scores(self, distances: NDArray[np.float32], sizes: NDArray[np.float32],
               pictures: Pictures | None = None) -> NDArray[np.float64]:
        """Probabilities, 0 without a reference."""
        parts = []
        for start in range(0, len(distances), _BLOCK):
            block = slice(start, start + _BLOCK)
            verify = pictures.verify(block, distances[block]) if pictures is not None else None
            parts.append(self.model.batch(distances[block], sizes[block], verify)[0])
        return np.concatenate(parts) if parts else np.zeros(distances.shape[:2])


@dataclass(frozen=True)
class Answers:
    """What a method says to N cases.

    Args:
        chosen: (N,) column of the answer, -1 where no candidate has a reference.
        confidence: (N,) its score, -inf where there is no answer.
        correct: (N,) whether it is the true object.
    """

    chosen: NDArray[np.intp]
    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]


def answer(method: Method, distances: NDArray[np.float32], truth: NDArray[np.integer],
           sizes: NDArray[np.float32] | None = None, pictures: Pictures | None = None) -> Answers:
    """Ask a method; candidates with the same score are told apart by the mean of their distances, then by their order.

    Args:
        method: to ask.
        distances: (N, K, 4) float32, NaN where there is no reference.
        truth: (N,) column of the true object; -1 where it is not among the candidates, then no answer is right.
        sizes: (N, K, 2) size evidence; None: nothing is known of sizes.
        pictures: of the cases; None: nothing is looked at again.
    """
    if sizes is None:
        sizes = np.full((*distances.shape[:2], len(SIZE_FEATURES)), np.nan, np.float32)
    scores = method.scores(distances, sizes, pictures)
    chosen = likeliest(scores, distances)
    best = scores[np.arange(len(scores)), np.maximum(chosen, 0)]
    return Answers(chosen, np.where(chosen >= 0, best, -np.inf), (chosen >= 0) & (chosen == truth))


def source_correct(distances: NDArray[np.float32], truth: NDArray[np.integer], source: int) -> NDArray[np.bool_]:
    """(N,) whether the candidate nearest by one source is the true one; ties go to the first column."""
    near = np.where(np.isnan(distances[..., source]), np.inf, distances[..., source])
    nearest = near.argmin(axis=1)
    return (nearest == truth) & np.isfinite(near[np.arange(len(near)), nearest])


@dataclass(frozen=True)
class Reliability:
    """Whether answers of probability p are right in a share p of the cases.

    Args:
        edges: (B + 1,) of the bins of probability.
        counts: (B,) answers.
        confidence: (B,) their mean probability, NaN where there are none.
        precision: (B,) share of right ones.
        ece: expected calibration error: mean over the answers of |precision - confidence| of their bin.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.intp]
    confidence: NDArray[np.float64]
    precision: NDArray[np.float64]
    ece: float


def reliability(answers: Answers, bins: int = 10) -> Reliability:
    """Measure the probabilities of a fusion's answers; a case without an answer has 0."""
    p = np.maximum(answers.confidence, 0.0)
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.minimum((p * bins).astype(np.intp), bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(place, p, bins) / counts
        precision = np.bincount(place, answers.correct.astype(np.float64), bins) / counts
    gaps = np.where(counts > 0, np.abs(precision - confidence), 0.0)
    return Reliability(edges, counts.astype(np.intp), confidence, precision, float(gaps @ counts / max(counts.sum(), 1)))


def histogram(distances: Sequence[NDArray[np.float32]] | NDArray[np.float32], bins: int) -> tuple[NDArray[np.float64], ...]:
    """Density of several sets of distances over the same bins, from 0 to the largest one: edges, then one density a set."""
    sets = [values[~np.isnan(values)] for values in distances]
    largest = max((float(values.max()) for values in sets if len(values)), default=1.0)
    edges = np.linspace(0.0, max(largest, 1e-6), bins + 1)
    return edges, *(np.histogram(values, edges)[0] / max(len(values), 1) for values in sets)
