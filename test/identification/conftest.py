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

import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.gallery.store import Gallery


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
