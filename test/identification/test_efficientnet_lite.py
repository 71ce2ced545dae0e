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

"""The OpenVINO graph against an independent numpy forward pass with explicit padding and unfolded batch norms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from objectcentric_ros.identification import efficientnet_lite
from objectcentric_ros.identification.efficientnet_lite import STAGES, EfficientNetLite0, fit_square, inverted_residual
from objectcentric_ros.identification.encoder import make_encoder
from objectcentric_ros.start_weights import wheel_file
from objectcentric_ros.torch_checkpoint import read_state_dict

WEIGHTS = read_state_dict(wheel_file())


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def encoder(cache: Path) -> EfficientNetLite0:
    return EfficientNetLite0(cache=cache)


def convolve(x: np.ndarray, name: str, stride: int) -> np.ndarray:
    """Convolution of x (C, H, W) with TensorFlow's "same" padding; depthwise where the kernel has one input channel."""
    kernel = WEIGHTS[f"{name}.weight"].astype(np.float64)
    size = kernel.shape[-1]
    out = [-(-extent // stride) for extent in x.shape[1:]]
    total = [max((o - 1) * stride + size - extent, 0) for o, extent in zip(out, x.shape[1:], strict=True)]
    padded = np.pad(x, ((0, 0), *((pad // 2, pad - pad // 2) for pad in total)))
    result = np.zeros((kernel.shape[0], *out))
    for dv in range(size):
        for du in range(size):
            tap = padded[:, dv:dv + (out[0] - 1) * stride + 1:stride, du:du + (out[1] - 1) * stride + 1:stride]
            if kernel.shape[1] == 1 and kernel.shape[0] == len(x):
                result += kernel[:, 0, dv, du, None, None] * tap
            else:
                result += np.tensordot(kernel[:, :, dv, du], tap, 1)
    return result


def normalise(x: np.ndarray, name: str) -> np.ndarray:
    gain, shift, mean, variance = (WEIGHTS[f"{name}.{part}"].astype(np.float64)[:, None, None]
                                   for part in ("weight", "bias", "running_mean", "running_var"))
    return (x - mean) / np.sqrt(variance + 1e-3) * gain + shift


def relu6(x: np.ndarray) -> np.ndarray:
    return np.clip(x, 0, 6)


def block(x: np.ndarray, name: str, stride: int, expansion: int, residual: bool) -> np.ndarray:
    y = relu6(normalise(convolve(x, f"{name}._expand_conv", 1), f"{name}._bn0")) if expansion != 1 else x
    y = relu6(normalise(convolve(y, f"{name}._depthwise_conv", stride), f"{name}._bn1"))
    y = normalise(convolve(y, f"{name}._project_conv", 1), f"{name}._bn2")
    return x + y if residual else y


@pytest.mark.parametrize(("number", "kernel", "stride", "expansion", "residual", "extent"), [
    (0, 3, 1, 1, False, 9), (1, 3, 2, 6, False, 10), (1, 3, 2, 6, False, 11), (2, 3, 1, 6, True, 8), (3, 5, 2, 6, False, 12)])
def test_a_block_equals_numpy(number: int, kernel: int, stride: int, expansion: int, residual: bool, extent: int) -> None:
    channels = len(WEIGHTS[f"_blocks.{number}._depthwise_conv.weight"]) // expansion
    x = np.random.default_rng(number).standard_normal((channels, extent, extent + 3))
    parameter = ops.parameter([1, *x.shape], ov.Type.f32)
    graph = inverted_residual(parameter.output(0), WEIGHTS, f"_blocks.{number}", kernel, stride, expansion, residual)
    compiled = ov.Core().compile_model(ov.Model([graph], [parameter], "block"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    expected = block(x, f"_blocks.{number}", stride, expansion, residual)
    np.testing.assert_allclose(compiled([x[None].astype(np.float32)])[0][0], expected, rtol=2e-4, atol=2e-4)


def test_the_whole_network_equals_numpy(encoder: EfficientNetLite0) -> None:
    image = np.random.default_rng(1).integers(0, 255, (224, 224, 3), np.uint8)
    x = (image.transpose(2, 0, 1).astype(np.float64) - 127) / 128
    x = relu6(normalise(convolve(x, "_conv_stem", 2), "_bn0"))
    number = 0
    for stage in STAGES:
        for repeat in range(stage.repeats):
            x = block(x, f"_blocks.{number}", stage.stride if repeat == 0 else 1, stage.expansion, residual=repeat > 0)
            number += 1
    feature = relu6(normalise(convolve(x, "_conv_head", 1), "_bn1")).mean(axis=(1, 2))
    np.testing.assert_allclose(encoder.encode([image])[0], feature / np.linalg.norm(feature), atol=2e-5)
    assert number == 16 and {name.split(".")[1] for name in WEIGHTS if name.startswith("_blocks")} == set(map(str, range(16)))


def test_vectors_have_length_one_and_do_not_depend_on_the_batch(encoder: EfficientNetLite0) -> None:
    rng = np.random.default_rng(2)
    images = [rng.integers(0, 255, (rng.integers(20, 300), rng.integers(20, 300), 3), np.uint8) for _ in range(11)]
    vectors = encoder.encode(images)
    assert vectors.shape == (11, encoder.dimension) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[7], encoder.encode(images[7:8])[0], atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.dimension)


@pytest.mark.parametrize("image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.float32),
                                   np.zeros((0, 8, 3), np.uint8)], ids=["grey", "rgba", "float", "empty"])
def test_what_is_no_rgb_image_is_refused(encoder: EfficientNetLite0, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 RGB"):
        encoder.encode([image])


def test_an_image_is_padded_to_a_square_in_its_centre() -> None:
    square = fit_square(np.full((50, 100, 3), 255, np.uint8), 100)
    assert (square[25:75] == 255).all() and (square[:25] == 128).all() and (square[75:] == 128).all()


@pytest.mark.parametrize("damage", ["bin", "xml", "digest"])
def test_a_damaged_cache_is_made_again(encoder: EfficientNetLite0, cache: Path, damage: str) -> None:
    [folder] = cache.iterdir()
    file = folder / {"bin": "model.bin", "xml": "model.xml", "digest": "sha256.json"}[damage]
    image = np.random.default_rng(3).integers(0, 255, (64, 64, 3), np.uint8)
    file.write_bytes(file.read_bytes()[:-5] + b"\0" * 5)
    np.testing.assert_allclose(EfficientNetLite0(cache=cache).encode([image]), encoder.encode([image]), atol=1e-5)
    assert json.loads((folder / "sha256.json").read_text()) == efficientnet_lite._digests(folder)
    assert [entry.name for entry in cache.iterdir()] == [folder.name]


def test_a_cache_that_cannot_be_written_is_done_without(encoder: EfficientNetLite0, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert EfficientNetLite0(cache=tmp_path / "file" / "models").key == encoder.key


def test_the_key_names_the_weights(encoder: EfficientNetLite0, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert encoder.key == "efficientnet_lite0-579344248a93"
    monkeypatch.setenv("OBJECTCENTRIC_CACHE", str(cache.parent))
    assert make_encoder("efficientnet_lite0").key == encoder.key
    with pytest.raises(ValueError, match="efficientnet_lite0"):
        make_encoder("resnet")
