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

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from objectcentric_ros.gallery.errors import (
    DuplicateGraspPoint,
    GalleryError,
    InvalidEmbedding,
    InvalidRecord,
    UnknownGraspPoint,
    UnknownObject,
)
from objectcentric_ros.gallery.grasp_point import GraspPoint
from objectcentric_ros.gallery.grasp_point_files import read_grasp_point, write_grasp_point
from objectcentric_ros.gallery.migrations import MIGRATIONS
from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.gallery.transfer import import_objects, read_source

RNG = np.random.default_rng(0)
STRAIGHT = GraspPoint("peak", "net:1", np.array([0.6, 0.8, 0.0], np.float32), width=0.04, note="tip")
ALIGNED = GraspPoint(
    "crown, sideways", "net:1", np.array([1.0, 0.0, 0.0], np.float32), "aligned", None, np.diag([1.0, -1.0, -1.0, 1.0]),
    RNG.normal(size=(5, 3)).astype(np.float32), RNG.normal(size=(5, 3)),
    np.array([[0.0, 0, 0], [np.nan] * 3, [0.1, 0, 0], [0, 0.1, 0]]), np.array([0.0, 0.0, 1.0]))


def same(first: GraspPoint, second: GraspPoint) -> bool:
    def equal(a: object, b: object) -> bool:
        return (a is None) == (b is None) and (a is None or np.array_equal(a, b, equal_nan=not isinstance(a, str)))

    return all(equal(getattr(first, field.name), getattr(second, field.name)) for field in fields(GraspPoint))


@pytest.fixture
def stocked(gallery: Gallery) -> Gallery:
    gallery.add_object(ObjectRecord("cap", "Cap"))
    return gallery


@pytest.mark.parametrize("point", [STRAIGHT, ALIGNED], ids=["straight", "aligned"])
def test_a_point_comes_back_as_it_went_in(stocked: Gallery, point: GraspPoint) -> None:
    assert stocked.add_grasp_point("cap", point) is False
    assert same(stocked.grasp_point("cap", point.name), point)


def test_points_are_listed_replaced_and_removed_by_name(stocked: Gallery) -> None:
    assert stocked.grasp_points("cap") == ()
    for point in (STRAIGHT, ALIGNED):
        stocked.add_grasp_point("cap", point)
    assert [point.name for point in stocked.grasp_points("cap")] == ["crown, sideways", "peak"]
    with pytest.raises(DuplicateGraspPoint, match="peak"):
        stocked.add_grasp_point("cap", replace(STRAIGHT, width=0.02))
    assert stocked.grasp_point("cap", "peak").width == 0.04
    assert stocked.add_grasp_point("cap", replace(STRAIGHT, width=0.02), replace=True) is True
    assert stocked.grasp_point("cap", "peak").width == 0.02
    stocked.remove_grasp_point("cap", "peak")
    assert stocked.stats().grasp_points == 1
    stocked.remove_object("cap")
    assert stocked.stats().grasp_points == 0


def test_what_is_unknown_is_told_with_what_is_there(stocked: Gallery) -> None:
    stocked.add_grasp_point("cap", STRAIGHT)
    for call in (stocked.grasp_point, stocked.remove_grasp_point):
        with pytest.raises(UnknownGraspPoint, match="'brim'; it has peak"):
            call("cap", "brim")
        with pytest.raises(UnknownObject, match="hat"):
            call("hat", "peak")
    with pytest.raises(UnknownObject):
        stocked.grasp_points("hat")
    with pytest.raises(UnknownObject):
        stocked.add_grasp_point("hat", STRAIGHT)


def test_one_model_has_one_dimension(stocked: Gallery) -> None:
    stocked.add_grasp_point("cap", STRAIGHT)
    with pytest.raises(InvalidEmbedding, match="net:1 has 3 dimensions"):
        stocked.add_grasp_point("cap", GraspPoint("peak", "net:1", np.ones(4, np.float32)), replace=True)
    assert same(stocked.grasp_point("cap", "peak"), STRAIGHT)
    stocked.add_grasp_point("cap", GraspPoint("peak", "net:2", np.ones(4, np.float32)), replace=True)
    assert stocked.grasp_point("cap", "peak").dimension == 4
    assert stocked.stats().embeddings.get("net:2") is None


