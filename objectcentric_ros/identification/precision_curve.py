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

"""Precision against ID rate, the open set, and bootstrap intervals over queries (paper B, figure 7).

Every test case has a confidence and is right or wrong. At a threshold s, with N cases,

    id_rate(s) = #{c >= s} / N        precision(s) = #{right and c >= s} / #{c >= s}

and s runs through the *distinct* confidences, so that cases of equal confidence are accepted together. A case without an
answer has the confidence -inf and counts as wrong. AURC, the area under the risk-coverage curve (Geifman et al.,
arXiv:1805.08206), is the mean over cases of 1 - precision at the case's own confidence; less is better.

    >>> curve = precision_curve(np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False]))
    >>> curve.id_rate.tolist(), curve.precision.round(2).tolist()
    ([0.25, 0.75, 1.0], [1.0, 0.67, 0.5])
    >>> round(curve.precision_at(0.5), 2), curve.id_rate_at(0.99)
    (0.67, 0.25)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ID_RATES = {"precision_at_100": 1.0, "precision_at_95": 0.95, "precision_at_90": 0.9, "precision_at_80": 0.8}
PRECISIONS = {"id_rate_at_99": 0.99, "id_rate_at_99_5": 0.995}
METRICS = (*ID_RATES, *PRECISIONS, "aurc")
_ROUNDING = 1e-9    # of shares of weighted cases


@dataclass(frozen=True)
class PrecisionCurve:
    """One point a distinct confidence, from the highest to the lowest.

    Args:
        thresholds: (S,) confidences.
        id_rate: (S,) share of cases at or above the threshold, growing.
        precision: (S,) share of right ones among those.
        aurc: mean over cases of 1 - precision at their confidence.
    """

    thresholds: NDArray[np.float64]
    id_rate: NDArray[np.float64]
    precision: NDArray[np.float64]
    aurc: float

    def precision_at(self, id_rate: float) -> float:
        """Precision where at least this share of the cases is answered: at the first point that reaches it."""
        return float(self.precision[min(int(np.searchsorted(self.id_rate, id_rate - _ROUNDING)), len(self.precision) - 1)])

    def id_rate_at(self, precision: float) -> float:
        """Greatest ID rate whose precision is at least this; 0 where there is none."""
        reached = np.flatnonzero(self.precision >= precision - _ROUNDING)
        return float(self.id_rate[reached[-1]]) if len(reached) else 0.0

    def metrics(self) -> dict[str, float]:
        """The figures of METRICS."""
        return {**{name: self.precision_at(rate) for name, rate in ID_RATES.items()},
                **{name: self.id_rate_at(precision) for name, precision in PRECISIONS.items()}, "aurc": self.aurc}


class _Sorted:
    """Cases in the order of their confidence, for curves with weights: a bootstrap sample is a count a case."""

    def __init__(self, confidences: NDArray[np.floating], correct: NDArray[np.bool_]) -> None:
        confidences = np.asarray(confidences, np.float64)
        if confidences.ndim != 1 or confidences.shape != correct.shape or not len(confidences):
            raise ValueError(f"confidences and correct must be (N,) with N > 0, got {confidences.shape} and {correct.shape}")
        if np.isnan(confidences).any():
            raise ValueError(f"{np.isnan(confidences).sum()} confidences are NaN; a case without an answer has -inf")
        self.order = np.argsort(-confidences, kind="stable")
        sorted_confidences = confidences[self.order]
        self.ends = np.flatnonzero(np.append(sorted_confidences[1:] != sorted_confidences[:-1], True))
        self.thresholds: NDArray[np.float64] = np.asarray(sorted_confidences[self.ends], np.float64)
        self.correct = np.asarray(correct, np.float64)[self.order]

    def curve(self, weights: NDArray[np.float64] | None = None) -> PrecisionCurve:
        """The curve of weighted cases; points before the first case with weight are left out."""
        ordered = np.ones(len(self.order)) if weights is None else weights[self.order]
        right, accepted = np.cumsum(self.correct * ordered)[self.ends], np.cumsum(ordered)[self.ends]
        first = int(np.searchsorted(accepted, 0.0, side="right"))
        right, accepted, thresholds = right[first:], accepted[first:], self.thresholds[first:]
        precision = right / accepted
        mass = np.diff(accepted, prepend=0.0)
        aurc = float(np.sum(mass * (1.0 - precision)) / accepted[-1])
        return PrecisionCurve(thresholds, accepted / accepted[-1], precision, aurc)


def precision_curve(confidences: NDArray[np.floating], correct: NDArray[np.bool_]) -> PrecisionCurve:
    """Precision against ID rate.

    Args:
        confidences: (N,) any scale, higher is surer; -inf where there is no answer.
        correct: (N,) whether the answer is right.

    Raises:
        ValueError: shapes that don't fit, no cases, or NaN.
    """
    return _Sorted(confidences, correct).curve()


def auroc(known: NDArray[np.floating], unknown: NDArray[np.floating]) -> float:
    """Share of pairs of a known and an unknown case in which the known one is surer; ties count half.

    Args:
        known: (N,) confidences where the true object is among the candidates.
        unknown: (M,) where it isn't.
    """
    return _weighted_auroc(*_ranked(known, unknown), np.ones(len(known)), np.ones(len(unknown)))


def false_accept_at(known: NDArray[np.floating], unknown: NDArray[np.floating], accepted: float = 0.95) -> float:
    """Share of unknown cases at or above the highest threshold that accepts at least a share of the known ones."""
    threshold = np.sort(known)[::-1][int(np.ceil(accepted * len(known) - _ROUNDING)) - 1]
    return float((np.asarray(unknown) >= threshold).mean())


def _ranked(known: NDArray[np.floating], unknown: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Rank of every case's confidence among the distinct ones, and how many there are."""
    if not len(known) or not len(unknown):
        raise ValueError("an open set needs known and unknown cases")
    both = np.concatenate([known, unknown])
    if np.isnan(both).any():
        raise ValueError("confidences are NaN; a case without an answer has -inf")
    distinct, ranks = np.unique(both, return_inverse=True)
    return ranks[:len(known)], ranks[len(known):], len(distinct)


