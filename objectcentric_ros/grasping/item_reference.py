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

"""What is known of an item's shape by its descriptors: reference points from views, and pairs with what a camera sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage, DescriptorModel, Keypoints
from objectcentric_ros.descriptors.matching import match
from objectcentric_ros.descriptors.views import ObjectView
from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.se3 import invert, transform_points
from objectcentric_ros.grasping.close_up import CloseUpConfig, close_up

Points = NDArray[np.float64]


@dataclass(frozen=True)
class ItemReference:
    """Where descriptors, and a network's keypoints, are on an item.

    Args:
        descriptors: (K, D) float32.
        points: (K, 3) where they are in the item's frame [m].
        keypoint_points: (N, 3) where the network's keypoints are in the item's frame [m], rows of NaN for those that don't stay
            at one place; None: the network has none, or fewer than three stay.
    """

    descriptors: NDArray[np.float32]
    points: Points
    keypoint_points: Points | None = None


@dataclass(frozen=True)
class PairConfig:
    """Which pairs are kept.

    Args:
        pixels: of the segment that look for their reference.
        mutual: a pair counts when the way back ends at most so far from where it began [m].
        edge: pixels this near to the segment's border have mixed depths and are left out [px].
        min_peak: keypoints whose probability is less concentrated are dropped.
        window: half side of the window whose depths are read [px].
    """

    pixels: int = 250
    mutual: float = 0.012
    edge: int = 2
    min_peak: float = 0.15
    window: int = 2


def reference_points(views: Sequence[ObjectView], model: DescriptorModel, count: int, rng: np.random.Generator,
                     close: CloseUpConfig | None = None) -> ItemReference:
    """Reference of an item from views with depth and pose: points spread evenly over what each view shows.

    Args:
        views: of one item; each with depth and T_camera_object.
        model: describes them; its keypoints are located, too, where it has some.
        count: points in all, K.
        rng: where each view's points begin.
        close: how the views are enlarged before they are described; scenes must be looked at in the same way.

    Raises:
        ValueError: there are no views, one lacks depth or pose, or there is no depth on the item.
    """
    if not views or count < 3:
        raise ValueError(f"a reference needs views and at least 3 points, got {len(views)} views and {count} points")
    descriptors, points, keypoints = [], [], []
    shares = np.diff(np.linspace(0, count, len(views) + 1).astype(int))
    for view, share in zip(views, shares, strict=True):
        if view.depth is None or view.T_camera_object is None:
            raise ValueError(f"view {view.instance}/{view.name} needs depth and T_camera_object to be a reference")
        # The item's frame takes the place of the base.
        frame, mask = close_up(RgbdFrame(view.color, view.depth, view.camera, invert(view.T_camera_object)), view.mask, close)
        pixels, places = surface(frame, mask, PairConfig().edge)
        if len(pixels):
            image = model.describe(frame.color)
            chosen = farthest(places, min(int(share), len(places)), rng)
            descriptors.append(image.at(pixels[chosen]))
            points.append(places[chosen])
        seen = network_keypoints(model, frame.color, mask)
        if seen is not None:
            keypoints.append(_keypoint_places(seen, frame, mask, PairConfig()))
    if sum(map(len, points)) < 3:
        raise ValueError("the views have no depth on the item: a reference needs at least 3 points with depth")
    return ItemReference(np.concatenate(descriptors), np.concatenate(points), _steady(keypoints))


def descriptor_pairs(reference: ItemReference, frame: RgbdFrame, mask: NDArray[np.bool_], image: DescriptorImage,
                     rng: np.random.Generator, config: PairConfig | None = None) -> tuple[Points, Points]:
    """Pairs of a point in the item's frame and where it is seen in the base frame, (M, 3) each; some are wrong.

    Both ways: each reference looks for its pixel in the mask, and pixels spread over the mask look for their reference;
    a pair counts when the way back ends near where it began (on the item, so that neighbours count).

    Args:
        reference: the item's.
        frame: what the camera sees.
        mask: (H, W) bool, the item's pixels.
        image: descriptors of the frame's colour image.
        rng: where the segment's pixels begin.
        config: which pairs are kept.
    """
    config = config or PairConfig()
    pixels, places = surface(frame, mask, config.edge)
    if not len(pixels):
        return np.zeros((0, 3)), np.zeros((0, 3))
    chosen = farthest(places, min(config.pixels, len(places)), rng)
    seen = image.at(pixels[chosen])
    back = np.argmin(_squared(seen, reference.descriptors), axis=1)              # pixel -> reference
    inner = np.zeros_like(mask)
    inner[pixels[:, 1].astype(int), pixels[:, 0].astype(int)] = True
    forth = _places_at(match(reference.descriptors, image, inner), frame)        # reference -> place, all have depth
    mutual = np.linalg.norm(forth[back] - places[chosen], axis=1) <= config.mutual
    again = np.argmin(_squared(image.at(frame.camera.project(transform_points(invert(frame.T_base_camera), forth))),
                               reference.descriptors), axis=1)
    steady = np.linalg.norm(reference.points[again] - reference.points, axis=1) <= config.mutual
    return (np.concatenate([reference.points[back[mutual]], reference.points[steady]]),
            np.concatenate([places[chosen][mutual], forth[steady]]))


def keypoint_pairs(keypoint_points: Points, seen: Keypoints, frame: RgbdFrame, mask: NDArray[np.bool_],
                   config: PairConfig | None = None) -> tuple[Points, Points]:
    """Pairs as `descriptor_pairs`, of a network's keypoints; those with a low peak, without depth or unknown place are dropped.

    Raises:
        ValueError: the reference is of a network with another number of keypoints.
    """
    if len(keypoint_points) != len(seen.points):
        raise ValueError(f"the reference has {len(keypoint_points)} keypoints, the network {len(seen.points)}: make it anew")
    places = _keypoint_places(seen, frame, mask, config or PairConfig())
    known = np.isfinite(places).all(axis=1) & np.isfinite(keypoint_points).all(axis=1)
    return keypoint_points[known], places[known]


def network_keypoints(model: DescriptorModel, color: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Keypoints | None:
    """Keypoints of a model that has some, otherwise None."""
    find = getattr(model, "keypoints", None)
    if find is None:
        return None
    try:
        return find(color, mask)
    except ValueError:      # a network that was trained without
        return None


def surface(frame: RgbdFrame, mask: NDArray[np.bool_], edge: int) -> tuple[Points, Points]:
    """Pixels (M, 2) inside a mask that have depth, and where they are (M, 3) [m, base frame]."""
    kernel = np.ones((2 * edge + 1, 2 * edge + 1), np.uint8)
    inner = cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    if not inner.any():     # thinner than the edge
        inner = mask
    v, u = np.nonzero(inner & np.isfinite(frame.depth))
    pixels = np.stack([u, v], axis=1).astype(np.float64)
    return pixels, _places_at(pixels, frame)


def farthest(points: Points, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Indices of `count` points that are far from each other (greedy), the first by chance."""
    chosen = np.zeros(count, np.intp)
    distance = np.full(len(points), np.inf)
    following = int(rng.integers(len(points)))
    for number in range(count):
        chosen[number] = following
        distance = np.minimum(distance, np.sum((points - points[following]) ** 2, axis=1))
        following = int(distance.argmax())
    return chosen


