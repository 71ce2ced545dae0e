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

"""A gallery and an encoder that a person can calculate with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.identification.manifest import Manifest, ManifestRow, read_manifest, write_manifest


class MeanColourEncoder:
    """Direction of the mean colour of an image."""

    key = "mean_colour-1"
    dimension = 3

    def __init__(self) -> None:
        self.images = 0

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        self.images += len(images)
        means = np.array([image.reshape(-1, 3).mean(axis=0) for image in images], np.float32).reshape(-1, 3) + 1e-3
        return means / np.linalg.norm(means, axis=1, keepdims=True)


@pytest.fixture
def encoder() -> MeanColourEncoder:
    return MeanColourEncoder()


@pytest.fixture(scope="session")
def session_gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    with Gallery.open(data_dir=tmp_path_factory.mktemp("identification")) as gallery:
        yield gallery


@pytest.fixture
def gallery(session_gallery: Gallery) -> Gallery:
    session_gallery._run(lambda connection: connection.execute("TRUNCATE objects, encoders, picks CASCADE"))
    return session_gallery


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Twelve objects, eight of them to train on and four of the fusion split: chequered squares, each of two colours."""
    root, rows = tmp_path_factory.mktemp("pictures"), []
    for number in range(12):
        colours = np.random.default_rng(number).integers(20, 236, (2, 3))
        for source, count in (("query", 2), ("tray", 2), ("bin", 1), ("catalog", 1)):
            for index in range(count):
                rng = np.random.default_rng([number, index, len(source)])
                board = (np.indices((4, 4)).sum(axis=0) % 2)[..., None] * colours[0] + (np.indices((4, 4)).sum(axis=0) % 2 == 0)[
                    ..., None] * colours[1]
                image = np.clip(board.repeat(12, axis=0).repeat(10, axis=1) + rng.normal(0, 12, (48, 40, 3)), 0, 255)
                name = f"{source}-{number}-{index}.png"
                cv2.imwrite(str(root / name), image.astype(np.uint8))
                rows.append(ManifestRow(f"item{number}", source, name, split="train" if number < 8 else "fusion"))
        rows.append(ManifestRow(f"item{number}", "text", text=f"board {number}", split="train" if number < 8 else "fusion"))
    write_manifest(Path(root), rows)
    return read_manifest(Path(root))
