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

"""The description for rviz and MoveIt says what config/cell.yaml says."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import xacro
import yaml
from scipy.spatial.transform import Rotation

from objectcentric_ros.geometry import se3
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.paths import share_dir

URDF = share_dir() / "urdf"


def describe(**arguments):
    mappings = {"cell_file": str(share_dir() / "config" / "cell.yaml"), "arm": "false", "arm_description": "", **arguments}
    return ElementTree.fromstring(xacro.process_file(str(URDF / "objectcentric_cell.urdf.xacro"), mappings=mappings).toxml())


def numbers(text):
    return np.array([float(value) for value in text.split()])


def pose(element):
    origin = element.find("origin")
    T = np.eye(4)
    if origin is not None:
        T[:3, 3] = numbers(origin.get("xyz", "0 0 0"))
        T[:3, :3] = Rotation.from_euler("xyz", numbers(origin.get("rpy", "0 0 0"))).as_matrix()
    return T


def chain(robot, tip, root):
    """T_root_tip along the fixed joints."""
    joints = {joint.find("child").get("link"): joint for joint in robot.iter("joint")}
    T = np.eye(4)
    while tip != root:
        T = pose(joints[tip]) @ T
        tip = joints[tip].find("parent").get("link")
    return T


def boxes(robot, link, kind):
    """[(T_base_box, size)] of one link's boxes."""
    element = next(e for e in robot.iter("link") if e.get("name") == link)
    return [(chain(robot, link, "fr3_link0") @ pose(e), numbers(e.find("geometry/box").get("size"))) for e in element.iter(kind)]


@pytest.fixture(scope="module")
def layout():
    return CellLayout.load()


@pytest.fixture(scope="module")
def robot():
    return describe()


@pytest.mark.parametrize("color_offset", ["0", "0.015"])
def test_the_camera_hangs_where_the_calibration_says(layout, color_offset):
    robot = describe(color_offset=color_offset)
    np.testing.assert_allclose(chain(robot, layout.camera_frame, layout.hand_frame), layout.T_hand_camera, atol=1e-9)


def test_a_tilted_camera_is_described_right_too(layout, tmp_path):
    document = yaml.safe_load((share_dir() / "config" / "cell.yaml").read_text())
    T = se3.exp([0.05, -0.02, 0.03, 0.4, -0.7, 1.9])
    document["camera"]["hand_to_camera"] = {"translation": T[:3, 3].tolist(), "rotation": T[:3, :3].tolist()}
    path = tmp_path / "cell.yaml"
    path.write_text(yaml.safe_dump(document))
    robot = describe(cell_file=str(path), color_offset="0.015")
    np.testing.assert_allclose(chain(robot, layout.camera_frame, layout.hand_frame), T, atol=1e-9)


def test_the_driver_may_publish_the_camera_frames():
    links = {link.get("name") for link in describe(camera_frames="false").iter("link")}
    assert "camera_link" in links and "camera_color_optical_frame" not in links


@pytest.mark.parametrize("kind", ["visual", "collision"])
@pytest.mark.parametrize("name", ["tray", "place_bin"])
def test_containers_leave_their_inner_room_free(layout, robot, name, kind):
    container = getattr(layout, name)
    parts = boxes(robot, name, kind)
    assert len(parts) == 5
    low = np.array([T[:3, 3] - size / 2 for T, size in parts])
    high = np.array([T[:3, 3] + size / 2 for T, size in parts])
    outer = np.asarray(container.inner_size) / 2 + container.wall_thickness
    np.testing.assert_allclose(low.min(axis=0), [*np.asarray(container.centre) - outer, 0], atol=1e-9)
    np.testing.assert_allclose(high.max(axis=0), [*np.asarray(container.centre) + outer, container.wall_height], atol=1e-9)
    corners = [[x, y, container.floor_thickness + 1e-4] for x in (-1, 1) for y in (-1, 1)]
    for x, y, z in corners:
        inner = np.array([*np.asarray(container.centre) + np.array([x, y]) * (np.asarray(container.inner_size) / 2 - 1e-4), z])
        assert not np.any(np.all((inner > low) & (inner < high), axis=1))


def test_the_table_top_is_at_zero(layout, robot):
    (T, size), = boxes(robot, "table", "collision")
    assert T[2, 3] + size[2] / 2 == pytest.approx(0)
    np.testing.assert_allclose(T[:2, 3], layout.table_centre)
    np.testing.assert_allclose(size, [*layout.table_size, layout.table_thickness])


def test_the_whole_cell_is_one_tree_with_an_arm(tmp_path):
    arm = tmp_path / "arm.xacro"
    arm.write_text('<robot name="fr3"><link name="fr3_link0"/><link name="fr3_hand"/>'
                   '<joint name="arm" type="fixed"><parent link="fr3_link0"/><child link="fr3_hand"/></joint></robot>')
    robot = describe(arm="true", arm_description=str(arm))
    links = [link.get("name") for link in robot.findall("link")]
    children = [joint.find("child").get("link") for joint in robot.findall("joint")]
    assert len(set(links)) == len(links) and len(set(children)) == len(children)
    assert set(links) - set(children) == {"fr3_link0"}


def test_hand_eye_file_is_the_same_mount(layout):
    document = yaml.safe_load((URDF / "hand_eye.yaml").read_text())
    translation, rotation = document["transform"]["translation"], document["transform"]["rotation"]
    T = se3.T_from([translation[k] for k in "xyz"], [rotation[k] for k in "xyzw"])
    np.testing.assert_allclose(T, layout.T_hand_camera, atol=1e-9)
    assert document["parameters"]["robot_base_frame"] == layout.base_frame
    assert document["parameters"]["robot_effector_frame"] == layout.hand_frame
    assert document["parameters"]["tracking_base_frame"] == layout.camera_frame


def test_the_planning_groups_fit_the_cell(layout, robot):
    srdf = ElementTree.parse(URDF / "objectcentric_cell.srdf").getroot()
    assert srdf.get("name") == robot.get("name")
    arm = next(group for group in srdf.iter("group") if group.get("name") == "fr3_arm")
    chain_element = arm.find("chain")
    assert (chain_element.get("base_link"), chain_element.get("tip_link")) == (layout.base_frame, layout.tcp_frame)
    ready = next(state for state in srdf.iter("group_state") if state.get("name") == "ready")
    np.testing.assert_allclose([float(joint.get("value")) for joint in ready.iter("joint")], layout.home)
    ours = {link.get("name") for link in robot.iter("link")} - {"camera_color_frame", layout.camera_frame}
    named = {pair.get(key) for pair in srdf.iter("disable_collisions") for key in ("link1", "link2")}
    assert ours <= named