def _places_at(pixels: Points, frame: RgbdFrame) -> Points:
    cells = np.rint(pixels).astype(int)
    return transform_points(frame.T_base_camera, frame.camera.deproject(pixels, frame.depth[cells[:, 1], cells[:, 0]]))


def _squared(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distances (N, M)."""
    return np.sum(first**2, axis=1)[:, None] + np.sum(second**2, axis=1)[None] - 2 * first @ second.T


def _keypoint_places(seen: Keypoints, frame: RgbdFrame, mask: NDArray[np.bool_], config: PairConfig) -> Points:
    """(N, 3) [m, base frame], NaN where a keypoint has a low peak or no depth."""
    places = np.full((len(seen.points), 3), np.nan)
    for number, (point, peak) in enumerate(zip(seen.points, seen.peaks, strict=True)):
        if not (peak >= config.min_peak and np.all(np.isfinite(point))):
            continue
        column, row = (int(round(x)) for x in point)
        part = (slice(max(row - config.window, 0), row + config.window + 1),
                slice(max(column - config.window, 0), column + config.window + 1))
        depth = frame.depth[part][mask[part]]
        depth = depth[np.isfinite(depth)]
        if len(depth):
            in_camera = frame.camera.deproject(point[None], np.array([np.median(depth)]))
            places[number] = transform_points(frame.T_base_camera, in_camera)[0]
    return places


def _steady(keypoints: list[Points]) -> Points | None:
    """Medians (N, 3) of keypoints over the views; NaN for those seen in fewer than half, or that wander by more than 15 mm."""
    if not keypoints:
        return None
    stack = np.stack(keypoints)
    seen = np.isfinite(stack).all(axis=2).sum(axis=0)
    places = np.full(stack.shape[1:], np.nan)
    often = seen >= max(1, len(keypoints) / 2)
    if not often.any():
        return None
    places[often] = np.nanmedian(stack[:, often], axis=0)
    wander = np.full(len(places), np.inf)
    wander[often] = np.nanmedian(np.linalg.norm(stack[:, often] - places[often], axis=2), axis=0)
    places[wander > 0.015] = np.nan
    return places if np.isfinite(places).all(axis=1).sum() >= 3 else None
