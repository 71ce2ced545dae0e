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

"""What makes a grasp hold, as numbers, and the probability that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from objectcentric_ros.grasping.hand_fit import EDGE_CELLS, Fits, TurnedPatch
from objectcentric_ros.paths import share_dir

_PAD_HALF_WIDTH = 0.0085  # of the rubber pad, along the TCP's x [m]
_PAD_HEIGHT = 0.017       # of the rubber pad, up from the tip [m]
_MAX_SLOPE = 2.0


@dataclass(frozen=True)
class GraspFeatures:
    """Features of N grasps, each (N,), most of them 0..1.

    Args:
        overlap: height of the item that the pads cover, as a share of the pad.
        shallow: 1 where the tips reach less than 20 mm below the top between the fingers, falling to 0 at 32 mm.
        width: of the item between the fingers, as a share of the hand's opening.
        along: distance of the TCP from the item's middle along the TCP's x [in 5 cm].
        across: distance of the TCP from the item's middle along the closing direction [in 5 cm].
        wedge: how much the two contact edges open towards one side (difference of their slopes, seen from above).
        skew: how much both edges are turned against the pads (mean of their slopes).
        lean: how much the sides lean inwards towards the top over the pad's height (mean slope).
        fill: share of the rectangle between the pads that the item fills.
        contact: share of the pads' width at which there is item between them.
        ledge: share of the fingers' footprints that lies over lower parts of the same item.
        unseen: share of cells between and beside the fingers without a depth pixel.
        tight: 1 where the room beside the item is the smallest allowed, 0 where it is the largest.
        below: height of the item's top above the tray's floor beyond what the fingers hold [in 10 cm].
    """

    overlap: NDArray[np.float64]
    shallow: NDArray[np.float64]
    width: NDArray[np.float64]
    along: NDArray[np.float64]
    across: NDArray[np.float64]
    wedge: NDArray[np.float64]
    skew: NDArray[np.float64]
    lean: NDArray[np.float64]
    fill: NDArray[np.float64]
    contact: NDArray[np.float64]
    ledge: NDArray[np.float64]
    unseen: NDArray[np.float64]
    tight: NDArray[np.float64]
    below: NDArray[np.float64]

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the features, in the order of matrix()."""
        return tuple(field.name for field in fields(cls))

    def matrix(self) -> NDArray[np.float64]:
        """(N, F) float64."""
        return np.stack([getattr(self, name) for name in self.names()], axis=1)


def grasp_features(patch: TurnedPatch, fits: Fits, item_centre: NDArray[np.float64], max_width: float,
                   finger_depth: float, floor: float, clearances: tuple[float, ...]) -> GraspFeatures:
    """Features of the poses that fit at one yaw.

    Args:
        patch: the turned height map.
        fits: N poses on it.
        item_centre: (2,) x, y of the segment's middle [m, base frame].
        max_width: of the hand [m].
        finger_depth: of a finger along the closing direction [m].
        floor: height of the tray's floor [m].
        clearances: that were tried, largest first [m].
    """
    resolution = patch.resolution
    half_pad = round(_PAD_HALF_WIDTH / resolution)
    window = np.clip(fits.row[:, None] + np.arange(-half_pad, half_pad + 1), 0, patch.item.shape[0] - 1)
    strips = patch.item[window]                                          # (N, R, K) heights under the pads
    overlap = fits.top - fits.tip
    width = (fits.right - fits.left - EDGE_CELLS) * resolution

    low = strips > fits.tip[:, None, None]
    present = low.any(axis=2)
    lefts, rights = _edges(low)
    offsets = np.arange(-half_pad, half_pad + 1, dtype=float)
    left_slope, right_slope = _slope(offsets, lefts, present), _slope(offsets, rights, present)

    # The item's outline near the tips and near the top of the pads: does it narrow upwards?
    rise = np.minimum(_PAD_HEIGHT, 0.8 * overlap)
    high = strips > (fits.tip + rise)[:, None, None]
    slab_low, slab_high = low.any(axis=1), high.any(axis=1)
    narrowing = (slab_low.shape[1] - slab_high.argmax(axis=1) - slab_high[:, ::-1].argmax(axis=1)) * resolution
    lean = (width - np.where(slab_high.any(axis=1), narrowing, 0.0)) / (2 * rise)

    between = (fits.right - fits.left + 1) * (2 * half_pad + 1)
    fill = low.sum(axis=(1, 2)) / between
    unseen = _share(~patch.seen, window[:, 0], window[:, -1] + 1, fits.left - round(0.015 / resolution),
                    fits.right + round(0.015 / resolution) + 1)

    offset = patch.to_base(fits.row, (fits.left + fits.right) / 2) - item_centre
    cosine, sine = np.cos(patch.yaw), np.sin(patch.yaw)
    return GraspFeatures(
        overlap=np.minimum(overlap / _PAD_HEIGHT, 1.0),
        shallow=np.clip((0.032 - overlap) / 0.012, 0.0, 1.0),
        width=np.asarray(width / max_width, np.float64),
        along=np.abs(offset @ [cosine, sine]) / 0.05,
        across=np.abs(offset @ [sine, -cosine]) / 0.05,
        wedge=np.minimum(np.abs(right_slope - left_slope), _MAX_SLOPE),
        skew=np.minimum(np.abs(right_slope + left_slope) / 2, _MAX_SLOPE),
        lean=np.clip(lean, 0.0, _MAX_SLOPE),
        fill=fill,
        contact=present.mean(axis=1),
        ledge=_ledge_share(patch.item, fits, half_pad, finger_depth, resolution),
        unseen=unseen,
        tight=(clearances[0] - fits.clearance) / max(clearances[0] - clearances[-1], 1e-9),
        below=np.clip(fits.tip - floor - 0.01, 0.0, None) / 0.1)


