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


"""Lighter visual meshes of the robot: 240 000 faces cost more than the rest of the scene when a CPU draws them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import fast_simplification
import numpy as np
import trimesh
from numpy.typing import NDArray

from objectcentric_ros.paths import cache_dir

Mesh = tuple[NDArray[np.float32], NDArray[np.int32]]

_RECIPE = 2              # count up when the conversion changes
_SHARE = 0.15            # of the faces that stays
_FEW = 1500              # faces that are left alone
_SUFFIX = "_vis.obj"


def light_meshes(folder: Path, cache: Path | None = None) -> dict[str, Mesh]:
    """Simplified visual meshes (``<name>_vis.obj``) of a folder, by name: vertices (V, 3) [m] and faces (F, 3).

    Meshes that are light already are left out. The result is cached by the names and sizes of the files.
    """
    files = sorted(folder.glob(f"*{_SUFFIX}"))
    recipe = [_RECIPE, _SHARE, _FEW, fast_simplification.__version__, *((file.name, file.stat().st_size) for file in files)]
    name = hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]
    path = (cache or cache_dir() / "simulation" / "robot") / f"{name}.npz"
    if not path.is_file():
        _write(path, files)
    with np.load(path) as arrays:
        names = {key.rpartition("/")[0] for key in arrays.files}
        return {name: (arrays[f"{name}/vertices"], arrays[f"{name}/faces"]) for name in names}


def _write(path: Path, files: list[Path]) -> None:
    arrays: dict[str, NDArray] = {}
    for file in files:
        mesh = trimesh.load_mesh(file)
        mesh.merge_vertices(merge_tex=True, merge_norm=True)     # faces must share vertices, or the surface tears
        wanted = max(_FEW, int(len(mesh.faces) * _SHARE))
        if len(mesh.faces) <= wanted:
            continue
        vertices, faces = fast_simplification.simplify(np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32),
                                                       target_count=wanted, agg=5)
        name = file.name.removesuffix(_SUFFIX)
        arrays |= {f"{name}/vertices": vertices.astype(np.float32), f"{name}/faces": faces.astype(np.int32)}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(temporary, allow_pickle=False, **arrays)
    os.replace(temporary, path)          # atomic: another process never sees half a file
