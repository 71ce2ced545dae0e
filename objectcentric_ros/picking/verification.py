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

import cv2
import numpy as np

from objectcentric_ros.picking.ports import Naming, View

AROUND = 8   # the floor so far around a place belongs to it [px]


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


def named_there(object_id: str, before: View, segment_id: int, after: View, namings: Sequence[Naming], min_probability: float,
                min_overlap: float = 0.3) -> bool:
    """Whether the item is seen where it was, though moved a little: what was taken then lay under or beside it.

    Args:
        object_id: what was to be picked.
        before: the first look.
        segment_id: label in `before` of what was to be taken.
        after: the second look, from the same pose.
        namings: identification of the second look.
        min_probability: below this no name is believed.
        min_overlap: share of the segment in `after` that lies on the old one.
    """
    old = before.labels == segment_id
    return any(naming.best == object_id and naming.probabilities[object_id] >= min_probability
               and np.mean(old[after.labels == naming.segment_id]) >= min_overlap for naming in namings)


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


def came_along(before: View, names_before: Sequence[Naming], after: View, names_after: Sequence[Naming], taken_id: int,
               min_probability: float, min_share: float = 0.7, same_color: float = 10.0) -> str | None:
    """The second item that hangs in the hand: named before, nowhere now, and something else to be seen where it lay.

    What the hand and its item hide is not said to be gone: the floor around the place must look as it did.

    Args:
        before: the first look, with its colour image.
        names_before: what its segments are.
        after: the second look, from the same pose, with something in the hand.
        names_after: what its segments are.
        taken_id: label in `before` of the segment that was grasped.
        min_probability: below this no name is believed.
        min_share: share of the floor around the place that must look as before, and of the place that must not.
        same_color: colours that differ less are one, root mean square of the channels (0..255).

    Returns:
        The item's name, None when nothing else is gone or the views have no colour.
    """
    if before.color is None or after.color is None:
        return None
    colors_before, colors_after = (cv2.blur(color, (3, 3)).astype(np.float32) for color in (before.color, after.color))
    unchanged = np.sqrt(np.mean((colors_after - colors_before) ** 2, axis=-1)) < same_color
    named_before, named_after = ({naming.best for naming in namings} - {None} for namings in (names_before, names_after))
    taken = next((naming.best for naming in names_before if naming.segment_id == taken_id), None)
    # Where nothing is now, or something that lay underneath; a thing without a name may be the item, turned over.
    known = [0, *(naming.segment_id for naming in names_after if naming.best in named_before)]
    left = ~unchanged & np.isin(after.labels, known)
    for naming in names_before:
        name = naming.best
        if name is None or name in named_after or name == taken or naming.probabilities[name] < min_probability:
            continue
        place = before.labels == naming.segment_id
        around = (cv2.dilate(place.astype(np.uint8), np.ones((2 * AROUND + 1,) * 2, np.uint8)) > 0) & (before.labels == 0)
        if around.any() and np.mean(unchanged[around]) >= min_share and np.mean(left[place]) >= min_share:
            return name
    return None
