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

"""Grasp points as files: one .npz a point, without pickle, so that an exported gallery keeps them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from objectcentric_ros.gallery.errors import GalleryError
from objectcentric_ros.gallery.grasp_point import GraspPoint

_TEXTS = ("name", "encoder_key", "approach", "note")
_ARRAYS = ("descriptor", "width", "T_object_tcp", "keypoints", "points", "keypoint_points", "symmetry_axis")


def write_grasp_point(path: Path, point: GraspPoint) -> None:
    """Write a point; what it lacks is left out."""
    values = {name: getattr(point, name) for name in (*_TEXTS, *_ARRAYS)}
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in values.items() if value is not None}
    np.savez_compressed(path, allow_pickle=False, **arrays)


def read_grasp_point(path: Path) -> GraspPoint:
    """Read a point.

    Raises:
        GalleryError: the file can't be read, or what it holds is no grasp point.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise GalleryError(f"{path} is no grasp point: {' '.join(str(error).split())}") from error
    if unknown := sorted(set(found) - {*_TEXTS, *_ARRAYS}):
        raise GalleryError(f"{path} is no grasp point: unknown entries {', '.join(unknown)}")
    if missing := [name for name in ("name", "encoder_key", "descriptor") if name not in found]:
        raise GalleryError(f"{path} is no grasp point: it lacks {', '.join(missing)}")
    values: dict[str, Any] = {name: str(value) if name in _TEXTS else value for name, value in found.items()}
    try:
        if "width" in values:
            values["width"] = float(values["width"])
        return GraspPoint(**values)
    except (GalleryError, TypeError, ValueError) as error:
        raise GalleryError(f"{path}: {error}") from error
