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


"""A real photograph's measure, on a made-up one whose homography is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros import cli
from objectcentric_ros.descriptors.baselines import RawPatch
from objectcentric_ros.descriptors.photograph import find, homography, true_matches

H = np.array([[0.9, -0.1, 40.0], [0.08, 0.95, 25.0], [0.0001, 0.0, 1.0]])


@pytest.fixture(scope="module")
def photo() -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (24, 32, 3)).astype(np.uint8)
    return cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


@pytest.fixture(scope="module")
def scene(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cv2.warpPerspective(photo, H, (260, 200), borderValue=(90, 90, 90)).astype(np.uint8)


def test_the_homography_is_found(photo: NDArray[np.uint8], scene: NDArray[np.uint8]) -> None:
    found, inliers = homography(photo, scene)
    corners = np.array([[[0, 0], [159, 0], [159, 119], [0, 119]]], dtype=np.float64)
    assert np.abs(cv2.perspectiveTransform(corners, found) - cv2.perspectiveTransform(corners, H)).max() < 2.0
    assert inliers >= 12
    with pytest.raises(ValueError, match="isn't found in the scene"):
        homography(photo, np.full_like(scene, 100))


def test_pixels_go_where_the_homography_says(photo: NDArray[np.uint8], scene: NDArray[np.uint8]) -> None:
    mask = np.zeros(photo.shape[:2], np.bool_)
    mask[20:100, 30:130] = True
    source, target = true_matches(mask, H, scene, 50, 0)
    assert len(source) == 50 and mask[source[:, 1].astype(int), source[:, 0].astype(int)].all()
    u, v = source[0]
    scale = H[2] @ [u, v, 1]
    assert target[0] == pytest.approx(H[:2] @ [u, v, 1] / scale)
    model = RawPatch()
    same = find(model, photo, photo, source, source)
    assert same.median_px < 2.5 and same.within[25] > same.within[5] - 1e-9
    assert find(model, photo, scene, source, target).median_px > same.median_px - 1e-9


def test_missing_photographs_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lightning")
    assert cli.main(["evaluate", "photograph", str(tmp_path / "a.png"), str(tmp_path / "b.png")]) == 2
    assert "is missing" in capsys.readouterr().err
