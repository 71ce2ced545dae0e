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

"""One server for all gallery tests; every test gets it empty.

It is an embedded one, or the one whose URL is in OBJECTCENTRIC_TEST_GALLERY_URL: test_server_by_url.py runs the tests again so.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from objectcentric_ros.gallery.store import Gallery


@pytest.fixture(scope="session")
def session_gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    url = os.environ.get("OBJECTCENTRIC_TEST_GALLERY_URL")
    with Gallery.open(url) if url else Gallery.open(data_dir=tmp_path_factory.mktemp("gallery")) as gallery:
        yield gallery


@pytest.fixture
def gallery(session_gallery: Gallery) -> Gallery:
    session_gallery._run(lambda connection: connection.execute("TRUNCATE objects, encoders, picks CASCADE"))
    return session_gallery


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """Image bytes that differ by seed."""

    def make(seed: int, format: str = "PNG", size: tuple[int, int] = (24, 16)) -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format)
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def both_ways() -> Callable[..., int]:
    """Write rows from two threads at once, one from the first to the last and one back; how many were new, thrice in all."""

    def write(put: Callable[[str, Sequence[Any]], int], rows: Sequence[Any]) -> int:
        start, new, errors = threading.Barrier(2), [], []

        def work(order: int, key: str) -> None:
            try:
                start.wait(30)
                new.append(put(key, rows[::order]))
            except Exception as error:
                errors.append(error)

        for key in ("first", "second", "third"):
            threads = [threading.Thread(target=work, args=(order, key)) for order in (1, -1)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert errors == []
        return sum(new)

    return write
