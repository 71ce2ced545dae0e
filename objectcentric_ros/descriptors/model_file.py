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


"""Trained networks as files: weights as safetensors, everything else in the model card beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage, Keypoints
from objectcentric_ros.descriptors.keypoints import keypoints_from_logits
from objectcentric_ros.descriptors.network import DescriptorNetwork, NetworkConfig
from objectcentric_ros.recipe import as_mapping, build


def save_network(path: Path, network: DescriptorNetwork, card: Mapping[str, Any]) -> None:
    """Write weights (fp16) and card.

    Args:
        path: NAME.safetensors; the card becomes NAME.yaml.
        network: trained.
        card: what is to be said of it; the key "network" is added.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.half().contiguous() if tensor.is_floating_point() else tensor.contiguous()
               for name, tensor in network.state_dict().items()}
    unfinished = path.with_suffix(".unfinished")
    save_file(weights, unfinished)
    unfinished.replace(path)
    path.with_suffix(".yaml").write_text(yaml.safe_dump({**card, "network": as_mapping(network.config)}, sort_keys=False))


def load_network(path: Path) -> DescriptorNetwork:
    """Read a trained network.

    Raises:
        ValueError: weights or card are missing, broken, or don't fit together.
    """
    card_path = path.with_suffix(".yaml")
    try:
        card = yaml.safe_load(card_path.read_text())
        # The start's file isn't needed any more, and needn't be there.
        config = build(NetworkConfig, {**card["network"], "weights": ""}, f"{card_path}: network")
        network = DescriptorNetwork(config)
        network.load_state_dict({name: tensor.float() if tensor.is_floating_point() else tensor
                                 for name, tensor in load_file(path).items()})
    except (OSError, KeyError, TypeError, RuntimeError, SafetensorError, yaml.YAMLError) as error:
        raise ValueError(f"{path} is no trained descriptor network: {error}") from error
    return network.eval()


class TorchDescriptorModel:
    """A trained network as a model; implements KeypointModel. Robots use the exported one instead.

    Args:
        network: in any mode; is put into evaluation mode.
        key: name for its descriptors; empty: a hash of the weights.
    """

    def __init__(self, network: DescriptorNetwork, key: str = "") -> None:
        self._network = network.eval()
        self.key = key or f"network:{weights_hash(network)}"

    @property
    def dimension(self) -> int:
        """D."""
        return self._network.config.dimension

    def describe(self, color: NDArray[np.uint8]) -> DescriptorImage:
        """Describe an (H, W, 3) uint8 RGB image."""
        config = self._network.config
        with torch.inference_mode():
            features = self._network(_tensor(color)).descriptors[0].permute(1, 2, 0).float().numpy()
        return DescriptorImage(np.ascontiguousarray(features), config.output_stride, color.shape[0], color.shape[1], config.unit)

    def keypoints(self, color: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> Keypoints:
        """Keypoints of an (H, W, 3) uint8 RGB image.

        Raises:
            ValueError: the network has none.
        """
        with torch.inference_mode():
            heads = self._network(_tensor(color))
        if heads.logits is None:
            raise ValueError("this network has no keypoints: train it with network.keypoints above 0")
        depths = None if heads.depths is None else heads.depths[0].numpy()
        return keypoints_from_logits(heads.logits[0].numpy(), depths, self._network.config.output_stride, mask)


def weights_hash(network: DescriptorNetwork) -> str:
    """Hash of the weights, 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.half().numpy() if tensor.is_floating_point() else tensor.numpy()).tobytes())
    return digest.hexdigest()[:12]


def _tensor(color: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(color.transpose(2, 0, 1))).float()[None]
