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

"""Reference images: checked before they are stored, decoded in one way everywhere."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from objectcentric_ros.gallery.errors import BadImage

FORMATS = {"PNG": "png", "JPEG": "jpeg", "MPO": "jpeg"}
"""What is stored, by Pillow's name; MPO is the JPEG with a preview that phones write."""

MIN_SIDE = 8
MAX_PIXELS = 50_000_000
MAX_BYTES = 32 * 1024 * 1024
TRANSPARENT = 128    # what shows through a transparent PNG: the grey that crops have outside their mask


@dataclass(frozen=True)
class ImageInfo:
    """Format ("png" or "jpeg") and size [px] of a checked image."""

    format: str
    width: int
    height: int


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[NDArray[np.uint8], ImageInfo]:
    """Decode a PNG or JPEG, upright (EXIF orientation applied), transparency over mid grey.

    Args:
        data: the file's bytes.
        max_pixels: refuse larger images before they are decoded (decompression bombs).

    Returns:
        (H, W, 3) uint8 RGB image and what it was stored as.

    Raises:
        BadImage: not an image, truncated, too small, too large.
    """
    if not isinstance(data, bytes | bytearray | memoryview) or not data:
        raise BadImage("the image is empty; expected the bytes of a PNG or JPEG file")
    if len(data) > MAX_BYTES:
        raise BadImage(f"the image file has {len(data) / 1e6:.0f} MB; at most {MAX_BYTES // 1024 ** 2} MiB are stored")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")          # Pillow's own bomb warning: the limit below is ours
            with Image.open(io.BytesIO(data), formats=tuple(FORMATS)) as image:
                width, height = image.size
                if width * height > max_pixels:
                    raise BadImage(f"the image has {width} x {height} pixels; at most {max_pixels / 1e6:g} million are decoded")
                if min(width, height) < MIN_SIDE:
                    raise BadImage(f"the image has {width} x {height} pixels; nothing is visible below {MIN_SIDE} x {MIN_SIDE}")
                stored = FORMATS[image.format or ""]
                image.load()
                upright = ImageOps.exif_transpose(image)
                rgb = _over_grey(upright)
    except BadImage:
        raise
    except Image.DecompressionBombError as error:
        raise BadImage(f"the image promises far too many pixels; at most {max_pixels / 1e6:g} million are decoded") from error
    except Exception as error:      # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise BadImage(f"the bytes are no readable PNG or JPEG image: {error}") from error
    return rgb, ImageInfo(stored, rgb.shape[1], rgb.shape[0])


def _over_grey(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith(("I", "F")):             # 16-bit grey PNG: Pillow's conversion clips instead of scaling
        grey = np.clip(np.asarray(image, np.float64) / 257.0, 0, 255).round().astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        backdrop = Image.new("RGBA", rgba.size, (TRANSPARENT, TRANSPARENT, TRANSPARENT, 255))
        image = Image.alpha_composite(backdrop, rgba)
    return np.asarray(image.convert("RGB"), np.uint8).copy()


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """PNG bytes of a (H, W, 3) uint8 RGB image: lossless, so that a crop has one hash."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise BadImage(f"expected an (H, W, 3) uint8 RGB image, got {image.shape} {image.dtype}")
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()
