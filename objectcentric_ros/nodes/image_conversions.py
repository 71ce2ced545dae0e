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

"""Images and cameras of messages, as arrays and back.

Images come as they are in the message's buffer (no copy) where the layout allows it, and must not be written to.
"""

from __future__ import annotations

import array
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.depth import depth_to_metres, metres_to_millimetres
from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.nodes import require
from objectcentric_ros.nodes.conversions import stamp_seconds

require("rclpy")

from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

# dtype and channels of the encodings of sensor_msgs/image_encodings.hpp that a colour or depth camera sends
_ENCODINGS: dict[str, tuple[type, int]] = {
    "mono8": (np.uint8, 1), "8UC1": (np.uint8, 1), "rgb8": (np.uint8, 3), "bgr8": (np.uint8, 3), "8UC3": (np.uint8, 3),
    "rgba8": (np.uint8, 4), "bgra8": (np.uint8, 4), "mono16": (np.uint16, 1), "16UC1": (np.uint16, 1), "32FC1": (np.float32, 1)}
_RGB_ORDER = {"rgb8": [0, 1, 2], "bgr8": [2, 1, 0], "rgba8": [0, 1, 2], "bgra8": [2, 1, 0]}


def array_from_image(image: Image) -> NDArray[Any]:
    """Pixels of an image in the encoding's own dtype and channel order.

    Returns:
        (H, W) or (H, W, C), native byte order, a view of the message's buffer where possible.

    Raises:
        ValueError: unknown encoding, no pixels, a step shorter than a row, or fewer bytes than step * height.
    """
    if image.encoding not in _ENCODINGS:
        raise ValueError(f"unknown image encoding {image.encoding!r}, expected one of {', '.join(_ENCODINGS)}")
    kind, channels = _ENCODINGS[image.encoding]
    dtype = np.dtype(kind)
    if image.width == 0 or image.height == 0:
        raise ValueError(f"the image is empty ({image.width}x{image.height})")
    row = image.width * channels * dtype.itemsize
    if image.step < row:
        raise ValueError(f"image step is {image.step} bytes, but {image.width} pixels of {image.encoding} need {row}")
    # The last row may come without its padding, as from a sub-image.
    if len(image.data) < image.step * (image.height - 1) + row:
        raise ValueError(f"image data is truncated: {len(image.data)} bytes, expected {image.step * image.height}"
                         f" ({image.height} rows of {image.step})")
    shape = (image.height, image.width, channels) if channels > 1 else (image.height, image.width)
    strides = (image.step, channels * dtype.itemsize, dtype.itemsize)[:len(shape)]
    order = dtype.newbyteorder(">" if image.is_bigendian else "<")
    pixels: NDArray[Any] = np.ndarray(shape, order, buffer=image.data, strides=strides)
    return pixels if order.isnative else pixels.astype(dtype)


