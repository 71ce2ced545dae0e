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

"""The grasp planner node: grasps for segments of remembered scenes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from objectcentric_interfaces.msg import Segments
from objectcentric_interfaces.srv import PlanGrasp
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout, top_down
from objectcentric_ros.grasping.geometric import GeometricGraspPlanner, GraspSearch
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.nodes import grasp_planner
from objectcentric_ros.nodes.conversions import stamp_nanoseconds
from objectcentric_ros.nodes.grasp_planner import GraspPlannerNode
from objectcentric_ros.nodes.heart import OK
from objectcentric_ros.nodes.stack_conversions import grasp_from_message
from objectcentric_ros.segmentation.segmenter import Segmentation

from .node_bench import BLOCK, T_BASE_CAMERA, BenchCamera, NodeBench, block_segmentation


class CentroidPlanner:
    """One grasp over the segment's centroid, another one beside it; none for segments of fewer than 100 pixels."""

    made: CentroidPlanner

    def __init__(self, layout: CellLayout, config: Any) -> None:
        self.calls: list[tuple[RgbdFrame, Segmentation, int, int]] = []
        CentroidPlanner.made = self

    def search(self, frame: RgbdFrame, segmentation: Segmentation, segment_id: int, max_grasps: int) -> GraspSearch:
        """See GeometricGraspPlanner."""
        self.calls.append((frame, segmentation, segment_id, max_grasps))
        segment = next(s for s in segmentation.segments if s.id == segment_id)
        if segment.area < 100:
            return GraspSearch((), "too small for the hand")
        grasps = [Grasp(top_down(segment.centroid_base + [0.0, dy, 0.0], 0.3), 0.04, 0.06, 0.1, score, "geometric",
                        "over the middle") for dy, score in ((0.0, 0.9), (0.02, 0.4))]
        return GraspSearch(tuple(grasps[:max_grasps]), "2 grasps")


