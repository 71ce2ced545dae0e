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


"""Images to inspect, wherever they come from: files here; topics and bags in objectcentric_ros.nodes.inspect_source."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.gallery.errors import BadImage
from objectcentric_ros.gallery.images import decode_image

LONGEST_SIDE = 640       # networks are trained on images of about this size; a phone's photograph is scaled down to it [px]
SMALLEST_SIDE = 8        # [px]


@dataclass(frozen=True)
class Frame:
    """An image to inspect.

    Args:
        color: (H, W, 3) uint8 RGB.
        title: what a person calls it.
        mask: (H, W) bool, where the object is; None: not known.

    Raises:
        ValueError: shapes or types are wrong, or the image is too small.
    """

    color: NDArray[np.uint8]
    title: str
    mask: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.color.ndim != 3 or self.color.shape[2] != 3 or self.color.dtype != np.uint8:
            raise ValueError(f"{self.title}: a colour image must be (H, W, 3) uint8, got {self.color.shape} {self.color.dtype}")
        if min(self.color.shape[:2]) < SMALLEST_SIDE:
            raise ValueError(f"{self.title}: an image of {self.color.shape[1]} x {self.color.shape[0]} pixels is too small")
        if self.mask is not None and self.mask.shape != self.color.shape[:2]:
            raise ValueError(f"{self.title}: the mask is {self.mask.shape}, the image {self.color.shape[:2]}")

    @property
    def identity(self) -> str:
        """Hash of the pixels, 16 hexadecimal digits: the same image has the same name whenever it comes."""
        digest = hashlib.sha256(f"{self.color.shape} {self.mask is not None}".encode())
        digest.update(np.ascontiguousarray(self.color).tobytes())
        if self.mask is not None:
            digest.update(np.packbits(self.mask).tobytes())
        return digest.hexdigest()[:16]


class FrameSource(Protocol):
    """Something that has images; is asked by several threads."""

    @property
    def title(self) -> str:
        """What a person calls it."""
        ...

    @property
    def live(self) -> bool:
        """Whether the image changes by itself."""
        ...

    @property
    def count(self) -> int:
        """How many images there are to choose from; 1 for a live source, which always gives its newest."""
        ...

    def frame(self, index: int) -> Frame:
        """Image of an index, 0..count - 1.

        Raises:
            ValueError: there is no image, or it can't be read; the message says why.
        """
        ...


class PhotoSource:
    """One image file; beside NAME.color.png (or .jpg) a mask is read from NAME.mask.png, as `objectcentric dataset` writes it.

    Args:
        path: PNG or JPEG.

    Raises:
        ValueError: the file can't be read, or is no such image.
    """

    live = False
    count = 1

    def __init__(self, path: Path) -> None:
        self.title = path.name if path.parent == Path() else f"{path.parent.name}/{path.name}"
        try:
            color, _ = decode_image(path.read_bytes())
        except OSError as error:
            raise ValueError(f"{path} can't be read: {error.strerror}") from error
        except BadImage as error:
            raise ValueError(f"{path}: {error}") from error
        self._frame = Frame(color, self.title, _mask_beside(path))

    def frame(self, index: int) -> Frame:
        """The image."""
        return self._frame


def fitted(frame: Frame, longest_side: int = LONGEST_SIDE) -> Frame:
    """The frame, scaled down where its longer side is longer than that [px]."""
    height, width = frame.color.shape[:2]
    scale = longest_side / max(height, width)
    if scale >= 1:
        return frame
    size = (max(SMALLEST_SIDE, round(width * scale)), max(SMALLEST_SIDE, round(height * scale)))
    color = cv2.resize(frame.color, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    mask = None if frame.mask is None else cv2.resize(frame.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return Frame(color, frame.title, mask)


def _mask_beside(path: Path) -> NDArray[np.bool_] | None:
    stem = path.name.removesuffix(path.suffix)
    beside = path.with_name(stem.removesuffix(".color") + ".mask.png")
    if not stem.endswith(".color") or not beside.is_file():
        return None
    mask = cv2.imread(str(beside), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise ValueError(f"{beside} is no readable mask: remove it, or write it again")
    return mask > 0
