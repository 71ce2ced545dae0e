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

import numpy as np
import pytest

from objectcentric_ros.geometry.se3 import transform_points
from objectcentric_ros.grasping.aligned_grasp import about
from objectcentric_ros.grasping.item_pose import NoPose, PoseConfig, fit_pose
from objectcentric_ros.grasping.item_reference import farthest


def pose(rng):
    axis = rng.normal(size=3)
    T = about(axis / np.linalg.norm(axis), rng.uniform(0, np.pi))
    T[:3, 3] = rng.uniform(-0.5, 0.5, 3)
    return T


def hat(rng, count):
    """Points of a body of revolution about z: a brim, a crown, a top."""
    height = rng.uniform(-0.015, 0.015, count)
    radius = np.where(height < -0.008, 0.04, 0.02) * np.where(height > 0.012, rng.uniform(0, 1, count), 1)
    azimuth = rng.uniform(0, 2 * np.pi, count)
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height], axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_the_pose_survives_wrong_pairs(seed):
    rng = np.random.default_rng(seed)
    T, item = pose(rng), rng.uniform(-0.05, 0.05, (80, 3))
    seen = transform_points(T, item) + rng.normal(0, 0.001, item.shape)
    seen[:40] = T[:3, 3] + rng.uniform(-0.05, 0.05, (40, 3))
    found = fit_pose(item, seen, rng)
    assert np.linalg.norm(found.T_base_item[:3, 3] - T[:3, 3]) < 0.002
    np.testing.assert_allclose(found.T_base_item[:3, :3], T[:3, :3], atol=0.03)
    assert 38 <= found.inliers <= 50 and found.pairs == 80 and found.error < 0.004


@pytest.mark.parametrize("seed", range(4))
def test_about_a_symmetry_axis_only_the_axis_is_found_whatever_the_azimuths(seed):
    rng = np.random.default_rng(seed)
    T, seen_item = pose(rng), hat(rng, 150)
    azimuths = rng.uniform(0, 2 * np.pi, 150)       # what looks alike is confused with any other place around the axis
    item = np.stack([about(np.array([0.0, 0, 1]), angle)[:3, :3] @ p for angle, p in zip(azimuths, seen_item, strict=True)])
    seen = transform_points(T, seen_item) + rng.normal(0, 0.001, item.shape)
    item[:30] = hat(rng, 30)
    found = fit_pose(item, seen, rng, np.array([0.0, 0, 1]))
    assert found.T_base_item[:3, 2] @ T[:3, 2] > np.cos(np.radians(4))
    assert np.linalg.norm(found.T_base_item[:3, 3] - T[:3, 3]) < 0.004


def test_a_symmetric_item_seen_from_one_side_only_is_found_too():
    rng = np.random.default_rng(1)
    T, seen_item = pose(rng), hat(rng, 400)
    seen_item = seen_item[(seen_item @ [0.8, 0.0, 0.6]) > 0.005]
    angle = rng.uniform(0, 2 * np.pi, len(seen_item))
    item = np.stack([about(np.array([0.0, 0, 1]), a)[:3, :3] @ p for a, p in zip(angle, seen_item, strict=True)])
    found = fit_pose(item, transform_points(T, seen_item), rng, np.array([0.0, 0, 1]))
    assert found.T_base_item[:3, 2] @ T[:3, 2] > np.cos(np.radians(4))
    assert np.linalg.norm(found.T_base_item[:3, 3] - T[:3, 3]) < 0.004


def test_chance_gives_no_pose():
    rng = np.random.default_rng(0)
    item, seen = rng.uniform(-0.05, 0.05, (2, 100, 3))
    with pytest.raises(NoPose, match="of 100 pairs"):
        fit_pose(item, seen, rng, config=PoseConfig(threshold=0.004))
    with pytest.raises(NoPose, match="only 5 pairs"):
        fit_pose(item[:5], seen[:5], rng)
    with pytest.raises(NoPose):
        fit_pose(np.zeros((20, 3)), np.zeros((20, 3)), rng, np.array([0.0, 0, 1]))


def test_the_farthest_points_spread():
    points = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0), [0.0]), -1).reshape(-1, 3)
    chosen = points[farthest(points, 5, np.random.default_rng(0))]
    distance = np.linalg.norm(chosen[:, None] - chosen[None], axis=2) + 99 * np.eye(5)
    assert distance.min() >= 4
