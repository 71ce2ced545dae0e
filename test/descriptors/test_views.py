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


"""Folders of views: round trips, and what is said of broken ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from objectcentric_ros.descriptors.views import ObjectView, instances, read_views, write_view


def test_round_trip(views: list[ObjectView], tmp_path: Path) -> None:
    for view in views:
        write_view(tmp_path, view)
    found = read_views(tmp_path)
    assert instances(tmp_path) == ["red", "sun"] and len(found) == len(views)
    first, again = views[1], found[1]
    assert (again.instance, again.name, again.camera) == ("red", "01", first.camera)
    assert np.array_equal(again.color, first.color) and np.array_equal(again.mask, first.mask)
    assert np.array_equal(np.isnan(again.depth), np.isnan(first.depth))
    assert np.nanmax(np.abs(again.depth - first.depth)) <= 0.00051      # whole millimetres
    assert again.T_camera_object == pytest.approx(first.T_camera_object)
    assert [view.name for view in read_views(tmp_path, ["sun"])] == ["00", "01", "02", "03"]


def test_a_photo_and_a_mask_are_enough(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 10:30] = 255
    cv2.imwrite(str(tmp_path / "mug.color.jpg"), photo)
    cv2.imwrite(str(tmp_path / "mug.mask.png"), mask)
    (view,) = read_views(tmp_path)
    assert view.instance == tmp_path.name and view.depth is None and view.mask.sum() == 200
    assert view.camera.fx == pytest.approx(30 / np.tan(np.pi / 6))


def test_broken_folders_say_what_is_wrong(views: list[ObjectView], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no views in"):
        read_views(tmp_path)
    with pytest.raises(ValueError, match="is not a folder"):
        read_views(tmp_path / "nowhere")
    path = write_view(tmp_path, views[0])
    with pytest.raises(ValueError, match="has no instance blue; it has red"):
        read_views(tmp_path, ["blue"])
    mask = path.with_name("00.mask.png")
    kept = mask.read_bytes()
    mask.unlink()
    with pytest.raises(ValueError, match=r"00\.mask\.png is missing"):
        read_views(tmp_path)
    mask.write_bytes(b"not a picture")
    with pytest.raises(ValueError, match="is not an image"):
        read_views(tmp_path)
    cv2.imwrite(str(mask), np.zeros(views[0].mask.shape, np.uint8))
    with pytest.raises(ValueError, match="the mask is empty"):
        read_views(tmp_path)
    cv2.imwrite(str(mask), np.full((5, 5), 255, np.uint8))
    with pytest.raises(ValueError, match="must be"):
        read_views(tmp_path)
    mask.write_bytes(kept)
    path.with_name("00.yaml").write_text("camera: {width: 3}")
    with pytest.raises(ValueError, match=r"00\.yaml"):
        read_views(tmp_path)
    path.with_name("00.yaml").write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(ValueError, match="is not YAML"):
        read_views(tmp_path)


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a/b"])
def test_names_stay_in_the_folder(views: list[ObjectView], tmp_path: Path, name: str) -> None:
    import dataclasses
    with pytest.raises(ValueError, match="can't be a file's name"):
        write_view(tmp_path, dataclasses.replace(views[0], name=name))


def test_pairs_of_a_folder_are_drawn(views: list[ObjectView], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("timm")
    from objectcentric_ros import cli

    for view in views:
        write_view(tmp_path / "photos", view)
    command = ["dataset", "pairs", "quick", "--count", "3", "--output", str(tmp_path / "pairs.png")]
    assert cli.main([*command, "--set", f"data.folder={tmp_path / 'photos'}"]) == 0
    assert cv2.imread(str(tmp_path / "pairs.png")).shape == (2 * (128 + 12), 2 * (2 * 128 + 8 + 12), 3)
    assert cli.main(command) == 2 and "names no views" in capsys.readouterr().err
