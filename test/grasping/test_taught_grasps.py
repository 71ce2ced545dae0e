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


"""Taught grasps on ray-cast trays whose colour is the descriptor: what is found is checked against exact geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage, Keypoints
from objectcentric_ros.descriptors.views import ObjectView
from objectcentric_ros.gallery.grasp_point import GraspPoint
from objectcentric_ros.geometry.se3 import invert
from objectcentric_ros.grasping.aligned_grasp import AlignedConfig, about, aligned_search, find_pose
from objectcentric_ros.grasping.choice import ChoiceConfig, GraspChooser
from objectcentric_ros.grasping.close_up import CloseUpConfig, close_up, look_at
from objectcentric_ros.grasping.descriptor_grasp import StraightConfig, find_point, straight_search
from objectcentric_ros.grasping.geometric import GeometricGraspPlanner, GraspSearch, UnknownSegment
from objectcentric_ros.grasping.item_pose import NoPose
from objectcentric_ros.grasping.item_reference import reference_points
from objectcentric_ros.grasping.point_grasps import PointGraspPlanner
from objectcentric_ros.segmentation.block_scenes import Block, render
from objectcentric_ros.segmentation.segmenter import Segmentation

CLOSE = CloseUpConfig(320)
SIZE = (0.12, 0.04, 0.05)
TAUGHT = np.array([0.035, 0.0, 0.025])      # on the top, near one end; in the block's frame


def by_place(points):
    """A colour for every place of the block: nothing looks like anything else."""
    return np.clip(127 + points * [900, 2500, 2000], 0, 255).astype(np.uint8)


def mirrored(points):
    return by_place(np.abs(points) * [1, 1, 1])


class ColourModel:
    """Colour as descriptor, exact; keypoints are the places of known colours."""

    key, dimension = "colour:1", 3

    def __init__(self, keypoints=None):
        self._keypoints = keypoints
        if keypoints is not None:
            self.keypoints = self._find

    def describe(self, color):
        return DescriptorImage(color.astype(np.float32) / 255, 1, *color.shape[:2])

    def _find(self, color, mask=None):
        v, u = np.nonzero(mask)
        distance = np.linalg.norm(color[v, u][:, None].astype(float) - self._keypoints[None], axis=2)
        best = distance.argmin(axis=0)
        peaks = (distance.min(axis=0) < 12).astype(float)
        return Keypoints(np.stack([u[best], v[best]], axis=1).astype(float), peaks, np.full(len(best), np.nan))


@pytest.fixture(scope="module")
def planner(layout):
    return PointGraspPlanner(layout)


def scene(layout, at=(0.02, -0.03), yaw=0.5, paint=by_place, size=SIZE, others=(), is_round=False):
    frame, labels = render(layout, [Block(at, size, paint, 0.0, yaw, is_round), *others], color_noise=0)
    T_base_item = about(np.array([0.0, 0.0, 1.0]), yaw)
    T_base_item[:3, 3] = [*(np.asarray(at) + layout.tray.centre), layout.tray.floor_thickness + size[2] / 2]
    return frame, Segmentation(labels, ()), T_base_item


def look(frame, segmentation, model=None):
    return look_at(frame, segmentation.labels, 1, model or ColourModel(), CLOSE)


def view(frame, segmentation, T_base_item):
    mask = segmentation.labels == 1
    return ObjectView(frame.color, mask, frame.camera, frame.depth, invert(frame.T_base_camera) @ T_base_item, "block", "0")


def descriptors_of(layout, places):
    """Of places on the block's top, (N, 3), as a view of it shows them."""
    frame, _, T_base_item = scene(layout)
    in_camera = (invert(frame.T_base_camera) @ T_base_item @ np.column_stack([places, np.ones(len(places))]).T).T[:, :3]
    return ColourModel().describe(frame.color).at(frame.camera.project(in_camera))


@pytest.fixture(scope="module")
def taught(layout):
    return GraspPoint("end", ColourModel.key, descriptors_of(layout, TAUGHT[None])[0])


@pytest.fixture(scope="module")
def aligned(layout, taught):
    views = [view(*scene(layout, at, yaw)) for at, yaw in (((0.0, 0.0), 0.0), ((0.1, 0.08), 2.0), ((-0.1, 0.08), -1.0))]
    reference = reference_points(views, ColourModel(), 120, np.random.default_rng(0))
    T_object_tcp = np.diag([1.0, -1.0, -1.0, 1.0])
    T_object_tcp[:3, 3] = TAUGHT - [0, 0, 0.02]
    return replace(taught, approach="aligned", T_object_tcp=T_object_tcp, keypoints=reference.descriptors,
                   points=reference.points)