@pytest.fixture(scope="module")
def graph() -> Iterator[tuple[NodeBench, BenchCamera, GraspPlannerNode]]:
    """A bench with camera and grasp planner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grasp_planner, "GeometricGraspPlanner", CentroidPlanner)
        bench = NodeBench()
        camera = BenchCamera(bench)
        node = bench.add(GraspPlannerNode, max_grasps=5)
        camera.connect(node)
        yield bench, camera, node
        bench.close()


def show(graph: tuple[NodeBench, BenchCamera, GraspPlannerNode], extra: int = 0) -> Header:
    """A scene that the node remembers; its header."""
    bench, camera, node = graph

    def arrived(wanted: Header) -> bool:
        messages = node._camera.at(stamp_nanoseconds(wanted.stamp))
        return messages is not None and messages.stamp_ns == stamp_nanoseconds(wanted.stamp)

    for _ in range(20):     # best effort: an image may get lost
        header = camera.look()
        deadline = time.monotonic() + 1.0
        while not arrived(header) and time.monotonic() < deadline:
            time.sleep(0.01)
        if arrived(header):
            break
    camera.segment(header, block_segmentation(extra))
    bench.wait_for(lambda: node._scenes.newest() and stamp_nanoseconds(node._scenes.newest().segments.header.stamp)
                   == stamp_nanoseconds(header.stamp), "the scene")
    return header


def plan(bench: NodeBench, **fields: Any) -> Any:
    """Call plan_grasp."""
    return bench.call(PlanGrasp, "plan_grasp", PlanGrasp.Request(**fields))


def test_grasps_come_best_first_in_the_base_frame_with_the_scenes_stamp(graph: Any) -> None:
    header = show(graph)
    answer = plan(graph[0], stamp=header.stamp, segment_id=1)
    assert answer.success and answer.message == "2 grasps" and len(answer.grasps) == 2
    best = answer.grasps[0]
    assert best.header.frame_id == "fr3_link0" and stamp_nanoseconds(best.header.stamp) == stamp_nanoseconds(header.stamp)
    assert best.score == pytest.approx(0.9) and best.method == "geometric" and best.reason == "over the middle"
    assert np.allclose(grasp_from_message(best).T_base_tcp, top_down([0.48, 0.0, 0.05], 0.3), atol=1e-5)


def test_the_planner_sees_the_scene_as_it_was_segmented(graph: Any) -> None:
    header = show(graph)
    for _ in range(2):   # newer images come and don't matter
        graph[1].look()
    plan(graph[0], stamp=header.stamp, segment_id=1, max_grasps=1)
    frame, segmentation, segment_id, most = CentroidPlanner.made.calls[-1]
    assert frame.stamp == pytest.approx(stamp_nanoseconds(header.stamp) * 1e-9, abs=1e-6)
    assert np.allclose(frame.T_base_camera, T_BASE_CAMERA, atol=1e-9) and frame.depth[24, 32] == pytest.approx(0.55)
    assert (segmentation.labels[BLOCK] == 1).all() and segment_id == 1 and most == 1


def test_segments_of_one_scene_share_what_was_prepared(graph: Any) -> None:
    header = show(graph, extra=1)
    plan(graph[0], stamp=header.stamp, segment_id=1)
    plan(graph[0], stamp=header.stamp, segment_id=2)
    (first, _, _, _), (second, _, _, most) = CentroidPlanner.made.calls[-2:]
    assert first is second, "the planner's height map is kept by the frame's identity"
    assert most == 5, "max_grasps 0 is the parameter"


def test_no_grasp_is_an_answer_with_a_reason(graph: Any) -> None:
    header = show(graph, extra=1)
    answer = plan(graph[0], stamp=header.stamp, segment_id=2)
    assert answer.success and not answer.grasps and answer.message == "too small for the hand"


def test_an_earlier_scene_is_still_known(graph: Any) -> None:
    first = show(graph)
    show(graph)
    assert plan(graph[0], stamp=first.stamp, segment_id=1).success


@pytest.mark.parametrize(("fields", "text"), [
    ({"segment_id": 99}, "no segment 99; it has 1"), ({"segment_id": 0}, "no segment 0"),
    ({"stamp": Time(sec=7), "segment_id": 1}, "no segments of 7.000 s are remembered"),
    ({"segment_id": 1, "max_grasps": 2_000_000_000}, "at most 1000")])
def test_a_wrong_request_is_refused_with_a_sentence(graph: Any, fields: dict[str, Any], text: str) -> None:
    header = show(graph)
    answer = plan(graph[0], **{"stamp": header.stamp, **fields})
    assert not answer.success and text in answer.message
    assert plan(graph[0], stamp=header.stamp, segment_id=1).success, "the node is still there"


def test_segments_that_contradict_themselves_are_refused(graph: Any) -> None:
    bench, camera, node = graph
    header = show(graph)
    broken = Segments(header=header, segments=node._scenes.newest().segments.segments)   # without a label image
    camera._segments.publish(broken)
    bench.wait_for(lambda: node._scenes.newest().segments.labels.width == 0)
    answer = plan(bench, stamp=header.stamp, segment_id=1)
    assert not answer.success and "label image" in answer.message


def test_grasps_are_shown_as_fingers_and_palm(graph: Any) -> None:
    bench = graph[0]
    header = show(graph)
    plan(bench, stamp=header.stamp, segment_id=1)
    shown = bench.listen(MarkerArray, "grasps")
    array = bench.wait_for(lambda: shown and shown[-1])
    cubes = [marker for marker in array.markers if marker.ns == "grasps"]
    assert len(cubes) == 6 and {marker.header.frame_id for marker in cubes} == {"fr3_link0"}
    left, right = (np.array([m.pose.position.x, m.pose.position.y, m.pose.position.z]) for m in cubes[:2])
    apart = 0.06 + CellLayout.load().gripper.finger_depth
    assert np.linalg.norm(left - right) == pytest.approx(apart), "the opening and half a finger on either side"


def test_diagnostics_count_the_plans(graph: Any) -> None:
    header = show(graph)
    plan(graph[0], stamp=header.stamp, segment_id=1)
    status = graph[0].wait_for_status("grasp_planner", OK, "newest scene")
    assert int({value.key: value.value for value in status.values}["plans"]) >= 1


def test_the_real_planner_answers(graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, _, node = graph
    monkeypatch.setattr(node, "_planner", GeometricGraspPlanner(CellLayout.load()))
    header = show(graph)
    answer = bench.call(PlanGrasp, "plan_grasp", PlanGrasp.Request(stamp=header.stamp, segment_id=1), timeout=30.0)
    assert answer.success and answer.message
    for grasp in answer.grasps:
        assert abs(grasp.pose.position.x - 0.48) < 0.1 and 0 < grasp.score <= 1
