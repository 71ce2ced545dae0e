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


"""From a library's model to meshes: axes, size, texture, cache."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objectcentric_ros.simulation import item_model
from objectcentric_ros.simulation.catalogue import Catalogue, Item
from objectcentric_ros.simulation.item_model import load_item_model, load_visual_parts

# A wedge, y up: 2 wide, 4 high, 6 deep, its front face (z = 3) textured with the whole image, its rest plain red.
OBJ = b"""mtllib wedge.mtl
v -1 0 3
v 1 0 3
v 1 4 3
v -1 4 3
v -1 0 -3
v 1 0 -3
vt 0 0
vt 1 0
vt 1 1
vt 0 1
usemtl label
f 1/1 2/2 3/3
f 1/1 3/3 4/4
usemtl red
f 5 6 2
f 5 2 1
f 6 5 4
f 6 4 3
f 5 1 4
f 2 6 3
"""
MTL = b"newmtl label\nKd 1 1 1\nmap_Kd label.png\nnewmtl red\nKd 1 0 0\n"


@pytest.fixture
def wedge(tmp_path: Path) -> Item:
    """The wedge at half its catalogue size: 0.1 wide, 0.3 deep, 0.2 high [m]."""
    picture = Image.fromarray(np.array([[[255, 0, 0]] * 2, [[0, 0, 255]] * 2], dtype=np.uint8))    # red above blue
    png = io.BytesIO()
    picture.save(png, "PNG")
    with zipfile.ZipFile(tmp_path / "Shop.sh3f", "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", "")
        for name, content in (("wedge.obj", OBJ), ("wedge.mtl", MTL), ("label.png", png.getvalue())):
            archive.writestr(f"shop/wedge/{name}", content)
    return Item(id="wedge", title="Wedge", translations={}, size=(0.05, 0.15, 0.1), mass=0.1, scale=0.5, creator="us",
                licence="CC0-1.0", category="Kitchen", library=tmp_path / "Shop.sh3f", model="shop/wedge/wedge.obj",
                rotation=np.eye(3), checksum="1")


def test_the_model_is_turned_z_up_centred_and_scaled_to_the_catalogue(wedge: Item, tmp_path: Path) -> None:
    model = load_item_model(wedge, tmp_path / "cache")
    vertices = np.vstack([part.vertices for part in model.parts])
    np.testing.assert_allclose(vertices.min(axis=0), [-0.025, -0.075, -0.05], atol=1e-6)
    np.testing.assert_allclose(vertices.max(axis=0), [0.025, 0.075, 0.05], atol=1e-6)
    front = next(part for part in model.parts if part.texture is not None)
    np.testing.assert_allclose(front.vertices[:, 1], -0.075, atol=1e-6)      # z of the file comes to the front, -y


def test_each_material_is_a_part_and_the_picture_stands_upright(wedge: Item, tmp_path: Path) -> None:
    model = load_item_model(wedge, tmp_path / "cache")
    assert len(model.parts) == 2
    plain = next(part for part in model.parts if part.texture is None)
    np.testing.assert_allclose(plain.rgba, [1, 0, 0, 1])
    label = next(part for part in model.parts if part.texture is not None)
    assert label.texture is not None and label.uv is not None
    np.testing.assert_array_equal(label.texture[0, 0], [255, 0, 0])
    high = label.vertices[:, 2] > 0
    np.testing.assert_allclose(label.uv[high, 1], 0.0)       # the top of the face shows the image's first row, red
    np.testing.assert_allclose(label.uv[~high, 1], 1.0)


def test_a_model_rotation_is_applied_before_the_size(wedge: Item, tmp_path: Path) -> None:
    turned = Item(**{**wedge.__dict__, "rotation": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), "size": (0.1, 0.15, 0.05)})
    model = load_item_model(turned, tmp_path / "cache")
    assert np.ptp(np.vstack([part.vertices for part in model.parts]), axis=0) == pytest.approx([0.1, 0.15, 0.05], abs=1e-6)


def test_the_second_load_comes_from_the_cache(wedge: Item, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_item_model(wedge, tmp_path / "cache")
    monkeypatch.setattr(item_model, "_convert", None)
    second = load_item_model(wedge, tmp_path / "cache")
    for part, again in zip(first.parts, second.parts, strict=True):
        np.testing.assert_array_equal(part.vertices, again.vertices)
        np.testing.assert_array_equal(part.faces, again.faces)
    for piece, again_piece in zip(first.convex_pieces, second.convex_pieces, strict=True):
        np.testing.assert_array_equal(piece, again_piece)


def test_a_changed_model_or_size_is_converted_anew(wedge: Item, tmp_path: Path) -> None:
    load_item_model(wedge, tmp_path / "cache")
    load_item_model(Item(**{**wedge.__dict__, "checksum": "2"}), tmp_path / "cache")
    load_item_model(Item(**{**wedge.__dict__, "size": (0.1, 0.3, 0.2)}), tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_heavy_models_are_simplified(catalogue: Catalogue) -> None:
    model = load_item_model(catalogue.get("biplane"))       # 44 000 faces in the library
    assert sum(len(part.faces) for part in model.parts) <= item_model.MAX_FACES
    extents = np.ptp(np.vstack([part.vertices for part in model.parts]), axis=0)
    assert extents == pytest.approx(catalogue.get("biplane").size, abs=0.002)


def test_what_is_seen_can_be_had_without_convex_pieces(catalogue, tmp_path) -> None:
    item = catalogue.get("butter")
    visual, whole = load_visual_parts(item, tmp_path / "visual"), load_item_model(item, tmp_path / "whole")
    assert len(visual) == len(whole.parts) and len(list((tmp_path / "visual").iterdir())) == 1
    for ours, theirs in zip(visual, whole.parts, strict=True):
        np.testing.assert_array_equal(ours.vertices, theirs.vertices)
        np.testing.assert_array_equal(ours.faces, theirs.faces)
    again = load_visual_parts(item, tmp_path / "visual")
    np.testing.assert_array_equal(again[0].vertices, visual[0].vertices)
