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

"""Trained image encoders as files: weights as safetensors, everything else in the model card beside them.

NAME.safetensors and NAME.yaml are the encoder as it is deployed (the teacher, without head); NAME.head.safetensors is what a
further training goes on from besides: the teacher's head and the centre. Nothing is unpickled.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from objectcentric_ros.identification.image_network import ImageEncoder, TorchImageEncoder
from objectcentric_ros.identification.image_recipe import ImageNetworkConfig
from objectcentric_ros.identification.joined_encoder import JoinedEncoder
from objectcentric_ros.recipe import as_mapping, build

CENTRE = "centre"
_HEAD = "head."


def save_encoder(path: Path, encoder: ImageEncoder | JoinedEncoder, card: Mapping[str, Any]) -> None:
    """Write weights (fp16) and card.

    Args:
        path: NAME.safetensors; the card becomes NAME.yaml.
        encoder: trained.
        card: what is to be said of it; the keys "key", "dimension" and "network" are added, or "networks" of one that is joined.
    """
    _write(path, encoder.state_dict())
    shape: dict[str, Any] = {"network": as_mapping(encoder.config)} if isinstance(encoder, ImageEncoder) else {
        "networks": [as_mapping(part.config) for part in encoder.members]}
    facts = {**card, "key": encoder_key(str(card.get("name", path.stem)), encoder), "dimension": encoder.dimension, **shape}
    unfinished = path.with_name(path.name + ".card")
    unfinished.write_text(yaml.safe_dump(facts, sort_keys=False, default_flow_style=None, width=130))
    unfinished.replace(card_path(path))


def load_network(path: Path) -> ImageEncoder | JoinedEncoder:
    """Read a trained encoder, one or several joined.

    Raises:
        ValueError: weights or card are missing, broken, or don't fit together.
    """
    card = card_path(path)
    try:
        said = read_card(path)
        network: ImageEncoder | JoinedEncoder
        # The start's file isn't needed any more, and needn't be there.
        if "networks" in said:
            configs = [build(ImageNetworkConfig, one, f"{card}: networks") for one in said["networks"]]
            parts = [ImageEncoder(config, start=False) for config in configs]
            whole = sum(part.dimension for part in parts)
            network = JoinedEncoder(parts, 0 if said["dimension"] == whole else said["dimension"])
        else:
            network = ImageEncoder(build(ImageNetworkConfig, said["network"], f"{card}: network"), start=False)
        network.load_state_dict(_read(path))
    except (OSError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"{path} is no trained image encoder: {error}") from error
    return network.eval()


def load_encoder(path: Path) -> ImageEncoder:
    """Read a trained encoder to train it further.

    Raises:
        ValueError: as of load_network, or it is joined of several, which are trained one by one.
    """
    network = load_network(path)
    if isinstance(network, JoinedEncoder):
        raise ValueError(f"{path} is joined of {len(network.members)} encoders: go on with one of them, "
                         "`objectcentric train joined-encoder` joins them again")
    return network


def load_torch_encoder(path: Path, features: int = 0) -> TorchImageEncoder:
    """Read a trained encoder as an Encoder that runs on torch; see load_network.

    Args:
        path: of the weights.
        features: side of images [px] whose backbone features are taken in place of the linear layer's numbers; 0: as trained.
    """
    network = load_encoder(path) if features else load_network(path)
    key = encoder_key(str(read_card(path).get("name", path.stem)), network)
    if features and isinstance(network, ImageEncoder):
        network.config = dataclasses.replace(network.config, side=features)
        network.projection, network.dimension = nn.Identity(), int(network.backbone.num_features)  # type: ignore[arg-type]
        key += f"-features-{features}"
    return TorchImageEncoder(network, key)


def save_head(path: Path, head: nn.Module, centre: Tensor) -> None:
    """Write the teacher's head and the centre beside NAME.safetensors, as NAME.head.safetensors (fp16)."""
    _write(head_path(path), {CENTRE: centre, **{_HEAD + name: tensor for name, tensor in head.state_dict().items()}})


def load_head(path: Path) -> tuple[dict[str, Tensor], Tensor] | None:
    """State of the head and the centre that belong to NAME.safetensors; None where they weren't kept.

    Raises:
        ValueError: the file is broken.
    """
    try:
        tensors = _read(head_path(path))
        centre = tensors.pop(CENTRE)
    except FileNotFoundError:
        return None
    except (OSError, KeyError, SafetensorError) as error:
        raise ValueError(f"{head_path(path)} is no head of a trained encoder: {error}") from error
    return {name.removeprefix(_HEAD): tensor for name, tensor in tensors.items()}, centre


def read_card(path: Path) -> dict[str, Any]:
    """The card of NAME.safetensors; raises ValueError when it can't be read."""
    card = card_path(path)
    try:
        content = yaml.safe_load(card.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{card} can't be read: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{card} must hold a mapping")
    return content


def card_path(path: Path) -> Path:
    """The card of NAME.safetensors."""
    return path.with_suffix(".yaml")


def head_path(path: Path) -> Path:
    """The head of NAME.safetensors."""
    return path.with_suffix(".head.safetensors")


def encoder_key(name: str, encoder: nn.Module) -> str:
    """Name and hash of the weights as they are on the disk (fp16): of the embeddings in a gallery."""
    digest = hashlib.sha256()
    for part, tensor in sorted(encoder.state_dict().items()):
        digest.update(part.encode())
        content = tensor.detach().cpu()
        digest.update(np.ascontiguousarray(content.half().numpy() if content.is_floating_point() else content.numpy()).tobytes())
    return f"{name}-{digest.hexdigest()[:12]}"


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    stored = {name: (tensor.half() if tensor.is_floating_point() else tensor).detach().cpu().contiguous()
              for name, tensor in tensors.items()}
    save_file(stored, unfinished)
    unfinished.chmod(0o644)
    unfinished.replace(path)


def _read(path: Path) -> dict[str, Tensor]:
    tensors = load_file(path)
    if any(tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise KeyError("a weight is not finite")
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
