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

"""Several datasets as one."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from objectcentric_ros.cli import main
from objectcentric_ros.identification.joined_dataset import join_datasets
from objectcentric_ros.identification.manifest import ManifestError, ManifestRow, read_manifest, write_manifest


def dataset(folder: Path, name: str, split: str = "train", family: str = "", tables: bool = True) -> Path:
    (folder / "tray").mkdir(parents=True)
    cv2.imwrite(str(folder / "tray" / f"{name}.png"), np.full((12, 12, 3), len(name), np.uint8))
    write_manifest(folder, [ManifestRow(name, "tray", f"tray/{name}.png", split=split),
                            ManifestRow(name, "text", text=f"A {name}", split=split)])
    if tables:
        with (folder / "objects.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("object_id", "family", "split"), (name, family or name, split)])
    (folder / "dataset.yaml").write_text(yaml.safe_dump({"seed": len(name)}))
    (folder / "ATTRIBUTION.md").write_text(f"Everything\n{name}: somebody\n")
    return folder


def test_rows_pictures_and_descriptions_of_all_are_there(tmp_path: Path) -> None:
    first, second = dataset(tmp_path / "a", "cup"), dataset(tmp_path / "b", "plate", "test")
    told: list[tuple[int, int]] = []
    counts = join_datasets([first, second], tmp_path / "all", lambda *count: told.append(count))
    assert counts == {"train": 1, "test": 1} and told == [(1, 2), (2, 2)]
    joined = read_manifest(tmp_path / "all")
    assert joined.rows == read_manifest(first).rows + read_manifest(second).rows
    for folder, name in ((first, "cup"), (second, "plate")):
        assert (tmp_path / "all" / "tray" / f"{name}.png").read_bytes() == (folder / "tray" / f"{name}.png").read_bytes()
    with (tmp_path / "all" / "objects.csv").open() as file:
        assert [row["object_id"] for row in csv.DictReader(file)] == ["cup", "plate"]
    assert yaml.safe_load((tmp_path / "all" / "dataset.yaml").read_text()) == {
        "joined": [{"name": "a", "seed": 3}, {"name": "b", "seed": 5}]}
    assert (tmp_path / "all" / "ATTRIBUTION.md").read_text() == "Everything\ncup: somebody\nplate: somebody\n"
    assert not list(tmp_path.glob(".all*"))


def test_a_table_that_one_lacks_is_left_out(tmp_path: Path) -> None:
    join_datasets([dataset(tmp_path / "a", "cup"), dataset(tmp_path / "b", "plate", tables=False)], tmp_path / "all")
    assert not (tmp_path / "all" / "objects.csv").exists()


@pytest.mark.parametrize(("second", "text"), [
    ({"name": "cup"}, "both have the object 'cup'"),
    ({"name": "mug", "split": "test", "family": "cup"}, "akin to objects of the split train")])
def test_datasets_that_share_something_are_refused(tmp_path: Path, second: dict[str, str], text: str) -> None:
    first = dataset(tmp_path / "a", "cup")
    with pytest.raises(ManifestError, match=text):
        join_datasets([first, dataset(tmp_path / "b", **second)], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_bad_folders_are_named_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = dataset(tmp_path / "a", "cup")
    assert main(["dataset", "join", str(first), "--out", str(tmp_path / "all")]) == 2
    assert "two or more" in capsys.readouterr().err
    assert main(["dataset", "join", str(first), str(tmp_path / "none"), "--out", str(tmp_path / "all")]) == 2
    assert "none" in capsys.readouterr().err
    assert main(["dataset", "join", str(first), str(dataset(tmp_path / "b", "plate")), "--out", str(first)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
