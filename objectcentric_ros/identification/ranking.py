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

"""From distances to a ranking: probabilities of the candidates and of "none of these", and a sentence that says why.

Without a fusion model the sources are fused as in the paper's baseline: by the minimum distance over the sources that a candidate
has. With one, its distances by source become a probability (paper B, section VI), and an answer below the threshold that the
model promises a precision for is "none of these".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.gallery.records import SOURCES, ObjectSummary


@dataclass(frozen=True)
class IdentifierConfig:
    """Turns distances into probabilities.

    The defaults were chosen on the development items in simulated clutter (10 candidates, 7 tray references an item): least
    negative log-likelihood for the temperature, 2 % wrong names after the one-to-one rule for none_distance.

    Args:
        temperature: softmax temperature over cosine distances; smaller = surer. Not used with a fusion model.
        none_distance: distance at which a candidate is as likely as "none of these". Not used with a fusion model.
        quarter_turns: in-plane orientations (1, 2 or 4) in which every reference is embedded; the nearest one counts.
            It costs time once a reference instead of with every query: items lie in the tray any way round. A fusion model
            brings the number that it was trained with.
        views: embed pictures of bins and catalogs at several magnifications; a fusion model brings this as well.
        verified: images of one call whose likeliest candidates are looked at again, the least decided ones, where the fusion
            model does so; it bounds the time of a call.
        precision: share of right answers that is promised with a fusion model, one of those that it was calibrated for; surer
            answers are given alone. 0 = every answer that is likelier than "none of these".
    """

    temperature: float = 0.05
    none_distance: float = 0.38
    quarter_turns: int = 4
    views: bool = False
    precision: float = 0.95
    verified: int = 3

    def __post_init__(self) -> None:
        if not 0 <= self.precision < 1:
            raise ValueError(f"precision must be 0 or a share below 1, got {self.precision}")
        if not self.temperature > 0 or not self.none_distance > 0 or self.quarter_turns not in (1, 2, 4):
            raise ValueError(f"temperature and none_distance must be positive and quarter_turns 1, 2 or 4, got {self}")


@dataclass(frozen=True)
class RankedCandidate:
    """One candidate with its evidence.

    Args:
        object_id: its id.
        title: its main title.
        probability: 0..1 over the candidates and "none of these".
        distances: (4,) minimum cosine distance by source, in the order of gallery.records.SOURCES; NaN = no reference.
        size: bounding box [m], or None.
        mass: [kg], or None.
        picks_attempted: picks in its history.
        picks_succeeded: those that succeeded.
    """

    object_id: str
    title: str
    probability: float
    distances: NDArray[np.float32]
    size: tuple[float, float, float] | None = None
    mass: float | None = None
    picks_attempted: int = 0
    picks_succeeded: int = 0

    @property
    def distance(self) -> float:
        """Minimum over the sources; NaN when the gallery has no reference of it."""
        return float(np.nanmin(self.distances)) if not np.isnan(self.distances).all() else math.nan


@dataclass(frozen=True)
class IdentificationResult:
    """The answer for one image.

    Args:
        ranking: every candidate, best first.
        none_of_these: no candidate is believable; the ranking is still given.
        confidence: probability of the answer: of ranking[0], or of "none of these". Where ranking[0] is the likeliest, but not
            sure enough for the promised precision: the probability that it is wrong.
        reason: one sentence for a person.
        threshold: least probability of ranking[0] for an answer.
    """

    ranking: tuple[RankedCandidate, ...]
    none_of_these: bool
    confidence: float
    reason: str
    threshold: float = 0.0

    @property
    def none_probability(self) -> float:
        """Probability that the image shows none of the candidates."""
        return max(0.0, 1.0 - sum(candidate.probability for candidate in self.ranking))


def probabilities(distances: NDArray[np.floating], config: IdentifierConfig) -> tuple[NDArray[np.float64], float]:
    """Softmax over candidates and "none of these".

    p_c = exp(-d_c / T) / (exp(-d_none / T) + sum_k exp(-d_k / T)), with p_c = 0 where d_c is NaN.

    Args:
        distances: (C,) distance of each candidate; NaN = no reference.
        config: temperature T and distance d_none.

    Returns:
        (C,) probabilities of the candidates, and the probability of none of them.
    """
    logits = np.append(-np.asarray(distances, np.float64), -config.none_distance) / config.temperature
    logits[np.isnan(logits)] = -np.inf
    weights = np.exp(logits - logits.max())
    weights /= weights.sum()
    return weights[:-1], float(weights[-1])


def rank(distances: NDArray[np.float32], candidates: Sequence[str], known: Mapping[str, ObjectSummary],
         config: IdentifierConfig) -> IdentificationResult:
    """Rank candidates by (C, 4) distances: nearest first; ties by the mean over the available sources, then by id."""
    available = ~np.isnan(distances)
    nearest = np.where(available.any(axis=1), np.where(available, distances, np.inf).min(axis=1), np.nan)
    p, p_none = probabilities(nearest, config)
    ranking = _ranking(distances, np.nan_to_num(nearest), p, candidates, known)
    none_of_these = p_none >= ranking[0].probability
    return IdentificationResult(ranking, none_of_these, p_none if none_of_these else ranking[0].probability,
                                _reason(ranking, none_of_these, config))


def rank_fused(distances: NDArray[np.float32], p: NDArray[np.float64], p_none: float, candidates: Sequence[str],
               known: Mapping[str, ObjectSummary], threshold: float = 0.0, precision: float = 0.0) -> IdentificationResult:
    """Rank candidates by the probabilities of a fusion model; trees tie often: ties as in rank.

    Args:
        distances: (C, 4) by source, NaN where there is no reference.
        p: (C,) probabilities, 0 where there is no reference at all.
        p_none: probability of none of them.
        candidates: C object ids.
        known: their summaries.
        threshold: least probability of an answer.
        precision: that the threshold promises, for the reason's sentence.
    """
    ranking = _ranking(distances, -p, p, candidates, known)
    best = ranking[0].probability
    none_of_these = p_none >= best or best < threshold
    confidence = best if not none_of_these else p_none if p_none >= best else 1.0 - best
    reason = _fused_reason(ranking, p_none, threshold, precision)
    return IdentificationResult(ranking, none_of_these, confidence, reason, threshold)


def _ranking(distances: NDArray[np.float32], cost: NDArray[np.floating], p: NDArray[np.float64], candidates: Sequence[str],
             known: Mapping[str, ObjectSummary]) -> tuple[RankedCandidate, ...]:
    """Candidates by cost, then by the mean of the distances that they have, then by id; those without a reference last."""
    available = ~np.isnan(distances)
    counts = available.sum(axis=1)
    mean = np.where(available, distances, 0.0).sum(axis=1) / np.maximum(counts, 1)
    order = sorted(range(len(candidates)), key=lambda c: (counts[c] == 0, cost[c], mean[c], candidates[c]))
    return tuple(_candidate(known[candidates[c]], float(p[c]), distances[c]) for c in order)


def _candidate(summary: ObjectSummary, probability: float, distances: NDArray[np.float32]) -> RankedCandidate:
    record = summary.record
    return RankedCandidate(record.object_id, record.title, probability, distances, record.size, record.mass,
                           summary.picks_attempted, summary.picks_succeeded)


def _reason(ranking: Sequence[RankedCandidate], none_of_these: bool, config: IdentifierConfig) -> str:
    best = ranking[0]
    if math.isnan(best.distance):
        return f"none of the {len(ranking)} candidates has a reference image in the gallery"
    source = SOURCES[int(np.nanargmin(best.distances))]
    if none_of_these:
        return (f"the nearest reference, {source} of {best.title}, is {best.distance:.2f} away; "
                f"beyond {config.none_distance:.2f} it is none of the candidates")
    if len(ranking) == 1 or math.isnan(ranking[1].distance):
        return f"nearest {source} reference at {best.distance:.2f}, no other candidate with a reference"
    return f"nearest {source} reference at {best.distance:.2f}, next candidate {ranking[1].title} at {ranking[1].distance:.2f}"


def _fused_reason(ranking: Sequence[RankedCandidate], p_none: float, threshold: float, precision: float) -> str:
    best = ranking[0]
    if math.isnan(best.distance):
        return f"none of the {len(ranking)} candidates has a reference in the gallery"
    evidence = f"{best.title} ({_by_source(best.distances)})"
    if p_none >= best.probability:
        return f"none of the candidates ({p_none:.1%}) is likelier than the likeliest, {evidence}, with {best.probability:.1%}"
    if best.probability < threshold:
        return (f"the likeliest, {evidence}, has {best.probability:.1%}; to keep a precision of {precision:.0%}, answers below "
                f"{threshold:.1%} are not given")
    if len(ranking) == 1 or math.isnan(ranking[1].distance):
        return f"{evidence} has {best.probability:.1%}, no other candidate has a reference"
    rival = ranking[1]
    return (f"{evidence} has {best.probability:.1%}, the next candidate {rival.title} ({_by_source(rival.distances)}) "
            f"{rival.probability:.1%}")


def _by_source(distances: NDArray[np.float32]) -> str:
    return ", ".join(f"{source} {distance:.2f}" for source, distance in zip(SOURCES, distances, strict=True)
                     if not math.isnan(distance))
