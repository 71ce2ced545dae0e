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

"""What an image encoder is, and the encoders there are by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Encoder(Protocol):
    """Maps images of objects to points on a sphere, near to each other when they show the same object."""

    @property
    def key(self) -> str:
        """Name and hash of the weights: embeddings of two keys are never compared."""
        ...

    @property
    def dimension(self) -> int:
        """Length D of a vector."""
        ...

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Encode (H, W, 3) uint8 RGB images of any sizes into (N, D) float32 vectors of length 1."""
        ...


def _efficientnet_lite0() -> Encoder:
    from objectcentric_ros.identification.efficientnet_lite import EfficientNetLite0  # loads OpenVINO

    return EfficientNetLite0()


def _identification() -> Encoder:
    from objectcentric_ros.identification.deployed_encoder import DeployedImageEncoder  # loads OpenVINO

    return DeployedImageEncoder()


ENCODERS: dict[str, Callable[[], Encoder]] = {"efficientnet_lite0": _efficientnet_lite0, "identification": _identification}
"""Constructors by name; a new encoder is a new module and a line here."""


def make_encoder(name: str) -> Encoder:
    """Make the encoder of this name, or the exported one of this name in models/ or at this path.

    Raises:
        ValueError: there is none; lists the names there are.
    """
    if name in ENCODERS:
        return ENCODERS[name]()
    from objectcentric_ros.identification.deployed_encoder import DeployedImageEncoder, EncoderMissing  # loads OpenVINO

    try:
        return DeployedImageEncoder(name)
    except EncoderMissing as error:
        raise ValueError(f"unknown encoder {name!r}; the encoders are {', '.join(sorted(ENCODERS))}, and exported ones by the "
                         "name or path of their files") from error
