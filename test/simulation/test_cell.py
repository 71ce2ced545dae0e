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


"""The cell: geometry of the camera, clutter, determinism, ground truth, threads."""

from __future__ import annotations

import dataclasses
import gc
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.geometry.franka_hand import HAND_TCP_DISTANCE
from objectcentric_ros.geometry.layout import CellLayout, top_down
from objectcentric_ros.simulation import scene
from objectcentric_ros.simulation.catalogue import Catalogue
from objectcentric_ros.simulation.cell import Cell
from objectcentric_ros.simulation.clutter import ClutterError
from objectcentric_ros.simulation.kinematics import UnreachablePose, solve_pose
from objectcentric_ros.simulation.sensor import DepthSensorConfig

LAYOUT = CellLayout.load()


@pytest.fixture(scope="module", params=["the D435's intrinsics", "a principal point far from the centre"])
def empty_tray(request: pytest.FixtureRequest) -> Cell:
    layout = LAYOUT
    if "far" in request.param:
        camera = dataclasses.replace(LAYOUT.camera, fx=600.0, fy=610.0, cx=327.3, cy=229.6)
        layout = dataclasses.replace(LAYOUT, camera=camera)
    cell = Cell([], 0, layout, DepthSensorConfig.ideal())
    request.addfinalizer(cell.close)
    return cell


