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


"""Obstacles from synthetic depth images whose content is known to the millimetre."""

import functools

import numpy as np
import pytest

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.franka_hand import HAND_TCP_DISTANCE
from objectcentric_ros.geometry.layout import CellLayout, top_down
from objectcentric_ros.motion.obstacles import (
    ObstacleConfig,
    boxes_from_depth,
    camera_box,
    carried_box,
    known_boxes,
)
from objectcentric_ros.motion.protocols import Box
from objectcentric_ros.motion.voxels import voxelise

LAYOUT = CellLayout.load()
CONFIG = ObstacleConfig()
LOOK = LAYOUT.named_poses["look"]


def camera_pose(T_base_tcp=LOOK):
    T_hand_tcp = np.eye(4)
    T_hand_tcp[2, 3] = HAND_TCP_DISTANCE
    return T_base_tcp @ np.linalg.inv(T_hand_tcp) @ LAYOUT.T_hand_camera


def upright(name, low, high):
    T = np.eye(4)
    T[:3, 3] = (np.asarray(low) + high) / 2
    return Box(name, T, tuple(np.asarray(high, dtype=float) - low))


def entries(boxes, T_base_camera):
    """Exact depth (H, W) of upright boxes: per pixel the nearest entry of its ray into a box (slab method); inf beside them."""
    u, v = np.meshgrid(np.arange(LAYOUT.camera.width), np.arange(LAYOUT.camera.height))
    rays = LAYOUT.camera.deproject(np.stack([u, v], axis=-1).astype(float), np.ones(u.shape)) @ T_base_camera[:3, :3].T + 1e-12
    depth = np.full(u.shape, np.inf)
    for box in boxes:
        half = np.asarray(box.size) / 2
        near = (box.T_base_box[:3, 3] - half - T_base_camera[:3, 3]) / rays
        far = (box.T_base_box[:3, 3] + half - T_base_camera[:3, 3]) / rays
        enters, leaves = np.minimum(near, far).max(axis=-1), np.maximum(near, far).min(axis=-1)
        depth = np.where((enters <= leaves) & (enters > 0), np.minimum(depth, enters), depth)
    return depth


@functools.cache
def empty_cell(yaw_position):
    return entries(known_boxes(LAYOUT), camera_pose(top_down(yaw_position[1:], yaw_position[0])))


def see(*boxes, position=tuple(LOOK[:3, 3]), cell=True, noise=0.0):
    """Frame of the cell and boxes in it, from the look pose or with the TCP at another position."""
    T_base_camera = camera_pose(top_down(position, 0.0))
    depth = entries(boxes, T_base_camera)
    depth = np.minimum(depth, empty_cell((0.0, *position))) if cell else depth
    depth = np.where(np.isfinite(depth), depth + np.random.default_rng(0).normal(0.0, 1.0, depth.shape) * noise, np.nan)
    shape = (LAYOUT.camera.height, LAYOUT.camera.width, 3)
    return RgbdFrame(np.zeros(shape, np.uint8), depth.astype(np.float32), LAYOUT.camera, T_base_camera)


def covered(boxes, points):
    inside = np.zeros(len(points), dtype=bool)
    for box in boxes:
        inside |= np.all(np.abs(points - box.T_base_box[:3, 3]) <= np.asarray(box.size) / 2 + 1e-6, axis=1)
    return inside


def corners(boxes):
    return (np.min([b.T_base_box[:3, 3] - np.asarray(b.size) / 2 for b in boxes], axis=0),
            np.max([b.T_base_box[:3, 3] + np.asarray(b.size) / 2 for b in boxes], axis=0))


def test_the_shipped_cell_has_the_hands_own_tcp():
    assert LAYOUT.T_hand_tcp[2, 3] == HAND_TCP_DISTANCE


def test_empty_cell_gives_no_obstacles():
    assert boxes_from_depth(see(), LAYOUT) == []


def test_sensor_noise_on_an_empty_cell_gives_no_obstacles():
    assert boxes_from_depth(see(noise=0.0015), LAYOUT) == []


