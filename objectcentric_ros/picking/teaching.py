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

"""Teaching the items of a family from rendered views: their grasp points, references and stored grasps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorModel
from objectcentric_ros.descriptors.views import ObjectView
from objectcentric_ros.gallery.grasp_point import GraspPoint
from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.se3 import invert, transform_points
from objectcentric_ros.grasping.close_up import CloseUpConfig, close_up
from objectcentric_ros.grasping.item_reference import reference_points
from objectcentric_ros.paths import share_dir
from objectcentric_ros.simulation.object_views import ViewConfig, ViewRenderer
from objectcentric_ros.simulation.variant_items import VariantItem

STRAIGHT_VIEW = ViewConfig(elevation=(60.0, 90.0), upright=1.0, tilt=0.0)
_TRIES = 40
_VISIBLE = 0.006    # the surface seen where a point is, is at most so far from it [m]


@dataclass(frozen=True)
class GraspTeaching:
    """What config/grasp_points.yaml says of an item.

    Args:
        grasp: name of the point that is grasped.
        points: places by name (3,) [m, the catalogue item's frame].
        closings: (C, 3) directions of the fingers at the stored grasps, the preferred one first.
        depth: of the TCP below the point at the stored grasps [m].
        symmetry_axis: (3,) unit vector, or None.

    Raises:
        ValueError: the grasped point isn't one of the points.
    """

    grasp: str
    points: Mapping[str, NDArray[np.float64]]
    closings: NDArray[np.float64]
    depth: float
    symmetry_axis: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if self.grasp not in self.points:
            raise ValueError(f"grasp '{self.grasp}' must be one of the points {', '.join(self.points)}")


def load_teachings(path: Path | None = None) -> dict[str, GraspTeaching]:
    """Teachings by item id; None reads config/grasp_points.yaml of the package.

    Raises:
        ValueError: a key is missing or unknown; the sentence names the file and the item.
    """
    path = path or share_dir() / "config" / "grasp_points.yaml"
    document = yaml.safe_load(path.read_text())
    return {item_id: _teaching(dict(values), f"{path}: {item_id}") for item_id, values in document.items()}


def _teaching(values: dict[str, Any], where: str) -> GraspTeaching:
    try:
        values["points"] = {name: np.asarray(point, dtype=float).reshape(3) for name, point in values["points"].items()}
        for name, shape in (("closings", (-1, 3)), ("symmetry_axis", (3,))):
            if values.get(name) is not None:
                directions = np.asarray(values[name], dtype=float).reshape(shape)
                values[name] = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
        return GraspTeaching(**values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{where}: {error}") from error


@dataclass(frozen=True)
class TaughtItem:
    """An item with what it was taught.

    Args:
        thing: the item.
        places: its points by name (3,) [m, its frame].
        straight: grasp points by name, each from one view.
        aligned: the grasped point with the reference from several views, one for each stored grasp.
    """

    thing: VariantItem
    teaching: GraspTeaching
    places: dict[str, NDArray[np.float64]]
    straight: dict[str, GraspPoint]
    aligned: tuple[GraspPoint, ...]


def teach(thing: VariantItem, teaching: GraspTeaching, model: DescriptorModel, seed: int, views: int = 8,
          count: int = 200, close: CloseUpConfig | None = None) -> TaughtItem:
    """Teach an item: one view for each straight point, `views` for the reference of the aligned grasp.

    Args:
        thing: the item.
        teaching: its points.
        model: describes the views.
        seed: of the views.
        views: of the aligned grasp's reference.
        count: points of that reference.
        close: how views are enlarged before they are described, as scenes are.
    """
    places = {name: thing.on_surface(point) for name, point in teaching.points.items()}
    straight = {}
    with ViewRenderer(thing.base, thing.variant, STRAIGHT_VIEW) as renderer:
        for name, place in places.items():
            descriptor = _descriptor(_view_of(renderer, place, seed), place, model, close)
            straight[name] = GraspPoint(name, model.key, descriptor, note=f"one view of {thing.item.id}")
    with ViewRenderer(thing.base, thing.variant) as renderer:
        reference = reference_points([renderer.view(index, seed + 1) for index in range(views)], model, count,
                                     np.random.default_rng(seed), close)
    aligned = tuple(
        replace(straight[teaching.grasp], name=f"{teaching.grasp}, aligned {number}", approach="aligned",
                T_object_tcp=_stored_grasp(places[teaching.grasp], closing, teaching.depth), keypoints=reference.descriptors,
                points=reference.points, keypoint_points=reference.keypoint_points, symmetry_axis=teaching.symmetry_axis)
        for number, closing in enumerate(teaching.closings, 1))
    return TaughtItem(thing, teaching, places, straight, aligned)


def _descriptor(view: ObjectView, place: NDArray[np.float64], model: DescriptorModel,
                close: CloseUpConfig | None) -> NDArray[np.float32]:
    """Descriptor (D,) of a place that a view shows."""
    assert view.T_camera_object is not None and view.depth is not None
    frame, _ = close_up(RgbdFrame(view.color, view.depth, view.camera, invert(view.T_camera_object)), view.mask, close)
    pixel = frame.camera.project(transform_points(view.T_camera_object, place[None]))
    return model.describe(frame.color).at(pixel)[0]


def _view_of(renderer: ViewRenderer, place: NDArray[np.float64], seed: int) -> ObjectView:
    """The first view that shows a place."""
    for index in range(_TRIES):
        view = renderer.view(index, seed)
        assert view.T_camera_object is not None and view.depth is not None
        in_camera = transform_points(view.T_camera_object, place[None])[0]
        pixel = view.camera.project(in_camera)
        column, row = (int(round(x)) for x in pixel)
        if view.mask[row, column] and abs(view.depth[row, column] - in_camera[2]) < _VISIBLE:
            return view
    raise ValueError(f"no view of {renderer.variant.name} from above shows the point {np.round(1000 * place, 1).tolist()} mm: "
                     "move it in config/grasp_points.yaml")


def _stored_grasp(place: NDArray[np.float64], direction: NDArray[np.float64], depth: float) -> NDArray[np.float64]:
    """T_object_tcp (4, 4): from above, closing along the given direction."""
    down = np.array([0.0, 0.0, -1.0])
    closing = direction - (direction @ down) * down
    closing /= np.linalg.norm(closing)
    T_object_tcp = np.eye(4)
    T_object_tcp[:3, :3] = np.stack([np.cross(closing, down), closing, down], axis=1)
    T_object_tcp[:3, 3] = place + depth * down
    return T_object_tcp
