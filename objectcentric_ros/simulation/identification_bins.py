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

"""Pictures of objects in the bins of a shelf: small, dim, blurred, behind elastic bands, as warehouse cameras take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import cv2
import mujoco
import numpy as np
import trimesh
from numpy.typing import NDArray

from objectcentric_ros.simulation.identification_scenes import Pictured, hull_points
from objectcentric_ros.simulation.identification_showcase import FOVY, Showcase, background, direction, lamp, rotation

SIZE = (160, 120)                                    # width, height [px]
_WALL = 0.004                                        # [m]
_WALLS = ("floor", "back", "left", "right", "top")
_SHADES = np.array([[0.62, 0.47, 0.31], [0.72, 0.58, 0.42], [0.85, 0.85, 0.82], [0.28, 0.33, 0.42], [0.45, 0.47, 0.48],
                    [0.70, 0.62, 0.30]])             # cardboard twice, plastic
_BANDS = np.array([[235, 235, 225], [225, 215, 170], [170, 200, 180], [200, 205, 215]])
_UPRIGHT, _LEANING, _NEIGHBOUR = 0.55, 0.25, 0.4     # shares of the pictures


class BinShelf:
    """Draws objects of one batch in bins.

    Args:
        objects: to draw.
    """

    def __init__(self, objects: Sequence[Pictured]) -> None:
        parts = [thing.parts() for thing in objects]
        self._hulls = [hull_points(seen).astype(float) for seen in parts]
        self._poses = [_stable_poses(points) for points in self._hulls]
        self._showcase = Showcase(parts, SIZE, _build)

    def picture(self, index: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """The index-th object in some bin, (120, 160, 3) uint8 RGB."""
        R_world_object, lean = self._stand(index, rng)
        points = self._hulls[index] @ R_world_object.T
        low, high = points.min(axis=0), points.max(axis=0)
        room = rng.uniform([0.02, 0.02, 0.02], [0.12, 0.08, 0.12])
        has_neighbour = lean != 0 or rng.random() < _NEIGHBOUR
        width = (high - low)[0] + room[0] + has_neighbour * rng.uniform(0.05, 0.10)
        depth, height = (high - low)[1:] + room[1:]
        side = np.sign(lean) or rng.choice([-1, 1])
        # The object stands at the wall that its neighbour is not at, or anywhere.
        slack = width - (high - low)[0]
        left = -width / 2 + slack * (float(side < 0) if has_neighbour else rng.random())
        position = np.array([left - low[0], -depth / 2 + rng.uniform(0.3, 1.0) * room[1] - low[1], -low[2]])
        self._furnish(np.array([width, depth, height]), rng)
        self._neighbour(has_neighbour, side * width / 2, slack * 0.95, depth, height, side, rng)
        self._showcase.show(index, R_world_object, position)
        middle = position + (low + high) / 2
        reach = float(np.linalg.norm(high - low)) / 2
        distance = reach / np.tan(np.deg2rad(FOVY / 2)) * rng.uniform(1.05, 1.5)
        eye = middle + distance * direction(rng.uniform(-0.35, 0.35), rng.uniform(0.2, 0.75))
        self._showcase.look(eye, middle + rng.uniform(-0.15, 0.15, 3) * reach)
        self._light(rng)
        return photograph(self._showcase.picture(color=True)["color"], rng)

    def close(self) -> None:
        """Release the OpenGL context."""
        self._showcase.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stand(self, index: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], float]:
        """R_world_object, and the angle by which it leans to the right (or, below 0, to the left) [rad]."""
        poses, shares = self._poses[index]
        pose = np.eye(3) if rng.random() < _UPRIGHT else poses[rng.choice(len(poses), p=shares)]
        turn = rng.uniform(0, 2 * np.pi) if rng.random() < 0.4 else rng.integers(4) * np.pi / 2 + rng.normal(0, 0.2)
        lean = rng.choice([-1, 1]) * rng.uniform(0.12, 0.4) if rng.random() < _LEANING else 0.0
        return rotation([0, 1, 0], lean) @ rotation([0, 0, 1], turn) @ pose, float(lean)

    def _furnish(self, inner: NDArray[np.float64], rng: np.random.Generator) -> None:
        """Make the bin's inner size (3,) [m]; it is open to the front, and sometimes to the top."""
        width, depth, height = inner
        places = {"floor": ([0, 0, -_WALL / 2], [width, depth, _WALL]),
                  "back": ([0, depth / 2, height / 2], [width, _WALL, height]),
                  "left": ([-width / 2, 0, height / 2], [_WALL, depth, height]),
                  "right": ([width / 2, 0, height / 2], [_WALL, depth, height]),
                  "top": ([0, 0, height + (100 if rng.random() < 0.7 else 0)], [width, depth, _WALL])}
        shade = _SHADES[rng.integers(len(_SHADES))] * rng.uniform(0.75, 1.1)
        model = self._showcase.model
        for name, (position, extents) in places.items():
            geom = model.geom(name).id
            model.geom_pos[geom], model.geom_size[geom] = position, np.array(extents) / 2
            model.geom_rgba[geom, :3] = np.clip(shade * rng.uniform(0.88, 1.05), 0, 1)

    def _neighbour(self, there: bool, wall: float, room: float, depth: float, height: float, side: float,
                   rng: np.random.Generator) -> None:
        """A box of something else between the object and a wall at x [m], that it may lean on."""
        model = self._showcase.model
        geom = model.geom("neighbour").id
        width = max(room, 0.01)
        size = np.array([width, depth * rng.uniform(0.5, 0.9), height * rng.uniform(0.4, 0.9)]) / 2
        model.geom_size[geom] = size
        model.geom_pos[geom] = [wall - side * size[0], rng.uniform(-0.3, 0.3) * size[1], size[2] if there else 100.0]
        model.geom_rgba[geom, :3] = (_SHADES[rng.integers(len(_SHADES))] if rng.random() < 0.5 else rng.uniform(0.1, 0.95, 3))

    def _light(self, rng: np.random.Generator) -> None:
        model, warmth = self._showcase.model, rng.uniform(-0.1, 0.1)
        model.light_dir[0] = -direction(rng.uniform(-0.9, 0.9), rng.uniform(0.5, 1.4))
        model.light_diffuse[0] = rng.uniform(0.25, 0.65) * np.array([1 + warmth, 1.0, 1 - warmth])
        model.light_specular[0] = rng.uniform(0.0, 0.2)
        head = model.vis.headlight
        head.ambient[:], head.diffuse[:], head.specular[:] = rng.uniform(0.2, 0.45), rng.uniform(0.1, 0.3), 0.03


