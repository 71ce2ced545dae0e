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

from __future__ import annotations

import doctest
from collections.abc import Callable
from pathlib import Path

import pytest

from objectcentric_ros.gallery import transfer
from objectcentric_ros.gallery.errors import DatabaseLost, GalleryError
from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.gallery.transfer import import_objects, read_source


def contents(gallery: Gallery) -> list[tuple]:
    """Everything that an export must keep, in the gallery's order."""
    found = []
    for summary in gallery.list_objects()[0]:
        references = [(reference.source, reference.sha256, reference.format, reference.text, reference.language)
                      for reference in gallery.references(summary.record.object_id)]
        found.append((summary.record, references))
    return found


@pytest.fixture
def filled(gallery: Gallery, picture: Callable[..., bytes]) -> Gallery:
    gallery.add_object(ObjectRecord("cube", "Rubik's cube", {"no": "Kube", "zh": "魔方"}, (0.057, 0.0571, 0.05), 0.1 / 3,
                                    {"a": [1, {"b": "ü"}]}))
    for seed, (source, format) in enumerate([("tray", "PNG"), ("catalog", "JPEG"), ("tray", "JPEG"), ("bin", "PNG")]):
        gallery.add_reference("cube", source, picture(seed, format))
    gallery.add_text("cube", "Six colours, \"quoted\"; and: more", "en")
    gallery.add_object(ObjectRecord("bare", "Nothing but a title"))
    return gallery


@pytest.mark.parametrize("what", [".", "manifest.csv"])
def test_an_export_imports_back_identically(filled: Gallery, tmp_path: Path, what: str) -> None:
    before = contents(filled)
    assert filled.export(tmp_path / "backup") == 2
    for object_id in ("cube", "bare"):
        filled.remove_object(object_id)
    report = import_objects(filled, read_source(tmp_path / "backup" / what))
    assert (report.objects_added, report.references_added, report.failures) == (2, 5, [])
    after = contents(filled)
    assert [record for record, _ in after] == [record for record, _ in before]
    assert [sorted(references, key=str) for _, references in after] == [sorted(references, key=str) for _, references in before]


def test_export_does_not_write_over_anything(filled: Gallery, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(GalleryError, match="not empty"):
        filled.export(tmp_path)


def test_an_interrupted_import_is_repeated_without_doubles(gallery: Gallery, tmp_path: Path,
                                                           picture: Callable[..., bytes]) -> None:
    for number in range(4):
        (tmp_path / f"item-{number}" / "tray").mkdir(parents=True)
        for seed in range(2):
            (tmp_path / f"item-{number}" / "tray" / f"{seed}.png").write_bytes(picture(10 * number + seed))

    def interrupt(item: transfer.ObjectFiles) -> None:
        if item.record.object_id == "item-1":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_objects(gallery, read_source(tmp_path), interrupt)
    assert gallery.stats().references["tray"] == 4
    report = import_objects(gallery, read_source(tmp_path))
    assert (report.objects_added, report.objects_present, report.references_added, report.references_present) == (2, 2, 4, 4)
    assert gallery.stats().references["tray"] == 8


def test_a_folder_of_photos_needs_nothing_else(gallery: Gallery, tmp_path: Path, picture: Callable[..., bytes]) -> None:
    home = tmp_path / "Blue Mug"
    home.mkdir()
    (home / "a.JPG").write_bytes(picture(0, "JPEG"))
    (home / "notes.txt").write_text("ignored")
    (home / "broken.png").write_bytes(b"not an image")
    report = import_objects(gallery, read_source(tmp_path, "bin"))
    assert gallery.get_object("blue-mug").title == "Blue Mug"
    assert gallery.stats().references["bin"] == 1
    [(file, sentence)] = report.failures
    assert file.endswith("broken.png") and "no readable" in sentence


def test_a_lost_database_stops_an_import(gallery: Gallery, tmp_path: Path, picture: Callable[..., bytes], monkeypatch) -> None:
    (tmp_path / "mug").mkdir()
    (tmp_path / "mug" / "a.png").write_bytes(picture(0))

    def lost(*_: object) -> None:
        raise DatabaseLost("gone")

    monkeypatch.setattr(gallery, "add_reference", lost)
    with pytest.raises(DatabaseLost):
        import_objects(gallery, read_source(tmp_path))


def test_a_yaml_manifest(gallery: Gallery, tmp_path: Path, picture: Callable[..., bytes]) -> None:
    (tmp_path / "photo.png").write_bytes(picture(0))
    (tmp_path / "items.yaml").write_text(
        "objects:\n- id: mug\n  title: Mug\n  mass: 0.3\n  texts: [a mug]\n  references:\n  - {source: tray, path: photo.png}\n")
    report = import_objects(gallery, read_source(tmp_path / "items.yaml"))
    assert (report.references_added, gallery.get_object("mug").mass) == (2, 0.3)


def test_queries_of_a_shared_manifest_are_no_references(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text("object_id,source,path,text,split\nmug,query,q.png,,test\nmug,tray,t.png,,train\n")
    [item] = read_source(tmp_path / "set.csv")
    assert [reference.source for reference in item.references] == ["tray"]


@pytest.mark.parametrize(("name", "text", "words"), [
    ("a.csv", "id,file\n1,2\n", "object_id"), ("a.csv", "object_id,source,path\nmug,shelf,x.png\n", "line 2.*shelf"),
    ("a.csv", "object_id,source,path\nmug,tray,\n", "needs a path"), ("a.yaml", "objects: 3\n", "list"),
    ("a.yaml", "{", "can't be read"),
    ("a.yaml", "objects:\n- id: mug\n  colour: red\n", "unknown keys colour"),
    ("a.yaml", "objects:\n- id: MUG\n  title: x\n", "a-z"),
    ("a.txt", "", "no manifest"), ("item/object.yaml", "size: [1, 2]\n", "three"), ("item/object.yaml", "mass: heavy\n", "heavy"),
    ("魔方/object.yaml", "title: 魔方\n", "a-z")])
def test_what_is_not_understood_is_named(tmp_path: Path, name: str, text: str, words: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GalleryError, match=words):
        read_source(path if path.parent == tmp_path else tmp_path)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="does not exist"):
        read_source(tmp_path / "nope")
    with pytest.raises(GalleryError, match="holds no objects"):
        read_source(tmp_path)


def test_doctests() -> None:
    assert doctest.testmod(transfer).failed == 0
