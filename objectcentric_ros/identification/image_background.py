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

"""Other backgrounds for what a segmenter has cut out: without them an encoder takes grey paper for a property of things in trays.

A training that compares two crops of one image never sees that a thing in a bin is the thing in the tray. Its crops get
backgrounds and bands like a bin's, drawn, not taken from other images.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.efficientnet_lite import PADDING_GREY

_TOLERANCE = 6          # of the padding's grey, after JPEG
_PATCHES = (2, 6)       # fields of the background along a side
_BANDS = 4              # bands of light before everything, at most


def another_background(crop: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The crop with what is grey around the thing as something else, behind bands, in less light.

    Args:
        crop: (S, S, 3) uint8 RGB; what has the padding's grey is background.
        rng: draws.

    Returns:
        (S, S, 3) uint8 RGB.
    """
    side = crop.shape[0]
    background = (np.abs(crop.astype(np.int16) - PADDING_GREY) <= _TOLERANCE).all(axis=2)
    fields = rng.integers(20, 200, (*rng.integers(*_PATCHES, 2), 3)).astype(np.float32)
    fields += 0.7 * (rng.uniform(20, 200) - fields)         # fields of about one lightness and colour, as walls are
    smooth = cv2.INTER_NEAREST if rng.random() < 0.5 else cv2.INTER_LINEAR
    scene = np.where(background[..., None], cv2.resize(fields, (side, side), interpolation=smooth), crop.astype(np.float32))
    for _ in range(rng.integers(0, _BANDS + 1)):
        ends = [tuple(int(value) for value in rng.integers(0, side, 2)) for _ in range(2)]
        band = cv2.line(np.zeros((side, side), np.float32), *ends, float(rng.uniform(0.2, 0.7)),
                        int(rng.integers(1, max(2, side // 16))))
        scene += band[..., None] * (rng.uniform(180, 255) - scene)
    return np.clip(scene * rng.uniform(0.5, 1.0), 0, 255).astype(np.uint8)
