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

"""Pictures of objects for identification: trays, crops, bins, studio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import trimesh

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.simulation.identification_bins import SIZE, BinShelf, photograph
from objectcentric_ros.simulation.identification_catalog import SIDE, Studio
from objectcentric_ros.simulation.identification_crops import MatchConfig, cut_crops
from objectcentric_ros.simulation.identification_scenes import TrayImage, TrayScene, hull_points, look_pose
from objectcentric_ros.simulation.item_model import VisualPart


@dataclass(frozen=True)
class Brick:
    """A plain box."""

    object_id: str
    size: tuple[float, float, float]
    rgb: tuple[float, float, float] = (0.8, 0.2, 0.2)
    mass: float = 0.1

    @property
    def title(self) -> str:
        return self.object_id

    def parts(self) -> tuple[VisualPart, ...]:
        box = trimesh.creation.box(self.size)
        return (VisualPart(box.vertices.astype(np.float32), box.faces.astype(np.int32), None, None,
                           np.array([*self.rgb, 1.0], np.float32)),)

    def catalog_parts(self) -> tuple[VisualPart, ...]:
        return self.parts()


BRICKS = (Brick("red", (0.08, 0.05, 0.04)), Brick("green", (0.06, 0.06, 0.06), (0.1, 0.6, 0.1)),
          Brick("card", (0.09, 0.06, 0.0), (0.9, 0.9, 0.2)))


@pytest.fixture(scope="module")
def tray() -> tuple[TrayImage, TrayImage]:
    with TrayScene(BRICKS, np.random.default_rng(3)) as scene:
        assert scene.inside == (True, True, True)
        return scene.image(0), scene.image(1)


def test_the_tray_is_seen_from_near_the_look_pose(tray) -> None:
    away = np.linalg.inv(look_pose(CellLayout.load())) @ tray[0].frame.T_base_camera
    assert np.abs(away[:3, 3]).max() <= 0.012 and np.degrees(np.arccos((np.trace(away[:3, :3]) - 1) / 2)) < 3.1
    moved = np.linalg.inv(tray[0].frame.T_base_camera) @ tray[1].frame.T_base_camera
    assert 0.0005 < np.abs(moved[:3, 3]).max() <= 0.02


def test_labels_colour_and_depth_are_of_the_same_thing(tray) -> None:
    for image in tray:
        green = image.labels == 2
        assert green.sum() > 1000
        red, other, _ = image.frame.color[green].mean(axis=0)
        assert other > 2 * red
        heights = image.frame.points_base()[green][:, 2]
        top = CellLayout.load().tray.floor_thickness + 0.06
        assert np.nanpercentile(heights, 90) == pytest.approx(top, abs=0.006)       # a cube lies 6 cm high however it fell


def test_what_nothing_hides_is_in_view(tray) -> None:
    assert tray[0].visible.shape == (3,)
    assert (tray[0].visible > 0.75).all() and (tray[0].visible <= 1).all()


def test_what_something_hides_is_partly_in_view() -> None:
    post, plate = Brick("post", (0.05, 0.05, 0.05)), Brick("plate", (0.25, 0.25, 0.02))
    with TrayScene((post, plate), np.random.default_rng(0)) as scene:
        image = scene.image()
    assert image.visible[0] < 0.6 < image.visible[1]


def test_more_than_fits_is_left_out() -> None:
    bricks = [Brick(str(number), (0.15, 0.15, 0.15)) for number in range(9)]
    with TrayScene(bricks, np.random.default_rng(0)) as scene:
        image = scene.image()
    seen = set(np.unique(image.labels)) - {0}
    assert 2 <= sum(scene.inside) < 9
    assert seen <= {index + 1 for index, inside in enumerate(scene.inside) if inside}


def test_the_same_seed_gives_the_same_tray() -> None:
    images = []
    for _ in range(2):
        with TrayScene(BRICKS[:2], np.random.default_rng(5)) as scene:
            images.append(scene.image(0))
    assert np.array_equal(images[0].frame.color, images[1].frame.color)
    assert np.array_equal(images[0].frame.depth, images[1].frame.depth, equal_nan=True)


def test_crops_are_named_by_the_truth_that_they_fit(tray) -> None:
    image = tray[0]
    found = np.choose(image.labels, [0, 7, 9, 4]).astype(np.uint16)          # the segmenter numbers as it likes
    found[found == 4] = 0                                                    # and misses the card
    crops = cut_crops(image, found)
    assert [crop.index for crop in crops] == [0, 1]
    assert all(crop.iou == 1.0 for crop in crops)
    assert crops[1].color.shape[0] == crops[1].color.shape[1] <= 224
    assert (crops[1].color[0, 0] == 128).all()
    middle = crops[1].color[crops[1].color.shape[0] // 2, crops[1].color.shape[1] // 2].astype(int)
    assert middle[1] > 2 * middle[0]


def test_a_segment_that_fits_badly_is_no_crop(tray) -> None:
    image = tray[0]
    rows = np.flatnonzero((image.labels == 1).any(axis=1))
    found = np.where(image.labels == 1, 1, 0).astype(np.uint16)
    found[rows[0] + int(0.4 * len(rows)):] = 0                               # less than half of it
    assert cut_crops(image, found) == []
    assert [crop.index for crop in cut_crops(image, found, MatchConfig(iou=0.2))] == [0]
    assert cut_crops(image, np.zeros_like(found)) == []
    hidden = TrayImage(image.frame, image.labels, np.array([0.2, 1.0, 1.0]))
    assert [crop.index for crop in cut_crops(hidden, image.labels)] == [1, 2]
    assert cut_crops(image, image.labels, MatchConfig(pixels=10 ** 6)) == []


def test_a_hull_keeps_the_extents_and_is_never_flat() -> None:
    assert np.ptp(hull_points(BRICKS[0].parts()), axis=0) == pytest.approx(BRICKS[0].size, abs=1e-6)
    assert np.ptp(hull_points(BRICKS[2].parts()), axis=0) == pytest.approx((0.09, 0.06, 0.003), abs=1e-6)
    assert len(hull_points(BRICKS[0].parts())) == 8


def test_bin_pictures_are_small_dim_and_show_the_object() -> None:
    with BinShelf(BRICKS[:2]) as shelf:
        pictures = [shelf.picture(1, np.random.default_rng(seed)) for seed in range(6)]
        again = shelf.picture(1, np.random.default_rng(0))
    assert np.array_equal(pictures[0], again)
    assert all(picture.shape == (SIZE[1], SIZE[0], 3) and picture.dtype == np.uint8 for picture in pictures)
    assert np.mean([picture.mean() for picture in pictures]) < 128
    greens = [(picture[..., 1].astype(int) > picture[..., 0] + 15).mean() for picture in pictures]
    assert np.median(greens) > 0.03


def test_bands_are_brighter_than_a_dark_bin() -> None:
    dark = np.full((120, 160, 3), 20, np.uint8)
    picture = photograph(dark, np.random.default_rng(0))
    assert picture.shape == dark.shape and np.array_equal(dark, np.full_like(dark, 20))
    assert np.percentile(picture, 99) > 50 > np.percentile(picture, 20)


def test_catalog_pictures_are_on_white_and_whole() -> None:
    with Studio(BRICKS[:2]) as studio:
        picture = studio.picture(0, np.random.default_rng(0))
        other = studio.picture(1, np.random.default_rng(0))
    assert picture.shape == (SIDE, SIDE, 3)
    border = np.concatenate([picture[0], picture[:, 0], picture[:, -1]])
    assert (border == 255).all()
    red = (picture[..., 0].astype(int) - picture[..., 1]) > 40
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert 0.1 < red.mean() < 0.7 and rows[0] > 0 and rows[-1] < SIDE - 1 and columns[0] > 0 and columns[-1] < SIDE - 1
    assert not ((other[..., 0].astype(int) - other[..., 1]) > 40).any()       # one object at a time
