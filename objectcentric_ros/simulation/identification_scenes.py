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

"""Trays to identify objects in: objects fall into the cell's tray and the wrist camera looks at them; no robot is simulated.

For pictures alone an object may be its convex hull, which falls ten times faster than the pieces that a hand grasps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import cv2
import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.geometry.se3 import rotation_exp
from objectcentric_ros.simulation import scene
from objectcentric_ros.simulation.clutter import drop_what_fits
from objectcentric_ros.simulation.item_model import VisualPart
from objectcentric_ros.simulation.rendering import SceneRenderer
from objectcentric_ros.simulation.sensor import D435Model

_FAR = 5.0                                           # beyond this the camera sees the room [m]
_CAMERA = "camera"
_THIN = 0.003                                        # hulls are made at least as thick as this, which physics needs [m]
_DIRECTIONS = 60                                     # the hull is where the object ends in so many directions
_COARSE = 4                                          # outlines are counted in squares of so many pixels
_SAMPLES = 6000


class Pictured(Protocol):
    """What pictures are made of; `identification_objects.IdentifiableObject` is one."""

    @property
    def object_id(self) -> str:
        """Unique; part of file names."""
        ...

    @property
    def title(self) -> str:
        """What people call it."""
        ...

    @property
    def size(self) -> tuple[float, float, float]:
        """Extents (x, y, z) [m]."""
        ...

    @property
    def mass(self) -> float:
        """[kg]."""
        ...

    def parts(self) -> tuple[VisualPart, ...]:
        """What is seen of it in the tray: centred, z up [m]."""
        ...

    def catalog_parts(self) -> tuple[VisualPart, ...]:
        """What a shop's picture shows, upright with the front at -y [m]."""
        ...


@dataclass(frozen=True)
class LookConfig:
    """Where the wrist camera looks from, around the cell's look pose, and how the light varies.

    Args:
        shift: largest shift from the look pose in x, y and z [m].
        tilt: largest tilt about the image's axes and turn about its normal [rad].
        second_shift, second_tilt: the same between the first and a later image of the scene.
        light: the lamps are up to this share brighter or darker.
        warmth: and warmer or colder.
    """

    shift: float = 0.012
    tilt: float = 0.03
    second_shift: float = 0.02
    second_tilt: float = 0.05
    light: float = 0.2
    warmth: float = 0.08


@dataclass(frozen=True)
class TrayImage:
    """One image of a tray.

    Args:
        frame: what the wrist camera sees.
        labels: (H, W) uint16 the truth: 1 + index of the object seen, 0 elsewhere.
        visible: (N,) share of each object's outline that is in view, 0..1.
    """

    frame: RgbdFrame
    labels: NDArray[np.uint16]
    visible: NDArray[np.float64]


