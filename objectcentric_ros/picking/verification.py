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

"""Is what hangs in the gripper the item that was asked for? The gripper's width and a second look answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from objectcentric_ros.picking.ports import Naming, View


def still_there(before: View, segment_id: int, after: View, min_iou: float = 0.5, max_shift: float = 0.010) -> bool:
    """Whether the segment of the first look is seen unmoved in the second.

    Args:
        before: the first look.
        after: the second look, from the same pose.
        segment_id: label in `before`.
        min_iou: overlap of the two masks from which they show the same thing.
        max_shift: distance of the two centroids up to which it has not moved [m].

    Raises:
        ValueError: the views are from different poses, or the label is not in the first.
    """
    if before.pose != after.pose:
        raise ValueError(f"views from {before.pose!r} and {after.pose!r} do not compare")
    old = next((segment for segment in before.segments if segment.id == segment_id), None)
    if old is None:
        raise ValueError(f"no segment {segment_id} in the first view; it has {[s.id for s in before.segments]}")
    mask = before.labels == segment_id
    covering = after.labels[mask]
    counts = np.bincount(covering[covering > 0]) if np.any(covering) else np.zeros(1, int)
    for segment in after.segments:
        overlap = int(counts[segment.id]) if segment.id < len(counts) else 0
        iou = overlap / (old.area + segment.area - overlap)
        if iou >= min_iou and float(np.linalg.norm(segment.centroid - old.centroid)) <= max_shift:
            return True
    return False


def seen_elsewhere(object_id: str, confidence: float, namings: Sequence[Naming], min_probability: float) -> Naming | None:
    """The segment that still looks more like the object than the one that was taken did, if there is one.

    Args:
        object_id: what was to be picked.
        confidence: probability with which the taken segment was that object.
        namings: identification of the second look.
        min_probability: below this nothing is believed.
    """
    rivals = [naming for naming in namings if naming.best == object_id
              and naming.probabilities[object_id] >= max(confidence, min_probability)]
    return max(rivals, key=lambda naming: naming.probabilities[object_id], default=None)
