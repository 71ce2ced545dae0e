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

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from objectcentric_ros.identification import precision_curve as module
from objectcentric_ros.identification.precision_curve import METRICS, Bootstrap, auroc, false_accept_at, precision_curve

CASES = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=40)   # few values: many ties


def arrays(cases: list[tuple[int, bool]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return np.array([float(value) for value, _ in cases]), np.array([right for _, right in cases])


def test_doctest() -> None:
    assert doctest.testmod(module).failed == 0


@given(CASES)
def test_the_curve_is_what_counting_gives(cases: list[tuple[int, bool]]) -> None:
    confidences, correct = arrays(cases)
    curve = precision_curve(confidences, correct)
    assert curve.thresholds.tolist() == sorted(set(confidences.tolist()), reverse=True)
    for threshold, rate, precision in zip(curve.thresholds, curve.id_rate, curve.precision, strict=True):
        accepted = [right for value, right in cases if value >= threshold]
        assert rate == pytest.approx(len(accepted) / len(cases)) and precision == pytest.approx(sum(accepted) / len(accepted))
    own = [1 - np.mean([right for value, right in cases if value >= mine]) for mine, _ in cases]
    assert curve.aurc == pytest.approx(np.mean(own))


@given(CASES)
def test_the_curve_rises_in_id_rate_to_1_and_ends_at_the_share_of_right_answers(cases: list[tuple[int, bool]]) -> None:
    confidences, correct = arrays(cases)
    curve = precision_curve(confidences, correct)
    assert (np.diff(curve.id_rate) > 0).all() and curve.id_rate[-1] == 1.0
    assert ((curve.precision >= 0) & (curve.precision <= 1)).all()
    assert curve.metrics()["precision_at_100"] == pytest.approx(correct.mean())


@given(CASES, st.randoms())
def test_neither_the_order_nor_the_scale_matters(cases: list[tuple[int, bool]], random: object) -> None:
    confidences, correct = arrays(cases)
    shuffled = list(cases)
    random.shuffle(shuffled)          # type: ignore[attr-defined]
    other, right = arrays(shuffled)
    assert precision_curve(confidences, correct).metrics() == pytest.approx(precision_curve(np.exp(3 * other), right).metrics())


@given(CASES, st.floats(0.01, 1.0))
def test_figures_at_a_rate_or_a_precision_are_the_best_that_satisfy_it(cases: list[tuple[int, bool]], level: float) -> None:
    confidences, correct = arrays(cases)
    curve = precision_curve(confidences, correct)
    points = list(zip(curve.id_rate, curve.precision, strict=True))
    assert curve.precision_at(level) == next(precision for rate, precision in points if rate >= level - 1e-9)
    assert curve.id_rate_at(level) == max((rate for rate, precision in points if precision >= level - 1e-9), default=0.0)


def test_a_case_without_an_answer_stays_in_the_denominator() -> None:
    curve = precision_curve(np.array([1.0, -np.inf]), np.array([True, False]))
    assert curve.metrics()["precision_at_100"] == 0.5 and curve.id_rate_at(0.99) == 0.5


@pytest.mark.parametrize(("confidences", "correct"), [
    ([], []), ([1.0, np.nan], [True, False]), ([1.0, 2.0], [True]), ([[1.0]], [[True]])])
def test_bad_cases_are_refused(confidences: list[float], correct: list[bool]) -> None:
    with pytest.raises(ValueError):
        precision_curve(np.array(confidences), np.array(correct, bool))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=15), st.lists(st.integers(0, 4), min_size=1, max_size=15))
def test_auroc_is_the_share_of_pairs(known: list[int], unknown: list[int]) -> None:
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in known for b in unknown]
    assert auroc(np.array(known, float), np.array(unknown, float)) == pytest.approx(np.mean(pairs))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_false_accepts_at_the_highest_threshold_that_accepts_95_percent(known: list[int], unknown: list[int]) -> None:
    threshold = max(s for s in range(10) if sum(value >= s for value in known) >= 0.95 * len(known) - 1e-9)
    expected = sum(value >= threshold for value in unknown) / len(unknown)
    assert false_accept_at(np.array(known, float), np.array(unknown, float)) == pytest.approx(expected)


def test_weights_of_a_bootstrap_are_repetitions() -> None:
    rng = np.random.default_rng(0)
    confidences, correct = rng.integers(0, 5, 30).astype(float), rng.random(30) < 0.6
    counts = rng.integers(0, 3, 30)
    weighted = module._Sorted(confidences, correct).curve(counts.astype(float)).metrics()
    repeated = precision_curve(np.repeat(confidences, counts), np.repeat(correct, counts)).metrics()
    assert weighted == pytest.approx(repeated)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(200):
        correct = rng.random(120) < 0.8
        interval = Bootstrap(np.arange(120), 200, trial, share=0.9).mean(correct)
        held += interval.low <= 0.8 <= interval.high
    assert 165 <= held <= 195


def test_intervals_of_groups_are_wider_than_of_cases_that_repeat() -> None:
    correct = np.repeat(np.random.default_rng(0).random(50) < 0.7, 8)
    by_case = Bootstrap(np.arange(400), 300, 0).mean(correct)
    by_group = Bootstrap(np.repeat(np.arange(50), 8), 300, 0).mean(correct)
    assert by_group.high - by_group.low > 2 * (by_case.high - by_case.low)


def test_a_difference_is_paired() -> None:
    rng = np.random.default_rng(2)
    groups, confidences, correct = np.arange(200), rng.random(200), rng.random(200) < 0.7
    bootstrap = Bootstrap(groups, 50, 3)
    better = correct.copy()
    better[np.flatnonzero(~correct)[:10]] = True
    difference = bootstrap.curve_metrics(confidences, better) - bootstrap.curve_metrics(confidences, correct)
    top1 = difference[:, METRICS.index("precision_at_100")]
    assert (top1 >= 0).all() and top1.std() < bootstrap.curve_metrics(confidences, correct)[:, 0].std()
    assert (bootstrap.curve_metrics(confidences, correct) == bootstrap.curve_metrics(confidences, correct)).all()


def test_mean_and_curve_agree_on_the_interval_of_top_1() -> None:
    rng = np.random.default_rng(4)
    correct = rng.random(300) < 0.9
    bootstrap = Bootstrap(np.arange(300), 100, 0)
    samples = bootstrap.curve_metrics(rng.random(300), correct)
    one, two = bootstrap.interval(samples[:, METRICS.index("precision_at_100")]), bootstrap.mean(correct)
    assert (one.low, one.high) == pytest.approx((two.low, two.high), abs=0.02)


def test_an_open_set_that_is_told_apart_and_one_that_is_not() -> None:
    groups, rng = np.arange(400), np.random.default_rng(0)
    apart = Bootstrap(groups, 40, 0).open_set(rng.random(400) + 2, rng.random(400))
    alike = Bootstrap(groups, 40, 0).open_set(rng.random(400), rng.random(400))
    assert (apart == [1.0, 0.0]).all()
    assert alike.mean(axis=0) == pytest.approx([0.5, 0.95], abs=0.06)