@pytest.mark.parametrize("yaw", [0.0, 0.9, 2.6])
def test_a_straight_grasp_is_at_the_taught_place_across_the_narrow_side(layout, planner, yaw, taught):
    frame, segmentation, T_base_item = scene(layout, yaw=yaw)
    search = straight_search([taught], look(frame, segmentation), frame, segmentation, 1, planner)
    best = search.grasps[0]
    there = (T_base_item @ [*TAUGHT, 1])[:3]
    assert np.linalg.norm(best.T_base_tcp[:2, 3] - there[:2]) < 0.012
    assert there[2] - 0.045 < best.T_base_tcp[2, 3] < there[2]
    closing = best.T_base_tcp[:3, 1]
    assert abs(closing @ T_base_item[:3, 1]) > np.cos(0.2)
    assert best.method == "straight" and best.width == pytest.approx(0.04, abs=0.008)
    assert len(search.features) == len(search.grasps)


def test_the_place_is_found_to_a_pixel_and_of_several_the_nearest_descriptor_wins(layout, taught):
    frame, segmentation, T_base_item = scene(layout)
    never = replace(taught, name="never seen", descriptor=np.array([0.0, 1.0, 0.0], np.float32))
    found = find_point([never, taught], frame, segmentation.labels == 1, ColourModel().describe(frame.color))
    assert found.point is not None and found.point.name == "end"
    np.testing.assert_allclose(found.position, (T_base_item @ [*TAUGHT, 1])[:3], atol=0.002)


def test_a_place_that_exists_twice_is_not_grasped_and_the_reason_says_so(layout, planner, taught):
    frame, segmentation, _ = scene(layout, paint=mirrored)
    search = straight_search([taught], look(frame, segmentation), frame, segmentation, 1, planner)
    assert search.grasps == () and "another place fits nearly as well" in search.reason


def test_what_looks_like_nothing_on_the_item_is_not_grasped(layout, planner, taught):
    frame, segmentation, _ = scene(layout)
    seen = look(frame, segmentation)
    seen = replace(seen, image=replace(seen.image, unit=True))
    point = replace(taught, descriptor=np.array([-1.0, 0.0, 0.0], np.float32))
    search = straight_search([point], seen, frame, segmentation, 1, planner)
    assert search.grasps == () and "nothing on the item looks like it" in search.reason


def test_without_depth_there_is_no_place_and_a_hole_takes_the_depth_around_it(layout, planner, taught):
    frame, segmentation, T_base_item = scene(layout)
    image = ColourModel().describe(frame.color)
    found = find_point([taught], frame, segmentation.labels == 1, image)
    u, v = (round(x) for x in found.pixel)
    holed, blind = frame.depth.copy(), frame.depth.copy()
    holed[v - 3:v + 4, u - 3:u + 4] = np.nan
    blind[segmentation.labels == 1] = np.nan
    again = find_point([taught], replace(frame, depth=holed), segmentation.labels == 1, image)
    np.testing.assert_allclose(again.position, found.position, atol=0.002)
    blind_look = replace(look(frame, segmentation), frame=replace(look(frame, segmentation).frame,
                                                                  depth=np.full((320, 320), np.nan, np.float32)))
    search = straight_search([taught], blind_look, frame, segmentation, 1, planner)
    assert search.grasps == () and "no depth" in search.reason
    with pytest.raises(ValueError, match="no depth"):
        look(replace(frame, depth=blind), segmentation)


def test_what_does_not_fit_the_hand_is_refused_with_the_reason(layout, planner, taught):
    frame, segmentation, _ = scene(layout, size=(0.12, 0.11, 0.05))
    search = straight_search([taught], look(frame, segmentation), frame, segmentation, 1, planner,
                             StraightConfig(min_confidence=0.0))
    assert search.grasps == () and "fit within 10 mm" in search.reason
    # Walls along both sides of the item: it could be taken lengthwise only, and is too long for that.
    beside = [Block((0.02, -0.03 + side * 0.04), (0.2, 0.03, 0.06), (9, 9, 9)) for side in (-1, 1)]
    frame, segmentation, _ = scene(layout, yaw=0.0, others=beside)
    search = straight_search([taught], look(frame, segmentation), frame, segmentation, 1, planner)
    assert search.grasps == () and "leave no room for the fingers" in search.reason


