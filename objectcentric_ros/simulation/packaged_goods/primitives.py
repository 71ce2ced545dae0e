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

"""Simple meshes of which packages and products are made [m], z up, outward faces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.simulation.item_model import VisualPart

Colour = tuple[float, float, float]
SEGMENTS = 28


def make_part(
    vertices: NDArray,
    faces: NDArray,
    colour: Colour = (1.0, 1.0, 1.0),
    uv: NDArray | None = None,
    texture: NDArray[np.uint8] | None = None,
) -> VisualPart:
    """A part from arrays of any number type; a texture makes the colour white."""
    rgba = np.array([1.0, 1.0, 1.0, 1.0] if texture is not None else [*colour, 1.0], np.float32)
    coordinates = None if texture is None or uv is None else np.clip(uv, 0, 1).astype(np.float32)
    return VisualPart(np.asarray(vertices, np.float32), np.asarray(faces, np.int32), coordinates, texture, rgba)


def box(size: Sequence[float], colour: Colour, centre: Sequence[float] = (0, 0, 0), bevel: float = 0.0) -> VisualPart:
    """A box; with a bevel [m] its edges along x, y and z are cut off."""
    half = np.asarray(size, float) / 2
    inner = np.maximum(half - bevel, 0.05 * half)
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    corners = [np.where(np.arange(3) == axis, half, inner) for axis in range(3)] if bevel else [half]
    return hull(np.vstack([signs * corner for corner in corners]) + np.asarray(centre), colour)


def hull(points: NDArray, colour: Colour) -> VisualPart:
    """The convex hull of points."""
    from scipy.spatial import ConvexHull

    points = np.asarray(points, float)
    convex = ConvexHull(points)
    a, b, c = (points[convex.simplices[:, k]] for k in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), convex.equations[:, :3]) < 0
    faces = np.where(inward[:, None], convex.simplices[:, ::-1], convex.simplices)
    return make_part(points, faces, colour)


def loft(
    rings: Sequence[tuple[float, float, float]],
    colour: Colour = (1.0, 1.0, 1.0),
    texture: NDArray[np.uint8] | None = None,
    power: float = 1.0,
    closed: bool = True,
    segments: int = SEGMENTS,
) -> VisualPart:
    """A surface through ellipses above each other.

    Args:
        rings: (z, half width along x, half depth along y) [m], from below.
        colour: without a texture.
        texture: wrapped around, its left half on the front (-y).
        power: below 1 makes ellipses squarer.
        closed: with a flat bottom and top; with a texture, they take the colour of its border.
        segments: corners of each ring.
    """
    angle = np.linspace(-np.pi, np.pi, segments + 1)
    cos, sin = (np.sign(f) * np.abs(f) ** power for f in (np.cos(angle), np.sin(angle)))
    z, rx, ry = np.asarray(rings, float).T
    vertices = np.stack([rx[:, None] * cos, ry[:, None] * sin, np.broadcast_to(z[:, None], (len(z), len(angle)))], -1)
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(z), np.diff(rx)))])
    uv = np.stack(np.broadcast_arrays((angle + np.pi) / (2 * np.pi), 1 - (length / max(length[-1], 1e-9))[:, None]), -1)
    vertices, uv, faces = vertices.reshape(-1, 3), uv.reshape(-1, 2), grid_faces(len(z), len(angle))
    if closed:
        for row, v in ((0, 0.999), (len(z) - 1, 0.001)):
            start = len(vertices)
            ring = vertices[row * len(angle) : (row + 1) * len(angle)]
            vertices = np.vstack([vertices, ring, [[0, 0, z[row]]]])
            uv = np.vstack([uv, np.full((len(ring) + 1, 2), (0.001, v))])
            index = start + np.arange(len(ring) - 1)
            fan = np.stack([index, index + 1, np.full(len(index), start + len(ring))], -1)
            faces = np.vstack([faces, fan[:, ::-1] if row == 0 else fan])
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return make_part(vertices, faces[np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-12], colour, uv, texture)


def grid_faces(rows: int, columns: int) -> NDArray[np.int32]:
    """Triangles of a grid of vertices, outward where columns go right and rows up as seen from outside."""
    a = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    b, c, d = a + 1, a + columns + 1, a + columns
    return np.vstack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).astype(np.int32)


def cylinder(
    radius: float,
    height: float,
    colour: Colour,
    centre: Sequence[float] = (0, 0, 0),
    top: float | None = None,
    segments: int = 20,
) -> VisualPart:
    """A cylinder, or a cone with another radius at the top."""
    top = radius if top is None else top
    part = loft([(-height / 2, radius, radius), (height / 2, top, top)], colour, segments=segments)
    return move([part], centre)[0]


def ellipsoid(size: Sequence[float], colour: Colour, centre: Sequence[float] = (0, 0, 0)) -> VisualPart:
    """An ellipsoid with these extents."""
    t = np.linspace(-np.pi / 2, np.pi / 2, 12)
    x, y, z = np.asarray(size, float) / 2
    return move([loft([(z * np.sin(a), x * np.cos(a), y * np.cos(a)) for a in t], colour, closed=False, segments=20)], centre)[0]


def hose(path: NDArray, radius: float, colour: Colour, closed: bool = False) -> VisualPart:
    """A round thing along a path (N, 3)."""
    path = np.asarray(path, float)
    ahead = np.gradient(path, axis=0)
    if closed:
        ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0)
        path, ahead = np.vstack([path, path[:1]]), np.vstack([ahead, ahead[:1]])
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    up = np.where(np.abs(ahead[:, 2:]) > 0.9, [1.0, 0.0, 0.0], [0.0, 0.0, 1.0])
    side = np.cross(ahead, up)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(side, ahead)
    angle = np.linspace(0, 2 * np.pi, 9)
    vertices = path[:, None] + radius * (np.cos(angle)[:, None] * side[:, None] + np.sin(angle)[:, None] * other[:, None])
    faces = grid_faces(len(path), len(angle))
    part = make_part(vertices.reshape(-1, 3), faces, colour)
    return part if signed_volume(part) > 0 else replace(part, faces=np.ascontiguousarray(part.faces[:, ::-1]))


def extrude(outline: NDArray, height: float, colour: Colour, centre: Sequence[float] = (0, 0, 0)) -> VisualPart:
    """A star-shaped outline (N, 2), counter-clockwise about its mean, made thick along z."""
    outline = np.asarray(outline, float)
    count = len(outline)
    middle = outline.mean(axis=0)
    rings = [np.column_stack([outline, np.full(count, z)]) for z in (-height / 2, height / 2)]
    vertices = np.vstack([*rings, *rings, [[*middle, -height / 2], [*middle, height / 2]]])
    index = np.arange(count)
    following = (index + 1) % count
    side = np.vstack(
        [np.stack([index, following, following + count], -1), np.stack([index, following + count, index + count], -1)]
    )
    bottom = np.stack([following, index, np.full(count, 2 * count)], -1) + np.array([2 * count, 2 * count, 2 * count])
    top = np.stack([index, following, np.full(count, 0)], -1) + np.array([3 * count, 3 * count, 4 * count + 1])
    return move([make_part(vertices, np.vstack([side, bottom, top]), colour)], centre)[0]


def polar(radius: NDArray) -> NDArray:
    """Outline (N, 2) with these radii at equal angles."""
    angle = np.linspace(0, 2 * np.pi, len(radius), endpoint=False)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)


def move(parts: Iterable[VisualPart], offset: Sequence[float] = (0, 0, 0), rotation: NDArray | None = None) -> list[VisualPart]:
    """Parts rotated, then shifted."""
    R = np.eye(3) if rotation is None else rotation
    return [replace(part, vertices=(part.vertices @ R.T + np.asarray(offset)).astype(np.float32)) for part in parts]


def turn(axis: str, degrees: float) -> NDArray[np.float64]:
    """Rotation (3, 3) about x, y or z."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    R = np.eye(3)
    R[i, i] = R[j, j] = c
    R[i, j], R[j, i] = -s, s
    return R


def extents(parts: Iterable[VisualPart]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest corner of what is drawn."""
    used = np.vstack([part.vertices[np.unique(part.faces)] for part in parts]).astype(float)
    return used.min(axis=0), used.max(axis=0)


def centred(parts: Iterable[VisualPart], largest: float | None = None) -> tuple[VisualPart, ...]:
    """Parts about the centre of their bounding box, scaled to this largest extent [m]."""
    parts = list(parts)
    low, high = extents(parts)
    scale = 1.0 if largest is None else largest / float((high - low).max())
    return tuple(replace(part, vertices=((part.vertices - (low + high) / 2) * scale).astype(np.float32)) for part in parts)


def signed_volume(part: VisualPart) -> float:
    """Volume [m3]; negative where the faces look inward."""
    a, b, c = (part.vertices[part.faces[:, k]].astype(float) for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)
