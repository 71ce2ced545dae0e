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


"""Frames, models and matches behind the inspector's page."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.gallery.errors import DuplicateGraspPoint, UnknownObject
from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.inspector.frames import Frame, PhotoSource, fitted
from objectcentric_ros.inspector.grasp_points import GalleryGraspPoints, MemoryGraspPoints
from objectcentric_ros.inspector.inspection import REMEMBERED, Inspection, NotThere, shrunk
from objectcentric_ros.inspector.models import load_descriptor_model

from .colour_model import ColourModel, patches, ramp


class Pictures:
    """Images in memory as a source."""

    title, live = "pictures", False

    def __init__(self, *images: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> None:
        self._images, self._mask = images, mask
        self.count = len(images)

    def frame(self, index: int) -> Frame:
        return Frame(self._images[index], f"picture {index}", self._mask)


def inspect(*images: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None, stride: int = 1) -> tuple[Inspection, list[str]]:
    inspection = Inspection(ColourModel(stride), [Pictures(*images, mask=mask)])
    return inspection, [inspection.take(0, index).identity for index in range(len(images))]


@pytest.mark.parametrize("stride", [1, 4])
def test_a_colour_is_found_in_the_mirrored_image(stride: int) -> None:
    inspection, (first, second) = inspect(ramp(201, 121), ramp(201, 121)[:, ::-1], stride=stride)
    match = inspection.match(first, second, 60.0, 30.0)
    assert match.result.peak == pytest.approx((140.0, 30.0), abs=0.07)
    assert match.result.distance == pytest.approx(0.0, abs=1e-3)
    v, u = divmod(int(match.heat.argmax()), match.heat.shape[1])
    assert (abs(u - 140) <= 1 and abs(v - 30) <= 1) and match.heat.max() == 255 and match.cell == 1


def test_two_equal_places_are_told_and_a_mask_decides() -> None:
    image = patches((50, 60), (150, 60))
    mask = np.zeros(image.shape[:2], bool)
    mask[:, 120:] = True
    inspection, (identity,) = inspect(image, mask=mask)
    result = inspection.match(identity, identity, 50, 60).result
    assert result.multimodal and result.confidence < 1e-4 and result.rival is not None
    assert abs(result.rival[0] - result.peak[0]) == pytest.approx(100, abs=7)
    found = inspection.match(identity, identity, 50, 60, on_object=True)
    assert not found.result.multimodal and found.result.peak == pytest.approx((150, 60), abs=4)
    assert not found.heat[:, :120].any()


def test_without_a_temperature_unrelated_pixels_are_cold_and_with_one_they_need_not_be() -> None:
    inspection, (identity,) = inspect(patches((50, 60)))
    own, hot = inspection.match(identity, identity, 50, 60), inspection.match(identity, identity, 50, 60, 4.0)
    assert own.heat[60, 50] == 255 and np.median(own.heat) <= 1      # exp(-8) of 255
    assert np.median(hot.heat) > 250


def test_a_shrunk_heatmap_loses_no_peak_and_says_how_many_pixels_a_cell_has() -> None:
    heat = np.zeros((121, 330), np.float32)
    heat[120, 329] = 1.0
    small, cell = shrunk(heat, 200)
    assert cell == 2 and small.shape == (61, 165) and small[60, 164] == 1.0 and small.sum() == 1.0


def test_a_frame_is_described_once_and_the_oldest_is_forgotten() -> None:
    images = [np.full((20, 20, 3), value, np.uint8) for value in range(REMEMBERED + 1)]
    model = ColourModel()
    inspection = Inspection(model, [Pictures(*images)])
    first = inspection.take(0, 0).identity
    assert inspection.take(0, 0).identity == first and model.described == 1
    for index in range(1, REMEMBERED + 1):
        inspection.take(0, index)
    with pytest.raises(NotThere, match="take it again"):
        inspection.frame(first)


@pytest.mark.parametrize(("u", "v"), [(np.nan, 3.0), (-0.6, 3.0), (3.0, 119.6), (np.inf, 0.0)])
def test_a_pixel_outside_is_refused(u: float, v: float) -> None:
    inspection, (identity,) = inspect(ramp())
    with pytest.raises(ValueError, match="outside the image of 200 x 120"):
        inspection.match(identity, identity, u, v)


def test_both_pictures_of_components_share_their_colours() -> None:
    image = ramp()
    inspection, (first, second) = inspect(image, image[:, ::-1])
    np.testing.assert_array_equal(inspection.components(first, second), inspection.components(second, first)[:, ::-1])


def test_a_photo_brings_the_mask_beside_it_and_is_scaled_to_fit(tmp_path: Path) -> None:
    mask = np.zeros((120, 200), np.uint8)
    mask[:60] = 255
    cv2.imwrite(str(tmp_path / "a.color.png"), ramp()[..., ::-1])
    cv2.imwrite(str(tmp_path / "a.mask.png"), mask)
    frame = PhotoSource(tmp_path / "a.color.png").frame(0)
    np.testing.assert_array_equal(frame.color, ramp())
    small = fitted(frame, 100)
    assert small.color.shape == (60, 100, 3) and small.mask is not None and small.mask.sum() == 30 * 100
    assert fitted(frame, 200) is frame
    assert frame.identity != Frame(frame.color, "without mask").identity


def test_what_is_no_photo_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    for name in ("text.png", "missing.png"):
        with pytest.raises(ValueError, match=name):
            PhotoSource(tmp_path / name)


def test_untrained_models_need_no_file_and_others_are_named_when_missing(tmp_path: Path) -> None:
    assert load_descriptor_model("patch").describe(ramp()).dimension == load_descriptor_model("patch").dimension
    with pytest.raises(ValueError, match="no_such_model.*patch and sift"):
        load_descriptor_model(str(tmp_path / "no_such_model"))


def test_a_point_is_saved_with_its_descriptor_and_replaced_only_on_request() -> None:
    store = MemoryGraspPoints({"mug": "Blue mug"})
    inspection = Inspection(ColourModel(), [Pictures(ramp())], store)
    identity = inspection.take(0).identity
    assert inspection.save(identity, 51.0, 102.0, "mug", "handle", width=0.03) is False
    point = store.points["mug", "handle"]
    np.testing.assert_allclose(point.descriptor, [0.2, 0.4, 128 / 255], atol=1e-6)
    assert (point.encoder_key, point.width, point.approach) == ("colour:1", 0.03, "straight")
    with pytest.raises(DuplicateGraspPoint):
        inspection.save(identity, 1.0, 1.0, "mug", "handle")
    assert inspection.save(identity, 1.0, 1.0, "mug", "handle", replace=True) is True
    with pytest.raises(UnknownObject):
        inspection.save(identity, 1.0, 1.0, "cup", "handle")
    with pytest.raises(ValueError, match="width"):
        inspection.save(identity, 1.0, 1.0, "mug", "rim", width=-1.0)


def test_points_arrive_in_the_gallery(tmp_path: Path) -> None:
    with Gallery.open(data_dir=tmp_path / "gallery") as gallery:
        gallery.add_object(ObjectRecord("mug", "Blue mug"))
        store = GalleryGraspPoints(gallery)
        inspection = Inspection(ColourModel(), [Pictures(ramp())], store)
        assert inspection.items() == {"mug": "Blue mug"}
        inspection.save(inspection.take(0).identity, 51.0, 102.0, "mug", "handle")
        np.testing.assert_allclose(gallery.grasp_point("mug", "handle").descriptor, [0.2, 0.4, 128 / 255], atol=1e-6)
