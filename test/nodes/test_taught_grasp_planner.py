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


"""The grasp planner with taught grasps. A file of its own: the other file's node would answer the same service."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage
from objectcentric_ros.gallery.errors import UnknownObject
from objectcentric_ros.gallery.grasp_point import GraspPoint
from objectcentric_ros.nodes import grasp_planner
from objectcentric_ros.nodes.grasp_planner import GraspPlannerNode

from .node_bench import BenchCamera, NodeBench
from .test_grasp_planner_node import CentroidPlanner, plan, show


class OneColourModel:
    """Describes everything by its colour."""

    key, dimension = "colour:1", 3

    def describe(self, color: Any) -> DescriptorImage:
        """See DescriptorModel."""
        return DescriptorImage(color.astype(np.float32) / 255, 1, *color.shape[:2])


class OneObjectGallery:
    """Has a cap that was taught for another model, and nothing else."""

    closed = False

    def grasp_points(self, object_id: str) -> tuple[GraspPoint, ...]:
        """See Gallery."""
        if object_id != "cap":
            raise UnknownObject(f"the gallery has no {object_id}")
        return (GraspPoint("brim", "other:1", np.ones(3, np.float32)),)

    def close(self) -> None:
        """See Gallery."""
        self.closed = True


def test_with_a_descriptor_model_the_answer_says_why_the_grasp_is_geometric(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = OneObjectGallery()
    monkeypatch.setattr(grasp_planner, "GeometricGraspPlanner", CentroidPlanner)
    monkeypatch.setattr(grasp_planner, "load_model", lambda name, threads: OneColourModel())
    monkeypatch.setattr(grasp_planner.GraspPlannerConfig, "open", lambda self: gallery)
    bench = NodeBench()
    try:
        camera = BenchCamera(bench)
        node = bench.add(GraspPlannerNode, descriptor_models=("descriptors_caps",))
        camera.connect(node)
        header = show((bench, camera, node))
        for object_id, words in (("", "isn't known what"), ("cup", "has no cup"), ("cap", "of other models")):
            answer = plan(bench, stamp=header.stamp, segment_id=1, object_id=object_id)
            assert answer.success and answer.grasps[0].method == "geometric" and words in answer.message
            assert answer.message in answer.grasps[0].reason
    finally:
        bench.close()
    assert gallery.closed


def test_without_the_model_that_was_asked_for_grasps_are_geometric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grasp_planner, "GeometricGraspPlanner", CentroidPlanner)
    bench = NodeBench()
    try:
        camera = BenchCamera(bench)
        node = bench.add(GraspPlannerNode, descriptor_models=("no_such_model",))
        camera.connect(node)
        header = show((bench, camera, node))
        assert plan(bench, stamp=header.stamp, segment_id=1, object_id="cap").message == "2 grasps"
        assert "no_such_model" in node._without_model
    finally:
        bench.close()