@dataclass(frozen=True)
class GraspScoreModel:
    """Logistic model: probability = 1 / (1 + exp(-(bias + weights . features)))."""

    bias: float
    weights: dict[str, float]

    @classmethod
    def load(cls, path: Path | None = None) -> GraspScoreModel:
        """Read the weights; None is config/grasp_score.yaml of the package.

        Raises:
            ValueError: the file lacks a feature or has one that is not known.
        """
        path = path or share_dir() / "config" / "grasp_score.yaml"
        document = yaml.safe_load(path.read_text())
        weights = {str(name): float(weight) for name, weight in document["weights"].items()}
        if set(weights) != set(GraspFeatures.names()):
            raise ValueError(f"{path}: weights must be of {', '.join(GraspFeatures.names())}; got {', '.join(weights)}")
        return cls(float(document["bias"]), weights)

    def probability(self, features: GraspFeatures) -> NDArray[np.float64]:
        """(N,) estimated probability that each grasp holds."""
        weights = np.array([self.weights[name] for name in GraspFeatures.names()])
        return 1.0 / (1.0 + np.exp(-(self.bias + features.matrix() @ weights)))


def _ledge_share(item: NDArray[np.float32], fits: Fits, half_pad: int, finger_depth: float,
                 resolution: float) -> NDArray[np.float64]:
    """Share (N,) of both fingers' footprints, open and closed, over the item itself."""
    reach = np.ceil((fits.clearance + finger_depth) / resolution).astype(np.intp)
    own, first, last = item > 0, fits.row - half_pad, fits.row + half_pad + 1
    left = _share(own, first, last, fits.left - reach, fits.left)
    return (left + _share(own, first, last, fits.right + 1, fits.right + 1 + reach)) / 2


def _share(mask: NDArray[np.bool_], row0: NDArray[np.intp], row1: NDArray[np.intp], column0: NDArray[np.intp],
           column1: NDArray[np.intp]) -> NDArray[np.float64]:
    """Share (N,) of set cells in rectangles (ends exclusive), clipped to the mask."""
    counts = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int32)
    counts[1:, 1:] = mask.cumsum(axis=0, dtype=np.int32).cumsum(axis=1)
    row0, row1 = np.clip(row0, 0, mask.shape[0]), np.clip(row1, 0, mask.shape[0])
    column0, column1 = np.clip(column0, 0, mask.shape[1]), np.clip(column1, 0, mask.shape[1])
    inside = counts[row1, column1] - counts[row0, column1] - counts[row1, column0] + counts[row0, column0]
    return inside / np.maximum((row1 - row0) * (column1 - column0), 1)


def _edges(mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and last set column of each row, (N, R)."""
    return mask.argmax(axis=2).astype(float), (mask.shape[2] - 1 - mask[:, :, ::-1].argmax(axis=2)).astype(float)


def _slope(x: NDArray[np.float64], y: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Least-squares slope of y over x, (N,), from the valid entries; 0 where fewer than two."""
    count = np.maximum(valid.sum(axis=1), 1)
    x_centred = np.where(valid, x - (valid * x).sum(axis=1, keepdims=True) / count[:, None], 0.0)
    spread = (x_centred**2).sum(axis=1)
    return np.where(spread > 0, (x_centred * y).sum(axis=1) / np.maximum(spread, 1e-12), 0.0)
