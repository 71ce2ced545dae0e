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

"""Depth images between their ROS encodings and metres (REP 118)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DEPTH_ENCODINGS = ("16UC1", "32FC1")


def depth_to_metres(image: NDArray[np.generic], encoding: str) -> NDArray[np.float32]:
    """Depth in metres with NaN where there is none.

    Args:
        image: (H, W); uint16 [mm], 0 invalid for "16UC1" (also "mono16"); float [m], NaN invalid for "32FC1".
        encoding: the encoding of the ROS image.

    Returns:
        (H, W) float32 [m]; zero, negative and infinite values become NaN.

    Raises:
        ValueError: unknown encoding, or the array is not what the encoding says.
    """
    if image.ndim != 2:
        raise ValueError(f"a depth image must be (H, W), got {image.shape}")
    if encoding in ("16UC1", "mono16"):
        if image.dtype.kind != "u" or image.dtype.itemsize != 2:
            raise ValueError(f"a {encoding} depth image must be uint16 millimetres, got {image.dtype}")
        metres = image.astype(np.float32) * np.float32(1e-3)
    elif encoding == "32FC1":
        if image.dtype.kind != "f":
            raise ValueError(f"a 32FC1 depth image must be float metres, got {image.dtype}")
        metres = image.astype(np.float32)
    else:
        raise ValueError(f"depth encoding {encoding!r} is not known; expected one of {', '.join(DEPTH_ENCODINGS)}")
    metres[~(np.isfinite(metres) & (metres > 0))] = np.nan
    return metres


def metres_to_millimetres(depth: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Depth as "16UC1": rounded millimetres; what is invalid, not positive or beyond 65.535 m becomes 0.

    Args:
        depth: (H, W) [m], NaN invalid.

    Returns:
        (H, W) uint16 [mm].
    """
    millimetres = np.rint(np.asarray(depth, dtype=np.float64) * 1e3)
    valid = np.isfinite(millimetres) & (millimetres > 0) & (millimetres <= np.iinfo(np.uint16).max)
    return np.where(valid, millimetres, 0).astype(np.uint16)
