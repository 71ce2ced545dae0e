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

"""The part of a frame around one item, enlarged to the size that descriptor networks are trained with."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage, DescriptorModel
from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.frame import RgbdFrame


@dataclass(frozen=True)
class CloseUpConfig:
    """How items are cut out.

    Args:
        size: of the square image [px].
        scale: pixels per metre at the item's distance; by default what a D435 gives at 0.42 m, the middle of the distances from
            which networks see their training views.
        fill: an item that would take more than this share of the image is made smaller.
    """

    size: int = 256
    scale: float = 1460.0
    fill: float = 0.85


@dataclass(frozen=True)
class ItemLook:
    """One item, looked at closely.

    Args:
        frame: around the item.
        mask: (size, size) bool, its segment.
        region: (size, size) bool, the segment and what may belong to it: smaller segments that touch it. Segmenters cut items
            of several colours; a pose wants all of the item and bears with what isn't of it.
        image: descriptors of the frame's colour image.
    """

    frame: RgbdFrame
    mask: NDArray[np.bool_]
    region: NDArray[np.bool_]
    image: DescriptorImage


def look_at(frame: RgbdFrame, labels: NDArray[np.uint16], segment_id: int, model: DescriptorModel,
            config: CloseUpConfig | None = None) -> ItemLook:
    """Look closely at a segment and describe what is there.

    Args:
        frame: what the camera saw.
        labels: (H, W) segments of the frame.
        segment_id: which.
        model: describes.
        config: how large.

    Raises:
        ValueError: no pixel has this label, or none of them has depth.
    """
    own = labels == segment_id
    region = _with_fragments(labels, segment_id)
    near, inside = close_up(frame, region, config)
    matrix = _matrix(frame.camera, near.camera)
    mask = cv2.warpAffine(own.astype(np.uint8), matrix, inside.shape[::-1], flags=cv2.INTER_NEAREST) > 0
    if not np.isfinite(frame.depth[own]).any():
        raise ValueError("there is no depth on the item")
    return ItemLook(near, mask, inside, model.describe(near.color))


def _with_fragments(labels: NDArray[np.uint16], segment_id: int) -> NDArray[np.bool_]:
    own = labels == segment_id
    if not own.any():
        raise ValueError(f"no segment {segment_id}")
    around = cv2.dilate(own.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    counts = np.bincount(labels.ravel())
    touching = [label for label in np.unique(labels[around]) if label not in (0, segment_id) and counts[label] < own.sum()]
    return own | np.isin(labels, touching)


def _matrix(camera: PinholeCamera, near: PinholeCamera) -> NDArray[np.float64]:
    """(2, 3) from pixels of a camera to pixels of a close-up."""
    scale = near.fx / camera.fx
    return np.array([[scale, 0.0, near.cx - scale * camera.cx], [0.0, scale, near.cy - scale * camera.cy]])


def close_up(frame: RgbdFrame, mask: NDArray[np.bool_],
             config: CloseUpConfig | None = None) -> tuple[RgbdFrame, NDArray[np.bool_]]:
    """A square frame around an item: the same camera with other intrinsics, so that whatever is found in it is right in space.

    The scale follows from the distance and not from the mask, which may lack a part of the item. Colour is interpolated, depth
    and mask are not.

    Args:
        frame: what the camera saw.
        mask: (H, W) bool, the item's pixels.
        config: how large.

    Returns:
        The frame, (size, size), and the mask in it.

    Raises:
        ValueError: the mask is empty, or no pixel of it has depth.
    """
    config = config or CloseUpConfig()
    v, u = np.nonzero(mask)
    if not len(u):
        raise ValueError("the mask is empty: there is no item to look at")
    low, high = np.array([u.min(), v.min()], dtype=float), np.array([u.max(), v.max()], dtype=float)
    depths = frame.depth[v, u]
    if not np.isfinite(depths).any():
        raise ValueError("there is no depth on the item")
    focal = (frame.camera.fx + frame.camera.fy) / 2
    scale = config.scale * float(np.nanmedian(depths)) / focal
    scale = min(scale, config.fill * config.size / float((high - low).max() + 1))
    shift = (config.size - 1) / 2 - scale * (low + high) / 2
    matrix = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
    size = (config.size, config.size)
    # Enlarged bicubically; a smaller image is averaged first, which warpAffine can't.
    source = frame.color
    if scale < 0.7:
        source = np.asarray(cv2.GaussianBlur(source, (0, 0), 0.4 / scale), np.uint8)
    color = cv2.warpAffine(source, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    depth = cv2.warpAffine(frame.depth, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT,
                           borderValue=float("nan"))
    inside = cv2.warpAffine(mask.astype(np.uint8), matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT) > 0
    camera = PinholeCamera(config.size, config.size, scale * frame.camera.fx, scale * frame.camera.fy,
                           scale * frame.camera.cx + shift[0], scale * frame.camera.cy + shift[1])
    return RgbdFrame(np.asarray(color, np.uint8), np.asarray(depth, np.float32), camera, frame.T_base_camera, frame.stamp), inside
