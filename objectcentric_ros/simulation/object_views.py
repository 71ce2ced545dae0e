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

"""Views of single items for training descriptors: image, exact mask, true depth and pose, from random sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import mujoco
import numpy as np
import trimesh
from numpy.typing import NDArray

from objectcentric_ros.descriptors.views import ObjectView
from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.simulation.catalogue import Item
from objectcentric_ros.simulation.item_model import VisualPart, load_item_model
from objectcentric_ros.simulation.rendering import SceneRenderer
from objectcentric_ros.simulation.scene import TO_OPTICAL, add_visual_parts
from objectcentric_ros.simulation.sensor import D435Model, DepthSensorConfig
from objectcentric_ros.simulation.variants import Variant, apply_variant

RECIPE = 1                       # count up when the same seed gives other views
_CAMERA = "camera"
_FAR = 1.9                       # nothing is farther; the far plane is at 2 m
_FINER = 2                       # colour is drawn so many times finer and averaged over the object's own pixels
_KEY = np.array([255, 0, 255], np.uint8)         # the background of colour; no item is exactly that
_TRIES = 200


@dataclass(frozen=True)
class ViewConfig:
    """How views are drawn, each from the range given.

    Args:
        elevation: of the camera above the table [deg].
        distance: of the camera from the item's centre [m].
        upright: share of views in which the item stands as in the catalogue; in the others it lies in a stable pose.
        tilt: largest angle from the pose, as clutter tilts things [deg].
        margin: pixels between the item's image and the image's border.
        spread: how far off the image's centre the item may be, 1 being as far as the margin allows.
        sensor: effects of the depth sensor; None: true depth.
    """

    elevation: tuple[float, float] = (35.0, 90.0)
    distance: tuple[float, float] = (0.32, 0.55)
    upright: float = 0.75
    tilt: float = 12.0
    margin: int = 6
    spread: float = 0.8
    sensor: DepthSensorConfig | None = None


def render_views(item: Item, count: int | Iterable[int], seed: int, variant: Variant | None = None,
                 config: ViewConfig | None = None, camera: PinholeCamera | None = None) -> Iterator[ObjectView]:
    """Views of one item alone, before black.

    Args:
        item: what to look at; views are of its simulated size.
        count: number of views, or the indices of the wanted ones; view i is the same whichever others are drawn.
        seed: of the views; the variant's name is mixed in.
        variant: colours and proportions; None: the item as it is, named by its id.
        config: ranges.
        camera: intrinsics; None: the colour camera of config/cell.yaml.

    Yields:
        Views named by their index (``0007``) with depth [m] (NaN off the object) and `T_camera_object`. The object's frame
        is the item's: z up, origin at the centre of its bounding box.
    """
    variant = variant or Variant(item.id)
    if variant.item_id != item.id:
        raise ValueError(f"variant {variant.name} is one of {variant.item_id}, not of {item.id}")
    with ViewRenderer(item, variant, config, camera) as renderer:
        for index in range(count) if isinstance(count, int) else count:
            yield renderer.view(index, seed)


class ViewRenderer:
    """Draws the views of one instance; the arguments are those of `render_views`."""

    def __init__(self, item: Item, variant: Variant, config: ViewConfig | None = None,
                 camera: PinholeCamera | None = None) -> None:
        self.variant, self.config = variant, config or ViewConfig()
        self.camera = camera or CellLayout.load().camera
        parts = apply_variant(load_item_model(item).parts, variant, item.size[2])
        hull = trimesh.convex.convex_hull(np.vstack([part.vertices[np.unique(part.faces)] for part in parts]).astype(float))
        self._outline = np.asarray(hull.vertices, dtype=float)
        self._poses, self._shares = _stable_poses(hull)
        self._model = _model(parts, self.camera, _FINER)
        self._data = mujoco.MjData(self._model)
        self._renderer = SceneRenderer(self._model, lambda target: mujoco.mj_copyData(target, self._model, self._data))

    def view(self, index: int, seed: int) -> ObjectView:
        """View number `index` of the seed."""
        digest = hashlib.sha256(self.variant.name.encode()).digest()
        rng = np.random.default_rng([seed, int.from_bytes(digest[:8], "big"), index])
        R_world_object = self._stand(rng)
        T_camera_object = self._look(R_world_object, rng)
        self._set_camera(T_camera_object)
        self._set_light(R_world_object, rng)
        mujoco.mj_forward(self._model, self._data)
        color, mask, depth = self._draw()
        if self.config.sensor is not None:
            observed = D435Model(self.config.sensor).observe(depth, color, self.camera, rng)
            depth = np.where(mask, observed, np.float32(np.nan))
        return ObjectView(color, mask, self.camera, depth, T_camera_object, self.variant.name, f"{index:04d}")

    def close(self) -> None:
        """Release the OpenGL context."""
        self._renderer.close()

    def __enter__(self) -> ViewRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stand(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """R_world_object (3, 3): upright or in a stable pose, a little tilted; the camera goes around it, so yaw is free."""
        pose = np.eye(3)
        if rng.random() >= self.config.upright:
            pose = self._poses[rng.choice(len(self._poses), p=self._shares)]
        axis = rng.uniform(0, 2 * np.pi)
        tilt = np.deg2rad(self.config.tilt) * rng.random()
        return _rotation(np.array([np.cos(axis), np.sin(axis), 0.0]), tilt) @ pose

    def _look(self, R_world_object: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """T_camera_object (4, 4) of a random camera that sees the whole item."""
        config, camera = self.config, self.camera
        # Uniform on the sphere's zone: the sine of the elevation is uniform.
        low, high = np.sin(np.deg2rad(config.elevation))
        azimuth, elevation, roll = rng.uniform(0, 2 * np.pi), np.arcsin(rng.uniform(low, high)), rng.uniform(0, 2 * np.pi)
        forward = -np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
        right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
        R_camera_world = _rotation(np.array([0.0, 0.0, 1.0]), roll) @ np.stack([right, np.cross(forward, right), forward])
        T_camera_object = np.eye(4)
        T_camera_object[:3, :3] = R_camera_world @ R_world_object
        outline = self._outline @ T_camera_object[:3, :3].T
        size = np.array([camera.width, camera.height])
        for attempt in range(_TRIES):
            spread = config.spread * (1 - attempt / _TRIES)     # large things only fit in the middle
            distance = rng.uniform(*config.distance)
            pixel = (size - 1) / 2 + spread * rng.uniform(-0.5, 0.5, 2) * size
            centre = camera.deproject(pixel, np.array(1.0))
            T_camera_object[:3, 3] = distance * centre / np.linalg.norm(centre)
            pixels = camera.project(outline + T_camera_object[:3, 3])
            if np.all(pixels >= config.margin) and np.all(pixels <= size - 1 - config.margin):
                return T_camera_object
        raise ValueError(f"{self.variant.name} does not fit into the image from {config.distance} m: look from farther away")

    def _set_camera(self, T_camera_object: NDArray[np.float64]) -> None:
        number = self._model.camera(_CAMERA).id
        R_object_camera = T_camera_object[:3, :3].T
        self._model.cam_pos[number] = -R_object_camera @ T_camera_object[:3, 3]
        mujoco.mju_mat2Quat(self._model.cam_quat[number], (R_object_camera @ TO_OPTICAL).ravel())

    def _set_light(self, R_world_object: NDArray[np.float64], rng: np.random.Generator) -> None:
        """A lamp somewhere above the table, warm or cold, and light from everywhere; the item's frame is the scene's."""
        azimuth, elevation = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(25, 90))
        down = -np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
        warmth = rng.uniform(-0.08, 0.08)
        self._model.light_dir[0] = R_world_object.T @ down
        self._model.light_diffuse[0] = rng.uniform(0.3, 0.8) * np.array([1 + warmth, 1.0, 1 - warmth])
        self._model.light_specular[0] = rng.uniform(0.0, 0.3)
        head = self._model.vis.headlight
        head.ambient[:], head.diffuse[:], head.specular[:] = rng.uniform(0.3, 0.5), rng.uniform(0.1, 0.3), 0.03

    def _draw(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.float32]]:
        """Colour (black off the object), mask, depth [m]."""
        width, height = self.camera.width, self.camera.height
        depth = self._renderer.images(_CAMERA, width, height, depth=True)[1]["depth"]
        fine = self._renderer.images(_CAMERA, _FINER * width, _FINER * height, color=True)[1]["color"]
        mask = depth < _FAR
        u, v, w, h = cv2.boundingRect(mask.astype(np.uint8))
        color = np.zeros((height, width, 3), np.uint8)
        color[v:v + h, u:u + w], seen = _average(fine[_FINER * v:_FINER * (v + h), _FINER * u:_FINER * (u + w)])
        mask[v:v + h, u:u + w] &= seen               # a sliver may cover a pixel's centre and none of the finer ones'
        color[~mask] = 0
        return color, mask, np.where(mask, depth, np.float32(np.nan)).astype(np.float32)


def _average(fine: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Mean of each block without the background's pixels, so that no edge is mixed with it; and where there are others."""
    seen = (fine != _KEY).any(axis=-1)
    corners = [(row, column) for row in range(_FINER) for column in range(_FINER)]
    count = sum(seen[row::_FINER, column::_FINER].astype(np.uint16) for row, column in corners)
    total = sum(np.where(seen[row::_FINER, column::_FINER, None], fine[row::_FINER, column::_FINER], 0).astype(np.uint16)
                for row, column in corners)
    return ((total + count[..., None] // 2) // np.maximum(count, 1)[..., None]).astype(np.uint8), count > 0


def _stable_poses(hull: trimesh.Trimesh) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotations (P, 3, 3) in which a hull lies still, and how probable each is."""
    with np.errstate(invalid="ignore"):              # slivers of the hull: their share is NaN
        poses, shares = trimesh.poses.compute_stable_poses(hull)
    shares = np.nan_to_num(shares)
    if shares.sum() <= 0:
        return np.eye(3)[None], np.ones(1)
    return poses[:, :3, :3], shares / shares.sum()


def _rotation(axis: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """(3, 3) rotation about a unit axis."""
    return trimesh.transformations.rotation_matrix(angle, axis)[:3, :3]


def _model(parts: tuple[VisualPart, ...], camera: PinholeCamera, finer: int) -> mujoco.MjModel:
    """The item at the origin of the world, a camera and a lamp."""
    spec = mujoco.MjSpec()
    spec.visual.global_.offwidth, spec.visual.global_.offheight = finer * camera.width, finer * camera.height
    spec.visual.quality.offsamples = 0               # depth and mask of the pixels' centres
    spec.stat.extent, spec.stat.center = 1.0, [0.0, 0.0, 0.0]
    spec.visual.map.znear, spec.visual.map.zfar = 0.05, 2.0
    pixel = 1e-6                                     # any sensor size will do as long as pixels are square
    spec.worldbody.add_camera(name=_CAMERA, resolution=[camera.width, camera.height],
                              sensor_size=[camera.width * pixel, camera.height * pixel], focal_pixel=[camera.fx, camera.fy],
                              principal_pixel=[(camera.width - 1) / 2 - camera.cx, (camera.height - 1) / 2 - camera.cy])
    spec.worldbody.add_light(name="lamp", pos=[0, 0, 1], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, castshadow=False)
    spec.add_texture(name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
                     rgb1=_KEY / 255, rgb2=_KEY / 255, width=8, height=48)
    add_visual_parts(spec, spec.worldbody, "item", parts)
    return spec.compile()
