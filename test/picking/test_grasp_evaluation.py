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


"""Teaching and evaluating grasps: figures by hand, places on surfaces, and one scene with a model that can't fail."""

from __future__ import annotations

import numpy as np
import pytest

from objectcentric_ros.picking.grasp_evaluation import GraspEvaluationConfig, _error, summary
from objectcentric_ros.picking.teaching import _stored_grasp, load_teachings


def test_the_packages_teachings_are_complete() -> None:
    teachings = load_teachings()
    assert {"cap", "hat"} <= set(teachings)
    for teaching in teachings.values():
        assert teaching.grasp in teaching.points and teaching.depth > 0
        np.testing.assert_allclose(np.linalg.norm(teaching.closings, axis=1), 1)


@pytest.mark.parametrize(("text", "words"), [
    ("cup: {grasp: rim, points: {side: [0, 0, 0]}, closings: [[1, 0, 0]], depth: 0.02}", "must be one of the points side"),
    ("cup: {grasp: rim, points: {rim: [0, 0]}, closings: [[1, 0, 0]], depth: 0.02}", "cup"),
    ("cup: {grasp: rim, points: {rim: [0, 0, 0]}, colour: red}", "colour")])
def test_a_wrong_teaching_names_file_and_item(tmp_path, text: str, words: str) -> None:
    path = tmp_path / "points.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=words) as caught:
        load_teachings(path)
    assert "points.yaml: cup" in str(caught.value)


def test_the_stored_grasp_comes_from_above_and_closes_as_told() -> None:
    T = _stored_grasp(np.array([0.01, 0.02, 0.05]), np.array([1.0, 0.0, 0.5]), 0.02)
    np.testing.assert_allclose(T[:3, 3], [0.01, 0.02, 0.03])
    np.testing.assert_allclose(T[:3, 2], [0, 0, -1])
    np.testing.assert_allclose(T[:3, 1], [1, 0, 0])
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1)


def test_the_error_of_a_symmetric_item_is_that_from_the_circle() -> None:
    T = np.eye(4)
    T[:3, 3] = [1.0, 2.0, 3.0]
    place, axis = np.array([0.03, 0.0, 0.01]), np.array([0.0, 0.0, 1.0])
    found = T[:3, 3] + [0.0, -0.033, 0.014]
    assert _error(found, place, T, axis) == pytest.approx(0.005)
    assert _error(found, place, T, None) == pytest.approx(np.sqrt(0.03**2 + 0.033**2 + 0.004**2))
    assert _error(None, place, T, axis) is None


def entry(error: float | None, found: bool = True, visible: bool = True) -> dict:
    return {"error": error, "found": found, "visible": visible, "centre_error": 0.02}


def test_figures_count_every_miss() -> None:
    def scene(point: dict | None, aligned: dict, segmented: bool = True) -> dict:
        result = {"item": "cap-x", "base": "cap", "segmented": segmented, "points": {"button": point or {"visible": False}}}
        if segmented:
            result |= {"aligned": {"grasps": 1, "beside": 0.01, "pick": "held", **aligned},
                       "straight": {"grasps": 0, "beside": None, "pick": "no grasp"},
                       "geometric": {"grasps": 3, "beside": 0.0, "pick": "lost"}}
        return result

    results = [scene(entry(0.014), {"error": 0.01, "degrees": 14.0}),
               scene(entry(0.016), {"error": 0.01, "degrees": 16.0}),
               scene(entry(0.001, found=False), {"no_pose": "too few"}),
               scene(None, {}, segmented=False)]
    figures = summary(results, GraspEvaluationConfig(picks=True))
    assert figures["straight_within_15mm"] == pytest.approx(1 / 4)
    assert figures["straight_within_15mm_visible"] == pytest.approx(1 / 3)
    assert figures["straight_within_15mm_unasked"] == pytest.approx(2 / 4)
    assert figures["segment_centre_within_15mm"] == 0.0
    assert figures["aligned_within_15mm_15deg"] == pytest.approx(1 / 4)
    assert figures["aligned_believed"] == pytest.approx(2 / 4)
    assert figures["aligned_pick_rate"] == pytest.approx(3 / 4) and figures["geometric_pick_rate"] == 0.0
    assert figures["geometric_grasp_within_15mm"] == pytest.approx(3 / 4)
    assert figures["segmented"] == pytest.approx(3 / 4) and figures["items"]["cap-x"]["scenes"] == 4
