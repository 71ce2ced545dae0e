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


"""Instance segmentation metrics: recall, precision and IoU of predicted against true label images.

Definitions (all per scene, summed over scenes by :func:`pool`):

* A true item is *visible* when its mask has at least ``min_visible`` pixels; the others are *excluded*.
* Segments and visible items are assigned one to one so that the sum of IoUs is largest (Hungarian method);
  an assigned pair with IoU >= 0.5 is a *match*.
* A segment without a match whose pixels lie mostly on excluded items is *ignored*: it is neither right nor wrong.
* recall_50 = matches / visible items; precision_50 = matches / (segments - ignored).
* mean_iou = mean over all visible items of the IoU with the assigned segment, 0 where none is assigned.
* mean_iou_matched = the same mean over matches only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

MATCH_IOU = 0.5


@dataclass(frozen=True)
class SceneScore:
    """Counts of one scene.

    Args:
        visible: number of true items with enough visible pixels.
        excluded: number of true items with too few visible pixels (but at least one).
        segments: number of predicted segments.
        ignored: unmatched segments that lie mostly on excluded items.
        ious: (visible,) IoU of each visible item with its assigned segment, 0 where none.
        item_labels: (visible,) true labels, in the order of ious.
        segment_labels: (visible,) predicted label assigned to each visible item, 0 where none.
    """

    visible: int
    excluded: int
    segments: int
    ignored: int
    ious: tuple[float, ...]
    item_labels: tuple[int, ...]
    segment_labels: tuple[int, ...]

    @property
    def matches(self) -> int:
        """Number of assigned pairs with IoU >= 0.5."""
        return sum(iou >= MATCH_IOU for iou in self.ious)


@dataclass(frozen=True)
class PooledScore:
    """Metrics over scenes; a mean or ratio over nothing is NaN."""

    recall_50: float
    precision_50: float
    mean_iou: float
    mean_iou_matched: float
    visible: int
    excluded: int
    segments: int
    ignored: int
    matches: int


def iou_table(predicted: NDArray[np.integer], true: NDArray[np.integer]
              ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Intersection over union of every predicted label with every true label.

    Args:
        predicted: (H, W) label image, 0 is background.
        true: (H, W) label image, 0 is background.

    Returns:
        (P, T) IoUs, the P predicted labels and the T true labels, ascending.
    """
    intersection, predicted_labels, true_labels = _overlaps(predicted, true)
    predicted_area = np.array([np.count_nonzero(predicted == label) for label in predicted_labels], dtype=float)
    true_area = np.array([np.count_nonzero(true == label) for label in true_labels], dtype=float)
    union = predicted_area[:, None] + true_area[None, :] - intersection
    return intersection / np.maximum(union, 1.0), predicted_labels, true_labels


def score_scene(predicted: NDArray[np.integer], true: NDArray[np.integer], min_visible: int = 300) -> SceneScore:
    """Score one label image; see the module's definitions.

    Args:
        predicted: (H, W) label image, 0 is background.
        true: label image of the same shape, 0 is background.
        min_visible: least number of visible pixels of a true item that counts [px].

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> true = np.array([[1, 1, 0, 2, 2]])
        >>> score_scene(np.array([[7, 7, 7, 0, 0]]), true, min_visible=1).ious
        (0.6666666666666666, 0.0)
    """
    if predicted.shape != true.shape:
        raise ValueError(f"label images must have one shape, got predicted {predicted.shape} and true {true.shape}")
    ious, predicted_labels, true_labels = iou_table(predicted, true)
    areas = np.array([np.count_nonzero(true == label) for label in true_labels], dtype=int)
    visible = areas >= min_visible
    assigned_iou = np.zeros(len(true_labels))
    assigned_label = np.zeros(len(true_labels), dtype=int)
    columns = np.flatnonzero(visible)
    rows, picks = linear_sum_assignment(-ious[:, columns]) if len(columns) and len(predicted_labels) else ([], [])
    for row, column in zip(rows, columns[np.asarray(picks, dtype=int)], strict=True):
        if ious[row, column] > 0:
            assigned_iou[column], assigned_label[column] = ious[row, column], predicted_labels[row]
    matched = set(assigned_label[assigned_iou >= MATCH_IOU].tolist())
    on_excluded = np.isin(true, true_labels[~visible])
    ignored = sum(1 for label in predicted_labels.tolist()
                  if label not in matched and np.mean(on_excluded[predicted == label]) > 0.5)
    return SceneScore(
        visible=len(columns), excluded=int(np.count_nonzero(~visible)), segments=len(predicted_labels), ignored=ignored,
        ious=tuple(assigned_iou[visible].tolist()), item_labels=tuple(true_labels[visible].tolist()),
        segment_labels=tuple(assigned_label[visible].tolist()))


def pool(scores: Sequence[SceneScore]) -> PooledScore:
    """Metrics over scenes: every visible item counts the same, whichever scene it lies in."""
    ious = np.array([iou for score in scores for iou in score.ious])
    visible, segments = sum(s.visible for s in scores), sum(s.segments for s in scores)
    matches, ignored = sum(s.matches for s in scores), sum(s.ignored for s in scores)
    matched = ious[ious >= MATCH_IOU]
    return PooledScore(
        recall_50=matches / visible if visible else float("nan"),
        precision_50=matches / (segments - ignored) if segments > ignored else float("nan"),
        mean_iou=float(ious.mean()) if visible else float("nan"),
        mean_iou_matched=float(matched.mean()) if matched.size else float("nan"),
        visible=visible, excluded=sum(s.excluded for s in scores), segments=segments, ignored=ignored, matches=matches)


def _overlaps(predicted: NDArray[np.integer], true: NDArray[np.integer]
              ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Pixels shared by every pair of labels, background left out."""
    predicted_labels, p = np.unique(predicted.astype(np.int64), return_inverse=True)
    true_labels, t = np.unique(true.astype(np.int64), return_inverse=True)
    shape = (len(predicted_labels), len(true_labels))
    counts = np.bincount(p.ravel() * shape[1] + t.ravel(), minlength=shape[0] * shape[1]).reshape(shape)
    keep = np.ix_(predicted_labels != 0, true_labels != 0)
    return counts[keep].astype(float), predicted_labels[predicted_labels != 0], true_labels[true_labels != 0]
