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


"""From an item of the catalogue to meshes in metres, cached.

Traps of the libraries that this module takes care of: models are y up, may need a rotation, and get their size from
the catalogue and not from the file; one file has several materials; texture coordinates start at the bottom.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

from objectcentric_ros.paths import cache_dir
from objectcentric_ros.simulation.catalogue import Item
from objectcentric_ros.simulation.convex_pieces import DecompositionConfig, convex_pieces
from objectcentric_ros.simulation.furniture_library import FurnitureLibrary

RECIPE = 3                                          # count up when the conversion changes: old cache entries are then ignored
MAX_TEXTURE = 512                                   # px; an item covers 150 px of the wrist image
MAX_FACES = 12000
_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class VisualPart:
    """The faces of one material.

    Args:
        vertices: (V, 3) float32 [m], item frame (z up, origin at the centre of the bounding box).
        faces: (F, 3) int32.
        uv: (V, 2) float32 texture coordinates from the image's top left, or None.
        texture: (h, w, 3) uint8 RGB, or None.
        rgba: (4,) float32 colour, white where a texture gives it.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    uv: NDArray[np.float32] | None
    texture: NDArray[np.uint8] | None
    rgba: NDArray[np.float32]


@dataclass(frozen=True)
class ItemModel:
    """What the simulator needs of an item: visual parts, and convex pieces (V, 3) float32 [m] that collide."""

    parts: tuple[VisualPart, ...]
    convex_pieces: tuple[NDArray[np.float32], ...]


def load_item_model(item: Item, cache: Path | None = None) -> ItemModel:
    """Model of an item; the first call converts it and caches the result by the content of its files.

    Args:
        item: the item.
        cache: cache folder; None is ``simulation/items`` in the package's cache folder.
    """
    recipe = (RECIPE, MAX_TEXTURE, MAX_FACES, DecompositionConfig(), item.checksum, item.size, item.rotation.tolist())
    name = f"{item.id}-{hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]}"
    folder = (cache or cache_dir() / "simulation" / "items") / name
    if not folder.is_dir():
        library = FurnitureLibrary(item.library)
        try:
            _save(_convert(item, library.files(item.model)), folder)
        finally:
            library.close()
    return _load(folder)


def load_visual_parts(item: Item, cache: Path | None = None) -> tuple[VisualPart, ...]:
    """What is seen of an item, without the convex pieces, whose making takes seconds; cached apart from whole models.

    Args:
        item: the item.
        cache: cache folder; None is ``simulation/item_visuals`` in the package's cache folder.
    """
    recipe = (RECIPE, MAX_TEXTURE, MAX_FACES, item.checksum, item.size, item.rotation.tolist())
    name = f"{item.id}-{hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]}"
    folder = (cache or cache_dir() / "simulation" / "item_visuals") / name
    if not folder.is_dir():
        library = FurnitureLibrary(item.library)
        try:
            _save(ItemModel(tuple(_visual_parts(item, library.files(item.model))), ()), folder)
        finally:
            library.close()
    return _load(folder).parts


def _convert(item: Item, files: dict[str, bytes]) -> ItemModel:
    parts = _visual_parts(item, files)
    offsets = np.cumsum([0, *(len(part.vertices) for part in parts)])
    pieces = convex_pieces(np.vstack([part.vertices for part in parts]),
                           np.vstack([part.faces + offset for part, offset in zip(parts, offsets[:-1], strict=True)]))
    return ItemModel(tuple(parts), tuple(pieces))


def _visual_parts(item: Item, files: dict[str, bytes]) -> list[VisualPart]:
    name = item.model.rpartition("/")[2]
    scene = trimesh.load(io.BytesIO(files[name]), file_type="obj", resolver=_FileResolver(files), process=False,
                         split_object=False, group_material=True, skip_materials=False)
    loaded = scene.geometry.values() if isinstance(scene, trimesh.Scene) else [scene]
    meshes = [mesh for mesh in loaded if isinstance(mesh, trimesh.Trimesh) and len(mesh.faces)]
    to_item = _Z_UP @ item.rotation
    vertices = [np.asarray(mesh.vertices) @ to_item.T for mesh in meshes]
    used = np.vstack([v[np.unique(mesh.faces)] for v, mesh in zip(vertices, meshes, strict=True)])
    low, high = used.min(axis=0), used.max(axis=0)
    scale = np.asarray(item.size) / np.maximum(high - low, 1e-9)
    placed = [((v - (low + high) / 2) * scale).astype(np.float32) for v in vertices]
    return _simplify([_part(v, mesh) for v, mesh in zip(placed, meshes, strict=True)])


