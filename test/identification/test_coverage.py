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

from objectcentric_ros.identification.coverage import apply_coverage, draw_coverage

RATES = (0.25, 0.5, 1.0, 0.0)


def test_shares_are_those_asked_for_and_the_draws_independent() -> None:
    mask = draw_coverage(np.random.default_rng(0), 20_000, RATES)
    assert mask.shape == (20_000, 4) and mask.dtype == bool
    np.testing.assert_allclose(mask.mean(axis=0), RATES, atol=0.015)      # 4 standard deviations
    both = (mask[:, 0] & mask[:, 1]).mean()
    assert both == pytest.approx(0.25 * 0.5, abs=0.01)                    # sources of one object
    neighbours = (mask[:-1, 1] & mask[1:, 1]).mean()
    assert neighbours == pytest.approx(0.25, abs=0.015)                   # objects after each other


def test_rates_by_object() -> None:
    rates = np.zeros((3, 4))
    rates[1] = 1.0
    np.testing.assert_array_equal(draw_coverage(np.random.default_rng(0), 3, rates).any(axis=1), [False, True, False])


def test_a_seed_repeats_the_draw() -> None:
    first, second = (draw_coverage(np.random.default_rng(7), 50, RATES) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_what_is_not_covered_is_nan_and_nothing_else_changes() -> None:
    distances = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    distances[1, 2, 3] = np.nan
    before = distances.copy()
    mask = np.array([[True, False, True, True], [True] * 4, [False] * 4])
    covered = apply_coverage(distances, mask)
    assert covered.dtype == np.float32
    np.testing.assert_array_equal(distances, before)
    for query in range(2):
        np.testing.assert_array_equal(covered[query][mask], before[query][mask])
        assert np.isnan(covered[query][~mask]).all()


@pytest.mark.parametrize("rates", [(0.5, 0.5, 0.5), (0.5, 0.5, 0.5, 1.1), (0.5, 0.5, 0.5, np.nan), (-0.1, 0, 0, 0)])
def test_rates_that_are_no_shares_are_refused(rates: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="rates"):
        draw_coverage(np.random.default_rng(0), 5, rates)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        apply_coverage(np.zeros((2, 3, 4)), np.ones((4, 4), bool))
    with pytest.raises(ValueError, match="do not fit"):
        apply_coverage(np.zeros((3, 4)), np.ones((2, 3, 4), bool))
