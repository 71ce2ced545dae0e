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


"""The simulated cell: an FR3 with a wrist D435 over a tray of household items."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import mujoco
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.franka_hand import HAND_TCP_DISTANCE
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.simulation import scene
from objectcentric_ros.simulation.catalogue import Item
from objectcentric_ros.simulation.clutter import drop_clutter
from objectcentric_ros.simulation.item_model import ItemModel
from objectcentric_ros.simulation.kinematics import solve_pose
from objectcentric_ros.simulation.rendering import SceneRenderer
from objectcentric_ros.simulation.sensor import D435Model, DepthSensorConfig

MAX_WIDTH = 0.08
_CHUNK = 5                                          # physics steps between two chances to take a snapshot
_FAR = 5.0                                          # beyond this the camera sees the room, not the cell [m]
_LOOK_POSE = "look"
_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # REP 103: camera_link x forward, optical z forward


@dataclass(frozen=True)
class GroundTruth:
    """What only the evaluation may know; entries follow the scene's items.

    Args:
        object_ids: item id of each item of the scene.
        T_base_item: (4, 4) pose of each item (origin at the centre of its bounding box).
        in_tray, in_place_bin: the item lies in the container and is not held.
        held: both fingers touch the item and nothing else does but items.
        labels: (H, W) uint16 image of the wrist camera: 1 + index of the item seen, 0 elsewhere.
    """

    object_ids: tuple[str, ...]
    T_base_item: tuple[NDArray[np.float64], ...]
    in_tray: tuple[bool, ...]
    in_place_bin: tuple[bool, ...]
    held: tuple[bool, ...]
    labels: NDArray[np.uint16]


class Cell:
    """Physics, camera and joints of the cell; the clutter lies still and the arm looks at the tray when it is made.

    One thread may step the physics while others render: ``step`` holds the lock for 10 ms of simulated time at most, and
    an image copies the state under the lock and is rendered on the renderer's own thread. Another scene is another cell.

    Args:
        items: what lies in the tray; an item may occur more than once.
        seed: of the clutter and of the sensor noise; the same seed gives the same images.
        layout: the cell; None reads config/cell.yaml.
        sensor: depth effects; None is the default D435.
        models: models by item id that replace the libraries', such as those of variants.
        upright: the items fall as they stand in the catalogue, turned about the vertical only; otherwise in any orientation.

    Raises:
        ClutterError: the items don't fit in the tray.
    """

    def __init__(self, items: Sequence[Item], seed: int, layout: CellLayout | None = None,
                 sensor: DepthSensorConfig | None = None, models: Mapping[str, ItemModel] | None = None,
                 upright: bool = False) -> None:
        self.layout = layout or CellLayout.load()
        self.scene_items = tuple(items)
        self.joint_names = scene.ARM_JOINTS
        self.finger_joint_names = ("fr3_finger_joint1", "fr3_finger_joint2")
        self._model = scene.build_model(self.layout, self.scene_items, models)
        self._data = mujoco.MjData(self._model)
        self._upright = upright
        self._lock = threading.RLock()
        self._renderer = SceneRenderer(self._model, self.snapshot)
        clutter_rng, self._sensor_rng = np.random.default_rng(seed).spawn(2)
        self._sensor = D435Model(sensor or DepthSensorConfig())
        self._index_joints()
        self._look(solve_pose(self._model, "hand", np.array([0.0, 0.0, HAND_TCP_DISTANCE]),
                              self.layout.named_poses[_LOOK_POSE], self.joint_names, self.layout.home))
        self.drop(clutter_rng)
        self._data.time = 0.0

    @property
    def time(self) -> float:
        """Simulated time since the cell was made [s]."""
        return float(self._data.time)

    def drop(self, rng: np.random.Generator) -> None:
        """Let all items fall into the tray anew, from random places in random orientations, and come to rest.

        Raises:
            ClutterError: the items don't fit in the tray.
        """
        with self._lock:
            drop_clutter(self._model, self._data, self.scene_items, self.layout, rng, self._upright)
            mujoco.mj_forward(self._model, self._data)

    def step(self, seconds: float) -> None:
        """Advance the physics."""
        remaining = max(1, round(seconds / scene.TIMESTEP))
        while remaining:
            with self._lock:
                for _ in range(min(_CHUNK, remaining)):
                    self._move_fingers()
                    mujoco.mj_step(self._model, self._data)
            remaining = max(0, remaining - _CHUNK)

    def set_joint_targets(self, q: NDArray[np.float64], dq: NDArray[np.float64] | None = None) -> None:
        """Set the arm's servo targets.

        Args:
            q: (7,) [rad]; clipped to the joint limits.
            dq: (7,) [rad/s] velocity feed-forward, which makes the arm follow a moving target without lag; None is rest.
        """
        q = np.asarray(q, dtype=float)
        if q.shape != (7,) or not np.all(np.isfinite(q)):
            raise ValueError(f"joint targets must be 7 finite values, got {q}")
        lead = 0.0 if dq is None else self._servo_lag * np.asarray(dq, dtype=float)
        with self._lock:
            self._data.ctrl[self._arm_actuators] = np.clip(q + lead, self._arm_limits[:, 0], self._arm_limits[:, 1])

    def joint_state(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions (9,) and velocities (9,): arm [rad, rad/s], then the two fingers [m, m/s]."""
        with self._lock:
            return self._data.qpos[self._qpos].copy(), self._data.qvel[self._dof].copy()

    def set_gripper(self, width: float, force: float, speed: float = 0.1) -> None:
        """Move the fingers towards an opening.

        Args:
            width: distance between the fingers [m].
            force: what each finger presses with once something is in the way [N].
            speed: opening or closing speed [m/s].
        """
        if not (np.isfinite(width) and np.isfinite(force) and force > 0 and speed > 0):
            raise ValueError(f"gripper command needs a finite width, a positive force and speed; got {width}, {force}, {speed}")
        with self._lock:
            self._finger_goal = float(np.clip(width, 0.0, MAX_WIDTH)) / 2
            self._finger_speed = speed / 2
            # Fingers that press on an item were led to behind its surface: they turn back from where they are.
            position = float(self._data.qpos[self._qpos[7:]].mean())
            if (self._finger_goal - position) * (self._data.ctrl[self._hand_actuator] - position) < 0:
                self._data.ctrl[self._hand_actuator] = position
            # The actuator moves the mean of both finger positions: each finger gets half of its force.
            self._model.actuator_forcerange[self._hand_actuator] = [-2 * force, 2 * force]

    def gripper_width(self) -> float:
        """Distance between the fingers [m]."""
        with self._lock:
            return float(self._data.qpos[self._qpos[7:]].sum())

    def render(self) -> RgbdFrame:
        """What the wrist D435 sees now."""
        camera = self.layout.camera
        data, images = self._renderer.images(scene.WRIST_CAMERA, camera.width, camera.height, color=True, depth=True)
        true_depth = np.where(images["depth"] < _FAR, images["depth"], np.nan).astype(np.float32)
        depth = self._sensor.observe(true_depth, images["color"], camera, self._sensor_rng)
        return RgbdFrame(images["color"], depth, camera, self._T_base_camera(data), float(data.time))

    def render_view(self, name: str, width: int, height: int) -> NDArray[np.uint8]:
        """Image (height, width, 3) uint8 RGB of a fixed camera: ``front``, with shadows, for reports."""
        if name not in (scene.WRIST_CAMERA, "front"):
            raise ValueError(f"unknown view '{name}': expected 'front' or '{scene.WRIST_CAMERA}'")
        _, images = self._renderer.images(name, width, height, color=True, shadows=True)
        return images["color"]

    def T_base_tcp(self) -> NDArray[np.float64]:
        """Pose of the TCP now, (4, 4)."""
        with self._lock:
            T_base_tcp = _body_pose(self._data, self._hand_body)
        T_base_tcp[:3, 3] += T_base_tcp[:3, 2] * HAND_TCP_DISTANCE
        return T_base_tcp

    def link_transforms(self) -> dict[tuple[str, str], NDArray[np.float64]]:
        """T_parent_child (4, 4) by (parent, child), named as franka_ros2 and realsense-ros name them."""
        with self._lock:
            poses = {name: _body_pose(self._data, self._model.body(body).id) for name, body in self._links.items()}
        T = {(parent, child): np.linalg.inv(poses[parent]) @ poses[child] for parent, child in self._link_pairs}
        layout = self.layout
        T_tcp = np.eye(4)
        T_tcp[2, 3] = HAND_TCP_DISTANCE
        T_color_optical = np.eye(4)
        T_color_optical[:3, :3] = _OPTICAL
        T[layout.hand_frame, layout.tcp_frame] = T_tcp
        T[layout.hand_frame, "camera_link"] = layout.T_hand_camera @ np.linalg.inv(T_color_optical)
        T["camera_link", "camera_color_frame"] = np.eye(4)
        T["camera_color_frame", layout.camera_frame] = T_color_optical
        return T

    def ground_truth(self) -> GroundTruth:
        """The truth about the scene as it is now; renders the wrist camera's view."""
        camera = self.layout.camera
        data, images = self._renderer.images(scene.WRIST_CAMERA, camera.width, camera.height, geoms=True)
        bodies = np.append(self._model.geom_bodyid, 0)      # geom -1 (nothing) is the world
        labels = self._label_of_body[bodies[images["geoms"]]]
        poses = tuple(_body_pose(data, body) for body in self._item_bodies)
        held = self._held_items(data)
        def inside(container: str) -> tuple[bool, ...]:
            box = getattr(self.layout, container)
            return tuple(bool(box.contains(T[:3, 3]) and T[2, 3] > 0 and not h) for T, h in zip(poses, held, strict=True))
        return GroundTruth(tuple(item.id for item in self.scene_items), poses, inside("tray"), inside("place_bin"), held, labels)

    def snapshot(self, target: mujoco.MjData) -> None:
        """Copy the present state into another MjData of this cell's model, between two physics steps."""
        with self._lock:
            mujoco.mj_copyData(target, self._model, self._data)

    def close(self) -> None:
        """Release the OpenGL context; the cell can't render afterwards. A second call does nothing."""
        self._renderer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _index_joints(self) -> None:
        model, layout = self._model, self.layout
        names = scene.ARM_JOINTS + scene.FINGER_JOINTS
        self._qpos = np.array([model.joint(name).qposadr[0] for name in names])
        self._dof = np.array([model.joint(name).dofadr[0] for name in names])
        self._arm_actuators = np.array([model.actuator(name).id for name in scene.ARM_JOINTS])
        self._arm_limits = np.array([model.joint(name).range for name in scene.ARM_JOINTS])
        self._servo_lag = -model.actuator_biasprm[self._arm_actuators, 2] / model.actuator_gainprm[self._arm_actuators, 0]
        self._hand_actuator = model.actuator(scene.HAND_ACTUATOR).id
        self._hand_body = model.body("hand").id
        self._camera = model.camera(scene.WRIST_CAMERA).id
        self._fingers = {model.body("left_finger").id, model.body("right_finger").id}
        self._item_bodies = [model.body(scene.item_body(index)).id for index in range(len(self.scene_items))]
        self._label_of_body = np.zeros(model.nbody, dtype=np.uint16)
        self._label_of_body[self._item_bodies] = np.arange(1, len(self.scene_items) + 1)
        arm = [layout.base_frame] + [f"fr3_link{number}" for number in range(1, 8)]
        self._links = {layout.base_frame: "fr3_link0", **{name: name for name in arm[1:]}, layout.hand_frame: "hand",
                       "fr3_leftfinger": "left_finger", "fr3_rightfinger": "right_finger"}
        self._link_pairs = [*zip(arm[:-1], arm[1:], strict=True), (arm[-1], layout.hand_frame),
                            (layout.hand_frame, "fr3_leftfinger"), (layout.hand_frame, "fr3_rightfinger")]

    def _look(self, q: NDArray[np.float64]) -> None:
        """Put the arm there at rest, with open fingers."""
        self._data.qpos[self._qpos] = [*q, MAX_WIDTH / 2, MAX_WIDTH / 2]
        self._data.ctrl[self._arm_actuators] = q
        self._data.ctrl[self._hand_actuator] = MAX_WIDTH / 2
        self.set_gripper(MAX_WIDTH, 20.0)

    def _move_fingers(self) -> None:
        """Lead the finger servo towards its goal at the commanded speed."""
        step = self._finger_speed * scene.TIMESTEP
        target = self._data.ctrl[self._hand_actuator]
        self._data.ctrl[self._hand_actuator] = target + np.clip(self._finger_goal - target, -step, step)

    def _T_base_camera(self, data: mujoco.MjData) -> NDArray[np.float64]:
        return _body_pose(data, self._hand_body) @ self.layout.T_hand_camera

    def _held_items(self, data: mujoco.MjData) -> tuple[bool, ...]:
        touching: dict[int, set[int]] = {body: set() for body in self._item_bodies}
        for first, second in self._model.geom_bodyid[data.contact.geom].reshape(-1, 2):
            for body, other in ((int(first), int(second)), (int(second), int(first))):
                if body in touching:
                    touching[body].add(other)
        return tuple(self._fingers <= touching[body] and 0 not in touching[body] for body in self._item_bodies)


def _body_pose(data: mujoco.MjData, body: int) -> NDArray[np.float64]:
    T_base_body = np.eye(4)
    T_base_body[:3, :3] = data.xmat[body].reshape(3, 3)
    T_base_body[:3, 3] = data.xpos[body]
    return T_base_body
