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

from objectcentric_ros.identification.embedded_set import EmbeddedSet
from objectcentric_ros.identification.fusion_cases import Cases, QueryPool, draw_cases, draw_rates, likeliest, query_pool

NAN = np.nan


def numbered_pool(objects: int = 40, per_object: int = 2) -> QueryPool:
    """Distances that say which query and object they are of: query / 1000 + object / 100000, the same by every source."""
    truth = np.repeat(np.arange(objects), per_object)
    distances = (np.arange(len(truth))[:, None] / 1000 + np.arange(objects)[None, :] / 100_000).astype(np.float32)
    return QueryPool(np.repeat(distances[..., None], 4, axis=-1), truth, tuple(f"object{number}" for number in range(objects)))


def drawn_objects(cases: Cases, queries: np.ndarray) -> np.ndarray:
    """(N, C) numbers of the candidates, -1 for none; of cases with full coverage."""
    rest = cases.distances[..., 0] - queries[:, None] / 1000
    return np.where(np.isnan(rest), -1, np.round(np.nan_to_num(rest) * 100_000)).astype(int)


def test_every_case_has_its_object_among_different_candidates() -> None:
    pool = numbered_pool()
    queries = np.repeat(np.arange(80), 5)
    cases = draw_cases(np.random.default_rng(0), pool, queries, (10, 30), np.ones(4))
    drawn = drawn_objects(cases, queries)
    sizes = (drawn >= 0).sum(axis=1)
    np.testing.assert_array_equal(sizes, cases.candidates)
    np.testing.assert_array_equal(cases.present, drawn >= 0)
    assert sizes.min() == 10 and sizes.max() == 30
    assert all(len(set(row[row >= 0])) == size for row, size in zip(drawn, sizes, strict=True))
    np.testing.assert_array_equal(drawn[np.arange(400), cases.truth], pool.truth[queries])
    np.testing.assert_array_equal(cases.objects, pool.truth[queries])
    assert len(set(cases.truth.tolist())) > 20          # its place says nothing


def test_an_open_case_lacks_its_object() -> None:
    pool = numbered_pool(12)
    queries = np.repeat(np.arange(24), 50)
    cases = draw_cases(np.random.default_rng(0), pool, queries, (10, 30), np.ones(4), open_set=0.3)
    opened = cases.truth < 0
    assert opened.mean() == pytest.approx(0.3, abs=0.05)
    drawn = drawn_objects(cases, queries)
    assert not (drawn[opened] == pool.truth[queries][opened, None]).any()
    assert cases.candidates.max() == 11                  # smaller than the pool: in an open case one object is left out


def test_coverage_is_that_asked_for_and_blind_to_the_truth() -> None:
    pool = numbered_pool()
    rates = np.array([0.25, 0.5, 1.0, 0.0])
    cases = draw_cases(np.random.default_rng(0), pool, np.repeat(np.arange(80), 40), (10, 30), rates)
    covered = ~np.isnan(cases.distances)
    np.testing.assert_allclose(covered[cases.present].mean(axis=0), rates, atol=0.01)
    true = covered[np.arange(len(cases)), cases.truth]
    np.testing.assert_allclose(true.mean(axis=0), rates, atol=0.04)
    np.testing.assert_array_equal(cases.covered, covered.any(axis=-1))


def test_look_alikes_come_more_often() -> None:
    pool = numbered_pool(80, 1)      # the nearest objects of every query are those with the lowest numbers
    queries = np.repeat(np.arange(40, 80), 20)
    shares = []
    for near in (0.0, 1.0):
        cases = draw_cases(np.random.default_rng(0), pool, queries, (10, 20), np.ones(4), near=near)
        drawn = drawn_objects(cases, queries)
        shares.append(((drawn >= 0) & (drawn < 10)).sum() / (drawn >= 0).sum())
    assert shares[0] == pytest.approx(10 / 80, abs=0.02) and shares[1] > 2 * shares[0]


def test_training_rates_go_from_none_to_all() -> None:
    rates = draw_rates(np.random.default_rng(0), 5000)
    assert rates.shape == (5000, 4) and rates.min() >= 0 and rates.max() == 1
    assert (rates == 1).mean() == pytest.approx(0.25, abs=0.02) and (rates < 0.1).mean() > 0.12
    assert np.abs(np.corrcoef(rates.T) - np.eye(4)).max() < 0.05


def test_a_part_of_a_pool_knows_its_objects_alone() -> None:
    part = numbered_pool(10).part(np.array([2, 7]))
    assert part.objects == ("object2", "object7")
    np.testing.assert_array_equal(part.truth, [0, 0, 1, 1])
    np.testing.assert_allclose(part.distances[:, :, 0] * 100_000, [[402, 407], [502, 507], [1402, 1407], [1502, 1507]], rtol=1e-4)


def test_the_likeliest_is_the_nearer_of_equals() -> None:
    p = np.array([[0.5, 0.5, 0.1], [0.2, 0.9, 0.9], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    distances = np.full((4, 3, 4), NAN)
    distances[0, :, 0] = [0.3, 0.2, 0.1]
    distances[1, :2, 0] = [0.3, 0.6]          # the third of equal probability has no reference
    distances[3, 2, 3] = 1.9
    np.testing.assert_array_equal(likeliest(p, distances), [1, 1, -1, 2])


def test_a_pool_of_embeddings() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 2, 1, 3]]
    embedded = EmbeddedSet(np.array(["a", "a", "b", "b", "c", "no-references"]), np.array([0, 1, 0, 4, 2, 0], np.int8), vectors,
                           np.array(["fusion"] * 6), np.array(list("uvwxyz")), "image-1")
    pool = query_pool(embedded)
    assert pool.objects == ("a", "b", "c") and pool.truth.tolist() == [0, 1]
    np.testing.assert_allclose(pool.distances, [[[0, NAN, NAN, NAN], [NAN, NAN, NAN, 1], [NAN, 1, NAN, NAN]],
                                                [[1, NAN, NAN, NAN], [NAN, NAN, NAN, 1], [NAN, 0, NAN, NAN]]])
    with pytest.raises(ValueError, match="0 queries"):
        query_pool(embedded.select(sources=("tray", "bin")))


def test_a_pool_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="can't be drawn from 10"):
        draw_cases(np.random.default_rng(0), numbered_pool(10), np.arange(3), (10, 30))
