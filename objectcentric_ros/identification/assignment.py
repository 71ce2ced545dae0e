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

"""Names a whole tray at once: inventory says that every item is there once, so that two segments can't both be it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from objectcentric_ros.identification.ranking import IdentificationResult

_LEAST_PROBABILITY = 1e-9      # keeps the logarithm finite; a candidate without references stays assignable only in theory


@dataclass(frozen=True)
class Assignment:
    """What one segment was named.

    Args:
        object_id: the item, or None for none of the candidates.
        probability: of this answer for this segment alone, before the one-to-one rule.
    """

    object_id: str | None
    probability: float


def assign(results: Sequence[IdentificationResult], copies: Mapping[str, int] | None = None) -> tuple[Assignment, ...]:
    """Most likely names of all segments together, each item at most once.

    Maximises the sum of log-probabilities (Hungarian method), where every segment may also be none of the candidates.

    Args:
        results: identifications of the segments of one image, against the same candidates.
        copies: how many of an item there are, where it is not one.

    Returns:
        One assignment a result, in order.

    Raises:
        ValueError: the results have different candidates, or copies are negative.
    """
    if not results:
        return ()
    ids = sorted(candidate.object_id for candidate in results[0].ranking)
    if any(sorted(candidate.object_id for candidate in result.ranking) != ids for result in results):
        raise ValueError("the identifications have different candidates; one-to-one needs the same for every segment")
    if any(count < 0 for count in (copies or {}).values()):
        raise ValueError(f"copies must not be negative, got {dict(copies or {})}")
    slots = [object_id for object_id in ids for _ in range(min((copies or {}).get(object_id, 1), len(results)))]
    p = np.full((len(results), len(slots) + len(results)), 0.0)
    for row, result in enumerate(results):
        by_id = {candidate.object_id: candidate.probability for candidate in result.ranking}
        p[row, :len(slots)] = [by_id[object_id] for object_id in slots]
        p[row, len(slots):] = result.none_probability           # any number of segments may be none
    rows, columns = linear_sum_assignment(-np.log(np.maximum(p, _LEAST_PROBABILITY)))
    chosen = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    return tuple(Assignment(slots[chosen[row]] if chosen[row] < len(slots) and p[row, chosen[row]] > 0 else None,
                            float(p[row, chosen[row]])) for row in range(len(results)))


def one_to_one(results: Sequence[IdentificationResult], copies: Mapping[str, int] | None = None) -> tuple[IdentificationResult,
                                                                                                          ...]:
    """Identifications of all segments of a tray, revised by the rule that every item is there once.

    Each item goes to the segment that `assign` names it for, as probable as it was there. Every other segment is that item
    only if the assigned one is not: p'(c) is proportional to p(c) * (1 - p_assigned(c)), with "none of these" unchanged
    before normalising.

    Args:
        results: identifications of the segments of one image, against the same candidates.
        copies: how many of an item there are, where it is not one.

    Returns:
        One identification a result, in order, ranked by the revised probabilities.

    Raises:
        ValueError: as assign.
    """
    assignments = assign(results, copies)
    taken: dict[str, dict[int, float]] = {}
    for row, assignment in enumerate(assignments):
        if assignment.object_id is not None:
            taken.setdefault(assignment.object_id, {})[row] = assignment.probability
    free = {object_id for object_id in taken if len(taken[object_id]) < (copies or {}).get(object_id, 1)}
    return tuple(_revised(result, {object_id: min(holders.values()) for object_id, holders in taken.items()
                                        if object_id not in free and row not in holders}) for row, result in enumerate(results))


def _revised(result: IdentificationResult, taken: Mapping[str, float]) -> IdentificationResult:
    weights = [candidate.probability * (1 - taken.get(candidate.object_id, 0.0)) for candidate in result.ranking]
    total = sum(weights) + result.none_probability
    if total <= 0:    # everything that it could be is certainly another segment
        return replace(result, ranking=tuple(replace(candidate, probability=0.0) for candidate in result.ranking),
                       none_of_these=True, confidence=1.0, reason=f"{result.reason}; but that is another segment")
    ranking = tuple(sorted((replace(candidate, probability=weight / total)
                            for candidate, weight in zip(result.ranking, weights, strict=True)),
                           key=lambda candidate: -candidate.probability))
    none_probability = result.none_probability / total
    best = ranking[0].probability
    none_of_these = none_probability >= best or best < result.threshold
    confidence = best if not none_of_these else none_probability if none_probability >= best else 1.0 - best
    reason = result.reason
    if result.ranking[0].object_id in taken:
        reason = f"{reason}; but {result.ranking[0].title} is more likely another segment"
    return replace(result, ranking=ranking, none_of_these=none_of_these, reason=reason, confidence=confidence)