@pytest.mark.parametrize(("changes", "words"), [
    ({"name": " "}, "name"), ({"encoder_key": ""}, "encoder key"), ({"descriptor": [1.0, np.nan]}, "not finite"),
    ({"descriptor": np.zeros(3)}, "length zero"), ({"descriptor": np.ones((1, 3))}, r"\(D,\)"),
    ({"approach": "sideways"}, "sideways"),
    ({"width": -0.01}, "width"), ({"width": np.nan}, "width"), ({"T_object_tcp": np.diag([1.0, 1, -1, 1])}, "rigid"),
    ({"T_object_tcp": np.eye(3)}, r"\(4, 4\)"), ({"keypoints": None}, "both or neither"),
    ({"points": np.zeros((4, 3))}, r"\(5, 3\)"),
    ({"keypoints": np.ones((5, 2))}, "3 dimensions, its keypoints 2"), ({"symmetry_axis": [0, 0, 2.0]}, "unit vector"),
    ({"keypoint_points": np.full((4, 3), np.nan)}, "at least 3"), ({"T_object_tcp": None}, "needs T_object_tcp"),
    ({"keypoints": np.ones((2, 3)), "points": np.ones((2, 3))}, "3 to"),
    ({"keypoints": None, "points": None, "keypoint_points": None}, "reference keypoints")])
def test_what_cannot_be_stored_is_told_by_name(changes: dict, words: str) -> None:
    with pytest.raises((InvalidRecord, InvalidEmbedding), match=words):
        replace(ALIGNED, **changes)


def test_points_are_exported_and_imported(stocked: Gallery, tmp_path: Path) -> None:
    for point in (STRAIGHT, ALIGNED):
        stocked.add_grasp_point("cap", point)
    stocked.export(tmp_path / "backup")
    stocked.remove_object("cap")
    report = import_objects(stocked, read_source(tmp_path / "backup"))
    assert (report.grasp_points_added, report.failures) == (2, [])
    assert all(same(stocked.grasp_point("cap", point.name), point) for point in (STRAIGHT, ALIGNED))
    again = import_objects(stocked, read_source(tmp_path / "backup" / "manifest.csv"))
    assert (again.grasp_points_added, again.failures) == (0, [])


def test_a_broken_file_is_reported_and_the_rest_goes_in(stocked: Gallery, tmp_path: Path) -> None:
    folder = tmp_path / "cap" / "grasp_points"
    folder.mkdir(parents=True)
    (folder / "1.npz").write_bytes(b"no archive")
    np.savez(folder / "2.npz", name=np.asarray("x"), descriptor=np.ones(3))
    write_grasp_point(folder / "3.npz", STRAIGHT)
    (tmp_path / "cap" / "object.yaml").write_text("title: Cap\n")
    report = import_objects(stocked, read_source(tmp_path))
    assert report.grasp_points_added == 1
    assert [Path(file).name for file, _ in report.failures] == ["1.npz", "2.npz"]
    with pytest.raises(GalleryError, match="lacks encoder_key"):
        read_grasp_point(folder / "2.npz")


def test_an_older_gallery_gets_the_table_and_keeps_its_objects(stocked: Gallery) -> None:
    from objectcentric_ros.gallery.migrations import migrate

    def older(connection) -> None:
        connection.execute("DROP TABLE grasp_points, vector_indexes, learned_references, object_centres, reference_features")
        connection.execute("DROP FUNCTION refresh_centres, refresh_centres_of_embeddings, refresh_centres_of_references CASCADE")
        connection.execute("DELETE FROM schema_version WHERE version >= 3")

    stocked._run(older)
    assert stocked._run(migrate) == len(MIGRATIONS)
    stocked.add_grasp_point("cap", STRAIGHT)
    assert same(stocked.grasp_point("cap", "peak"), STRAIGHT)


def test_show_names_the_points(stocked: Gallery, capsys: pytest.CaptureFixture[str]) -> None:
    from objectcentric_ros.cli import main

    stocked.add_grasp_point("cap", STRAIGHT)
    assert stocked._server is not None
    assert main(["gallery", "show", "cap", "--data-dir", str(stocked._server.folder)]) == 0
    assert "grasp point peak: straight, 40 mm wide" in capsys.readouterr().out
