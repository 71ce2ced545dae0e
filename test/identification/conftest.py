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

from collections.abc import Callable, Iterator, Sequence
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


def drawn_picture(seed: int, colour: tuple[int, int, int] | None = None) -> NDArray[np.uint8]:
    """A print of 30 shapes and letters, 224 pixels wide; with a colour all of it has that hue."""
    rng, size = np.random.default_rng(seed), 224
    image = np.full((size, size, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(30):
        x, y = rng.integers(20, size - 20, 2).tolist()
        paint = rng.integers(0, 256, 3).tolist()
        match int(rng.integers(3)):
            case 0:
                width, height = rng.integers(6, 40, 2).tolist()
                cv2.rectangle(image, (x, y), (x + width, y + height), paint, -1)
            case 1:
                cv2.circle(image, (x, y), int(rng.integers(4, 18)), paint, -1)
            case _:
                letters = "".join(chr(65 + letter) for letter in rng.integers(0, 26, 4).tolist())
                cv2.putText(image, letters, (x - 20, y), cv2.FONT_HERSHEY_SIMPLEX, 0.6, paint, 2)
    if colour is None:
        return image
    gray = image.mean(axis=2) / 255
    return np.asarray((0.3 + 0.7 * gray)[..., None] * np.array(colour), np.uint8)


@pytest.fixture(scope="session")
def drawn() -> Callable[..., NDArray[np.uint8]]:
    """Makes pictures with details that can be found again; another seed, another print."""
    return drawn_picture


@pytest.fixture(scope="session")
def seen_otherwise() -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Makes of a picture one that is turned by 40 degrees, shifted, smaller by a fifth, and noisy."""
    def see(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        matrix = cv2.getRotationMatrix2D((112, 112), 40, 0.8)
        matrix[:, 2] += (6, -4)
        seen = cv2.warpAffine(image, matrix, (224, 224), borderMode=cv2.BORDER_REPLICATE)
        return np.clip(seen + np.random.default_rng(0).normal(0, 4, seen.shape), 0, 255).astype(np.uint8)

    return see


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
