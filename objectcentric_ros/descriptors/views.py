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


"""Views of objects, the only data that paper A needs: an RGB image and a mask; depth and pose where there are any."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.depth import metres_to_millimetres

MILLIMETRE = 1e-3
COLOR_SUFFIXES = (".color.png", ".color.jpg", ".color.jpeg")


@dataclass(frozen=True)
class ObjectView:
    """One photograph of one object.

    Args:
        color: (H, W, 3) uint8, RGB.
        mask: (H, W) bool, true on the object.
        camera: intrinsics.
        depth: (H, W) float32 [m], NaN where invalid; None: there is none.
        T_camera_object: (4, 4), maps the object's frame into the optical frame; None: not known.
        instance: which object it is.
        name: which photograph of it.

    Raises:
        ValueError: shapes don't fit together, or the mask is empty.
    """

    color: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    camera: PinholeCamera
    depth: NDArray[np.float32] | None = None
    T_camera_object: NDArray[np.float64] | None = None
    instance: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        shape = (self.camera.height, self.camera.width)
        where = f"view {self.instance}/{self.name}"
        if self.color.shape != (*shape, 3) or self.color.dtype != np.uint8:
            raise ValueError(f"{where}: the image must be {(*shape, 3)} uint8, got {self.color.shape} {self.color.dtype}")
        if self.mask.shape != shape or self.mask.dtype != np.bool_:
            raise ValueError(f"{where}: the mask must be {shape} bool, got {self.mask.shape} {self.mask.dtype}")
        if not self.mask.any():
            raise ValueError(f"{where}: the mask is empty: it must be true on the object")
        if self.depth is not None and self.depth.shape != shape:
            raise ValueError(f"{where}: the depth image must be {shape}, got {self.depth.shape}")
        if self.T_camera_object is not None and (self.T_camera_object.shape != (4, 4)
                                                 or not np.all(np.isfinite(self.T_camera_object))):
            raise ValueError(f"{where}: T_camera_object must be a finite (4, 4) matrix")


def default_camera(width: int, height: int) -> PinholeCamera:
    """Intrinsics for a photograph that came without: a 60 degree horizontal field of view, as a telephone has."""
    focal = float(0.5 * width / np.tan(np.deg2rad(30.0)))
    return PinholeCamera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


def write_view(folder: Path, view: ObjectView) -> Path:
    """Write a view into `folder/instance`; returns the path of the image.

    Raises:
        ValueError: instance or name would leave the folder.
    """
    for text in (view.instance, view.name):
        if not text or text != Path(text).name or text.startswith("."):
            raise ValueError(f"{text!r} can't be a file's name: use letters, digits, - and _")
    place = folder / view.instance
    place.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {"camera": {key: getattr(view.camera, key) for key in ("width", "height", "fx", "fy", "cx", "cy")}}
    if view.T_camera_object is not None:
        facts["T_camera_object"] = [[float(x) for x in row] for row in view.T_camera_object]
    (place / f"{view.name}.yaml").write_text(yaml.safe_dump(facts, sort_keys=False))
    if view.depth is not None:
        cv2.imwrite(str(place / f"{view.name}.depth.png"), metres_to_millimetres(view.depth))
    cv2.imwrite(str(place / f"{view.name}.mask.png"), view.mask.astype(np.uint8) * 255)
    color = place / f"{view.name}.color.png"      # last: a view whose image is there is whole
    cv2.imwrite(str(color), cv2.cvtColor(view.color, cv2.COLOR_RGB2BGR))
    return color


def instances(folder: Path) -> list[str]:
    """Names of the objects in a folder: its sub-folders with views, sorted; the folder itself is one when it has views."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    found = sorted(place.name for place in folder.iterdir() if place.is_dir() and _images(place))
    return found or ([folder.name] if _images(folder) else [])


def read_views(folder: Path, only: list[str] | None = None) -> list[ObjectView]:
    """Read all views of a folder, sorted by instance and name.

    Args:
        folder: `INSTANCE/NAME.color.png` (or .jpg) with `NAME.mask.png`, where there are any `NAME.depth.png` (uint16 [mm]) and
            `NAME.yaml` (camera, T_camera_object). A folder without sub-folders is one instance.
        only: instances to read; None: all.

    Raises:
        ValueError: there are no views, a file is missing or can't be read, or a wanted instance isn't there.
    """
    names = instances(folder)
    if not names:
        raise ValueError(f"no views in {folder}: expected INSTANCE/NAME.color.png with INSTANCE/NAME.mask.png")
    if missing := sorted(set(only or ()) - set(names)):
        raise ValueError(f"{folder} has no instance {', '.join(missing)}; it has {', '.join(names)}")
    views = []
    for name in names if only is None else only:
        place = folder / name if (folder / name).is_dir() else folder
        views += [_read_view(path, name) for path in _images(place)]
    return views


def _images(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.name.lower().endswith(COLOR_SUFFIXES))


def _read_view(path: Path, instance: str) -> ObjectView:
    name = path.name[:path.name.lower().rindex(".color.")]
    color = _read_image(path, cv2.IMREAD_COLOR)
    mask = _read_image(path.with_name(f"{name}.mask.png"), cv2.IMREAD_GRAYSCALE) > 127
    height, width = mask.shape
    depth_path, facts_path = path.with_name(f"{name}.depth.png"), path.with_name(f"{name}.yaml")
    depth = None
    if depth_path.exists():
        millimetres = _read_image(depth_path, cv2.IMREAD_UNCHANGED)
        depth = np.where(millimetres > 0, millimetres * np.float32(MILLIMETRE), np.float32(np.nan)).astype(np.float32)
    facts = _read_facts(facts_path) if facts_path.exists() else {}
    try:
        camera = PinholeCamera(**facts["camera"]) if "camera" in facts else default_camera(width, height)
        pose = np.array(facts["T_camera_object"], dtype=np.float64) if "T_camera_object" in facts else None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{facts_path}: {error}") from error
    return ObjectView(cv2.cvtColor(color, cv2.COLOR_BGR2RGB).astype(np.uint8), mask, camera, depth, pose, instance, name)


def _read_image(path: Path, mode: int) -> NDArray[Any]:
    image = cv2.imread(str(path), mode)
    if image is None:
        raise ValueError(f"{path} {'is not an image that can be read' if path.exists() else 'is missing'}")
    return image


def _read_facts(path: Path) -> dict[str, Any]:
    try:
        facts = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {error}") from error
    if not isinstance(facts, dict):
        raise ValueError(f"{path} must hold a mapping with camera and T_camera_object")
    return facts


def cropped(view: ObjectView, margin: int = 6) -> ObjectView:
    """The part of a view around its object; the camera's principal point moves with it, so that nothing else changes."""
    v, u = np.nonzero(view.mask)
    top, left = max(int(v.min()) - margin, 0), max(int(u.min()) - margin, 0)
    bottom, right = int(v.max()) + margin + 1, int(u.max()) + margin + 1
    part = (slice(top, bottom), slice(left, right))
    color, mask = view.color[part].copy(), view.mask[part].copy()
    camera = PinholeCamera(mask.shape[1], mask.shape[0], view.camera.fx, view.camera.fy, view.camera.cx - left,
                           view.camera.cy - top)
    depth = None if view.depth is None else view.depth[part].copy()
    return ObjectView(color, mask, camera, depth, view.T_camera_object, view.instance, view.name)
