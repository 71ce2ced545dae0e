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

"""What a segmenter is and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.frame import RgbdFrame


@dataclass(frozen=True)
class Segment:
    """One segmented item.

    Args:
        id: label of its pixels, 1..65535.
        box: (u0, v0, u1, v1) tight bounding box [px], end exclusive.
        area: number of pixels.
        centroid_base: (3,) median of its points in the base frame [m].
        confidence: 0..1, how likely this is one whole item.
    """

    id: int
    box: tuple[int, int, int, int]
    area: int
    centroid_base: NDArray[np.float64]
    confidence: float


@dataclass(frozen=True)
class Segmentation:
    """Instance label image: (H, W) uint16, 0 background; one Segment a label, most confident first."""

    labels: NDArray[np.uint16]
    segments: tuple[Segment, ...]


class Segmenter(Protocol):
    """Anything that splits an RGB-D frame into items."""

    def segment(self, frame: RgbdFrame) -> Segmentation:
        """Segment one frame; an empty scene gives no segments, never an error."""
        ...