def _weighted_auroc(known: NDArray[np.intp], unknown: NDArray[np.intp], count: int, known_weights: NDArray[np.float64],
                    unknown_weights: NDArray[np.float64]) -> float:
    positive = np.bincount(known, known_weights, count)
    negative = np.bincount(unknown, unknown_weights, count)
    below = np.cumsum(negative) - negative
    return float(np.sum(positive * (below + negative / 2)) / (positive.sum() * negative.sum()))


@dataclass(frozen=True)
class Interval:
    """Range that holds the middle share of the bootstrap samples."""

    low: float
    high: float

    @property
    def pair(self) -> list[float]:
        """[low, high], as JSON has it."""
        return [self.low, self.high]


class Bootstrap:
    """Samples of groups of test cases, drawn with replacement: all cases of a query (or of an object) come together.

    The same samples serve every method, so that differences between methods are paired.

    Args:
        groups: (N,) number of the group of every case.
        replicates: samples.
        seed: of the draw.
        share: that an interval holds.
    """

    def __init__(self, groups: NDArray[np.integer], replicates: int, seed: int, share: float = 0.95) -> None:
        if replicates < 1 or not 0.0 < share < 1.0:
            raise ValueError(f"a bootstrap needs at least 1 replicate and a share within 0..1, got {replicates} and {share}")
        self.count = int(groups.max()) + 1 if len(groups) else 0
        self.groups, self.replicates, self.seed, self.share = groups, replicates, seed, share

    def samples(self, statistic: Callable[[NDArray[np.float64]], Sequence[float]]) -> NDArray[np.float64]:
        """Statistics of every sample, (replicates, F).

        Args:
            statistic: F figures of (N,) weights, how often every case is in the sample.
        """
        rng = np.random.default_rng(self.seed)
        rows = []
        for _ in range(self.replicates):
            counts = np.bincount(rng.integers(0, self.count, self.count), minlength=self.count).astype(np.float64)
            rows.append(statistic(counts[self.groups]))
        return np.asarray(rows, np.float64)

    def interval(self, samples: NDArray[np.float64]) -> Interval:
        """Percentile interval of one figure's samples."""
        low, high = np.quantile(samples, [(1 - self.share) / 2, (1 + self.share) / 2])
        return Interval(float(low), float(high))

    def curve_metrics(self, confidences: NDArray[np.floating], correct: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Samples of METRICS, (replicates, len(METRICS))."""
        cases = _Sorted(confidences, correct)

        def figures(weights: NDArray[np.float64]) -> list[float]:
            metrics = cases.curve(weights).metrics()
            return [metrics[name] for name in METRICS]
        return self.samples(figures)

    def mean(self, values: NDArray[np.generic]) -> Interval:
        """Interval of the mean of (N,) numbers or truth values."""
        numbers = np.asarray(values, np.float64)
        sums = np.bincount(self.groups, numbers, self.count)
        sizes = np.bincount(self.groups, minlength=self.count).astype(np.float64)
        rng = np.random.default_rng(self.seed)
        draws = (rng.integers(0, self.count, self.count) for _ in range(self.replicates))
        return self.interval(np.array([sums[draw].sum() / sizes[draw].sum() for draw in draws]))

    def open_set(self, known: NDArray[np.floating], unknown: NDArray[np.floating]) -> NDArray[np.float64]:
        """Samples of AUROC and false accept at 95 %, (replicates, 2); case i of both is of the same group."""
        known_ranks, unknown_ranks, count = _ranked(known, unknown)

        def figures(weights: NDArray[np.float64]) -> list[float]:
            area = _weighted_auroc(known_ranks, unknown_ranks, count, weights, weights)
            accepted = np.cumsum(np.bincount(known_ranks, weights, count)[::-1])[::-1]    # weight at rank r or above
            threshold = int(np.flatnonzero(accepted >= (0.95 - _ROUNDING) * weights.sum())[-1])
            return [area, float(weights[unknown_ranks >= threshold].sum() / weights.sum())]
        return self.samples(figures)
