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

"""Aligned grasps (paper A, 4.3): matched points give the item's pose, and a stored grasp moves with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorModel
from objectcentric_ros.gallery.grasp_point import GraspPoint
from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.grasping.close_up import ItemLook
from objectcentric_ros.grasping.geometric import GraspSearch
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.grasping.item_pose import ItemPose, NoPose, PoseConfig, fit_pose
from objectcentric_ros.grasping.item_reference import (
    ItemReference,
    PairConfig,
    descriptor_pairs,
    keypoint_pairs,
    network_keypoints,
)
from objectcentric_ros.grasping.point_grasps import PointGraspPlanner
from objectcentric_ros.segmentation.segmenter import Segmentation

SOURCES = ("descriptors", "keypoints", "both")


@dataclass(frozen=True)
class AlignedConfig:
    """How an item is aligned.

    Args:
        source: "descriptors" (stored descriptors matched inside the segment), "keypoints" (the network's own, paper A),
            or "both": all pairs together.
        pairs: which pairs are kept.
        pose: when a pose is believed.
        max_tilt: a stored grasp that would come from farther off the vertical is refused, the others are set upright: the
            hand is fitted from above [rad].
        yaw_tolerance: the hand may turn so far from the stored grasp to fit [rad].
        azimuths: of a symmetric item that are tried.
        seed: of RANSAC: the same image gives the same grasp.
    """

    source: str = "descriptors"
    pairs: PairConfig = field(default_factory=PairConfig)
    pose: PoseConfig = field(default_factory=PoseConfig)
    max_tilt: float = 0.6
    yaw_tolerance: float = 0.15
    azimuths: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ValueError(f"unknown source {self.source!r} of pairs: expected one of {', '.join(SOURCES)}")


def find_pose(point: GraspPoint, look: ItemLook, model: DescriptorModel, config: AlignedConfig | None = None) -> ItemPose:
    """Pose of an item by the reference that is stored with an aligned grasp point.

    Args:
        point: of the item and the model.
        look: the item seen closely.
        model: asked for keypoints where they are used.
        config: how.

    Raises:
        NoPose: the point has no reference of this kind, or too few pairs agree.
    """
    config = config or AlignedConfig()
    rng = np.random.default_rng(config.seed)
    pairs = []
    if config.source != "keypoints" and point.keypoints is not None and point.points is not None:
        reference = ItemReference(point.keypoints, point.points)
        pairs.append(descriptor_pairs(reference, look.frame, look.region, look.image, rng, config.pairs))
    if config.source != "descriptors" and point.keypoint_points is not None:
        seen = network_keypoints(model, look.frame.color, look.region)
        if seen is not None:
            pairs.append(keypoint_pairs(point.keypoint_points, seen, look.frame, look.region, config.pairs))
    if not pairs:
        raise NoPose(f"grasp point '{point.name}' has no reference of {config.source}")
    item, places = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
    # A network has 16 keypoints where descriptors give hundreds of pairs: as few as 4 that agree must do.
    pose = replace(config.pose, min_inliers=min(config.pose.min_inliers, 4)) if config.source == "keypoints" else config.pose
    return fit_pose(item, places, rng, point.symmetry_axis, pose)


def aligned_search(point: GraspPoint, look: ItemLook, frame: RgbdFrame, segmentation: Segmentation, segment_id: int,
                   model: DescriptorModel, planner: PointGraspPlanner, config: AlignedConfig | None = None) -> GraspSearch:
    """The stored grasp at the item's pose, method "aligned", or a sentence why there is none.

    The hand is fitted from above at the stored grasp's place and direction; an item that looks the same all around an axis is
    taken from any side.

    Args:
        point: of the item and the model, with T_object_tcp.
        look: the item seen closely.
        frame: what the camera saw.
        segmentation: of this frame.
        segment_id: the item's segment.
        model: asked for keypoints where they are used.
        planner: fits the hand.
        config: how.
    """
    config = config or AlignedConfig()
    if point.T_object_tcp is None:
        return GraspSearch((), f"'{point.name}' has no stored grasp")
    try:
        pose = find_pose(point, look, model, config)
    except NoPose as error:
        return GraspSearch((), f"'{point.name}': {error}")
    found = f"'{point.name}': {pose.inliers} of {pose.pairs} pairs agree on the pose, {1000 * pose.error:.0f} mm apart"
    grasps: list[tuple[Grasp, NDArray[np.float64]]] = []
    tilts, reasons = [], []
    for T_base_tcp in moved_grasps(point, pose.T_base_item, config.azimuths):
        tilts.append(float(np.arccos(np.clip(-T_base_tcp[2, 2], -1, 1))))
        if tilts[-1] > config.max_tilt:
            continue
        yaw = float(np.arctan2(T_base_tcp[0, 1], -T_base_tcp[1, 1]))
        search = planner.search(frame, segmentation, segment_id, T_base_tcp[:3, 3], "aligned",
                                [yaw, yaw - config.yaw_tolerance, yaw + config.yaw_tolerance], max_grasps=1)
        reasons.append(search.reason)
        grasps += zip(search.grasps, search.features, strict=True)
    if grasps:
        grasps = sorted(grasps, key=lambda pair: -pair[0].score)[:3]
        return GraspSearch(tuple(grasp for grasp, _ in grasps), found, np.stack([features for _, features in grasps]))
    if not reasons:
        return GraspSearch((), f"{found}; the stored grasp would come from {np.degrees(min(tilts)):.0f} degrees off the "
                               f"vertical, at most {np.degrees(config.max_tilt):.0f} are tried")
    return GraspSearch((), f"{found}; {reasons[0]}")


def moved_grasps(point: GraspPoint, T_base_item: NDArray[np.float64], azimuths: int) -> list[NDArray[np.float64]]:
    """T_base_tcp (4, 4) of the stored grasp; of an item with a symmetry axis one for each azimuth."""
    assert point.T_object_tcp is not None
    if point.symmetry_axis is None:
        return [T_base_item @ point.T_object_tcp]
    return [T_base_item @ about(point.symmetry_axis, angle) @ point.T_object_tcp
            for angle in np.arange(azimuths) * 2 * np.pi / azimuths]


def about(axis: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """(4, 4) rotation about a unit axis through the origin (Rodrigues)."""
    x, y, z = axis
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    T = np.eye(4)
    T[:3, :3] += np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew
    return T
