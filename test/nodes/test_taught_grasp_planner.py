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

import uuid
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage
from objectcentric_ros.gallery.errors import DatabaseLost, UnknownObject
from objectcentric_ros.gallery.grasp_point import GraspPoint
from objectcentric_ros.gallery.records import AttemptRecord, PickRecord
from objectcentric_ros.geometry.layout import top_down
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.nodes import grasp_planner
from objectcentric_ros.nodes.camera_input import CameraConfig
from objectcentric_ros.nodes.gallery import GalleryAddress
from objectcentric_ros.nodes.grasp_planner import GraspPlannerConfig, GraspPlannerNode

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

    def pick_history(self, object_id: str, limit: int) -> tuple[PickRecord, ...]:
        """See Gallery."""
        return ()

    def close(self) -> None:
        """See Gallery."""
        self.closed = True


class SlipperyGallery(OneObjectGallery):
    """Remembers that a mug was lost four times by the grasp that CentroidPlanner plans; lost itself when told to be."""

    lost = False

    def pick_history(self, object_id: str, limit: int) -> tuple[PickRecord, ...]:
        """See Gallery."""
        if self.lost:
            raise DatabaseLost("the database is gone")
        assert limit == 50
        grasp = Grasp(top_down([0.1, 0.2, 0.05], 1.0), 0.04, 0.06, 0.1, 0.9, "geometric")
        attempts = (AttemptRecord("grasp_lost", grasp.to_mapping()),) * 4
        picks = (PickRecord(str(uuid.uuid4()), "mug", "mug", "grasp_lost", 1.0, 2.0, attempts),)
        return picks if object_id == "mug" else ()


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


def test_grasps_that_lost_the_item_before_are_expected_to_do_so_again(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = SlipperyGallery()
    monkeypatch.setattr(grasp_planner, "GeometricGraspPlanner", CentroidPlanner)
    monkeypatch.setattr(grasp_planner.GraspPlannerConfig, "open", lambda self: gallery)
    bench = NodeBench()
    try:
        camera = BenchCamera(bench)
        node = bench.add(GraspPlannerNode, gallery_url="postgresql://somewhere/gallery")
        camera.connect(node)
        header = show((bench, camera, node))
        for object_id, score, words in (("", 0.9, "2 grasps"), ("cup", 0.9, "2 grasps"), ("mug", 0.3, "lost the item before")):
            answer = plan(bench, stamp=header.stamp, segment_id=1, object_id=object_id)
            assert answer.success and words in answer.message
            assert answer.grasps[0].score == pytest.approx(score, abs=0.01)
        gallery.lost = True
        answer = plan(bench, stamp=header.stamp, segment_id=1, object_id="mug")
        assert answer.success and answer.grasps[0].score == pytest.approx(0.9)
        assert node._without_gallery == "the database is gone"
    finally:
        bench.close()


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


def test_no_parameter_replaces_one_of_the_camera() -> None:
    for base in (CameraConfig, GalleryAddress):
        for field in fields(base):
            own = GraspPlannerConfig.__dataclass_fields__[field.name]
            assert own.type == field.type, f"{field.name} is another thing to {base.__name__}"