def test_a_box_is_covered_and_by_no_more_than_a_grid_cell():
    low, high = np.array([0.45, -0.08, LAYOUT.tray.floor_thickness]), np.array([0.53, -0.02, 0.054])
    boxes = boxes_from_depth(see(upright("item", low, high)), LAYOUT)
    axes = [np.linspace(a, b, 12) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3)
    # The image is read every second pixel: up to 2 mm of an edge may lie between two of them.
    inner = np.all((grid >= low + 0.002) & (grid <= high - 0.001), axis=1)
    assert covered(boxes, grid[inner]).all()
    found_low, found_high = corners(boxes)
    assert np.all(found_low >= low - CONFIG.cell - 1e-6) and np.all(found_high[:2] <= high[:2] + CONFIG.cell + 1e-6)
    assert found_high[2] == pytest.approx(0.054, abs=1e-3)
    assert found_low[2] == pytest.approx(LAYOUT.tray.floor_thickness)


def test_flat_top_becomes_one_box():
    low, high = (0.45, -0.09, 0.004), (0.54, -0.03, 0.06)
    assert len(boxes_from_depth(see(upright("item", low, high)), LAYOUT)) == 1


def flat(box):
    return Box(box.name, box.T_base_box, (*box.size[:2], 1e-4))


def test_boxes_have_names_of_their_own_and_keep_to_the_grid():
    rng = np.random.default_rng(1)
    items = [upright("i", p, p + [0.05, 0.04, h]) for p, h in
             zip(np.column_stack([rng.uniform(0.35, 0.58, 8), rng.uniform(-0.2, 0.15, 8), np.full(8, 0.004)]),
                 rng.uniform(0.02, 0.1, 8), strict=True)]
    boxes = boxes_from_depth(see(*items), LAYOUT)
    assert len(boxes) >= 5 and len({box.name for box in boxes}) == len(boxes)
    edges = np.array([box.T_base_box[:2, 3] - np.asarray(box.size[:2]) / 2 for box in boxes]) / CONFIG.cell
    assert edges == pytest.approx(np.round(edges), abs=1e-6)
    cells = [tuple(c) for box in boxes for c in np.round(voxelise([flat(box)], CONFIG.cell)[:, :2], 5)]
    assert len(cells) == len(set(cells)), "two boxes stand on the same cell"


def test_masked_item_is_no_obstacle():
    item = upright("item", (0.45, -0.08, 0.004), (0.53, -0.02, 0.054))
    with_item, without = see(item), see()
    mask = np.abs(with_item.depth - without.depth) > 1e-4
    assert boxes_from_depth(with_item, LAYOUT, mask) == []


def test_what_lies_on_the_table_beside_the_tray_is_an_obstacle():
    item = upright("item", (0.55, 0.28, 0.0), (0.60, 0.33, 0.05))
    boxes = boxes_from_depth(see(item, position=(0.5, 0.2, 0.54)), LAYOUT)
    assert boxes and corners(boxes)[0][2] == pytest.approx(0.0)


def test_hand_and_carried_item_are_no_obstacles():
    hand_bottom = LOOK[:3, 3] + [0.0, 0.0, 0.0]
    finger = upright("finger", hand_bottom - [0.01, 0.05, 0.005], hand_bottom + [0.01, 0.05, 0.05])
    config = ObstacleConfig(max_height=1.0)
    assert boxes_from_depth(see(finger), LAYOUT, config=config) == []
    held = upright("held", hand_bottom - [0.04, 0.03, 0.12], hand_bottom + [0.04, 0.03, 0.0])
    frame = see(held)
    T_tcp_box = np.eye(4)
    T_tcp_box[2, 3] = 0.06
    assert boxes_from_depth(frame, LAYOUT, config=config) != []
    assert boxes_from_depth(frame, LAYOUT, config=config, carried=Box("carried item", T_tcp_box, (0.08, 0.06, 0.12))) == []


def test_no_depth_at_all_gives_no_obstacles():
    frame = see(cell=False)
    assert np.isnan(frame.depth).all() and boxes_from_depth(frame, LAYOUT) == []


def test_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        boxes_from_depth(see(), LAYOUT, np.zeros((2, 2), bool))