@pytest.mark.parametrize(("at", "yaw"), [((0.05, -0.06), 0.4), ((-0.08, 0.1), 3.0), ((0.0, 0.1), -1.7)])
def test_an_aligned_pose_is_right_to_millimetres_and_carries_the_grasp(layout, planner, aligned, at, yaw):
    frame, segmentation, T_base_item = scene(layout, at, yaw)
    model, seen = ColourModel(), look(frame, segmentation)
    pose = find_pose(aligned, seen, model)
    error = invert(T_base_item) @ pose.T_base_item
    assert np.linalg.norm(error[:3, 3]) < 0.005
    assert np.degrees(np.arccos(np.clip((np.trace(error[:3, :3]) - 1) / 2, -1, 1))) < 5
    search = aligned_search(aligned, seen, frame, segmentation, 1, model, planner)
    assert search.grasps[0].method == "aligned"
    there = (T_base_item @ aligned.T_object_tcp)[:3, 3]
    assert np.linalg.norm(search.grasps[0].T_base_tcp[:2, 3] - there[:2]) < 0.015


def test_the_networks_own_keypoints_give_the_pose_too(layout, aligned):
    corners = np.array([[x, y, 0.02499] for x in (-0.05, -0.02, 0.03, 0.05) for y in (-0.015, 0.0, 0.015)])
    model = ColourModel(255.0 * descriptors_of(layout, corners))
    views = [view(*scene(layout, at, yaw)) for at, yaw in (((0.0, 0.0), 0.0), ((0.1, 0.08), 2.0))]
    reference = reference_points(views, model, 20, np.random.default_rng(0))
    known = np.isfinite(reference.keypoint_points).all(axis=1)
    assert known.sum() >= 10
    np.testing.assert_allclose(reference.keypoint_points[known], corners[known], atol=0.004)
    point = replace(aligned, keypoint_points=reference.keypoint_points)
    frame, segmentation, T_base_item = scene(layout, (0.05, 0.0), 1.1)
    pose = find_pose(point, look(frame, segmentation, model), model, AlignedConfig("keypoints"))
    np.testing.assert_allclose(pose.T_base_item[:3, 3], T_base_item[:3, 3], atol=0.006)
    with pytest.raises(ValueError, match="12 keypoints, the network 3"):
        find_pose(point, look(frame, segmentation), ColourModel(np.ones((3, 3))), AlignedConfig("keypoints"))


def test_another_item_gives_no_pose(layout, planner, aligned):
    frame, segmentation, _ = scene(layout, paint=(20, 200, 60))
    model, seen = ColourModel(), look(frame, segmentation)
    with pytest.raises(NoPose):
        find_pose(aligned, seen, model)
    search = aligned_search(aligned, seen, frame, segmentation, 1, model, planner)
    assert search.grasps == () and "pairs" in search.reason