def photograph(color: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """What a cheap camera makes of it behind the bin's elastic bands: (H, W, 3) uint8 RGB in and out."""
    picture = color.astype(np.float32)
    for _ in range(rng.integers(1, 4)):
        picture = _band(picture, rng)
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 0.9)).astype(np.float32)
    picture *= rng.uniform(0.7, 1.1) * np.array([1 + rng.uniform(-0.08, 0.08), 1.0, 1 + rng.uniform(-0.08, 0.08)], np.float32)
    picture += rng.normal(0.0, rng.uniform(2, 7), picture.shape).astype(np.float32)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _band(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A translucent elastic band across the picture, with a glossy line along it."""
    height, width = picture.shape[:2]
    slope = rng.normal(0, 0.08)
    upright = rng.random() < 0.25
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    across = (u - rng.uniform(0.1, 0.9) * width - slope * v) if upright else (v - rng.uniform(0.1, 0.9) * height - slope * u)
    half = rng.uniform(2.0, 6.0) * height / 120
    opacity = rng.uniform(0.25, 0.6) * np.clip(half - np.abs(across) + 0.5, 0, 1)
    shine = rng.uniform(0.15, 0.6) * np.exp(-((across - rng.uniform(-0.5, 0.5) * half) / (0.25 * half)) ** 2)
    colour = _BANDS[rng.integers(len(_BANDS))].astype(np.float32) * rng.uniform(0.7, 1.0)
    picture = picture * (1 - opacity[..., None]) + colour * opacity[..., None]
    shine = shine * (opacity > 0)
    return (picture * (1 - shine[..., None]) + 255 * shine[..., None]).astype(np.float32)


def _build(spec: mujoco.MjSpec) -> None:
    background(spec, (0.12, 0.12, 0.13))
    lamp(spec)
    for name in (*_WALLS, "neighbour"):
        # Not at the origin: MuJoCo would take it that they share the world's frame for good, wherever they are put later.
        spec.worldbody.add_geom(name=name, type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.1, 0.1, 0.1], pos=[0.0, 1.0, 0.0],
                                contype=0, conaffinity=0)


def _stable_poses(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotations (P, 3, 3) in which a convex hull lies still, and how probable each is."""
    with np.errstate(invalid="ignore"):              # slivers of the hull: their share is NaN
        poses, shares = trimesh.poses.compute_stable_poses(trimesh.convex.convex_hull(points))
    shares = np.nan_to_num(shares)
    if not len(shares) or shares.sum() <= 0:
        return np.eye(3)[None], np.ones(1)
    return poses[:, :3, :3], shares / shares.sum()