def test_known_boxes_are_where_the_layout_says():
    boxes = {box.name: box for box in known_boxes(LAYOUT)}
    assert len(boxes) == 11
    table = boxes["table"]
    assert table.T_base_box[2, 3] + table.size[2] / 2 == pytest.approx(0.0)
    wall = boxes["tray wall +x"]
    inner = LAYOUT.tray.centre[0] + LAYOUT.tray.inner_size[0] / 2
    assert wall.T_base_box[0, 3] - wall.size[0] / 2 == pytest.approx(inner)
    assert wall.T_base_box[2, 3] + wall.size[2] / 2 == pytest.approx(LAYOUT.tray.wall_height)


def test_camera_box_ends_at_the_lens_and_spans_the_hands_width():
    box = camera_box(LAYOUT)
    along_axis = (box.T_base_box[:3, 3] - LAYOUT.T_hand_camera[:3, 3]) @ LAYOUT.T_hand_camera[:3, 2]
    assert 0.0 < along_axis + box.size[2] / 2 < 0.006
    assert box.T_base_box[:3, 0] @ [0, 1, 0] == pytest.approx(1.0) and box.size[0] == pytest.approx(0.10)


def test_carried_box_holds_the_seen_points_and_reaches_the_floor():
    grasp = top_down([0.5, 0.1, 0.05], 0.3)
    rng = np.random.default_rng(0)
    local = np.column_stack([rng.uniform(-0.03, 0.05, 4000), rng.uniform(-0.02, 0.02, 4000), rng.uniform(-0.02, 0.0, 4000)])
    points = local @ grasp[:3, :3].T + grasp[:3, 3]
    box = carried_box(points, grasp, width=0.04, floor=0.004)
    low, high = box.T_base_box[:3, 3] - np.asarray(box.size) / 2, box.T_base_box[:3, 3] + np.asarray(box.size) / 2
    assert low == pytest.approx([-0.035, -0.025, -0.025], abs=2e-3)
    assert high[:2] == pytest.approx([0.055, 0.025], abs=2e-3)
    assert high[2] == pytest.approx(0.046 - 0.002, abs=1e-9), "just above the floor, 46 mm below the TCP"


def test_carried_box_of_an_unseen_item_has_the_grasps_width():
    box = carried_box(np.zeros((0, 3)), top_down([0.5, 0.1, 0.05], 0.0), width=0.03, floor=0.0, margin=0.005)
    assert box.size[1] == pytest.approx(0.04)


def test_voxels_of_a_box_on_the_grid_are_exactly_it():
    centres = voxelise([upright("a", (0.0, 0.0, 0.0), (0.03, 0.02, 0.01))], 0.01)
    expected = [(x, y, 0.005) for x in (0.005, 0.015, 0.025) for y in (0.005, 0.015)]
    assert sorted(map(tuple, np.round(centres, 6))) == expected


def test_faces_are_rounded_to_the_nearest_voxel_but_no_box_vanishes():
    assert len(voxelise([upright("a", (0.0, 0.0, 0.0), (0.01, 0.01, 0.014))], 0.01)) == 1
    assert len(voxelise([upright("a", (0.0, 0.0, 0.0), (0.01, 0.01, 0.016))], 0.01)) == 2
    assert voxelise([upright("a", (0.0, 0.0, 0.022), (0.01, 0.01, 0.024))], 0.01)[:, 2] == pytest.approx([0.025])


def test_voxels_of_overlapping_boxes_come_once():
    box = upright("a", (0.0, 0.0, 0.0), (0.03, 0.03, 0.03))
    assert len(voxelise([box, box], 0.01)) == 27


@pytest.mark.parametrize("angle", [0.2, np.pi / 4, 1.5])
def test_voxels_cover_a_turned_box(angle):
    T = np.eye(4)
    T[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    T[:3, 3] = (0.51, -0.22, 0.07)
    size = np.array([0.08, 0.03, 0.05])
    centres = voxelise([Box("t", T, tuple(size))], 0.01)
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (2000, 3)) * size @ T[:3, :3].T + T[:3, 3]
    assert all(np.any(np.max(np.abs(centres - p), axis=1) <= 0.005 + 1e-9) for p in points)
    local = (centres - T[:3, 3]) @ T[:3, :3]
    assert np.all(np.abs(local) <= size / 2 + 0.01), "no voxel lies further than one voxel outside"
