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


"""What the page asks for, without HTTP: frames described once, and matched as often as the mouse moves."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage, DescriptorModel, Keypoints
from objectcentric_ros.descriptors.query import CONTRAST, TEMPERATURE, PcaBasis, PreparedImage, QueryResult, query
from objectcentric_ros.gallery.grasp_point import GraspPoint
from objectcentric_ros.gallery.images import encode_png
from objectcentric_ros.inspector.frames import LONGEST_SIDE, Frame, FrameSource, fitted
from objectcentric_ros.inspector.grasp_points import GraspPointStore

REMEMBERED = 12              # described frames that are kept
HEAT_SIDE = 320              # the page gets heatmaps of at most this [px]: more isn't seen under a photograph
TEMPERATURES = (-6.0, 4.0)   # what may be asked for


class NotThere(LookupError):
    """The page asked for something that isn't there (any more); the message says what."""


@dataclass(frozen=True)
class Match:
    """Where a pixel of one frame is found in another.

    Args:
        result: what the query says; without heatmap.
        heat: (h, w) uint8, the kernel times 255, each cell the largest of its cell x cell pixels.
        cell: pixels of the frame from cell to cell.
        temperature: that the kernel was made with.
    """

    result: QueryResult
    heat: NDArray[np.uint8]
    cell: int
    temperature: float


class DescribedFrame:
    """A frame with its descriptors, prepared for many queries.

    Args:
        frame: the image.
        image: its descriptors.
        keypoints: where the model sees its keypoints; None: it has none.
    """

    def __init__(self, frame: Frame, image: DescriptorImage, keypoints: Keypoints | None) -> None:
        self.frame, self.image, self.keypoints = frame, image, keypoints
        self.identity = frame.identity

    @cached_property
    def everywhere(self) -> PreparedImage:
        """For queries of the whole image."""
        return PreparedImage(self.image)

    @cached_property
    def on_object(self) -> PreparedImage | None:
        """For queries of the object only; None where its mask isn't known."""
        mask = self.frame.mask
        return PreparedImage(self.image, mask) if mask is not None and mask.any() else None

    @cached_property
    def picture(self) -> bytes:
        """The image as PNG."""
        return encode_png(self.frame.color)


