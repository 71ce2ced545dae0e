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

"""Models in which one of several objects is seen at a time, for pictures of single objects: one OpenGL context serves many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import mujoco
import numpy as np
import trimesh
from numpy.typing import NDArray

from objectcentric_ros.simulation import scene
from objectcentric_ros.simulation.item_model import VisualPart
from objectcentric_ros.simulation.rendering import SceneRenderer

FOVY = 40.0                                          # of the camera [deg]
_CAMERA = "camera"
_AWAY = np.array([0.0, 0.0, -50.0])                  # where the objects are that aren't seen [m]


class Showcase:
    """Shows one object in front of a camera.

    Args:
        parts: what is seen of each object [m], its origin at the centre of its bounding box.
        size: width and height of the pictures [px].
        build: adds the surroundings, lamps and background to the model.
    """

    def __init__(self, parts: Sequence[tuple[VisualPart, ...]], size: tuple[int, int],
                 build: Callable[[mujoco.MjSpec], None]) -> None:
        spec = mujoco.MjSpec()
        self._width, self._height = size
        spec.visual.global_.offwidth, spec.visual.global_.offheight = size
        spec.visual.quality.shadowsize, spec.visual.quality.offsamples = 256, 4
        spec.stat.extent, spec.stat.center = 1.0, [0.0, 0.0, 0.0]
        spec.visual.map.znear, spec.visual.map.zfar = 0.02, 6.0
        spec.worldbody.add_camera(name=_CAMERA, fovy=FOVY)
        build(spec)
        for index, seen in enumerate(parts):
            body = spec.worldbody.add_body(name=scene.item_body(index), mocap=True, pos=_AWAY)
            scene.add_visual_parts(spec, body, scene.item_body(index), seen)
        self.model = spec.compile()
        self._data = mujoco.MjData(self.model)
        self._renderer = SceneRenderer(self.model, lambda target: mujoco.mj_copyData(target, self.model, self._data))

    def show(self, index: int, R_world_object: NDArray[np.float64], position: NDArray[np.float64]) -> None:
        """Put an object there, and the others away."""
        self._data.mocap_pos[:] = _AWAY
        self._data.mocap_pos[index] = position
        mujoco.mju_mat2Quat(self._data.mocap_quat[index], np.ascontiguousarray(R_world_object).ravel())

    def look(self, position: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
        """Put the camera there; returns T_camera_world (4, 4) of its optical frame."""
        camera = self.model.camera(_CAMERA).id
        self.model.cam_pos[camera], self.model.cam_quat[camera] = position, scene.look_at(position, target)
        rotation = np.zeros(9)
        mujoco.mju_quat2Mat(rotation, self.model.cam_quat[camera])
        T_camera_world = np.eye(4)
        T_camera_world[:3, :3] = (rotation.reshape(3, 3) @ scene.TO_OPTICAL).T
        T_camera_world[:3, 3] = -T_camera_world[:3, :3] @ position
        return T_camera_world

    def picture(self, **wanted: bool) -> dict[str, NDArray[Any]]:
        """Images by name, as `SceneRenderer.images` gives them."""
        mujoco.mj_forward(self.model, self._data)
        return self._renderer.images(_CAMERA, self._width, self._height, **wanted)[1]

    def close(self) -> None:
        """Release the OpenGL context."""
        self._renderer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def background(spec: mujoco.MjSpec, rgb: Sequence[float]) -> None:
    """Everything behind the scene has this colour, 0..1."""
    spec.add_texture(name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
                     rgb1=list(rgb), rgb2=list(rgb), width=8, height=48)


def lamp(spec: mujoco.MjSpec) -> None:
    """A lamp far away, without shadows, whose direction and colour are set for each picture."""
    spec.worldbody.add_light(name="lamp", pos=[0, 0, 1], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, castshadow=False)


def rotation(axis: Sequence[float], angle: float) -> NDArray[np.float64]:
    """(3, 3) rotation by an angle [rad] about a unit axis."""
    return np.asarray(trimesh.transformations.rotation_matrix(angle, axis)[:3, :3])


def direction(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """Unit vector (3,) towards someone who stands at an azimuth from the front (-y) and an elevation [rad]."""
    return np.array([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
