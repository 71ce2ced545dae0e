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

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.identification.fusion_cases import Cases
from objectcentric_ros.identification.local_bank import LocalBank
from objectcentric_ros.identification.local_features import LOCAL_KEY
from objectcentric_ros.identification.verification import COLUMNS, EVIDENCE, VerificationConfig, verification_rows
from objectcentric_ros.identification.verification_training import (
    VerificationCases,
    cross_fit_verifier,
    fit_verifier,
    verification_section,
)

pytest.importorskip("xgboost")

CONFIG = VerificationConfig(candidates=2, gap=2.0, trees=40, depth=2, rate=0.3, min_child_weight=1.0)
OBJECTS, COUNT, WIDTH = 50, 600, 6
ARRANGED, MATCHED = slice(0, 6, 2), slice(1, 6, 2)


class Bank:
    """Stands for pictures: the object that a query shows has `own` arranged points in common with it, others have `other`."""

    def __init__(self, shown: NDArray[np.intp], own: tuple[float, float] = (40.0, 50.0),
                 other: tuple[float, float] = (3.0, 12.0)) -> None:
        self.shown, self.own, self.other = shown, np.array(own), np.array(other)
        self.asked: list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]] = []

    def evidence(self, queries: NDArray[np.intp], objects: NDArray[np.intp], covered: NDArray[np.bool_]) -> NDArray[np.float32]:
        self.asked.append((queries, objects, covered))
        rng = np.random.default_rng(len(queries))
        pair = np.where((self.shown[queries] == objects)[:, None], self.own, self.other)
        found = np.tile(pair, 3) + rng.integers(-2, 3, (len(queries), 6))
        return np.where(covered.repeat(2, axis=1), found, np.nan).astype(np.float32)


def coin_flips(open_set: float = 0.0, seed: int = 0) -> tuple[Cases, NDArray[np.float64], NDArray[np.intp]]:
    """Two candidates of each case are close, one of them right; every fourth case is decided. Cases, log-odds, who is shown."""
    rng = np.random.default_rng(seed)
    members = np.argsort(rng.random((COUNT, OBJECTS)), axis=1)[:, :WIDTH]
    first, second = np.argsort(rng.random((COUNT, WIDTH)), axis=1)[:, :2].T
    rows = np.arange(COUNT)
    shown = members[rows, first]
    truth = first.copy()
    absent = rng.random(COUNT) < open_set
    shown[absent], truth[absent] = OBJECTS, -1
    log_odds = rng.uniform(-8, -6, (COUNT, WIDTH))
    log_odds[rows, first], log_odds[rows, second] = rng.uniform(0.0, 1.0, (2, COUNT))
    log_odds[rows[::4], first[::4]] += 4.0
    distances = np.full((COUNT, WIDTH, 4), 0.5, np.float32)
    distances[rng.random(distances.shape) < 0.3] = np.nan
    distances[rows, first, 0] = distances[rows, second, 0] = 0.5        # pictures on trays at least
    uncovered = np.isnan(distances).all(axis=-1)
    log_odds[uncovered] = -np.inf
    cases = Cases(distances, truth, np.where(absent, members[rows, first], shown), np.full(COUNT, WIDTH),
                  np.full((COUNT, WIDTH, 2), np.nan, np.float32), rng.permutation(COUNT), members)
    by_query = np.empty(COUNT, np.intp)
    by_query[cases.queries] = shown
    return cases, log_odds, by_query


def collected(cases: Cases, log_odds: NDArray[np.float64], bank: Bank) -> VerificationCases:
    return VerificationCases.collect(cases, log_odds, cast(LocalBank, bank), CONFIG)


def right(cases: Cases, log_odds: NDArray[np.float64]) -> NDArray[np.bool_]:
    return log_odds.argmax(axis=1) == cases.truth


def test_undecided_cases_alone_are_looked_at() -> None:
    cases, log_odds, shown = coin_flips()
    bank = Bank(shown)
    data = collected(cases, log_odds, bank)
    undecided = np.arange(COUNT) % 4 > 0
    np.testing.assert_array_equal(data.chosen.any(axis=1), undecided)
    assert (data.chosen.sum(axis=1)[undecided] == 2).all() and data.features.shape == (2 * undecided.sum(), len(COLUMNS))
    [(queries, objects, covered)] = bank.asked
    rows, columns = np.nonzero(data.chosen)
    np.testing.assert_array_equal(queries, cases.queries[rows])
    np.testing.assert_array_equal(objects, cases.members[rows, columns])
    np.testing.assert_array_equal(covered, ~np.isnan(cases.distances[rows, columns, :3]))
    own = data.features[columns == cases.truth[rows], COLUMNS.index("tray_arranged")]
    assert len(own) == undecided.sum() and own.min() > 30


def test_common_points_tell_what_distances_do_not() -> None:
    cases, log_odds, shown = coin_flips()
    data = collected(cases, log_odds, Bank(shown))
    corrected = cross_fit_verifier(data, cases.objects % 3, CONFIG, 0)
    undecided = data.chosen.any(axis=1)
    assert 0.4 < right(cases, log_odds)[undecided].mean() < 0.6
    assert right(cases, corrected)[undecided].mean() > 0.98
    np.testing.assert_array_equal(corrected[~undecided], log_odds[~undecided])
    np.testing.assert_array_equal(corrected[~data.chosen], log_odds[~data.chosen])
    np.testing.assert_array_equal(data.log_odds, log_odds)
    assert np.isfinite(corrected[data.chosen]).all() and (corrected[data.chosen] != log_odds[data.chosen]).mean() > 0.95
    np.testing.assert_array_equal(cross_fit_verifier(data, cases.objects % 3, CONFIG, 0), corrected)


