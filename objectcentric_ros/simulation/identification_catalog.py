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

"""Catalog pictures: the product, often unpacked, upright on white in bright soft light, three-quarters from the front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import cv2
import mujoco
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.simulation.identification_scenes import Pictured, surface_points
from objectcentric_ros.simulation.identification_showcase import FOVY, Showcase, background, direction, lamp, rotation

SIDE = 256                                           # of the pictures [px]
_FINER = 2                                           # drawn so many times larger and scaled down
_FAR = 5.5                                           # nothing is farther; the far plane is at 6 m
_SHADOW = 0.6                                        # share of the pictures with a soft shadow


class Studio:
    """Draws the catalog pictures of one batch of objects.

    Args:
        objects: to draw.
    """

    def __init__(self, objects: Sequence[Pictured]) -> None:
        parts = [thing.catalog_parts() for thing in objects]
        self._points = [surface_points(seen) for seen in parts]
        self._showcase = Showcase(parts, (_FINER * SIDE, _FINER * SIDE), _build)

    def picture(self, index: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """The index-th object, (256, 256, 3) uint8 RGB."""
        R_world_object = rotation([0, 0, 1], float(rng.choice([-1, 1]) * rng.uniform(0.35, 0.75)))
        points = self._points[index] @ R_world_object.T
        reach = float(np.linalg.norm(points, axis=1).max())
        eye = direction(0.0, rng.uniform(0.2, 0.42)) * reach / np.tan(np.deg2rad(FOVY / 2)) * rng.uniform(1.12, 1.3)
        self._showcase.show(index, R_world_object, np.zeros(3))
        T_camera_world = self._showcase.look(eye, np.zeros(3))
        self._light(rng)
        images = self._showcase.picture(color=True, depth=True)
        color = images["color"].astype(np.float32)
        if rng.random() < _SHADOW:
            shade = _shadow(points, T_camera_world, color.shape[0], rng)
            color *= np.where(images["depth"] < _FAR, 1.0, shade)[..., None].astype(np.float32)
        return cv2.resize(color, (SIDE, SIDE), interpolation=cv2.INTER_AREA).round().clip(0, 255).astype(np.uint8)

    def close(self) -> None:
        """Release the OpenGL context."""
        self._showcase.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _light(self, rng: np.random.Generator) -> None:
        model = self._showcase.model
        model.light_dir[0] = -direction(rng.uniform(-0.8, 0.8), rng.uniform(0.6, 1.2))
        model.light_diffuse[0] = rng.uniform(0.35, 0.5)
        model.light_specular[0] = rng.uniform(0.1, 0.3)
        head = model.vis.headlight
        head.ambient[:], head.diffuse[:], head.specular[:] = rng.uniform(0.5, 0.6), rng.uniform(0.2, 0.3), 0.05


def _shadow(points: NDArray[np.float64], T_camera_world: NDArray[np.float64], side: int,
            rng: np.random.Generator) -> NDArray[np.float32]:
    """What remains (side, side), 0..1, of the white around the object's foot."""
    low, high = points.min(axis=0), points.max(axis=0)
    foot = points[points[:, 2] < low[2] + 0.15 * (high[2] - low[2])]
    spread = (foot - foot.mean(axis=0)) * rng.uniform(1.05, 1.25) + foot.mean(axis=0)
    spread[:, 2] = low[2]
    seen = spread @ T_camera_world[:3, :3].T + T_camera_world[:3, 3]
    focal = side / 2 / np.tan(np.deg2rad(FOVY / 2))
    pixels = (focal * seen[:, :2] / seen[:, 2:] + side / 2).round().astype(np.int32)
    dark = np.zeros((side, side), np.float32)
    cv2.fillConvexPoly(dark, cv2.convexHull(pixels), 1.0)
    return np.asarray(1 - rng.uniform(0.15, 0.4) * cv2.GaussianBlur(dark, (0, 0), rng.uniform(0.012, 0.03) * side), np.float32)


def _build(spec: mujoco.MjSpec) -> None:
    background(spec, (1.0, 1.0, 1.0))
    lamp(spec)