class Inspection:
    """Frames of several sources, described by one model.

    Args:
        model: the model; a KeypointModel shows keypoints, too.
        sources: where frames come from.
        store: where grasp points are saved; None: nowhere.
        longest_side: larger images are scaled down to this [px].

    Raises:
        ValueError: there are no sources.
    """

    def __init__(self, model: DescriptorModel, sources: Sequence[FrameSource], store: GraspPointStore | None = None,
                 longest_side: int = LONGEST_SIDE) -> None:
        if not sources:
            raise ValueError("there is nothing to inspect: give images, a topic or a bag")
        self._model, self._sources, self._store, self._longest_side = model, list(sources), store, longest_side
        self._known: OrderedDict[str, DescribedFrame] = OrderedDict()
        self._lock = threading.Lock()
        self._describing = threading.Lock()    # one at a time: a model may keep buffers, and there are few cores

    def overview(self) -> dict[str, Any]:
        """What there is, ready for JSON."""
        palette = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_TURBO)[:, 0, ::-1]
        return {
            "model": self._model.key, "dimension": int(self._model.dimension),
            "sources": [{"title": source.title, "live": source.live, "count": source.count} for source in self._sources],
            "temperature": {"paper": TEMPERATURE, "least": TEMPERATURES[0], "most": TEMPERATURES[1]},
            "store": None if self._store is None else self._store.where,
            "palette": palette.ravel().tolist(),
        }

    def items(self) -> dict[str, str]:
        """Titles of the items that grasp points can be saved for, by id."""
        return {} if self._store is None else self._store.items()

    def take(self, source: int, index: int = 0) -> DescribedFrame:
        """Take a frame of a source and describe it, unless that was done before.

        Raises:
            NotThere: no such source or index.
            ValueError: the source has no image now, or the model can't describe it.
        """
        if not 0 <= source < len(self._sources):
            raise NotThere(f"there is no source {source}; there are {len(self._sources)}")
        if not 0 <= index < self._sources[source].count:
            raise NotThere(f"{self._sources[source].title} has {self._sources[source].count} images, not one of index {index}")
        frame = fitted(self._sources[source].frame(index), self._longest_side)
        with self._describing:
            known = self._find(frame.identity)
            return known if known is not None else self._describe(frame)

    def frame(self, identity: str) -> DescribedFrame:
        """A frame that was taken; raises NotThere."""
        found = self._find(identity)
        if found is None:
            raise NotThere(f"the frame {identity[:40]!r} isn't remembered: take it again")
        return found

    def match(self, origin: str, target: str, u: float, v: float, temperature: float | None = None,
              on_object: bool = False) -> Match:
        """Find a pixel of a frame in another.

        Args:
            origin: frame that has the pixel.
            target: frame to search.
            u: column of the pixel.
            v: row of the pixel.
            temperature: of the kernel; None: the query's own.
            on_object: search the object only, where its mask is known.

        Raises:
            NotThere: a frame isn't remembered.
            ValueError: the pixel is outside, or the temperature out of range.
        """
        place = self.frame(target)
        descriptor = self._descriptor(origin, u, v)
        prepared = (place.on_object if on_object else None) or place.everywhere
        if temperature is None:
            temperature = own_temperature(descriptor, prepared)
        if not TEMPERATURES[0] <= temperature <= TEMPERATURES[1]:
            raise ValueError(f"the temperature must be {TEMPERATURES[0]:g} to {TEMPERATURES[1]:g}, got {temperature}")
        result = query(descriptor, prepared, temperature)
        assert result.heatmap is not None
        heat, cell = shrunk(result.heatmap, HEAT_SIDE)
        return Match(result, np.rint(heat * 255).astype(np.uint8), cell, temperature)

    def components(self, identity: str, beside: str | None = None, on_object: bool = False) -> NDArray[np.uint8]:
        """Principal components of a frame as colours, (H, W, 3) uint8.

        Args:
            identity: the frame.
            beside: another that shares its colours.
            on_object: choose the colours for the objects, and leave the rest black, where masks are known.

        Raises:
            NotThere: a frame isn't remembered.
        """
        # Always in one order: the basis depends on it in the last bits, and the two pictures must fit together.
        shown = [self.frame(name) for name in sorted({identity, beside or identity})]
        masks = [each.on_object.mask if on_object and each.on_object is not None else None for each in shown]
        painted = next(index for index, each in enumerate(shown) if each.identity == identity)
        return PcaBasis.fit([each.image for each in shown], masks).paint(shown[painted].image, masks[painted])

    def save(self, origin: str, u: float, v: float, item: str, name: str, width: float | None = None, note: str = "",
             replace: bool = False) -> bool:
        """Save a pixel's descriptor as a grasp point of an item, to be grasped straight from above.

        Args:
            origin: frame that has the pixel.
            u: column of the pixel.
            v: row of the pixel.
            item: id of the item.
            name: of the point, unique for the item.
            width: of the item between the fingers there [m]; None: not known.
            note: for people.
            replace: whether a point of this name may be overwritten.

        Returns:
            Whether one was.

        Raises:
            NotThere: the frame isn't remembered, or there is no store.
            ValueError: the pixel is outside, or a field can't be stored.
            GalleryError: the store refuses; the message says why.
        """
        if self._store is None:
            raise NotThere("there is no gallery to save in: start the inspector with --gallery")
        return self._store.add(item, GraspPoint(name, self._model.key, self._descriptor(origin, u, v), width=width, note=note),
                               replace)

    def _descriptor(self, origin: str, u: float, v: float) -> NDArray[np.float32]:
        image = self.frame(origin).image
        if not (-0.5 <= u <= image.width - 0.5 and -0.5 <= v <= image.height - 0.5):     # false for NaN, too
            raise ValueError(f"the pixel ({u}, {v}) is outside the image of {image.width} x {image.height}")
        descriptor: NDArray[np.float32] = image.at([[u, v]])[0]
        return descriptor

    def _find(self, identity: str) -> DescribedFrame | None:
        with self._lock:
            if identity in self._known:
                self._known.move_to_end(identity)
            return self._known.get(identity)

    def _describe(self, frame: Frame) -> DescribedFrame:
        described = DescribedFrame(frame, self._model.describe(frame.color), self._keypoints(frame))
        _ = described.everywhere        # prepared now, so that the first query is as quick
        with self._lock:
            self._known[described.identity] = described
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return described

    def _keypoints(self, frame: Frame) -> Keypoints | None:
        find = getattr(self._model, "keypoints", None)
        try:
            found: Keypoints | None = None if find is None else find(frame.color, frame.mask)
        except ValueError:       # a network without keypoints, or a mask without a cell: nothing to show
            return None
        return found


def own_temperature(descriptor: NDArray[np.float32], image: PreparedImage) -> float:
    """The temperature whose kernel is exp(-8 d^2 / m), with m the median of d^2 over the image, in steps of 0.05.

    That is the kernel that confidence is taken from, see `QueryResult`: whatever has nothing to do with the query is cold.
    """
    typical = float(np.median(image.squared_distances(descriptor)[::8, ::8]))
    if not typical > 0:
        return TEMPERATURES[0]
    return float(np.clip(round(10 * np.log(typical / CONTRAST)) / 20, *TEMPERATURES))


def shrunk(heat: NDArray[np.float32], longest_side: int) -> tuple[NDArray[np.float32], int]:
    """A smaller heatmap that loses no peak: each cell is the largest of cell x cell pixels, and their number."""
    cell = -(-max(heat.shape) // longest_side)
    if cell == 1:
        return heat, 1
    height, width = (-(-side // cell) * cell for side in heat.shape)
    padded = np.zeros((height, width), np.float32)
    padded[:heat.shape[0], :heat.shape[1]] = heat
    return padded.reshape(height // cell, cell, width // cell, cell).max(axis=(1, 3)), cell
