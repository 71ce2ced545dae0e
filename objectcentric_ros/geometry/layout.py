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

"""The layout of the cell: table, tray, place bin, camera mount, gripper and named poses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.paths import share_dir


@dataclass(frozen=True)
class Container:
    """An open box on the table: a tray or a bin. Centre (x, y), inner size (x, y) [m]."""

    centre: tuple[float, float]
    inner_size: tuple[float, float]
    wall_height: float
    wall_thickness: float
    floor_thickness: float

    def contains(self, points: NDArray[np.floating], margin: float = 0.0) -> NDArray[np.bool_]:
        """Which points (..., 3) [m, base frame] lie above the floor's inner rectangle, shrunk by margin [m]."""
        half = np.asarray(self.inner_size) / 2 - margin
        return np.all(np.abs(points[..., :2] - np.asarray(self.centre)) <= half, axis=-1)


@dataclass(frozen=True)
class GripperShape:
    """Shape of a parallel hand [m]; see config/cell.yaml."""

    max_width: float
    finger_thickness: float
    finger_depth: float
    hand_width: float
    hand_depth: float
    finger_length: float
    tip_beyond_tcp: float


@dataclass(frozen=True)
class CellLayout:
    """What is known of the cell, in the base frame; see config/cell.yaml."""

    base_frame: str
    tcp_frame: str
    hand_frame: str
    camera_frame: str
    table_centre: tuple[float, float]
    table_size: tuple[float, float]
    table_thickness: float
    tray: Container
    place_bin: Container
    camera: PinholeCamera
    T_hand_camera: NDArray[np.float64]
    T_hand_tcp: NDArray[np.float64]
    gripper: GripperShape
    named_poses: dict[str, NDArray[np.float64]]
    home: NDArray[np.float64]

    @classmethod
    def load(cls, path: Path | None = None) -> CellLayout:
        """Read a cell file; None is config/cell.yaml of the package.

        Raises:
            ValueError: a key is missing or unknown; the message names it and the file.
        """
        path = path or share_dir() / "config" / "cell.yaml"
        document = yaml.safe_load(path.read_text())
        try:
            camera = dict(document["camera"])
            mount = camera.pop("hand_to_camera")
            T_hand_camera = np.eye(4)
            T_hand_camera[:3, :3] = mount["rotation"]
            T_hand_camera[:3, 3] = mount["translation"]
            T_hand_tcp = np.eye(4)
            T_hand_tcp[2, 3] = document["hand_to_tcp"]
            table = document["table"]
            return cls(
                base_frame=document["base_frame"], tcp_frame=document["tcp_frame"],
                hand_frame=document["hand_frame"], T_hand_tcp=T_hand_tcp,
                camera_frame=document["camera_frame"], table_centre=tuple(table["centre"]), table_size=tuple(table["size"]),
                table_thickness=table["thickness"],
                tray=_container(document["tray"]), place_bin=_container(document["place_bin"]),
                camera=PinholeCamera(**camera), T_hand_camera=T_hand_camera, gripper=GripperShape(**document["gripper"]),
                named_poses={name: top_down(pose["position"], pose["yaw"]) for name, pose in document["named_poses"].items()},
                home=np.asarray(document["home"], dtype=float))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}: missing or unknown key: {error}") from error


def top_down(position: Any, yaw: float) -> NDArray[np.float64]:
    """T_base_tcp (4, 4) of a TCP at position (3,) [m] that points down; at yaw 0 [rad] its x axis is the base's x."""
    cosine, sine = np.cos(yaw), np.sin(yaw)
    T_base_tcp = np.eye(4)
    T_base_tcp[:3, :3] = [[cosine, sine, 0], [sine, -cosine, 0], [0, 0, -1]]
    T_base_tcp[:3, 3] = position
    return T_base_tcp


def _container(values: dict[str, Any]) -> Container:
    return Container(**{**values, "centre": tuple(values["centre"]), "inner_size": tuple(values["inner_size"])})
