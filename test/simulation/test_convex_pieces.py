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


"""Convex pieces: they cover the surface and leave out the air."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from objectcentric_ros.simulation.convex_pieces import DecompositionConfig, convex_pieces


def _pieces(mesh: trimesh.Trimesh) -> list[ConvexHull]:
    return [ConvexHull(piece) for piece in convex_pieces(mesh.vertices, mesh.faces)]


def _depth(hulls: list[ConvexHull], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """How deep points (N, 3) lie inside the nearest piece; negative outside."""
    return np.max([-(points @ hull.equations[:, :3].T + hull.equations[:, 3]).max(axis=1) for hull in hulls], axis=0)


@pytest.mark.parametrize("mesh", [trimesh.creation.box((0.06, 0.04, 0.1)), trimesh.creation.icosphere(radius=0.03),
                                  trimesh.creation.cylinder(0.03, 0.12)])
def test_what_is_convex_stays_whole(mesh: trimesh.Trimesh) -> None:
    hulls = _pieces(mesh)
    assert len(hulls) == 1
    assert hulls[0].volume == pytest.approx(mesh.convex_hull.volume, rel=0.02)


@pytest.fixture(scope="module")
def cup() -> trimesh.Trimesh:
    wall = trimesh.creation.annulus(r_min=0.034, r_max=0.037, height=0.1)
    floor = trimesh.creation.cylinder(0.037, 0.004, transform=trimesh.transformations.translation_matrix([0, 0, -0.048]))
    return trimesh.util.concatenate([wall, floor])


@pytest.fixture(scope="module")
def cup_pieces(cup: trimesh.Trimesh) -> list[ConvexHull]:
    return _pieces(cup)


def test_a_cup_stays_open(cup: trimesh.Trimesh, cup_pieces: list[ConvexHull]) -> None:
    hulls = cup_pieces
    assert len(hulls) > 4
    inside = np.array([[0, 0, z] for z in (-0.02, 0.0, 0.03)])
    assert np.all(_depth(hulls, inside) < -0.01)
    assert sum(hull.volume for hull in hulls) < 0.5 * ConvexHull(cup.vertices).volume


def test_the_pieces_cover_the_surface(cup: trimesh.Trimesh, cup_pieces: list[ConvexHull]) -> None:
    pitch = 0.1 / DecompositionConfig().grid
    assert _depth(cup_pieces, cup.sample(2000, seed=0)).min() > -pitch


def test_a_hammer_is_cut_where_head_and_handle_meet() -> None:
    handle = trimesh.creation.box((0.18, 0.02, 0.02))
    head = trimesh.creation.box((0.03, 0.08, 0.03), transform=trimesh.transformations.translation_matrix([0.09, 0, 0]))
    hulls = _pieces(trimesh.util.concatenate([handle, head]))
    assert len(hulls) >= 2
    assert _depth(hulls, np.array([[-0.05, 0.025, 0.0]]))[0] < -0.005      # beside the handle is air


def test_a_sheet_gets_the_thickness_that_physics_needs() -> None:
    sheet = trimesh.Trimesh([[0, 0, 0], [0.1, 0, 0], [0.1, 0.05, 0], [0, 0.05, 0]], [[0, 1, 2], [0, 2, 3]])
    (hull,) = _pieces(sheet)
    assert np.ptp(hull.points[:, 2]) == pytest.approx(DecompositionConfig().min_thickness, rel=1e-3)


def test_the_number_of_pieces_is_bounded(cup: trimesh.Trimesh) -> None:
    assert len(convex_pieces(cup.vertices, cup.faces, DecompositionConfig(max_pieces=5))) <= 5
