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


"""RGB-D image to instance label image."""

from __future__ import annotations

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.segmentation.segmenter import Segment, Segmentation, Segmenter

__all__ = ["SEGMENTERS", "Segment", "Segmentation", "Segmenter", "make_segmenter"]

SEGMENTERS = ("rgbd",)


def make_segmenter(name: str, layout: CellLayout) -> Segmenter:
    """Segmenter by name: ``rgbd`` (depth and colour, boosted trees).

    Raises:
        ValueError: no segmenter has that name; the message lists those that exist.
    """
    if name == "rgbd":
        from objectcentric_ros.segmentation.rgbd import RgbdSegmenter  # imports OpenCV, loads the model
        return RgbdSegmenter(layout)
    raise ValueError(f"no segmenter is named {name!r}; there are: {', '.join(SEGMENTERS)}")
