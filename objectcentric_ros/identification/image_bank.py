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

"""What the teacher last said of every training image: the gallery that queries are trained to be found in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from objectcentric_ros.identification.dino_loss import gallery_nce
from objectcentric_ros.identification.image_cache import CachedImages
from objectcentric_ros.identification.image_network import ImageEncoder, TorchImageEncoder
from objectcentric_ros.identification.image_recipe import IMAGE_SOURCES

_BATCH = 32


class ImageBank(nn.Module):
    """Embeddings of N images, with the object and the source of each; saved with the training.

    Args:
        objects: N numbers of objects.
        sources: N sources.
        dimension: D.
    """

    vectors: Tensor
    objects: Tensor
    known: Tensor
    place_query: Tensor

    def __init__(self, objects: Sequence[int], sources: Sequence[str], dimension: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(len(objects), dimension))
        self.register_buffer("objects", torch.tensor(objects, dtype=torch.long), persistent=False)
        self.register_buffer("known", torch.zeros(len(objects), dtype=torch.bool))
        for source in ("query", *IMAGE_SOURCES):
            rows = [index for index, there in enumerate(sources) if there == source]
            self.register_buffer(f"place_{source}", torch.tensor(rows, dtype=torch.long), persistent=False)

    @classmethod
    def of(cls, cache: CachedImages, dimension: int) -> ImageBank:
        """An empty bank for the images of a cache; objects are numbered in the order in which they come first."""
        names = {name: number for number, name in enumerate(dict.fromkeys(row.object_id for row in cache.rows))}
        return cls([names[row.object_id] for row in cache.rows], [row.source for row in cache.rows], dimension)

    def fill(self, encoder: ImageEncoder, cache: CachedImages, progress: Callable[[int, int], None] | None = None) -> None:
        """Encode all images as they are, without crops."""
        whole = TorchImageEncoder(encoder)
        for start in range(0, len(cache.rows), _BATCH):
            end = min(start + _BATCH, len(cache.rows))
            self.vectors[start:end] = torch.from_numpy(whole.encode(list(cache.images[start:end])))
            if progress is not None:
                progress(end, len(cache.rows))
        self.known.fill_(True)

    def update(self, places: Tensor, vectors: Tensor) -> None:
        """Take (B, D) new embeddings of the images (B,)."""
        self.vectors[places] = vectors.detach()
        self.known[places] = True

    def loss(self, queries: Tensor, references: Tensor, objects: Tensor, places: Tensor, temperature: float) -> Tensor:
        """InfoNCE of queries among all references, source by source, and of references among all queries.

        Args:
            queries: (B, D) of length 1.
            references: (B, D) of the same objects; they take the place of their own embeddings in the bank, so that they too are
                moved by what queries find.
            objects: (B,) numbers.
            places: (B,) rows of the references' images.
            temperature: τ.

        Returns:
            Mean over the sources that have images, and over both directions.
        """
        # Whole rows of similarities are cheaper than copies of the bank, of which there would be one a source and its gradient.
        logits = torch.cat([queries, references]) @ self.vectors.T / temperature
        forward, back = logits.tensor_split(2)
        forward = forward.index_copy(1, places, queries @ references.T / temperature)
        known = self.known.index_fill(0, places, True)
        terms = []
        for source in IMAGE_SOURCES:
            rows = getattr(self, f"place_{source}")
            rows = rows[known[rows]]
            if len(rows):
                terms.append(gallery_nce(forward[:, rows], objects, self.objects[rows]))
        rows = self.place_query
        rows = rows[known[rows]]
        return (torch.stack(terms).mean() + gallery_nce(back[:, rows], objects, self.objects[rows])) / 2
