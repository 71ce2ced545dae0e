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

"""The best grasp on a lone item holds in physics."""

import numpy as np
import pytest

from objectcentric_ros.grasping.geometric import GeometricGraspPlanner
from objectcentric_ros.picking.grasp_calibration import GraspTrials, TrialCell
from objectcentric_ros.segmentation.segmenter import Segmentation
from objectcentric_ros.simulation.catalogue import Catalogue


@pytest.mark.parametrize("item_id", ["cardboard-box", "beer-bottle"])
def test_a_planned_grasp_lifts_the_item(layout, item_id):
    with TrialCell([Catalogue.load().get(item_id)], seed=3, layout=layout) as cell:
        truth, frame = cell.ground_truth(), cell.render()
        grasps = GeometricGraspPlanner(layout).plan(frame, Segmentation(truth.labels, ()), 1)
        assert GraspTrials(layout).attempt(cell, grasps[0], 0) == "held"
        assert cell.ground_truth().T_base_item[0][2, 3] > truth.T_base_item[0][2, 3] + 0.12
        assert cell.gripper_width() == pytest.approx(grasps[0].width, abs=0.01)


def test_a_cell_goes_back_to_a_saved_state(layout):
    with TrialCell([Catalogue.load().get("beer-bottle")], seed=4, layout=layout) as cell:
        before, state = cell.ground_truth().T_base_item[0], cell.save()
        cell.set_joint_targets(cell.joint_state()[0][:7] + 0.2)
        cell.step(0.5)
        cell.restore(state)
        np.testing.assert_array_equal(cell.ground_truth().T_base_item[0], before)
        cell.step(0.1)
        np.testing.assert_allclose(cell.ground_truth().T_base_item[0], before, atol=1e-3)