class TrayScene:
    """Objects that have come to rest in the tray; those that found no room are left out.

    Args:
        objects: in the order in which they fall.
        rng: of the fall, the light, the camera and the sensor.
        layout: of the cell; None reads config/cell.yaml.
        config: of camera and light.
    """

    def __init__(self, objects: Sequence[Pictured], rng: np.random.Generator, layout: CellLayout | None = None,
                 config: LookConfig | None = None) -> None:
        self.layout, self.config = layout or CellLayout.load(), config or LookConfig()
        self._rng, self._sensor = rng, D435Model()
        parts = [thing.parts() for thing in objects]
        self._surfaces = [_sample(part, rng) for part in parts]
        self._model = _model(objects, parts, self.layout)
        self._data = mujoco.MjData(self._model)
        self.inside = drop_what_fits(self._model, self._data, objects, self.layout, rng)
        self._bodies = [self._model.body(scene.item_body(index)).id for index in range(len(objects))]
        self._label_of_body = np.zeros(self._model.nbody, np.uint16)
        self._label_of_body[self._bodies] = np.where(self.inside, np.arange(1, len(objects) + 1), 0)
        self._light()
        self._T_base_camera = look_pose(self.layout) @ self._offset(self.config.shift, self.config.tilt)
        self._renderer = SceneRenderer(self._model, lambda target: mujoco.mj_copyData(target, self._model, self._data))

    def image(self, number: int = 0) -> TrayImage:
        """Image 0 is taken near the look pose, later ones after the camera has moved a little from there."""
        T_base_camera = self._T_base_camera
        if number:
            T_base_camera = T_base_camera @ self._offset(self.config.second_shift, self.config.second_tilt)
        camera = self._model.camera(_CAMERA).id
        self._model.cam_pos[camera] = T_base_camera[:3, 3]
        mujoco.mju_mat2Quat(self._model.cam_quat[camera], (T_base_camera[:3, :3] @ scene.TO_OPTICAL).ravel())
        mujoco.mj_forward(self._model, self._data)
        lens = self.layout.camera
        _, images = self._renderer.images(_CAMERA, lens.width, lens.height, color=True, depth=True, geoms=True)
        true_depth = np.where(images["depth"] < _FAR, images["depth"], np.nan).astype(np.float32)
        depth = self._sensor.observe(true_depth, images["color"], lens, self._rng)
        bodies = np.append(self._model.geom_bodyid, 0)                       # geom -1 (nothing) is the world
        labels = self._label_of_body[bodies[images["geoms"]]]
        return TrayImage(RgbdFrame(images["color"], depth, lens, T_base_camera), labels, self._visible(labels, T_base_camera))

    def close(self) -> None:
        """Release the OpenGL context."""
        self._renderer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _offset(self, shift: float, tilt: float) -> NDArray[np.float64]:
        """A random motion (4, 4) of the camera in its own frame."""
        motion = np.eye(4)
        motion[:3, :3] = rotation_exp(self._rng.uniform(-tilt, tilt, 3))
        motion[:3, 3] = self._rng.uniform(-shift, shift, 3)
        return motion

    def _light(self) -> None:
        """The cell's lamps, each a little elsewhere, stronger or weaker, warmer or colder."""
        model, rng, config = self._model, self._rng, self.config
        strength = 1 + rng.uniform(-config.light, config.light)
        for lamp in range(model.nlight):
            warmth = rng.uniform(-config.warmth, config.warmth)
            model.light_dir[lamp] += rng.uniform(-0.3, 0.3, 3) * [1, 1, 0]
            model.light_dir[lamp] /= np.linalg.norm(model.light_dir[lamp])
            model.light_diffuse[lamp] *= strength * (1 + rng.uniform(-0.15, 0.15)) * np.array([1 + warmth, 1.0, 1 - warmth])
        head = model.vis.headlight
        head.ambient[:] *= strength * (1 + rng.uniform(-0.1, 0.1))
        head.diffuse[:] *= strength

    def _visible(self, labels: NDArray[np.uint16], T_base_camera: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of each object's outline, as if it were alone, that belongs to it in the image."""
        lens, shares = self.layout.camera, np.zeros(len(self._surfaces))
        T_camera_base = np.linalg.inv(T_base_camera)
        counts = np.bincount(labels.ravel(), minlength=len(shares) + 1)
        for index, points in enumerate(self._surfaces):
            if not counts[index + 1]:
                continue
            body = self._bodies[index]
            in_base = points @ self._data.xmat[body].reshape(3, 3).T + self._data.xpos[body]
            pixels = lens.project(in_base @ T_camera_base[:3, :3].T + T_camera_base[:3, 3])
            column, row = np.clip(np.floor(pixels / _COARSE).astype(int), 0, [lens.width // _COARSE - 1,
                                                                             lens.height // _COARSE - 1]).T
            outline = np.zeros((lens.height // _COARSE, lens.width // _COARSE), np.uint8)
            outline[row, column] = 1
            outline = np.asarray(cv2.morphologyEx(outline, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), np.uint8)
            shares[index] = min(1.0, counts[index + 1] / (_COARSE ** 2 * outline.sum()))
        return shares


def look_pose(layout: CellLayout) -> NDArray[np.float64]:
    """T_base_camera (4, 4) of the wrist camera at the cell's look pose."""
    return np.asarray(layout.named_poses["look"] @ np.linalg.inv(layout.T_hand_tcp) @ layout.T_hand_camera)


def hull_points(parts: Sequence[VisualPart], thin: float = _THIN) -> NDArray[np.float32]:
    """(N, 3) float32 corners [m] of a coarse convex hull of what is seen, at least `thin` thick [m]."""
    points = surface_points(parts)
    index = np.arange(_DIRECTIONS) + 0.5             # Fibonacci's sphere, and the axes so that a box keeps its extents
    polar, turn = np.arccos(1 - 2 * index / _DIRECTIONS), np.pi * (1 + 5 ** 0.5) * index
    sphere = np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], axis=1)
    directions = np.vstack([sphere, np.eye(3), -np.eye(3)])
    points = points[np.unique((points @ directions.T).argmax(axis=0))]
    centred = points - points.mean(axis=0)
    for axis in np.linalg.eigh(centred.T @ centred)[1].T:
        lacking = thin - np.ptp(centred @ axis)
        if lacking > 0:
            points = np.vstack([points + axis * lacking / 2, points - axis * lacking / 2])
    return np.asarray(points[ConvexHull(points).vertices], np.float32)


def surface_points(parts: Sequence[VisualPart]) -> NDArray[np.float64]:
    """(N, 3) corners [m] of all faces."""
    return np.vstack([part.vertices[np.unique(part.faces)] for part in parts]).astype(float)


def _sample(parts: Sequence[VisualPart], rng: np.random.Generator) -> NDArray[np.float64]:
    """(_SAMPLES, 3) points [m] of the surface, equally dense everywhere."""
    corners = np.vstack([part.vertices[part.faces] for part in parts]).astype(float)
    a, b, c = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = np.linalg.norm(np.cross(b, c), axis=1)
    face = rng.choice(len(areas), _SAMPLES, p=areas / areas.sum())
    s, t = rng.random((2, _SAMPLES, 1))
    s, t = np.where(s + t > 1, 1 - s, s), np.where(s + t > 1, 1 - t, t)
    return np.asarray(a[face] + s * b[face] + t * c[face])


def _model(objects: Sequence[Pictured], parts: Sequence[tuple[VisualPart, ...]], layout: CellLayout) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    scene.set_options(spec)
    spec.option.cone, spec.option.impratio, spec.option.noslip_iterations = mujoco.mjtCone.mjCONE_PYRAMIDAL, 1, 0
    spec.visual.global_.offwidth, spec.visual.global_.offheight = layout.camera.width, layout.camera.height
    spec.visual.quality.shadowsize = 256             # the wrist camera's images have no shadows
    scene.add_furniture(spec, layout)
    scene.add_lights_and_views(spec, layout)
    spec.worldbody.add_camera(name=_CAMERA, **scene.intrinsics(layout.camera))
    for index, (thing, seen) in enumerate(zip(objects, parts, strict=True)):
        name = scene.item_body(index)
        body = spec.worldbody.add_body(name=name, pos=[0.0, 0.0, -2.0 - index])
        body.add_freejoint(name=name)
        scene.add_visual_parts(spec, body, name, seen)
        spec.add_mesh(name=f"{name}/hull", uservert=hull_points(seen).ravel())
        body.add_geom(name=f"{name}/hull", type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"{name}/hull", group=3, condim=4,
                      mass=max(thing.mass, 0.005), friction=scene.FRICTION, solref=[0.005, 1.0])
    return spec.compile()
