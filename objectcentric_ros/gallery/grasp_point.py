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

"""Named grasp points of an object: what a descriptor model calls the place to grasp, and how to grasp it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from objectcentric_ros.gallery.embeddings import checked_vectors
from objectcentric_ros.gallery.errors import InvalidRecord
from objectcentric_ros.gallery.records import require_text

APPROACHES = ("straight", "aligned")
"""straight: the best match is grasped from above; aligned: a stored grasp moves with the item's pose."""

MAX_NAME_LENGTH = 100
MAX_KEYPOINTS = 4096


@dataclass(frozen=True, eq=False)
class GraspPoint:
    """One named place of an object to grasp it at.

    A point with the reference of an aligned grasp has a descriptor, too: where the pose can't be found, it is still a place.

    Args:
        name: unique among the object's points.
        encoder_key: key of the descriptor model; other models' descriptors mean something else.
        descriptor: (D,) float32 of the place.
        approach: "straight" or "aligned".
        width: of the item between the fingers there [m]; None: not known.
        T_object_tcp: (4, 4) the grasp in the item's frame; aligned needs it.
        keypoints: (K, D) float32 descriptors of places on the item, K >= 3.
        points: (K, 3) where those are in the item's frame [m].
        keypoint_points: (N, 3) where the model's own keypoints are in the item's frame [m]; a row of NaN: not known.
            Aligned needs this or keypoints with points.
        symmetry_axis: (3,) unit vector through the origin of the item's frame about which the item looks the same; None: none.
        note: for people.

    Raises:
        InvalidRecord: a field can't be stored; the sentence names it.
        InvalidEmbedding: a descriptor isn't finite, has no length or too many dimensions.
    """

    name: str
    encoder_key: str
    descriptor: NDArray[np.float32]
    approach: str = "straight"
    width: float | None = None
    T_object_tcp: NDArray[np.float64] | None = None
    keypoints: NDArray[np.float32] | None = None
    points: NDArray[np.float64] | None = None
    keypoint_points: NDArray[np.float64] | None = None
    symmetry_axis: NDArray[np.float64] | None = None
    note: str = ""

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("name", require_text(self.name, "the name of a grasp point", MAX_NAME_LENGTH))
        what = f"grasp point {self.name!r}"
        put("encoder_key", require_text(self.encoder_key, f"the encoder key of {what}", 200))
        put("note", require_text(self.note, f"the note of {what}", 2000) if self.note.strip() else "")
        if np.ndim(self.descriptor) != 1:
            raise InvalidRecord(f"{what}: the descriptor must be (D,), got {np.shape(self.descriptor)}")
        put("descriptor", checked_vectors(np.asarray(self.descriptor)[None], f"the descriptor of {what}")[0])
        if self.approach not in APPROACHES:
            raise InvalidRecord(f"{what}: unknown approach {self.approach!r}; the approaches are {', '.join(APPROACHES)}")
        if self.width is not None and not (math.isfinite(self.width) and 0 < self.width < 1):
            raise InvalidRecord(f"{what}: the width must be between 0 and 1 [m], got {self.width!r}")
        if self.T_object_tcp is not None:
            put("T_object_tcp", _checked_pose(self.T_object_tcp, what))
        self._check_reference(what)
        if self.symmetry_axis is not None:
            axis = np.asarray(self.symmetry_axis, dtype=np.float64)
            if axis.shape != (3,) or not np.all(np.isfinite(axis)) or not abs(np.linalg.norm(axis) - 1) < 1e-6:
                raise InvalidRecord(f"{what}: the symmetry axis must be a unit vector (3,), got {axis.tolist()}")
            put("symmetry_axis", axis)
        if self.approach == "aligned" and (self.T_object_tcp is None
                                           or (self.keypoints is None and self.keypoint_points is None)):
            raise InvalidRecord(f"{what}: an aligned grasp needs T_object_tcp and reference keypoints; "
                                "grasping.reference_points makes them from views with depth and poses")

    @property
    def dimension(self) -> int:
        """D."""
        return int(self.descriptor.shape[0])

    def _check_reference(self, what: str) -> None:
        if (self.keypoints is None) != (self.points is None):
            raise InvalidRecord(f"{what}: keypoints and points belong together: give both or neither")
        if self.keypoints is not None and self.points is not None:
            keypoints = checked_vectors(self.keypoints, f"the keypoints of {what}")
            points = np.asarray(self.points, dtype=np.float64)
            if keypoints.shape[1] != self.dimension:
                raise InvalidRecord(f"{what}: the descriptor has {self.dimension} dimensions, its keypoints "
                                    f"{keypoints.shape[1]}: take both from one model")
            if points.shape != (len(keypoints), 3) or not np.all(np.isfinite(points)):
                raise InvalidRecord(f"{what}: points must be finite ({len(keypoints)}, 3), got {points.shape}")
            if not 3 <= len(points) <= MAX_KEYPOINTS:
                raise InvalidRecord(f"{what}: a pose needs 3 to {MAX_KEYPOINTS} keypoints, got {len(points)}")
            object.__setattr__(self, "keypoints", keypoints)
            object.__setattr__(self, "points", points)
        if self.keypoint_points is not None:
            points = np.asarray(self.keypoint_points, dtype=np.float64)
            if points.ndim != 2 or points.shape[1] != 3 or len(points) > MAX_KEYPOINTS:
                raise InvalidRecord(f"{what}: keypoint_points must be (N, 3), got {points.shape}")
            known = np.isfinite(points).all(axis=1)
            if known.sum() < 3 or not np.all(np.isnan(points[~known])):
                raise InvalidRecord(f"{what}: a pose needs at least 3 known keypoint_points; unknown ones must be rows "
                                    "of NaN")
            object.__setattr__(self, "keypoint_points", points)


def _checked_pose(pose: ArrayLike, what: str) -> NDArray[np.float64]:
    matrix = np.asarray(pose, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.all(np.isfinite(matrix)):
        raise InvalidRecord(f"{what}: T_object_tcp must be a finite (4, 4) matrix, got {matrix.shape}")
    rotation = matrix[:3, :3]
    if (not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-5) or np.linalg.det(rotation) < 0
            or not np.allclose(matrix[3], [0, 0, 0, 1])):
        raise InvalidRecord(f"{what}: T_object_tcp must be a rigid transform: a rotation, a translation and the row 0 0 0 1")
    return matrix
