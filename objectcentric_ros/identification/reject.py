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

"""A threshold that keeps a promised precision: Learn-Then-Test with MAPIE (Angelopoulos et al., arXiv:2110.01052).

Needed for training alone: what a robot gets of it is one number a promise, in the fusion model's card.

Several pictures of one object are not independent: a look-alike fools all of them. So one picture of each object is drawn, at
random, and the whole calibration is repeated on many such draws. The threshold is the median of the draws', each calibrated for
half of the allowed doubt: if the median broke the promise, so would half of the draws, which by Markov's inequality happens
with at most twice a draw's own doubt. Thresholds are tried from the strictest down, as far as each in turn passes (fixed
sequence testing), so that their number costs nothing.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.precision_curve import precision_curve

_STEPS = 40                  # thresholds that are tried
_ALLOWED_ERRORS = 1          # the strictest threshold leaves so many answers that it passes with so many wrong ones
_LEAST_START = 0.35          # and this share of the cases: a stricter one would promise something about very few


@dataclass(frozen=True)
class Promise:
    """What a calibration found.

    Args:
        target: precision to be promised.
        confidence: with which the promise is made: of 100 calibrations on other objects, so many at least keep it.
        threshold: least confidence of an answer that is given, None where no threshold can promise it.
        answered: share of the cases that are answered.
        precision: share of those that were right in the calibration.
        objects: independent cases n.
        estimate: lowest threshold whose answers reached the target in the calibration, all cases counted, or None; it promises
            nothing, but says where the threshold may be.
        reason: one sentence.
    """

    target: float
    confidence: float
    threshold: float | None
    answered: float
    precision: float
    objects: int
    estimate: float | None
    reason: str


def least_answers(target: float, confidence: float, errors: int = 0) -> int:
    """How many independent answers with so many wrong ones it takes to promise a precision (exact binomial test).

    >>> least_answers(0.95, 0.9), least_answers(0.99, 0.9), least_answers(0.95, 0.9, errors=1)
    (45, 230, 77)
    """
    from scipy.stats import binom

    low, high = errors + 1, errors + 2
    while binom.cdf(errors, high, 1 - target) > 1 - confidence:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if binom.cdf(errors, middle, 1 - target) > 1 - confidence else (low, middle)
    return low


def promise_precision(confidences: NDArray[np.floating], correct: NDArray[np.bool_], objects: NDArray[np.integer], target: float,
                      confidence: float, draws: int, rng: np.random.Generator) -> Promise:
    """Find the lowest threshold whose answers are right with a precision of at least the target.

    Args:
        confidences: (N,) 0..1 of cases that the model was not trained on; 0 where there is no answer.
        correct: (N,) whether the best candidate is the true one; false where the true one isn't among the candidates.
        objects: (N,) number of the query's object.
        target: precision in 0..1.
        confidence: of the promise in 0..1.
        draws: how often one case of each object is drawn.
        rng: source of the draws.

    Raises:
        ValueError: shapes that don't fit, no cases, or numbers outside 0..1.
    """
    scores: NDArray[np.float64] = np.asarray(confidences, np.float64)
    if not len(scores) or not scores.shape == correct.shape == objects.shape:
        raise ValueError(f"a calibration needs cases with a confidence, a truth and an object each, got {scores.shape}, "
                         f"{correct.shape}, {objects.shape}")
    if not (0 < target < 1 and 0 < confidence < 1 and draws > 0):
        raise ValueError(f"target and confidence must be within 0..1 and draws positive, got {target}, {confidence}, {draws}")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("confidences must be probabilities within 0..1")
    members = [np.flatnonzero(objects == number) for number in np.unique(objects)]
    n, per_draw = len(members), (1 + confidence) / 2
    needed, estimate = least_answers(target, per_draw), _estimate(scores, correct, target)
    if needed > n:
        return Promise(target, confidence, None, 0.0, math.nan, n, estimate,
                       f"a precision of {target:g} takes {needed} independent answers without a wrong one; there are {n} objects")
    start = min(max(least_answers(target, per_draw, _ALLOWED_ERRORS), _LEAST_START * n), n)
    grid = _grid(scores, start / n)
    found = []
    for _ in range(draws):
        rows = np.array([rng.choice(member) for member in members])
        found.append(_threshold(scores[rows], correct[rows], target, per_draw, grid))
    threshold = float(np.sort(found)[draws // 2])       # the upper median: of an even number, the stricter one
    if not math.isfinite(threshold):
        return Promise(target, confidence, None, 0.0, math.nan, n, estimate,
                       f"of the {math.ceil(start)} surest answers too many are wrong for a precision of {target:g}")
    accepted = scores >= threshold
    precision = float(correct[accepted].mean()) if accepted.any() else math.nan
    return Promise(target, confidence, threshold, float(accepted.mean()), precision, n, estimate,
                   f"answers of {threshold:.3f} or more have a precision of {target:g}, at a confidence of {confidence:g}")


def _estimate(confidences: NDArray[np.float64], correct: NDArray[np.bool_], target: float) -> float | None:
    curve = precision_curve(confidences, correct)
    reached = np.flatnonzero((curve.precision >= target) & (curve.thresholds > 0))
    return float(curve.thresholds[reached[-1]]) if len(reached) else None


def _grid(confidences: NDArray[np.float64], start: float) -> NDArray[np.float64]:
    """Thresholds to try, the strictest first: quantiles of the confidences, which alone say nothing about what is right."""
    grid = np.unique(np.quantile(confidences, 1 - np.linspace(start, 1.0, _STEPS), method="lower"))[::-1]
    return np.clip(grid, 1e-6, 1.0)        # nobody answers without any reference


def _threshold(confidences: NDArray[np.float64], correct: NDArray[np.bool_], target: float, confidence: float,
               grid: Sequence[float] | NDArray[np.float64]) -> float:
    """The lowest threshold of one draw of independent cases that keeps the precision, inf where none does."""
    from mapie.risk_control import BinaryClassificationController

    controller = BinaryClassificationController(
        predict_function=lambda rows: np.column_stack([1 - rows[:, 0], rows[:, 0]]), risk="precision", target_level=float(target),
        confidence_level=float(confidence), list_predict_params=np.asarray(grid), fwer_method="fixed_sequence")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")       # it warns where no threshold passes: that is an answer here
        controller.calibrate(confidences[:, None], correct.astype(int))
    valid = np.asarray(controller.valid_predict_params, np.float64).ravel()
    return float(valid.min()) if len(valid) else math.inf