def test_a_stored_grasp_from_the_side_is_refused(layout, planner, aligned):
    sideways = np.eye(4)
    sideways[:3, :3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    frame, segmentation, _ = scene(layout)
    model = ColourModel()
    point = replace(aligned, T_object_tcp=sideways)
    search = aligned_search(point, look(frame, segmentation), frame, segmentation, 1, model, planner)
    assert search.grasps == () and "90 degrees off the vertical" in search.reason


def test_a_reference_needs_depth_and_pose(layout):
    one = view(*scene(layout))
    for broken, words in ((replace(one, depth=None), "needs depth"), (replace(one, T_camera_object=None), "needs depth"),
                          (replace(one, depth=np.full_like(one.depth, np.nan)), "no depth on the item")):
        with pytest.raises(ValueError, match=words):
            reference_points([broken], ColourModel(), 10, np.random.default_rng(0))
    with pytest.raises(ValueError, match="needs views"):
        reference_points([], ColourModel(), 10, np.random.default_rng(0))


@pytest.fixture(scope="module")
def choose(layout, aligned):
    """Method of the first grasp and the reason: (points, object_id, model, methods) -> GraspSearch."""
    geometric = GeometricGraspPlanner(layout)
    frame, segmentation, _ = scene(layout)

    def run(points, object_id="block", model=None, methods=("aligned", "straight", "geometric"), segment=1):
        def stored(name):
            if name != "block":
                raise KeyError(f"no object {name}")
            return points

        chooser = GraspChooser(layout, geometric, [model or ColourModel()], stored, ChoiceConfig(methods))
        return chooser.search(frame, segmentation, segment, 10, object_id)

    return run


def test_the_best_taught_method_is_taken_and_the_answer_says_why(choose, aligned, taught):
    first = choose([aligned])
    assert first.grasps[0].method == "aligned" and first.reason.startswith("aligned: 'end'")
    assert {grasp.method for grasp in first.grasps} == {"aligned", "straight", "geometric"}
    second = choose([taught])
    assert second.grasps[0].method == "straight" and "aligned not: no aligned grasp was taught" in second.reason
    assert "straight:" in second.grasps[0].reason
    never = replace(aligned, descriptor=np.array([9.0, 0, 0], np.float32), keypoints=aligned.keypoints + 9)
    third = choose([replace(never, keypoints=np.roll(aligned.keypoints, 40, axis=0))], methods=("aligned", "geometric"))
    assert third.grasps[0].method == "geometric" and "aligned not:" in third.reason


@pytest.mark.parametrize(("points", "object_id", "words"), [
    ([], "block", "block has no grasp points"), ([], "", "isn't known what"), ([], "cup", "no object cup"),
    ([GraspPoint("x", "other:1", np.ones(3, np.float32))], "block", "of other models")])
def test_without_a_usable_point_the_geometric_grasp_stays(choose, points, object_id, words):
    search = choose(points, object_id)
    assert search.grasps and {grasp.method for grasp in search.grasps} == {"geometric"}
    assert words in search.reason and isinstance(search, GraspSearch)


def test_an_unknown_segment_is_an_error_as_before(choose):
    with pytest.raises(UnknownSegment):
        choose([], segment=7)


def test_a_segment_is_described_once_for_all_methods(layout, aligned):
    class Counting(ColourModel):
        calls = 0

        def describe(self, color):
            Counting.calls += 1
            return super().describe(color)

    frame, segmentation, _ = scene(layout)
    GraspChooser(layout, GeometricGraspPlanner(layout), [Counting()], lambda name: [aligned]).search(
        frame, segmentation, 1, object_id="block")
    assert Counting.calls == 1


def test_a_close_up_shows_the_same_points_in_space(layout):
    frame, segmentation, _ = scene(layout)
    near, mask = close_up(frame, segmentation.labels == 1, CloseUpConfig(256, 2000.0))
    points, whole = near.points_base()[mask], frame.points_base()[segmentation.labels == 1]
    for axis in range(3):
        assert np.nanmin(points[:, axis]) == pytest.approx(np.nanmin(whole[:, axis]), abs=0.002)
        assert np.nanmax(points[:, axis]) == pytest.approx(np.nanmax(whole[:, axis]), abs=0.002)
    columns = np.nonzero(mask.any(axis=0))[0]
    rows = np.nonzero(mask.any(axis=1))[0]
    extent = max(np.ptp(columns), np.ptp(rows))
    assert extent == pytest.approx(0.85 * 256, abs=3)     # 12 cm at 2000 px/m would not fit
    assert abs(columns.mean() - 127.5) < 3 and abs(rows.mean() - 127.5) < 3
    usual, inside = close_up(frame, segmentation.labels == 1)
    height = 0.6 - layout.tray.floor_thickness - SIZE[2]
    assert usual.camera.fx / height == pytest.approx(1460, rel=0.05)
    assert inside.any() and np.isfinite(usual.depth[inside]).all()


def test_a_look_joins_smaller_segments_that_touch(layout):
    lid = Block((0.02 + 0.0, -0.03), (0.03, 0.04, 0.02), (200, 0, 0), 0.0, 0.0)
    frame, labels = render(layout, [Block((0.065, -0.03), (0.06, 0.04, 0.05), by_place), lid], color_noise=0)
    seen = look_at(frame, labels, 1, ColourModel(), CLOSE)
    assert np.count_nonzero(seen.region) > 1.2 * np.count_nonzero(seen.mask)
    assert np.count_nonzero(look_at(frame, labels, 2, ColourModel(), CLOSE).region) == pytest.approx(
        np.count_nonzero(look_at(frame, labels, 2, ColourModel(), CLOSE).mask), rel=0.01)
    with pytest.raises(ValueError, match="no segment 9"):
        look_at(frame, labels, 9, ColourModel())


def test_unknown_methods_and_sources_are_told():
    with pytest.raises(ValueError, match="sideways"):
        ChoiceConfig(("sideways",))
    with pytest.raises(ValueError, match="magic"):
        AlignedConfig("magic")
