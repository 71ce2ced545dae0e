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

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.identification.local_features import common_points, local_features
from objectcentric_ros.identification.verification import (
    COLUMNS,
    EVIDENCE,
    PICTURES,
    RISING,
    VerificationConfig,
    evidence_of,
    undecided,
    verification_rows,
    verified,
)

NAN, INF = np.nan, np.inf


class PerArrangedPoint:
    """Stands for the trees: half a unit of log-odds for each arranged point of the tray's picture, nothing where unknown."""

    def __init__(self) -> None:
        self.asked: list[NDArray[np.float32]] = []

    def inplace_predict(self, rows: NDArray[np.float32], **_: object) -> NDArray[np.float32]:
        self.asked.append(rows)
        return 0.5 * np.nan_to_num(rows[:, COLUMNS.index("tray_arranged")])


def never(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
    raise AssertionError("nobody is to be verified")


def test_the_columns_are_those_of_the_evidence_twice() -> None:
    assert PICTURES == ("tray", "bin", "catalog")
    assert EVIDENCE == ("tray_arranged", "tray_matched", "bin_arranged", "bin_matched", "catalog_arranged", "catalog_matched")
    assert len(COLUMNS) == len(set(COLUMNS)) == len(RISING) == 14
    assert [name for name, rising in zip(COLUMNS, RISING, strict=True) if rising] == [
        "tray_arranged", "bin_arranged", "catalog_arranged", "tray_arranged_behind", "bin_arranged_behind",
        "catalog_arranged_behind"]


@pytest.mark.parametrize(("log_odds", "candidates", "expected"), [
    ([1.0, 0.5, -3.0, 0.9], 3, [1, 1, 0, 1]),               # close: the likeliest three
    ([1.0, 0.5, -3.0, 0.9], 2, [1, 0, 0, 1]),
    ([3.0, 0.9, 0.8, 0.7], 3, [0, 0, 0, 0]),                # the first is ahead by 2.1
    ([3.0, 1.0, 0.8, 0.7], 3, [0, 0, 0, 0]),                # by 2 exactly: not less than the gap
    ([3.0, 1.001, -9.0, -9.5], 3, [1, 1, 1, 0]),            # the gap is that of the first two, whoever is third
    ([0.0, 0.0, 0.0, 0.0], 3, [1, 1, 1, 0]),                # ties go to the first columns
    ([0.5, 1.0, 0.5, 0.5], 2, [1, 1, 0, 0]),
    ([-INF, 1.0, -INF, 0.5], 3, [0, 1, 0, 1]),              # fewer with references than are asked for
    ([-INF, 1.0, -INF, -INF], 3, [0, 0, 0, 0]),             # one alone has no rival
    ([-INF, -INF, -INF, -INF], 3, [0, 0, 0, 0]),
    ([1.0, 0.5, 0.9, 0.8], 0, [0, 0, 0, 0]),
    ([1.0, 0.5, 0.9, 0.8], 9, [1, 1, 1, 1])])
def test_who_is_undecided_by_hand(log_odds: list[float], candidates: int, expected: list[int]) -> None:
    chosen = undecided(np.array([log_odds]), candidates, 2.0)
    assert chosen.dtype == bool and chosen.astype(int).tolist() == [expected]


def test_each_query_is_judged_by_itself_and_one_column_never() -> None:
    rows = np.array([[5.0, 0.0, 4.9], [5.0, 0.0, 0.1], [-INF, 0.0, 1.0]])
    assert undecided(rows, 2, 1.5).tolist() == [[True, False, True], [False] * 3, [False, True, True]]
    assert undecided(rows, 2, 6.0).any(axis=1).all()
    assert undecided(np.zeros((4, 1)), 3, 2.0).tolist() == [[False]] * 4
    assert undecided(np.zeros((0, 5)), 3, 2.0).shape == (0, 5) and undecided(np.zeros((2, 0)), 3, 2.0).shape == (2, 0)


def test_rows_by_hand() -> None:
    log_odds = np.array([[1.0, 7.0, 0.5], [0.0, 0.25, -INF]], np.float64)
    chosen = np.array([[True, False, True], [True, True, False]])
    evidence = np.array([[10, 12, NAN, NAN, 3, 4], [7, 20, 5, 6, NAN, NAN],
                         [NAN] * 6, [NAN, NAN, 2, 2, 0, 1]], np.float32)
    rows = verification_rows(log_odds, chosen, evidence)
    assert rows.shape == (4, 14) and rows.dtype == np.float32
    np.testing.assert_allclose(rows[:, 0], [0.0, -0.5, -0.25, 0.0])                       # behind the likeliest of the verified
    np.testing.assert_allclose(rows[:, 1], [1.0, 0.5, 0.0, 0.25])
    np.testing.assert_array_equal(rows[:, 2:8], evidence)
    # Only one of the first two has a bin's picture, and one a catalog's: each of them is the best.
    np.testing.assert_allclose(rows[:, 8:], [[0, -8, NAN, NAN, 0, 0], [-3, 0, 0, 0, NAN, NAN],
                                             [NAN] * 6, [NAN, NAN, 0, 0, 0, 0]])


def test_rows_of_nobody() -> None:
    assert verification_rows(np.zeros((2, 3)), np.zeros((2, 3), bool), np.empty((0, 6), np.float32)).shape == (0, 14)


def test_only_the_verified_are_changed() -> None:
    log_odds = np.array([[0.5, 0.0, -1.0, -INF], [9.0, 0.0, 0.0, 0.0], [-INF, 2.0, 2.0, 2.0]])
    given = log_odds.copy()
    asked: list[tuple[list[int], list[int]]] = []

    def verify(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        asked.append((rows.tolist(), columns.tolist()))
        evidence = np.full((len(rows), 6), NAN, np.float32)
        evidence[:, 0] = [2, 6, 0, 4]
        return evidence

    booster = PerArrangedPoint()
    found, which = verified(log_odds, booster, 2, 1.0, verify)
    assert which.dtype == bool and which.tolist() == [True, False, True]
    assert asked == [([0, 0, 2, 2], [0, 1, 1, 2])]                       # in the order of the rows, all at once
    np.testing.assert_allclose(found, [[1.5, 3.0, -1.0, -INF], [9.0, 0.0, 0.0, 0.0], [-INF, 2.0, 4.0, 2.0]])
    np.testing.assert_array_equal(log_odds, given)
    assert len(booster.asked) == 1 and booster.asked[0].shape == (4, 14)


def test_nobody_is_asked_where_all_is_decided() -> None:
    booster = PerArrangedPoint()
    log_odds = np.array([[9.0, 0.0, -INF], [-INF, -INF, 0.5]])
    for given, candidates in ((log_odds, 3), (np.zeros((2, 3)), 0), (np.zeros((0, 3)), 3)):
        found, which = verified(given, booster, candidates, 2.0, never)
        np.testing.assert_array_equal(found, given)
        assert which.tolist() == [False] * len(given)
    assert booster.asked == []
    with pytest.raises(AssertionError, match="nobody"):
        verified(np.zeros((2, 3)), booster, 3, 2.0, never)


def test_evidence_is_of_the_best_picture_of_a_source(drawn: Callable[..., NDArray[np.uint8]],
                                                     seen_otherwise: Callable[..., NDArray[np.uint8]]) -> None:
    query, same, other, plain = (local_features(image) for image in (
        seen_otherwise(drawn(0)), drawn(0), drawn(1), np.full((20, 20, 3), 90, np.uint8)))
    found = evidence_of(query, {"tray": [other, same, plain], "catalog": [plain], "text": [same], "bin": []})
    assert found.shape == (6,) and found.dtype == np.float32
    np.testing.assert_array_equal(found, [*common_points(query, same), NAN, NAN, 0, 0])
    assert found[0] > 50 > 10 > common_points(query, other)[0]
    assert np.isnan(evidence_of(query, {})).all()
    np.testing.assert_array_equal(evidence_of(plain, {"bin": [same]}), [NAN, NAN, 0, 0, NAN, NAN])


@pytest.mark.parametrize("make", [
    lambda: VerificationConfig(candidates=1), lambda: VerificationConfig(candidates=-1), lambda: VerificationConfig(gap=0.0),
    lambda: VerificationConfig(gap=-1.0), lambda: VerificationConfig(gap=NAN), lambda: VerificationConfig(rate=2.0),
    lambda: VerificationConfig(rate=0.0), lambda: VerificationConfig(trees=0), lambda: VerificationConfig(depth=0)])
def test_configurations_without_meaning_are_refused(make: Callable[[], VerificationConfig]) -> None:
    assert (VerificationConfig(candidates=0).candidates, VerificationConfig(candidates=2, rate=1.0).rate) == (0, 1.0)
    with pytest.raises(ValueError, match="must be"):
        make()