def _simplify(parts: list[VisualPart]) -> list[VisualPart]:
    """Merge near vertices, at most 1 mm apart, until the item has few enough faces to be drawn on a CPU."""
    for cell in (0.00025, 0.0005, 0.00075, 0.001):
        if sum(len(part.faces) for part in parts) <= MAX_FACES:
            break
        parts = [_cluster(part, cell) for part in parts]
    return [part for part in parts if len(part.faces)]


def _cluster(part: VisualPart, cell: float) -> VisualPart:
    """One vertex for all in a cell of space (and of the texture, so that its seams stay)."""
    key = np.round(part.vertices / cell).astype(np.int64)
    if part.uv is not None:
        key = np.hstack([key, np.round(part.uv * 64).astype(np.int64)])
    _, first, index = np.unique(key, axis=0, return_index=True, return_inverse=True)
    faces = index.reshape(-1)[part.faces]
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
    _, unique = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    return VisualPart(part.vertices[first], faces[np.sort(unique)].astype(np.int32), None if part.uv is None else part.uv[first],
                      part.texture, part.rgba)


def _part(vertices: NDArray[np.float32], mesh: trimesh.Trimesh) -> VisualPart:
    material = getattr(mesh.visual, "material", None)
    image = getattr(material, "image", None)
    uv = getattr(mesh.visual, "uv", None)
    faces = np.asarray(mesh.faces, dtype=np.int32)
    if image is not None and uv is not None:
        image.thumbnail((MAX_TEXTURE, MAX_TEXTURE))
        flipped = np.asarray(uv, dtype=np.float32) * [1, -1] + [0, 1]
        return VisualPart(vertices, faces, flipped.astype(np.float32), np.asarray(image.convert("RGB")), np.ones(4, np.float32))
    diffuse = getattr(material, "diffuse", None)
    rgba = np.array([0.7, 0.7, 0.7, 1.0]) if diffuse is None else np.asarray(diffuse, dtype=float) / 255
    return VisualPart(vertices, faces, None, None, rgba.astype(np.float32))


class _FileResolver(trimesh.visual.resolvers.Resolver):
    """Gives the OBJ loader the material and texture files from memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def get(self, name: str) -> bytes:
        return self._files[name.strip().lstrip("./")]

    def namespaced(self, namespace: str) -> _FileResolver:
        return self

    def write(self, name: str, data: bytes) -> None:
        raise PermissionError("furniture libraries are read only")

    def keys(self) -> list[str]:
        return list(self._files)


def _save(model: ItemModel, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray] = {}
    for index, part in enumerate(model.parts):
        arrays |= {f"vertices{index}": part.vertices, f"faces{index}": part.faces, f"rgba{index}": part.rgba}
        if part.uv is not None and part.texture is not None:
            arrays |= {f"uv{index}": part.uv, f"texture{index}": part.texture}
    arrays |= {f"convex{index}": piece for index, piece in enumerate(model.convex_pieces)}
    temporary = Path(tempfile.mkdtemp(dir=folder.parent))
    np.savez(temporary / "model.npz", allow_pickle=False, **arrays)
    try:
        os.replace(temporary, folder)           # atomic: another process never sees half a model
    except OSError:
        shutil.rmtree(temporary)                # another process was faster
        if not folder.is_dir():
            raise


def _load(folder: Path) -> ItemModel:
    with np.load(folder / "model.npz") as arrays:
        def get(name: str) -> NDArray | None:
            return arrays[name] if name in arrays.files else None
        parts = tuple(VisualPart(arrays[f"vertices{i}"], arrays[f"faces{i}"], get(f"uv{i}"), get(f"texture{i}"),
                                 arrays[f"rgba{i}"])
                      for i in range(sum(name.startswith("vertices") for name in arrays.files)))
        pieces = tuple(arrays[f"convex{i}"] for i in range(sum(name.startswith("convex") for name in arrays.files)))
    return ItemModel(parts, pieces)
