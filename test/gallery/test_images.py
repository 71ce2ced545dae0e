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

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from objectcentric_ros.gallery.errors import BadImage
from objectcentric_ros.gallery.images import MAX_BYTES, decode_image, encode_png


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises many pixels."""
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def test_png_round_trip_is_exact() -> None:
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    decoded, info = decode_image(encode_png(image))
    np.testing.assert_array_equal(decoded, image)
    assert (info.format, info.width, info.height) == ("png", 30, 20)


@pytest.mark.parametrize(("data", "words"), [
    (b"", "empty"), (b"hello", "no readable"), (saved(Image.new("RGB", (1, 1))), "1 x 1"),
    (saved(Image.new("RGB", (40, 40)), "GIF"), "no readable"), (png_that_claims(30_000, 30_000), "at most"),
    (saved(Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8)), "JPEG")[:-900], "no readable"),
    (b"\0" * (MAX_BYTES + 1), "MB")], ids=["empty", "text", "one-pixel", "gif", "bomb", "truncated", "large"])
def test_bad_images_are_refused_with_a_reason(data: bytes, words: str) -> None:
    with pytest.raises(BadImage, match=words):
        decode_image(data)


def test_a_phone_photo_is_turned_upright() -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, :20] = 200
    exif = Image.Exif()
    exif[0x0112] = 6                       # stored lying: turn it clockwise to see it
    decoded, info = decode_image(saved(Image.fromarray(image), "JPEG", exif=exif, quality=95))
    assert (info.width, info.height) == (20, 40)
    assert decoded[5, 10, 0] > 150 > 50 > decoded[35, 10, 0]


def test_transparency_becomes_grey_and_sixteen_bits_are_scaled() -> None:
    decoded, _ = decode_image(saved(Image.new("RGBA", (10, 10), (255, 0, 0, 0))))
    assert (decoded == 128).all()
    deep = Image.fromarray(np.full((10, 10), 65535 // 2, np.uint16))
    np.testing.assert_allclose(decode_image(saved(deep))[0], 127, atol=1)
