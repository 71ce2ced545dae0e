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

"""From photographs of one item to the reference crops that the gallery stores."""

from __future__ import annotations

from collections.abc import Iterable

import cv2

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.identification.crop import crop_segment
from objectcentric_ros.segmentation.segmenter import Segmenter


def reference_crops(frames: Iterable[RgbdFrame], segmenter: Segmenter) -> list[bytes]:
    """Tray references of an item that lies alone in the tray.

    Args:
        frames: photographs; the largest segment of each is taken for the item.
        segmenter: the one that will cut the queries, so that both are cut alike.

    Returns:
        One PNG a photograph that shows a segment; a photograph of an empty tray gives none.
    """
    crops = []
    for frame in frames:
        segmentation = segmenter.segment(frame)
        if not segmentation.segments:
            continue
        largest = max(segmentation.segments, key=lambda segment: segment.area)
        crop = crop_segment(frame.color, segmentation.labels, largest.id)
        _, encoded = cv2.imencode(".png", crop[..., ::-1])
        crops.append(bytes(encoded))
    return crops
