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


"""Every effect of the depth sensor, alone, against numbers worked out by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.simulation.sensor import D435Model, DepthSensorConfig

CAMERA = PinholeCamera(160, 120, 600.0, 600.0, 79.5, 59.5)
COLOR = np.zeros((120, 160, 3), dtype=np.uint8)


def _observe(depth: NDArray[np.float32], seed: int = 0, **effects: object) -> NDArray[np.float32]:
    config = dataclasses.replace(DepthSensorConfig.ideal(), **effects)
    return D435Model(config).observe(depth, COLOR, CAMERA, np.random.default_rng(seed))


def _plane(z: float) -> NDArray[np.float32]:
    return np.full((120, 160), z, dtype=np.float32)


def _box_on_table() -> NDArray[np.float32]:
    """A table at 0.6 m and on columns 80..119 a box whose top is at 0.5 m."""
    depth = _plane(0.6)
    depth[:, 80:120] = 0.5
    return depth


def test_without_effects_the_depth_is_true_and_holes_stay_holes() -> None:
    depth = _box_on_table()
    depth[3, 4] = np.nan
    np.testing.assert_array_equal(_observe(depth), depth)


def test_depth_comes_in_millimetres() -> None:
    depth = np.linspace(0.5001, 0.5999, 120 * 160, dtype=np.float32).reshape(120, 160)
    observed = _observe(depth, quantise=True)
    np.testing.assert_allclose(observed * 1000, np.rint(observed * 1000), atol=1e-3)
    assert np.abs(observed - depth).max() <= 0.0005 + 1e-6
    assert np.abs(observed - depth).max() > 0.0004


@pytest.mark.parametrize("z", [0.4, 0.8])
def test_the_noise_is_that_of_the_disparity(z: float) -> None:
    # 0.08 px of disparity at 600 px * 0.05 m: 0.08 z^2 / 30
    errors = _observe(_plane(z), noise=True) - z
    assert errors.std() == pytest.approx(0.08 * z * z / 30, rel=0.02)
    assert abs(errors.mean()) < 0.15 * errors.std()


def test_neighbours_share_noise_and_far_pixels_do_not() -> None:
    errors = _observe(_plane(0.6), noise=True) - np.float32(0.6)
    near = np.corrcoef(errors[:, :-1].ravel(), errors[:, 1:].ravel())[0, 1]
    far = np.corrcoef(errors[:, :-9].ravel(), errors[:, 9:].ravel())[0, 1]
    assert near > 0.5 and abs(far) < 0.1


def test_edges_lose_the_wanted_share_and_nothing_else_does() -> None:
    observed = _observe(_box_on_table(), edge_holes=True, edge_width=2, edge_dropout=0.5)
    lost = np.isnan(observed)
    edge = np.zeros(160, dtype=bool)
    edge[78:82] = edge[118:122] = True           # two pixels to each side of both edges
    assert not lost[:, ~edge].any()
    assert lost[:, edge].mean() == pytest.approx(0.5, abs=0.05)


def test_a_small_step_is_no_edge() -> None:
    depth = _plane(0.6)
    depth[:, 80:] = 0.59
    assert not np.isnan(_observe(depth, edge_holes=True, edge_jump=0.015)).any()


def _tilted(angle: float) -> NDArray[np.float32]:
    """A plane through (0, 0, 0.6) whose normal leaves the optical axis by an angle, tilted about the image's y axis.

    n . p = n_z 0.6 with n = (sin, 0, cos) gives z = 0.6 / (1 + x tan(angle)) on the ray (x, y, 1).
    """
    x = (np.arange(160, dtype=np.float32) - CAMERA.cx) / CAMERA.fx
    return np.broadcast_to(0.6 / (1 + x * np.tan(angle)), (120, 160)).astype(np.float32)


@pytest.mark.parametrize("angle, holes", [(0.0, False), (0.9, False), (1.15, True)])
def test_surfaces_seen_at_a_grazing_angle_are_lost(angle: float, holes: bool) -> None:
    # The rays leave the optical axis by at most 0.13 rad: under 1.0 +- 0.13 all is kept at 0.9 - 0.13, lost at 1.15 - 0.13.
    lost = np.isnan(_observe(_tilted(angle), grazing_holes=True, grazing_angle=1.0))
    middle = lost[5:-5, 70:90]                   # near the axis the incidence is the tilt
    assert middle.all() if holes else not middle.any()


def test_the_shadow_is_a_band_left_of_near_things() -> None:
    # Disparities: 600 * 0.05 / 0.6 = 50 px and / 0.5 = 60 px, so 10 columns left of the box are hidden from the right imager.
    lost = np.isnan(_observe(_box_on_table(), stereo_shadow=True, baseline=0.05))
    expected = np.zeros(160, dtype=bool)
    expected[70:80] = True
    assert (lost == expected).all(axis=0).sum() >= 159      # the band's last column may fall on either side
    assert lost[:, 71:80].all() and not lost[:, :70].any() and not lost[:, 80:].any()


@pytest.mark.parametrize("z, lost", [(0.16, True), (0.18, False), (2.9, False), (3.1, True)])
def test_too_near_and_too_far_is_lost(z: float, lost: bool) -> None:
    assert np.isnan(_observe(_plane(z), limit_range=True, min_range=0.17, max_range=3.0)).all() == lost


def test_the_same_generator_gives_the_same_image() -> None:
    model = D435Model()
    first, again, other = (model.observe(_box_on_table(), COLOR, CAMERA, np.random.default_rng(seed)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other, equal_nan=True)


def test_the_default_sensor_sees_most_of_a_plain_scene() -> None:
    observed = D435Model().observe(_box_on_table(), COLOR, CAMERA, np.random.default_rng(0))
    assert observed.dtype == np.float32
    assert 0.02 < np.isnan(observed).mean() < 0.15
    assert np.nanmedian(observed[:, 90:110]) == pytest.approx(0.5, abs=0.0011)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="must be of the camera's size"):
        D435Model().observe(np.zeros((10, 10), np.float32), COLOR, CAMERA, np.random.default_rng(0))
