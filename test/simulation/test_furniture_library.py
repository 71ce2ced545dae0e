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


"""Reading furniture libraries, on a small one made here."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from objectcentric_ros.simulation.furniture_library import FurnitureLibrary, parse_properties

CATALOGUE = r"""
# a comment
id#1=Shop#mug
name#1=Mug
category#1=Kitchen
model#1=/shop/mug/mug.obj
width#1=8.5
depth#1=12
height#1=9.1
creator#1=Jos\u00e9
modelRotation#1=1 0 0 0 0 -1 0 1 0
id#2=Shop#other
name#2=Other
category#2=Kitchen
model#2=/shop/other/mug.obj
width#2=1
depth#2=1
height#2=1
"""


@pytest.fixture
def library(tmp_path: Path) -> FurnitureLibrary:
    return FurnitureLibrary(_archive(tmp_path / "Shop.sh3f", b"v 0 0 0"))


def _archive(path: Path, mug: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", CATALOGUE)
        archive.writestr("PluginFurnitureCatalog_fr.properties", r"name#1=Tasse \u00e0 caf\u00e9".encode("latin-1"))
        archive.writestr("PluginFurnitureCatalog_zh_CN.properties", r"name#1=\u676f")
        archive.writestr("shop/mug/mug.obj", mug)
        archive.writestr("shop/mug/mug.png", b"png")
        archive.writestr("shop/other/mug.obj", b"other")
    return path


@pytest.mark.parametrize("text, expected", [
    ("name = Cup ", {"name": "Cup"}),
    ("! no\n# no\n\na=1", {"a": "1"}),
    ("a=one \\\n   two", {"a": "one two"}),
    (r"a=\u00e9t\u00e9", {"a": "été"}),
    (r"a=back\\slash\tx", {"a": "back\\slash\tx"}),
    (r"a\:b=http\://x", {"a:b": "http://x"}),
    ("a=b=c", {"a": "b=c"}),
])
def test_properties_are_read_as_java_reads_them(text: str, expected: dict[str, str]) -> None:
    assert parse_properties(text) == expected


def test_an_entry_has_metres_z_up_rotation_and_translations(library: FurnitureLibrary) -> None:
    entry = library.entries["shop/mug/mug.obj"]
    assert entry.size == pytest.approx((0.085, 0.12, 0.091))
    assert entry.creator == "José"
    assert entry.translations == {"fr": "Tasse à café", "zh_CN": "杯"}
    assert entry.rotation @ [0, 0, 1] == pytest.approx([0, -1, 0])


def test_models_with_the_same_file_name_are_kept_apart(library: FurnitureLibrary) -> None:
    assert set(library.entries) == {"shop/mug/mug.obj", "shop/other/mug.obj"}
    assert library.files("shop/mug/mug.obj") == {"mug.obj": b"v 0 0 0", "mug.png": b"png"}
    assert library.files("shop/other/mug.obj") == {"mug.obj": b"other"}


def test_a_model_without_rotation_keeps_its_axes(library: FurnitureLibrary) -> None:
    np.testing.assert_array_equal(library.entries["shop/other/mug.obj"].rotation, np.eye(3))


def test_the_checksum_follows_the_content_of_one_model_only(library: FurnitureLibrary, tmp_path: Path) -> None:
    changed = FurnitureLibrary(_archive(tmp_path / "Changed.sh3f", b"v 0 0 1"))
    assert changed.checksum("shop/mug/mug.obj") != library.checksum("shop/mug/mug.obj")
    assert changed.checksum("shop/other/mug.obj") == library.checksum("shop/other/mug.obj")


def test_what_is_no_library_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.sh3f"
    broken.write_bytes(b"not a zip")
    with pytest.raises(ValueError, match="broken.sh3f is not a Sweet Home 3D furniture library"):
        FurnitureLibrary(broken)
    empty = tmp_path / "empty.sh3f"
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("readme", "")
    with pytest.raises(ValueError, match="has no PluginFurnitureCatalog.properties"):
        FurnitureLibrary(empty)
