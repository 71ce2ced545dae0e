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

"""Points of a picture that can be found again, and whether two pictures show the same arrangement of them.

An embedding says what a picture looks like as a whole; two flavours of one brand look alike. Printed details tell them apart:
SIFT (Lowe, 2004) finds them at any size and angle, and those that really lie on one thing keep their arrangement, which RANSAC
checks. Vectors stay what a gallery is searched by; this is for the few candidates between which they are undecided
(verification.py).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LOCAL_KEY = "sift-224-200-v2"
"""Names what `local_features` makes; features of two keys are never compared."""

SIDE = 224                  # longer side of the frame that points are told in [px]; larger pictures are scaled to it
MOST_POINTS = 200
_CONTRAST = 0.02            # half of OpenCV's: the print on a package in the shade of a bin counts too
_RATIO = 0.85               # a match is this much nearer than the next best (Lowe's ratio, lenient: the arrangement decides)
_FEWEST = 4                 # matches that an arrangement is looked for in
_TOLERANCE = 6.0            # pixels from where the arrangement says a point should be
_TRIES = 300
_WORDS = 128                # length of a SIFT descriptor
_ROW = _WORDS + 4           # bytes of a point: descriptor, x and y
_FIXED_POINT = 64.0         # steps a pixel in the stored coordinates

_threads = threading.local()


class BadFeatures(ValueError):
    """Bytes that are no local features."""


@dataclass(frozen=True)
class LocalFeatures:
    """Points of one picture.

    Args:
        points: (N, 2) float32 x and y in the picture as if its longer side were SIDE [px].
        descriptors: (N, 128) float32 of length 1: root-SIFT (Arandjelovic and Zisserman, 2012), whose products are similarities.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.points)

    @classmethod
    def from_bytes(cls, data: bytes) -> LocalFeatures:
        """What `local_bytes` wrote.

        Raises:
            BadFeatures: the length fits no number of points, or a descriptor is all zero.
        """
        if len(data) % _ROW or len(data) > _ROW * MOST_POINTS * 2:
            raise BadFeatures(f"{len(data)} bytes are no local features: {_ROW} a point, {2 * MOST_POINTS} points at most")
        rows = np.frombuffer(data, np.uint8).reshape(-1, _ROW)
        points = rows[:, _WORDS:].copy().view("<u2").astype(np.float32) / np.float32(_FIXED_POINT)
        sums = rows[:, :_WORDS].sum(axis=1, dtype=np.float32)
        if (sums == 0).any():
            raise BadFeatures("a descriptor is all zero: the bytes are damaged")
        return cls(points, np.sqrt(rows[:, :_WORDS].astype(np.float32) / sums[:, None]))


def local_bytes(image: NDArray[np.uint8]) -> bytes:
    """Find the points of a picture, in the form in which a gallery keeps them.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        132 bytes a point, 200 points at most: 128 of the SIFT descriptor, x and y in 1/64 pixel; empty for a plain picture.

    Raises:
        ValueError: it is no such image.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"expected a (H, W, 3) uint8 image, got {image.dtype} of shape {image.shape}")
    scale = min(1.0, SIDE / max(image.shape[:2]))       # SIFT itself looks at twice the size: more shows nothing more
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    gray = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    keypoints, descriptors = _sift().detectAndCompute(gray, None)
    if not len(keypoints):
        return b""
    rows = np.zeros((len(keypoints), _ROW), np.uint8)
    rows[:, :_WORDS] = descriptors              # whole numbers of 0 to 255
    places = np.array([keypoint.pt for keypoint in keypoints]) * (SIDE / max(size) * _FIXED_POINT)
    rows[:, _WORDS:] = np.clip(np.rint(places), 0, 65535).astype("<u2").view(np.uint8)
    return rows[rows[:, :_WORDS].any(axis=1)][:MOST_POINTS].tobytes()


def local_features(image: NDArray[np.uint8]) -> LocalFeatures:
    """Points of a picture, (H, W, 3) uint8 RGB; raises ValueError where it is none."""
    return LocalFeatures.from_bytes(local_bytes(image))


def common_points(query: LocalFeatures, reference: LocalFeatures) -> tuple[int, int]:
    """How many points two pictures have in common.

    A point matches its nearest one in the other picture, where each is the other's nearest and clearly nearer than the second.

    Returns:
        (points whose arrangement is the same but for shift, turn and scale, points that match at all).
    """
    if min(len(query), len(reference)) < _FEWEST:
        return 0, 0
    similar = query.descriptors @ reference.descriptors.T
    rows = np.arange(len(similar))
    nearest = similar.argmax(axis=1)
    best = similar[rows, nearest]
    mutual = similar.argmax(axis=0)[nearest] == rows
    similar[rows, nearest] = -1.0
    # Of vectors of length 1: |a - b|^2 = 2 - 2 a.b
    good = mutual & (np.sqrt(np.maximum(2 - 2 * best, 0)) < _RATIO * np.sqrt(np.maximum(2 - 2 * similar.max(axis=1), 0)))
    count = int(good.sum())
    if count < _FEWEST:
        return 0, count
    found, inside = cv2.estimateAffinePartial2D(query.points[good], reference.points[nearest[good]], method=cv2.RANSAC,
                                                ransacReprojThreshold=_TOLERANCE, maxIters=_TRIES)
    return (int(inside.sum()) if found is not None else 0), count


def _sift() -> Any:
    """One detector a thread: it keeps its pyramid."""
    if not hasattr(_threads, "sift"):
        _threads.sift = cv2.SIFT.create(nfeatures=MOST_POINTS, contrastThreshold=_CONTRAST)
    return _threads.sift