def color_from_image(image: Image) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB, contiguous.

    Raises:
        ValueError: as array_from_image, or the encoding holds no colour or grey image.
    """
    pixels = array_from_image(image)
    if image.encoding in _RGB_ORDER:
        return np.ascontiguousarray(pixels[..., _RGB_ORDER[image.encoding]] if image.encoding != "rgb8" else pixels)
    if image.encoding == "mono8":
        return np.repeat(pixels[..., None], 3, axis=2)
    raise ValueError(f"image encoding {image.encoding!r} is no colour image, expected {', '.join(_RGB_ORDER)} or mono8")


def depth_from_image(image: Image) -> NDArray[np.float32]:
    """(H, W) float32 [m], NaN where invalid, of a depth image by REP 118 (16UC1 millimetres or 32FC1 metres).

    Raises:
        ValueError: as array_from_image, or another encoding.
    """
    if image.encoding not in ("16UC1", "mono16", "32FC1"):
        raise ValueError(f"image encoding {image.encoding!r} is no depth image, expected 16UC1 (millimetres) or 32FC1 (metres)")
    return depth_to_metres(array_from_image(image), image.encoding)


def labels_from_image(image: Image) -> NDArray[np.uint16]:
    """(H, W) uint16 label image.

    Raises:
        ValueError: as array_from_image, or the encoding is not 16UC1.
    """
    if image.encoding != "16UC1":
        raise ValueError(f"a label image must be 16UC1, got {image.encoding!r}")
    return array_from_image(image)


def image_from_array(pixels: NDArray[Any], encoding: str, header: Header) -> Image:
    """Image message of an array whose dtype and channels are the encoding's.

    Raises:
        ValueError: unknown encoding, or the array doesn't fit it.
    """
    if encoding not in _ENCODINGS:
        raise ValueError(f"unknown image encoding {encoding!r}, expected one of {', '.join(_ENCODINGS)}")
    kind, channels = _ENCODINGS[encoding]
    expected = 2 if channels == 1 else 3
    if pixels.ndim != expected or pixels.dtype != kind or (channels > 1 and pixels.shape[2] != channels):
        raise ValueError(f"{encoding} takes {np.dtype(kind)} with {channels} channels, got {pixels.dtype} {pixels.shape}")
    contiguous = np.ascontiguousarray(pixels)
    image = Image(header=header, height=pixels.shape[0], width=pixels.shape[1], encoding=encoding,
                  step=contiguous.strides[0] if pixels.shape[0] > 1 else contiguous.nbytes)
    image.data = array.array("B", contiguous.tobytes())   # the only assignment that the setter doesn't check byte by byte
    return image


def image_from_color(color: NDArray[np.uint8], header: Header) -> Image:
    """rgb8 message of (H, W, 3) uint8 RGB."""
    return image_from_array(color, "rgb8", header)


def image_from_depth(depth: NDArray[np.float32], header: Header) -> Image:
    """16UC1 message [mm], 0 invalid, of (H, W) float [m], NaN invalid."""
    return image_from_array(metres_to_millimetres(depth), "16UC1", header)


def image_from_labels(labels: NDArray[np.uint16], header: Header) -> Image:
    """16UC1 message of a (H, W) uint16 label image."""
    return image_from_array(labels, "16UC1", header)


def color_from_compressed(image: CompressedImage) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a PNG or JPEG.

    Raises:
        ValueError: the bytes are no such image.
    """
    if not image.data:
        raise ValueError("the compressed image is empty")
    decoded = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError(f"{len(image.data)} bytes of format {image.format!r} are no readable PNG or JPEG")
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def compressed_from_color(color: NDArray[np.uint8], header: Header | None = None, kind: str = "png",
                          quality: int = 90) -> CompressedImage:
    """PNG or JPEG message of (H, W, 3) uint8 RGB; quality is JPEG's."""
    if kind not in ("png", "jpeg"):
        raise ValueError(f"unknown image format {kind!r}, expected png or jpeg")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if kind == "jpeg" else [cv2.IMWRITE_PNG_COMPRESSION, 1]
    done, encoded = cv2.imencode(f".{kind}", cv2.cvtColor(np.ascontiguousarray(color), cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"can't encode an image of shape {color.shape} as {kind}")
    return compressed_from_bytes(encoded.tobytes(), kind, header)


def compressed_from_bytes(encoded: bytes, kind: str = "png", header: Header | None = None) -> CompressedImage:
    """Message of an image that is encoded already."""
    image = CompressedImage(header=header or Header(), format=kind)
    image.data = array.array("B", encoded)
    return image


def camera_from_info(info: CameraInfo) -> PinholeCamera:
    """Camera of a CameraInfo's K; distortion is not modelled (see is_rectified).

    Raises:
        ValueError: the size is zero, or K is not finite or has no positive focal length (an uncalibrated camera).
    """
    try:
        return PinholeCamera.from_matrix(np.asarray(info.k, dtype=float), int(info.width), int(info.height))
    except ValueError as error:
        raise ValueError(f"camera_info of frame {info.header.frame_id!r}: {error}") from error


def is_rectified(info: CameraInfo, tolerance: float = 1e-3) -> bool:
    """Whether the distortion coefficients are zero, as those of a D435's colour stream."""
    return bool(np.all(np.abs(np.asarray(info.d, dtype=float)) <= tolerance))


def info_from_camera(camera: PinholeCamera, header: Header) -> CameraInfo:
    """CameraInfo as realsense-ros sends it for a colour stream: plumb_bob without distortion."""
    k = camera.matrix
    return CameraInfo(header=header, height=camera.height, width=camera.width, distortion_model="plumb_bob", d=[0.0] * 5,
                      k=k.ravel().tolist(), r=np.eye(3).ravel().tolist(), p=np.hstack([k, np.zeros((3, 1))]).ravel().tolist())


def frame_from_messages(color: Image, depth: Image, info: CameraInfo, T_base_camera: NDArray[np.float64]) -> RgbdFrame:
    """RGB-D frame of a colour image, the depth image aligned to it, and the colour camera's info.

    Raises:
        ValueError: a message is broken, or the three don't have one size; the message says which.
    """
    camera = camera_from_info(info)
    for name, image in (("colour", color), ("depth", depth)):
        if (image.width, image.height) != (camera.width, camera.height):
            raise ValueError(f"the {name} image is {image.width}x{image.height}, camera_info says {camera.width}x{camera.height}:"
                             " depth must be aligned to colour")
    return RgbdFrame(color_from_image(color), depth_from_image(depth), camera, T_base_camera, stamp_seconds(color.header.stamp))
