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

"""How pictures of references are encoded: those that show more than the thing, at several magnifications.

In a bin's picture the thing is small and the bin is large; a crop of the tray shows the thing alone. The mean of what the
encoder says of the picture and of squares about its middle is nearer to the crops of the tray, and costs queries nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.encoder import Encoder

SURROUNDED = ("bin", "catalog")     # sources whose pictures show more than the thing
SQUARES = (1.0, 0.85, 0.7)          # sides of the squares, as shares of the picture's shorter side
_SMALLEST = 16                      # px: a square that is smaller says nothing


def reference_views(image: NDArray[np.uint8], source: str) -> list[NDArray[np.uint8]]:
    """A reference's picture and, where its source shows more than the thing, squares about its middle.

    Args:
        image: (H, W, 3) uint8 RGB.
        source: of the reference.
    """
    views = [image]
    if source in SURROUNDED:
        height, width = image.shape[:2]
        for share in SQUARES:
            side = round(share * min(height, width))
            if side >= _SMALLEST and (side < height or side < width):
                top, left = (height - side) // 2, (width - side) // 2
                views.append(np.ascontiguousarray(image[top:top + side, left:left + side]))
    return views


def encode_references(encoder: Encoder, images: Sequence[NDArray[np.uint8]], sources: Sequence[str]) -> NDArray[np.float32]:
    """Encode pictures of references: of each the mean direction of its views.

    Args:
        encoder: of images.
        images: N images, (H, W, 3) uint8 RGB.
        sources: N sources.

    Returns:
        (N, D) float32 of length 1.
    """
    views = [reference_views(image, source) for image, source in zip(images, sources, strict=True)]
    vectors = encoder.encode([view for group in views for view in group])
    if not views:
        return vectors
    starts = np.cumsum([0, *(len(group) for group in views[:-1])])
    sums = np.add.reduceat(vectors, starts, axis=0)
    # Views that point to opposite sides have no mean: the picture itself stands for them then.
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(lengths > 1e-6, sums / np.maximum(lengths, 1e-6), vectors[starts]).astype(np.float32)
