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

"""Straight grasps (paper A, 3.4): where a stored descriptor matches best inside a segment, from above."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage
from objectcentric_ros.descriptors.query import PreparedImage, QueryResult, query
from objectcentric_ros.gallery.grasp_point import GraspPoint
from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.se3 import transform_points
from objectcentric_ros.grasping.close_up import ItemLook
from objectcentric_ros.grasping.geometric import GraspSearch
from objectcentric_ros.grasping.point_grasps import PointGraspPlanner
from objectcentric_ros.segmentation.segmenter import Segmentation


@dataclass(frozen=True)
class StraightConfig:
    """When a match is believed.

    Args:
        window: half side of the window whose depths are read [px].
        max_distance: largest L2 distance of unit descriptors (0..2) between query and match; others aren't limited.
        min_confidence: see QueryResult; below it another place of the item fits as well. It is low because on an item of few
            colours the right place is often not better by much, and is right still.
        ambiguous: such another place only matters when it is farther away than this [m].
    """

    window: int = 3
    max_distance: float = 1.0
    min_confidence: float = 0.005
    ambiguous: float = 0.015


@dataclass(frozen=True)
class FoundPoint:
    """Where a grasp point was found.

    Args:
        point: the stored one; None: none of those that were looked for can be believed.
        position: (3,) [m, base frame], on the item's surface; None: not found, or it has no depth.
        pixel: (u, v) of the match [px].
        confidence: of the match, 0..1.
        reason: a sentence.
    """

    point: GraspPoint | None
    position: NDArray[np.float64] | None
    pixel: tuple[float, float] | None
    confidence: float
    reason: str


def find_point(points: list[GraspPoint], frame: RgbdFrame, mask: NDArray[np.bool_], image: DescriptorImage,
               config: StraightConfig | None = None) -> FoundPoint:
    """Look for stored points inside a segment; of several that are found, the one whose descriptor is nearest.

    Args:
        points: of one item and the image's model.
        frame: what the camera saw.
        mask: (H, W) bool, the item's pixels.
        image: descriptors of the frame's colour image.
        config: when a match is believed.

    Raises:
        ValueError: the mask is empty or of another size, or a point has another dimension than the image.
    """
    config = config or StraightConfig()
    prepared = PreparedImage(image, mask)
    matches = sorted(((query(point.descriptor, prepared, heat=False), point) for point in points), key=lambda m: m[0].distance)
    doubts: list[str] = []
    for match, point in matches:
        position = pixel_position(match.peak, frame, mask, config.window)
        doubt = _doubt(match, position, frame, mask, image.unit, config)
        if not doubt:
            return FoundPoint(point, position, match.peak, match.confidence,
                              f"'{point.name}' matches with distance {match.distance:.2f}, confidence {match.confidence:.2f}")
        doubts.append(f"'{point.name}': {doubt}")
    if not matches:
        return FoundPoint(None, None, None, 0.0, "the item has no grasp points of this model")
    best = matches[0][0]
    return FoundPoint(None, None, best.peak, best.confidence, "; ".join(doubts))


def straight_search(points: list[GraspPoint], look: ItemLook, frame: RgbdFrame, segmentation: Segmentation, segment_id: int,
                    planner: PointGraspPlanner, config: StraightConfig | None = None) -> GraspSearch:
    """Ranked grasps at the place that a stored descriptor matches, method "straight", or a sentence why there is none.

    Args:
        points: the item's, of the model that described it.
        look: the segment seen closely.
        frame: what the camera saw.
        segmentation: of this frame.
        segment_id: the item's segment.
        planner: fits the hand.
        config: when a match is believed.
    """
    found = find_point(points, look.frame, look.mask, look.image, config)
    if found.position is None:
        return GraspSearch((), found.reason)
    search = planner.search(frame, segmentation, segment_id, found.position, "straight")
    return GraspSearch(search.grasps, f"{found.reason}; {search.reason}", search.features)


def pixel_position(pixel: tuple[float, float], frame: RgbdFrame, mask: NDArray[np.bool_],
                   window: int) -> NDArray[np.float64] | None:
    """(3,) [m, base frame] of a pixel: the median of the valid depths around it that belong to the item, de-projected.

    None where there is no such depth: twice the window is tried, too, because matches often lie on an edge.
    """
    u, v = pixel
    column, row = round(u), round(v)
    for half in (window, 2 * window):
        part = (slice(max(row - half, 0), row + half + 1), slice(max(column - half, 0), column + half + 1))
        depth = frame.depth[part][mask[part]]
        depth = depth[np.isfinite(depth) & (depth > 0)]
        if len(depth):
            in_camera = frame.camera.deproject(np.array([[u, v]]), np.array([np.median(depth)]))
            return np.asarray(transform_points(frame.T_base_camera, in_camera)[0])
    return None


def _doubt(match: QueryResult, position: NDArray[np.float64] | None, frame: RgbdFrame, mask: NDArray[np.bool_], unit: bool,
           config: StraightConfig) -> str:
    """Why a match isn't believed; empty when it is."""
    if unit and match.distance > config.max_distance:
        return f"nothing on the item looks like it (distance {match.distance:.2f}, at most {config.max_distance:.2f})"
    if position is None:
        return "there is no depth where it matches"
    if match.rival is None or match.confidence >= config.min_confidence:
        return ""
    rival = pixel_position(match.rival, frame, mask, config.window)
    if rival is not None and np.linalg.norm(rival - position) <= config.ambiguous:
        return ""
    kind = "multimodal" if match.multimodal else "low confidence"
    return f"another place fits nearly as well ({kind}, confidence {match.confidence:.2f}, at least {config.min_confidence:.2f})"
