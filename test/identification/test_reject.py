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

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from objectcentric_ros.identification.reject import least_answers, promise_precision

pytest.importorskip("mapie")


def picks(rng: np.random.Generator, objects: int, skill: float, per_object: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidences that say something about what is right, and objects of which some are hard every time."""
    logit = skill + rng.normal(0, 1.0, (objects, 1)) + rng.normal(0, 2.0, (objects, per_object))
    correct = rng.random(logit.shape) < 1 / (1 + np.exp(-logit))
    confidences = 1 / (1 + np.exp(-logit - rng.normal(0, 0.7, logit.shape)))
    return confidences.ravel(), correct.ravel(), np.repeat(np.arange(objects), per_object)


@pytest.mark.parametrize(("target", "confidence", "errors"), [(0.95, 0.9, 0), (0.99, 0.95, 0), (0.9, 0.9, 2), (0.5, 0.6, 0)])
def test_least_answers_is_the_first_that_passes(target: float, confidence: float, errors: int) -> None:
    n = least_answers(target, confidence, errors)
    assert binom.cdf(errors, n, 1 - target) <= 1 - confidence < binom.cdf(errors, n - 1, 1 - target)


def test_the_promise_is_kept_on_other_objects() -> None:
    rng = np.random.default_rng(0)
    fresh, right, _ = picks(rng, 40_000, 3.5, 2)
    order = np.argsort(-fresh)
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    best = (np.flatnonzero(precision >= 0.9).max() + 1) / len(order)      # what who knows the truth could answer
    assert precision[-1] < 0.92                                          # there is something to reject
    answered, broken = [], 0
    for _ in range(30):
        promise = promise_precision(*picks(rng, 200, 3.5), 0.9, 0.9, 5, rng)
        assert promise.threshold is not None and promise.objects == 200
        accepted = fresh >= promise.threshold
        broken += right[accepted].mean() < 0.9
        answered.append(accepted.mean())
    assert broken <= 6               # promised: 1 of 10; 7 or more of 30 happen once in 50 times at that rate
    assert np.mean(answered) > 0.6 * best


def test_few_objects_can_promise_little() -> None:
    rng = np.random.default_rng(0)
    promise = promise_precision(np.full(500, 0.9), np.ones(500, bool), np.repeat(np.arange(100), 5), 0.99, 0.9, 5, rng)
    assert promise.threshold is None and "299 independent answers" in promise.reason and "100 objects" in promise.reason
    assert promise.estimate == pytest.approx(0.9)
    # The same cases of 500 objects are independent.
    promise = promise_precision(np.full(500, 0.9), np.ones(500, bool), np.arange(500), 0.99, 0.9, 5, rng)
    assert promise.threshold == pytest.approx(0.9) and promise.answered == 1.0 and promise.precision == 1.0


def test_pictures_of_one_object_count_once() -> None:
    """Fifty objects, one of them always wrong: 1000 pictures don't make it known how many such objects there are."""
    objects = np.repeat(np.arange(50), 20)
    promise = promise_precision(np.full(1000, 0.8), objects > 0, objects, 0.95, 0.9, 5, np.random.default_rng(0))
    assert promise.threshold is None
    independent = promise_precision(np.full(1000, 0.8), objects > 0, np.arange(1000), 0.95, 0.9, 5, np.random.default_rng(0))
    assert independent.threshold is not None


def test_no_threshold_where_confidence_means_nothing() -> None:
    rng = np.random.default_rng(0)
    promise = promise_precision(rng.random(300), rng.random(300) < 0.7, np.arange(300), 0.95, 0.9, 5, rng)
    assert promise.threshold is None and "too many" in promise.reason and np.isnan(promise.precision)


def test_cases_without_an_answer_are_never_accepted() -> None:
    confidences = np.concatenate([np.zeros(200), np.full(200, 0.7)])
    promise = promise_precision(confidences, confidences > 0, np.arange(400), 0.9, 0.9, 3, np.random.default_rng(0))
    assert promise.threshold is not None and promise.threshold > 0 and promise.answered == 0.5


@pytest.mark.parametrize("change", [{"target": 1.0}, {"confidence": 0.0}, {"draws": 0}, {"confidences": np.full(3, 2.0)},
                                    {"correct": np.ones(2, bool)}])
def test_what_makes_no_sense_is_refused(change: dict) -> None:
    given = {"confidences": np.full(3, 0.5), "correct": np.ones(3, bool), "objects": np.arange(3), "target": 0.9,
             "confidence": 0.9, "draws": 3, "rng": np.random.default_rng(0)}
    with pytest.raises(ValueError):
        promise_precision(**{**given, **change})