def _steps(line: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Where a line of pixels changes, between two pixel centres."""
    return np.flatnonzero(np.diff(line.astype(int))) + 0.5


def test_known_points_are_projected_to_half_a_pixel(empty_tray: Cell) -> None:
    frame, tray = empty_tray.render(), empty_tray.layout.tray
    half = np.asarray(tray.inner_size) / 2 + tray.wall_thickness
    corners = [[tray.centre[0] + sx * half[0], tray.centre[1] + sy * half[1], tray.wall_height, 1.0]
               for sx in (1, -1) for sy in (1, -1)]
    pixels = frame.camera.project((np.linalg.inv(frame.T_base_camera) @ np.transpose(corners)).T[:, :3])
    rim = frame.points_base()[..., 2] > tray.wall_height / 2          # the walls' tops stand out from the table
    u_edges, v_edges = _steps(rim[240]), _steps(rim[:, 320])
    assert pixels[:, 0].min() == pytest.approx(u_edges.min(), abs=0.51)
    assert pixels[:, 0].max() == pytest.approx(u_edges.max(), abs=0.51)
    assert pixels[:, 1].min() == pytest.approx(v_edges.min(), abs=0.51)
    assert pixels[:, 1].max() == pytest.approx(v_edges.max(), abs=0.51)


def test_de_projected_depth_lies_on_floor_and_table(empty_tray: Cell) -> None:
    heights = empty_tray.render().points_base()[..., 2]
    assert heights[200:280, 250:390] == pytest.approx(LAYOUT.tray.floor_thickness, abs=1e-4)
    assert heights[5, 5] == pytest.approx(0.0, abs=1e-4)


def test_the_camera_is_where_the_hand_eye_transform_puts_it(clutter: Cell) -> None:
    T_tcp_hand = np.eye(4)
    T_tcp_hand[2, 3] = -HAND_TCP_DISTANCE
    expected = LAYOUT.named_poses["look"] @ T_tcp_hand @ LAYOUT.T_hand_camera
    np.testing.assert_allclose(clutter.render().T_base_camera, expected, atol=5e-4)


def test_the_link_transforms_chain_to_tcp_and_camera(clutter: Cell) -> None:
    transforms = clutter.link_transforms()
    chain = [f"fr3_link{number}" for number in range(8)] + ["fr3_hand"]
    T_base_hand = np.linalg.multi_dot([transforms[pair] for pair in zip(chain[:-1], chain[1:], strict=True)])
    np.testing.assert_allclose(T_base_hand @ transforms["fr3_hand", "fr3_hand_tcp"], clutter.T_base_tcp(), atol=1e-9)
    T_base_camera = np.linalg.multi_dot([T_base_hand, transforms["fr3_hand", "camera_link"],
                                         transforms["camera_link", "camera_color_frame"],
                                         transforms["camera_color_frame", "camera_color_optical_frame"]])
    np.testing.assert_allclose(T_base_camera, clutter.render().T_base_camera, atol=1e-9)


def test_all_items_rest_in_the_tray(clutter: Cell) -> None:
    before = clutter.ground_truth()
    assert all(before.in_tray) and not any(before.in_place_bin) and not any(before.held)
    clutter.step(0.5)
    for T, T_later in zip(before.T_base_item, clutter.ground_truth().T_base_item, strict=True):
        assert np.linalg.norm(T_later[:3, 3] - T[:3, 3]) < 0.002
        assert LAYOUT.tray.floor_thickness < T[2, 3] < 0.3


def test_the_labels_are_the_items_that_the_depth_shows(clutter: Cell) -> None:
    truth, frame = clutter.ground_truth(), clutter.render()
    assert truth.labels.shape == frame.depth.shape and truth.labels.dtype == np.uint16
    assert truth.labels.max() <= len(truth.object_ids)
    points = frame.points_base()
    for index, (item, T) in enumerate(zip(clutter.scene_items, truth.T_base_item, strict=True)):
        seen = points[truth.labels == index + 1]
        in_item = (seen[np.isfinite(seen[:, 2])] - T[:3, 3]) @ T[:3, :3]
        # 8 mm: sensor noise, and a pixel at the edge of a slanted side
        inside = np.all(np.abs(in_item) < np.asarray(item.size) / 2 + 0.008, axis=1)
        assert len(inside) > 50 and inside.mean() > 0.97, item.id


def test_the_same_seed_gives_the_same_images_and_another_does_not(catalogue: Catalogue) -> None:
    items = [catalogue.get("rubiks-cube"), catalogue.get("medicine-box")]
    frames = []
    for seed in (3, 3, 4):
        with Cell(items, seed) as cell:
            frames.append((cell.render(), cell.ground_truth().labels))
    np.testing.assert_array_equal(frames[0][0].color, frames[1][0].color)
    np.testing.assert_array_equal(frames[0][0].depth, frames[1][0].depth)
    np.testing.assert_array_equal(frames[0][1], frames[1][1])
    assert not np.array_equal(frames[0][1], frames[2][1])


def test_one_item_may_lie_there_twice(catalogue: Catalogue) -> None:
    with Cell([catalogue.get("rubiks-cube")] * 2, 1) as cell:
        truth = cell.ground_truth()
    assert truth.object_ids == ("rubiks-cube", "rubiks-cube")
    assert {1, 2} <= set(np.unique(truth.labels))


def test_more_than_fits_is_an_error_that_names_what_is_left(catalogue: Catalogue) -> None:
    with pytest.raises(ClutterError, match="Milk carton"):
        Cell([catalogue.get("milk-carton")] * 30, 0)


def test_images_come_from_any_thread_while_another_steps(clutter: Cell) -> None:
    frames: list[NDArray[np.uint8]] = []
    looking = threading.Thread(target=lambda: frames.extend(clutter.render().color for _ in range(2)))
    begin = clutter.time
    looking.start()
    while looking.is_alive():
        clutter.step(0.01)
    looking.join()
    assert clutter.time > begin
    assert len(frames) == 2 and frames[0].std() > 10


def test_the_front_view_shows_the_cell(clutter: Cell) -> None:
    view = clutter.render_view("front", 320, 240)
    assert view.shape == (240, 320, 3) and view.dtype == np.uint8 and view.std() > 20
    with pytest.raises(ValueError, match="unknown view 'back'"):
        clutter.render_view("back", 320, 240)


def test_cells_leave_nothing_behind(catalogue: Catalogue) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def resident_megabytes() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

    def make(count: int) -> None:
        for seed in range(count):
            with Cell([catalogue.get("rubiks-cube")], seed) as cell:
                cell.render()
        gc.collect()

    make(2)
    threads, files, memory = threading.active_count(), open_files(), resident_megabytes()
    make(8)
    assert threading.active_count() <= threads
    assert open_files() <= files
    assert resident_megabytes() - memory < 300      # eight cells with their contexts are about 1 GB


def test_a_closed_cell_says_so(catalogue: Catalogue) -> None:
    cell = Cell([], 0)
    cell.close()
    cell.close()
    with pytest.raises(RuntimeError, match="the renderer is closed"):
        cell.render()


def test_inverse_kinematics_reaches_what_forward_kinematics_says() -> None:
    robot = scene.build_model(LAYOUT, [])
    offset = np.array([0.0, 0.0, HAND_TCP_DISTANCE])
    goal = top_down([0.45, 0.1, 0.3], 0.7)
    q = solve_pose(robot, "hand", offset, goal, scene.ARM_JOINTS, LAYOUT.home)
    with Cell([], 0) as cell:
        cell.set_joint_targets(q)
        cell.step(2.5)
        np.testing.assert_allclose(cell.T_base_tcp(), goal, atol=2e-3)
    with pytest.raises(UnreachablePose, match=r"cannot reach \[2.0, 0.0, 0.3\]"):
        solve_pose(robot, "hand", offset, top_down([2.0, 0.0, 0.3], 0.0), scene.ARM_JOINTS, LAYOUT.home)


@pytest.mark.parametrize("width, force", [(0.04, 0.0), (np.nan, 10.0), (0.04, -1.0)])
def test_nonsense_for_the_gripper_is_refused(clutter: Cell, width: float, force: float) -> None:
    with pytest.raises(ValueError, match="gripper command needs"):
        clutter.set_gripper(width, force)
