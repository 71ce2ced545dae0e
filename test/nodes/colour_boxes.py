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

"""Boxes that differ by their colour, a gallery of them, and an encoder that sees mean colours only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from objectcentric_interfaces.srv import IdentifyObject

from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.store import Gallery

from .node_bench import NodeBench

COLOURS = {"red-box": (200, 30, 30), "green-box": (30, 200, 30), "blue-box": (30, 30, 200)}


class ColourEncoder:
    """Mean colour of what is not the crop's grey background, less its brightness."""

    key, dimension = "colour-1", 3

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """See Encoder."""
        vectors = np.zeros((len(images), 3), np.float32)
        for row, image in enumerate(images):
            pixels = image.reshape(-1, 3).astype(np.float32)
            item = pixels[np.abs(pixels - 128).max(axis=1) > 10]
            vectors[row] = (item if len(item) else pixels).mean(axis=0) + 1e-3
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@contextmanager
def colour_gallery(folder: Path) -> Iterator[str]:
    """A gallery with three boxes that have a reference and one without, with a Russian title; open all the time."""
    with Gallery.open(data_dir=folder) as gallery:
        for object_id, colour in COLOURS.items():
            gallery.add_object(ObjectRecord(object_id, object_id.replace("-", " "), size=(0.05, 0.05, 0.05), mass=0.1))
            patch = np.full((32, 32, 3), colour, np.uint8)
            gallery.add_reference(object_id, "tray", cv2.imencode(".png", patch[..., ::-1])[1].tobytes())
        gallery.add_object(ObjectRecord("unseen", "Самовар"))
        yield str(folder)


def identify(bench: NodeBench, **fields: Any) -> Any:
    """Call identify_object."""
    request = IdentifyObject.Request(**{"candidates": list(COLOURS), **fields})
    return bench.call(IdentifyObject, "identify_object", request, timeout=30.0)
