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

"""The image encoder as a network: a timm backbone's pooled features, and a linear layer where the recipe wants one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import timm
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from timm.models import group_parameters
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from objectcentric_ros.identification.efficientnet_lite import fit_square
from objectcentric_ros.identification.image_recipe import ImageNetworkConfig
from objectcentric_ros.start_weights import wheel_weights

_BATCH = 32


class ImageEncoder(nn.Module):
    """Images to embeddings.

    Args:
        config: what it is.
        drop_path: of the blocks; None: the config's.
        start: load config.weights; False where weights are loaded afterwards.

    Raises:
        ValueError: timm has no such backbone, or the weights don't fit it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ImageNetworkConfig, drop_path: float | None = None, start: bool = True) -> None:
        super().__init__()
        self.config = config
        self.backbone = _backbone(config, config.drop_path if drop_path is None else drop_path)
        width = int(self.backbone.num_features)  # type: ignore[arg-type]  # timm's models all have it
        if start and config.weights:
            load_backbone(self.backbone, config.backbone, config.weights)
        if config.fold_batch_norm:
            fold_batch_norms(self.backbone)
        self.projection = nn.Linear(width, config.embedding) if config.embedding else nn.Identity()
        self.dimension = config.embedding or width
        self.register_buffer("mean", torch.tensor(config.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(config.std).view(1, 3, 1, 1))
        for parameter in frozen_parameters(self.backbone, config.frozen):
            parameter.requires_grad_(False)
        self.train()          # a new module says that it trains without having told its batch norms

    @property
    def side(self) -> int:
        """Of the images that the trained encoder sees [px]."""
        return self.config.side

    @property
    def shares_frozen(self) -> bool:
        """Whether student and teacher say the same of an image up to the last frozen block, and it can be had by itself."""
        config, parts = self.config, ("conv_stem", "bn1", "blocks", "conv_head", "bn2", "forward_head")
        return (config.frozen > 0 and config.drop_path == 0 and config.freeze_batch_norm
                and all(hasattr(self.backbone, name) for name in parts))

    def frozen_features(self, images: Tensor) -> Tensor:
        """What the last frozen block gives for (B, 3, H, W) RGB images, 0..255, float; where `shares_frozen`."""
        network: Any = self.backbone
        with torch.no_grad():
            return network.blocks[:self.config.frozen - 1](network.bn1(network.conv_stem((images - self.mean) / self.std)))

    def from_frozen(self, features: Tensor) -> Tensor:
        """Embeddings (B, D), of any length, of what `frozen_features` gave."""
        network: Any = self.backbone
        last = network.bn2(network.conv_head(network.blocks[self.config.frozen - 1:](features)))
        return self.projection(network.forward_head(last))

    def features(self, images: Tensor) -> Tensor:
        """Pooled features (B, F) of (B, 3, H, W) RGB images, 0..255, float."""
        return self.backbone((images - self.mean) / self.std)

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings (B, D), of any length, of (B, 3, H, W) RGB images, 0..255, float."""
        return self.projection(self.features(images))

    def train(self, mode: bool = True) -> ImageEncoder:
        """As of any module, but the batch norms stay in evaluation mode where the config freezes them."""
        super().train(mode)
        if self.config.freeze_batch_norm:
            for part in self.backbone.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    part.eval()
        return self


class ImageNetwork(Protocol):
    """What gives embeddings: an ImageEncoder, or several of them joined."""

    dimension: int
    training: bool

    @property
    def side(self) -> int:
        """Of the images that it sees [px]."""
        ...

    def __call__(self, images: Tensor) -> Tensor:
        """Embeddings (B, D), of any length, of (B, 3, H, W) RGB images, 0..255, float."""
        ...

    def train(self, mode: bool = True) -> Any:
        """As of any module."""
        ...

    def buffers(self) -> Iterator[Tensor]:
        """As of any module; there is one at least, which is where the network is."""
        ...


class TorchImageEncoder:
    """A network as an encoder while it trains; implements Encoder. Robots use the exported one instead.

    Args:
        network: of any mode; is put into evaluation mode for a call.
        key: of its embeddings.
    """

    def __init__(self, network: ImageNetwork, key: str = "training") -> None:
        self._network = network
        self.key, self.dimension = key, network.dimension

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Encode images; see Encoder."""
        was_training = self._network.training
        self._network.train(False)
        device = next(self._network.buffers()).device
        vectors = np.empty((len(images), self.dimension), np.float32)
        with torch.inference_mode():
            for start in range(0, len(images), _BATCH):
                batch = np.stack([fit_square(image, self._network.side) for image in images[start:start + _BATCH]])
                tensor = as_input(torch.from_numpy(batch).to(device))
                vectors[start:start + len(batch)] = F.normalize(self._network(tensor), dim=1).float().cpu().numpy()
        self._network.train(was_training)
        return vectors


def as_input(images: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) float; in memory the channels stay last, which CPUs convolve faster."""
    return images.permute(0, 3, 1, 2).float()


def start_projection(encoder: ImageEncoder, crops: Sequence[NDArray[np.uint8]]) -> None:
    """Begin the linear layer as the principal components of the backbone's features, so that it loses as little as can be.

    With features f of mean m, variances λ and components V the layer is y = diag((λ_1 / λ)^(w/2)) Vᵀ (f - m), w the whitening.

    Args:
        encoder: with an embedding; without one nothing is done.
        crops: images of the training; fewer than D + 1 leave the other components as they were drawn.
    """
    projection, whitening = encoder.projection, encoder.config.whitening
    if not isinstance(projection, nn.Linear):
        return
    features = np.empty((len(crops), projection.in_features), np.float32)
    encoder.eval()
    with torch.inference_mode():
        for start in range(0, len(crops), _BATCH):
            tensor = as_input(torch.from_numpy(np.stack(crops[start:start + _BATCH])))
            features[start:start + _BATCH] = encoder.features(tensor).numpy()
    mean = features.mean(axis=0)
    _, singular, components = np.linalg.svd(features - mean, full_matrices=False)
    # The last component of n centred features is no direction at all.
    rows = components[:min(projection.out_features, max(len(crops) - 1, 0))].astype(np.float32)
    scale = (singular[0] / np.maximum(singular[:len(rows)], 1e-3 * singular[0])) ** whitening
    with torch.no_grad():
        projection.weight[:len(rows)] = torch.from_numpy(rows * scale[:, None].astype(np.float32))
        if projection.bias is not None:
            projection.bias.copy_(-projection.weight @ torch.from_numpy(mean))


def fold_batch_norms(network: nn.Module) -> None:
    """Make the batch norms of a network part of the convolutions right before them; in evaluation mode it stays what it was.

    Raises:
        ValueError: a batch norm doesn't follow a convolution of its own in the order of definition.
    """
    folded: list[tuple[nn.Module, str, nn.Module]] = []
    left = sum(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in network.modules())
    for parent in network.modules():
        children = list(parent.named_children())
        for (_, convolution), (name, norm) in zip(children, children[1:], strict=False):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) \
                    and convolution.out_channels == norm.num_features:
                fused = fuse_conv_bn_eval(convolution.eval(), norm.eval())
                convolution.weight, convolution.bias = fused.weight, fused.bias
                # timm's batch norms carry the activation.
                folded.append((parent, name, nn.Sequential(*(part for part in norm.children()
                                                             if not isinstance(part, nn.Identity)))))
    if len(folded) < left:
        raise ValueError(f"{left - len(folded)} of {left} batch norms can't be folded: set network.fold_batch_norm to false")
    for parent, name, activation in folded:
        setattr(parent, name, activation)


def frozen_parameters(backbone: nn.Module, blocks: int) -> list[nn.Parameter]:
    """Parameters of a timm model's stem (blocks = 1) and its first blocks - 1 blocks, as timm counts them.

    Raises:
        ValueError: the model has fewer blocks.
    """
    if not blocks:
        return []
    grouped: dict[int, list[str]] = group_parameters(backbone, backbone.group_matcher(coarse=True),  # type: ignore[operator]
                                                     reverse=False)
    there = sorted(grouped)
    if blocks > len(there) - 1:
        raise ValueError(f"frozen must be less than {len(there)}, which is all that this backbone has, got {blocks}")
    named = dict(backbone.named_parameters())
    return [named[name] for number in there[:blocks] for name in grouped[number] if name in named]


def load_backbone(backbone: nn.Module, name: str, weights: str) -> None:
    """Load a backbone's start; nothing is unpickled.

    Args:
        backbone: the timm model, without a classifier.
        name: of the model.
        weights: a safetensors file with timm's names, or `package:` and one of start_weights.PACKAGES.

    Raises:
        ValueError: there is no such file, or it doesn't fit the backbone.
    """
    own = backbone.state_dict()
    state = wheel_weights(weights, name)
    if state is not None:
        names = [key for key in own if not key.endswith("num_batches_tracked")]
        if len(names) != len(state):
            raise ValueError(f"{weights} has {len(state)} tensors before the classifier, {name} has {len(names)}")
        found = {key: torch.from_numpy(np.array(value)) for key, value in zip(names, state.values(), strict=True)}
    else:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
        if not Path(weights).is_file():
            raise ValueError(f"there is no weights file {weights}")
        try:
            found = load_file(weights)
        except SafetensorError as error:
            raise ValueError(f"{weights} is no safetensors file: {error}") from error
    wrong = [key for key, value in own.items() if not key.endswith("num_batches_tracked")
             and (key not in found or found[key].shape != value.shape)]
    if wrong:
        raise ValueError(f"{weights} is no start for {name}: {len(wrong)} of {len(own)} tensors are missing or have another "
                         f"shape, {wrong[0]} among them")
    backbone.load_state_dict({key: value for key, value in found.items() if key in own}, strict=False)


def _backbone(config: ImageNetworkConfig, drop_path: float) -> nn.Module:
    if not timm.is_model(config.backbone):
        near = ", ".join(timm.list_models(f"*{config.backbone.split('_')[0]}*")[:8])
        raise ValueError(f"timm has no model {config.backbone!r}" + (f"; it has {near}, ..." if near else ""))
    options: dict[str, Any] = {"pretrained": False, "num_classes": 0, "drop_path_rate": drop_path}
    try:      # transformers have a size, and take others when told to
        return timm.create_model(config.backbone, img_size=config.side, dynamic_img_size=True, **options)
    except TypeError:
        return timm.create_model(config.backbone, **options)
