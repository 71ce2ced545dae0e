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

"""The folder of the generated identification benchmark: complete, resumable, and the same whoever makes it."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import pytest

from objectcentric_ros.identification.manifest import SPLITS, read_manifest
from objectcentric_ros.simulation.identification_block import RECORDS, DatasetConfig
from objectcentric_ros.simulation.identification_dataset import Result, make_dataset, new_objects, plan_blocks
from objectcentric_ros.simulation.identification_objects import identification_objects

OBJECTS, SEED = 5, 0
CONFIG = DatasetConfig(query_trays=1, tray_trays=1, query_images=1, bins=2, least=1, further=1)


def make(folder: Path, **more: object) -> Result:
    return make_dataset(folder, OBJECTS, SEED, **{"workers": 0, "config": CONFIG, **more})


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Result:
    result = make(tmp_path_factory.mktemp("identification") / "data")
    assert result.failures == {}
    return result


def test_every_object_has_every_source(made) -> None:
    manifest = read_manifest(made.folder)
    objects = {thing.object_id: thing for thing in identification_objects(OBJECTS, SEED)}
    assert set(manifest.objects) == objects.keys()
    for name, thing in objects.items():
        rows = [row for row in manifest.rows if row.object_id == name]
        assert {row.split for row in rows} == {thing.split}
        counts = {source: sum(row.source == source for row in rows) for source in ("query", "tray", "bin", "catalog", "text")}
        assert counts["query"] >= 1 and counts["tray"] >= 1
        assert (counts["bin"], counts["catalog"], counts["text"]) == (2, 1, 1)
        assert [row.text for row in rows if row.source == "text"] == [thing.title]
    assert sum(made.pictures.values()) == len(manifest.rows)


def test_pictures_have_their_sizes(made) -> None:
    for row in read_manifest(made.folder).rows:
        if row.path:
            height, width = cv2.imread(str(made.folder / row.path)).shape[:2]
            assert {"bin": (height, width) == (120, 160), "catalog": (height, width) == (256, 256)}.get(
                row.source, 8 <= height == width <= 224), row


def test_queries_and_references_share_no_tray_and_trays_hold_one_split(made) -> None:
    split_of = {thing.object_id: thing.split for thing in identification_objects(OBJECTS, SEED)}
    source_of: dict[str, str] = {}
    with (made.folder / "crops.csv").open() as file:
        for line in csv.DictReader(file):
            source, object_id, _ = line["path"].split("/")
            assert source_of.setdefault(line["tray"], source) == source
            assert line["tray"].startswith(split_of[object_id])
            assert 0 < float(line["visible"]) <= 1 and 0.5 <= float(line["iou"]) <= 1
    assert set(source_of.values()) == {"query", "tray"}


def test_objects_and_makers_are_described(made) -> None:
    with (made.folder / "objects.csv").open() as file:
        described = {line["object_id"]: line for line in csv.DictReader(file)}
    for thing in identification_objects(OBJECTS, SEED):
        line = described[thing.object_id]
        assert {name: line[name] for name in ("title", "kind", "family", "split")} == {
            "title": thing.title, "kind": thing.kind, "family": thing.family, "split": thing.split}
        assert float(line["size_z"]) == pytest.approx(thing.size[2], abs=1e-4)
        assert float(line["mass"]) == pytest.approx(thing.mass, abs=1e-3)
    assert "sweethome3d" in (made.folder / "ATTRIBUTION.md").read_text()
    assert cv2.imread(str(made.folder / "preview.png")).shape[0] > 120 * len(described)


def test_an_interrupted_run_goes_on_and_gives_the_same_data_also_of_one_split_and_in_processes(made, tmp_path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    folder = tmp_path / "again"
    with pytest.raises(KeyboardInterrupt):
        make(folder, split="test", progress=stop)
    units = {path.name: path.stat().st_mtime_ns for path in (folder / RECORDS).iterdir()}
    assert len(units) == 2
    assert read_manifest(folder).rows == ()          # no block is finished
    assert make(folder, split="test", workers=2).failures == {}
    assert {name: (folder / RECORDS / name).stat().st_mtime_ns for name in units} == units
    manifest = read_manifest(folder)
    assert len(manifest.rows) >= 3 * 6 and manifest.rows == read_manifest(made.folder).select("test").rows
    for row in manifest.rows:
        if row.path:
            assert (folder / row.path).read_bytes() == (made.folder / row.path).read_bytes(), row


def test_a_finished_dataset_is_left_as_it_is(made) -> None:
    before = (made.folder / "manifest.csv").read_bytes()
    assert make(made.folder, workers=2) == made
    assert (made.folder / "manifest.csv").read_bytes() == before


def test_a_folder_of_something_else_is_refused(made, tmp_path) -> None:
    with pytest.raises(ValueError, match="holds another dataset.*seed 0"):
        make_dataset(made.folder, OBJECTS, SEED + 1, workers=0, config=CONFIG)
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds other things"):
        make(tmp_path)
    with pytest.raises(ValueError, match="workers"):
        make(tmp_path / "new", workers=-1)


def test_a_full_disk_is_noticed_before(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000})())
    with pytest.raises(OSError, match="needs about 1 MB for 5 objects"):
        make(tmp_path / "new")


def test_a_block_that_fails_does_not_stop_the_others(tmp_path, monkeypatch) -> None:
    from objectcentric_ros.simulation.identification_block import BlockMaker
    asked = []

    def fail(self, block):
        asked.append(block.name)
        raise RuntimeError("no OpenGL")

    monkeypatch.setattr(BlockMaker, "make", fail)
    result = make(tmp_path / "new")
    assert list(result.failures) == asked and len(asked) == len({thing.split for thing in identification_objects(OBJECTS, SEED)})
    assert all("no OpenGL" in text for text in result.failures.values())
    assert not (tmp_path / "new" / "preview.png").exists()


def test_blocks_are_of_one_split_and_hold_each_object_once() -> None:
    objects = identification_objects(600, SEED)
    blocks = plan_blocks(objects, SEED, DatasetConfig())
    assert sorted(thing.object_id for block in blocks for thing in block.objects) == sorted(thing.object_id for thing in objects)
    assert all({thing.split for thing in block.objects} == {block.name.split("-")[0]} for block in blocks)
    assert all(24 <= len(block.objects) <= 54 for block in blocks)
    assert {block.name.split("-")[0] for block in blocks[:len(blocks) // 2]} == set(SPLITS)      # all splits come early
    assert [block.name for block in plan_blocks(objects, SEED, DatasetConfig())] == [block.name for block in blocks]


def described(folder: Path, *rows: tuple[str, str, str, str]) -> Path:
    folder.mkdir(parents=True)
    with (folder / "objects.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("object_id", "title", "family", "split"), *rows])
    return folder


def test_what_is_added_to_a_dataset_is_new_to_it_and_akin_to_nothing_in_another_split(tmp_path: Path) -> None:
    objects = identification_objects(400, 7, "train")
    recolour = next(thing for thing in objects if thing.kind == "recolour")
    one, another, third = [thing for thing in objects if thing.kind == "box"][:3]
    other = described(tmp_path / "other", (one.object_id, "A", "a", "train"), ("b", another.title, "b", "train"),
                      ("c", "C", third.family, "test"),
                      (recolour.object_id.removesuffix("-7") + "-0", "D", recolour.family, "train"))
    kept = new_objects(objects, other)
    gone = {thing.object_id for thing in objects} - {thing.object_id for thing in kept}
    assert {one.object_id, another.object_id, third.object_id, recolour.object_id} <= gone
    assert not any(thing.family == third.family for thing in kept) and len(gone) < 20
    assert any(thing.family == recolour.family for thing in kept)       # the same item in another colour, in the same split


def test_a_dataset_that_has_everything_is_named(tmp_path: Path) -> None:
    objects = identification_objects(6, 7)
    other = described(tmp_path / "all", *((thing.object_id, thing.title, thing.family, thing.split) for thing in objects))
    with pytest.raises(ValueError, match="all has all of these 6 objects"):
        new_objects(objects, other)
    with pytest.raises(ValueError, match="no identification dataset"):
        make_dataset(tmp_path / "new", OBJECTS, SEED, apart_from=[tmp_path])
    assert not (tmp_path / "new").exists()
