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

"""Crops of the objects in a tray as the robot would cut them out, with the segmenter's mistakes, each named by the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.crop import crop_segment
from objectcentric_ros.identification.size_evidence import measured_sides, median_distance
from objectcentric_ros.simulation.identification_scenes import TrayImage


@dataclass(frozen=True)
class MatchConfig:
    """Which segments count as an object.

    Args:
        iou: least overlap of the segment with the object's true mask.
        visible: least share of the object's outline that is in view.
        pixels: least size of the true mask [px].
    """

    iou: float = 0.5
    visible: float = 0.3
    pixels: int = 300


@dataclass(frozen=True)
class TrayCrop:
    """What is cut out of a tray's image.

    Args:
        index: of the object in the scene.
        color: (S, S, 3) uint8 RGB square on grey, as `crop_segment` makes it.
        visible: share of the object's outline that is in view.
        iou: overlap of the mask that was cut out with the true one.
        sides: long and short side of the mask that was cut out, as the camera's depth has them [m].
    """

    index: int
    color: NDArray[np.uint8]
    visible: float
    iou: float
    sides: tuple[float, float]


def cut_crops(image: TrayImage, labels: NDArray[np.integer], config: MatchConfig | None = None) -> list[TrayCrop]:
    """Cut out what the segmenter found of each object that is enough in view.

    Args:
        image: of the tray, with the truth.
        labels: (H, W) the segmenter's labels, 0 where it found nothing; the truth itself gives perfect crops.
        config: what counts as found.

    Returns:
        A crop of each object that a segment fits, in the order of the objects.
    """
    config = config or MatchConfig()
    size = int(labels.max()) + 1
    overlap = np.bincount((image.labels.astype(np.int64) * size + labels).ravel(),
                          minlength=size * (len(image.visible) + 1)).reshape(-1, size)
    truth, found = overlap.sum(axis=1), overlap.sum(axis=0)
    crops = []
    for index, visible in enumerate(image.visible):
        if visible < config.visible or truth[index + 1] < config.pixels or size == 1:
            continue
        both = overlap[index + 1, 1:]
        iou = both / (truth[index + 1] + found[1:] - both)
        best = int(np.argmax(iou))
        if iou[best] >= config.iou:
            frame, mask = image.frame, labels == best + 1
            sides = measured_sides(mask, median_distance(mask, frame.depth), frame.camera.fx)
            crops.append(TrayCrop(index, crop_segment(frame.color, labels, best + 1), float(visible), float(iou[best]), sides))
    return crops
