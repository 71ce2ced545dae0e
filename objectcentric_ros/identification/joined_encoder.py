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

"""Several image encoders as one: what one confuses, another trained from another start often does not.

    v(x) = P [e_1(x) / |e_1(x)|, ..., e_n(x) / |e_n(x)|] / sqrt(n)

Without P (D, sum of the D_i) a cosine of two v is the mean of the cosines of the parts. P has the principal directions of
training images as its rows: D numbers say nearly what all of them say, and a gallery takes no more room than that of one encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from objectcentric_ros.identification.image_network import ImageEncoder


@dataclass(frozen=True)
class JoinedRecipe:
    """Which encoders are joined, and how.

    Args:
        name: of the model.
        parts: trained encoders, two or more files NAME.safetensors, all for images of one side.
        dimension: length D of a vector; 0: all numbers of all parts.
        manifest: dataset whose split `train` the directions are fitted to; `--data` of the verb replaces it.
        images: how many of its images.
    """

    name: str = "joined"
    parts: tuple[str, ...] = ()
    dimension: int = 0
    manifest: str = "out/identification"
    images: int = 4000

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ValueError(f"parts must name two encoders or more, got {list(self.parts)}")
        if self.dimension < 0 or self.images <= self.dimension:
            raise ValueError(f"dimension must be 0 or more, and images more than that, got {self.dimension} and {self.images}")


class JoinedEncoder(nn.Module):
    """Images to embeddings; stands for an ImageEncoder wherever nothing is trained.

    Args:
        parts: two or more trained encoders.
        dimension: length D of an embedding; 0: all numbers of all parts, and no P.

    Raises:
        ValueError: fewer parts, parts for images of different sides, or more numbers than the parts have.
    """

    directions: Tensor

    def __init__(self, parts: Sequence[ImageEncoder], dimension: int = 0) -> None:
        super().__init__()
        sides = {part.side for part in parts}
        if len(parts) < 2 or len(sides) > 1:
            raise ValueError(f"two encoders or more are joined, all for images of one side; got {len(parts)} for "
                             f"{', '.join(str(side) for side in sorted(sides)) or 'no'} px")
        whole = sum(part.dimension for part in parts)
        if not 0 <= dimension <= whole:
            raise ValueError(f"the parts have {whole} numbers together, {dimension} can't be had of them")
        self.parts = nn.ModuleList(parts)
        self.dimension = dimension or whole
        self.register_buffer("directions", torch.eye(whole)[:self.dimension] if dimension else torch.empty(0, whole))

    @property
    def side(self) -> int:
        """Of the images that all parts see [px]."""
        return self.members[0].side

    @property
    def members(self) -> list[ImageEncoder]:
        """The parts."""
        return list(self.parts)  # type: ignore[arg-type]  # a ModuleList doesn't say what is in it

    def whole(self, images: Tensor) -> Tensor:
        """All numbers of all parts (B, sum of the D_i), of length 1, of (B, 3, H, W) RGB images, 0..255, float."""
        vectors = [F.normalize(part(images), dim=1) for part in self.members]
        return torch.cat(vectors, dim=1) / len(vectors) ** 0.5

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings (B, D), of any length, of (B, 3, H, W) RGB images, 0..255, float."""
        vectors = self.whole(images)
        return F.linear(vectors, self.directions) if len(self.directions) else vectors


def principal_directions(vectors: NDArray[np.floating], count: int) -> NDArray[np.float32]:
    """Rows P (count, D) that keep the most of the vectors' scalar products: the first right singular vectors, uncentred.

    Args:
        vectors: (N, D).
        count: fewer than N, and D at most.

    Raises:
        ValueError: too few vectors for so many directions.
    """
    if not 0 < count <= min(len(vectors) - 1, vectors.shape[1]):
        raise ValueError(f"{count} directions can't be had of {vectors.shape[0]} vectors of {vectors.shape[1]} numbers")
    # Of the second moments, whose size is that of a vector, however many vectors there are.
    values, columns = np.linalg.eigh(np.asarray(vectors, np.float64).T @ vectors)
    rows = columns[:, np.argsort(-values, kind="stable")[:count]].T
    # A direction's sign is free: the largest number is positive, so that the same images give the same encoder.
    signs = np.sign(rows[np.arange(count), np.abs(rows).argmax(axis=1)])
    return (rows * signs[:, None]).astype(np.float32)
