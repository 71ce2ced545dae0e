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

"""What the descriptors node draws. No ROS in here."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.painting import heat_overlay
from objectcentric_ros.descriptors.query import QueryResult

MARK, RIVAL_MARK = (255, 255, 255), (255, 0, 255)
INVITATION = "click a point (Publish Point)"


def heat_picture(color: NDArray[np.uint8], found: QueryResult) -> NDArray[np.uint8]:
    """Heat over an image, (H, W, 3) uint8 RGB, with a cross at the match and a circle at a rival that is about as good."""
    assert found.heatmap is not None
    picture = np.ascontiguousarray(heat_overlay(color, found.heatmap))
    u, v = (round(x) for x in found.peak)
    for thickness, ink in ((4, (0, 0, 0)), (2, MARK)):
        cv2.drawMarker(picture, (u, v), ink, cv2.MARKER_CROSS, 24, thickness)
    if found.multimodal and found.rival is not None:
        cv2.circle(picture, (round(found.rival[0]), round(found.rival[1])), 12, RIVAL_MARK, 2)
    return picture


def invitation(color: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image with a line that says what to do."""
    picture = np.array(color)
    for thickness, ink in ((3, (0, 0, 0)), (1, MARK)):
        cv2.putText(picture, INVITATION, (10, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, ink, thickness, cv2.LINE_AA)
    return picture