def test_evidence_that_says_nothing_changes_no_mind() -> None:
    cases, log_odds, shown = coin_flips()
    data = collected(cases, log_odds, Bank(shown, other=(40.0, 50.0)))
    corrected = cross_fit_verifier(data, cases.objects % 3, CONFIG, 0)
    assert 0.35 < right(cases, corrected)[data.chosen.any(axis=1)].mean() < 0.65


def test_where_neither_has_points_in_common_none_becomes_likelier() -> None:
    cases, log_odds, shown = coin_flips(open_set=0.3)
    data = collected(cases, log_odds, Bank(shown))
    corrected = cross_fit_verifier(data, cases.objects % 3, CONFIG, 0)
    absent = (cases.truth < 0)[:, None] & data.chosen
    assert absent.any() and corrected[absent].mean() < log_odds[absent].mean() - 1.5
    present = np.flatnonzero((cases.truth >= 0) & data.chosen.any(axis=1))
    assert corrected[present, cases.truth[present]].mean() > log_odds[present, cases.truth[present]].mean() + 1.0


def test_no_case_teaches_its_own_correction() -> None:
    """What the matched points mean is the other way round in the second fold: each fold believes the other, and errs."""
    cases, log_odds, shown = coin_flips()
    folds = cases.objects % 2
    straight, inverted = (collected(cases, log_odds, Bank(shown, (10.0, own), (10.0, other)))
                          for own, other in ((50, 10), (10, 50)))
    flipped = (folds == 1)[np.nonzero(straight.chosen)[0]]
    features = np.where(flipped[:, None], inverted.features, straight.features)
    features[:, [COLUMNS.index(name) for name in COLUMNS if "arranged" in name]] = 0.0          # its noise is not of interest
    data = replace(straight, features=features)
    undecided = data.chosen.any(axis=1)
    corrected = right(cases, cross_fit_verifier(data, folds, CONFIG, 0))
    for fold in (0, 1):
        held = undecided & (folds == fold)
        taught = data.corrected(fit_verifier(data, folds == fold, CONFIG, 0), folds == fold)
        assert held.sum() > 150 and corrected[held].mean() < 0.03 and right(cases, taught)[held].mean() > 0.97


def test_folds_are_corrected_by_the_trees_of_the_others() -> None:
    cases, log_odds, shown = coin_flips()
    data, folds = collected(cases, log_odds, Bank(shown)), cases.objects % 3
    corrected = cross_fit_verifier(data, folds, CONFIG, 7)
    for fold in range(3):
        booster = fit_verifier(data, folds != fold, CONFIG, 7)
        np.testing.assert_array_equal(corrected[folds == fold], data.corrected(booster, folds == fold)[folds == fold])
        np.testing.assert_array_equal(data.corrected(booster, folds == fold)[folds != fold], log_odds[folds != fold])


def test_more_arranged_points_never_lower_a_candidate() -> None:
    """Noisy evidence, and in a third of the cases the wrong candidate has more: trees without the constraint would dip."""
    cases, log_odds, shown = coin_flips()
    rng = np.random.default_rng(1)
    data = collected(cases, log_odds, Bank(shown))
    evidence = data.features[:, 2:8].copy()
    evidence[:, ARRANGED] = np.where(np.isnan(evidence[:, ARRANGED]), np.nan, rng.integers(0, 60, (len(evidence), 3)))
    evidence[:, MATCHED] = evidence[:, ARRANGED] + rng.integers(0, 20, (len(evidence), 3))
    data = replace(data, features=verification_rows(log_odds, data.chosen, evidence))
    booster = fit_verifier(data, np.ones(COUNT, bool), replace(CONFIG, depth=4), 0)
    own_row = np.repeat(np.arange(COUNT), data.chosen.sum(axis=1))
    changed = 0
    for place in rng.choice(len(evidence), 40, replace=False).tolist():
        for column in (0, 2, 4):
            if np.isnan(evidence[place, column]):
                continue
            before = -np.inf
            for points in range(0, 130, 5):
                grown = evidence.copy()
                grown[place, column] = points
                rows = verification_rows(log_odds, data.chosen, grown)[own_row == own_row[place]]
                after = booster.inplace_predict(rows, predict_type="margin", validate_features=False)[
                    place - np.flatnonzero(own_row == own_row[place])[0]]
                assert after >= before - 1e-6
                changed += after > before + 1e-6
                before = after
    assert len(EVIDENCE) == evidence.shape[1] and changed > 200                  # it does rise


def test_nothing_undecided_is_nothing_to_learn() -> None:
    cases, log_odds, shown = coin_flips()
    bank = Bank(shown)
    decided = log_odds.copy()
    decided[np.arange(COUNT), cases.truth] += 20.0
    data = collected(cases, decided, bank)
    assert not data.chosen.any() and data.features.shape == (0, len(COLUMNS))
    for learn in (lambda: fit_verifier(data, np.ones(COUNT, bool), CONFIG, 0),
                  lambda: cross_fit_verifier(data, cases.objects % 3, CONFIG, 0)):
        with pytest.raises(ValueError, match=r"no case is undecided.*verification\.candidates=0"):
            learn()
    np.testing.assert_array_equal(data.corrected(None, np.ones(COUNT, bool)), decided)


def test_the_section_of_the_card() -> None:
    cases, log_odds, shown = coin_flips()
    section = verification_section(CONFIG, collected(cases, log_odds, Bank(shown)), (1.5, 0.25))
    assert section == {"local_key": LOCAL_KEY, "candidates": 2, "gap": 2.0, "temperature": 1.5, "none_weight": 0.25,
                       "columns": list(COLUMNS), "trees": 40, "cases": COUNT * 3 // 4, "rows": COUNT * 3 // 2}
