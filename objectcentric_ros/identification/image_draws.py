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

"""Draws for the training of the image encoder: one object a draw, with its crops; the same for the same number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from objectcentric_ros.identification.image_cache import CachedImages
from objectcentric_ros.identification.image_crops import global_crop, local_crop
from objectcentric_ros.identification.image_recipe import IMAGE_SOURCES, ImageRecipe

T = TypeVar("T")


class Draw(NamedTuple):
    """Crops of one object, or of a batch of B objects (then with a leading B).

    Args:
        globals: (2, G, G, 3) uint8 RGB: both of one image, or of the query and of the reference.
        locals: (L, l, l, 3) uint8 RGB; supervised: the first half is of the query.
        object: number of the object.
        place: numbers of the two images, in the cache.
    """

    globals: Tensor
    locals: Tensor
    object: Tensor
    place: Tensor


@dataclass(frozen=True)
class StageObjects:
    """Objects that a stage can draw: numbers, and rows of the cache by source."""

    objects: tuple[int, ...]
    rows: tuple[Mapping[str, tuple[int, ...]], ...]


class ImageDraws(Dataset[Draw]):
    """The draws of a training.

    Every epoch of a stage goes through the stage's objects once, in an order of its own. What a draw is depends on its number
    and the recipe's seed alone, so that a training that was killed goes on with the draws that it would have had.

    Args:
        cache: images of the training split.
        recipe: mode, sources, crops, seed.
        batch: draws a step, of all processes together.
        first: number of the draw that index 0 is.

    Raises:
        ValueError: a stage has no object with the images that it needs.
    """

    def __init__(self, cache: CachedImages, recipe: ImageRecipe, batch: int, first: int = 0) -> None:
        self._cache, self._recipe, self._batch, self._first = cache, recipe, batch, first
        self._stages = [stage_objects(cache, recipe, sources) for sources in recipe.stages]
        self._names = tuple(dict.fromkeys(row.object_id for row in cache.rows))
        cv2.setNumThreads(1)

    def __len__(self) -> int:
        # Of the whole training: Lightning counts the batches of before it was killed, and would end too early otherwise.
        return self._recipe.training.steps * self._batch

    @property
    def names(self) -> tuple[str, ...]:
        """Ids of the objects by number."""
        return self._names

    def objects_at(self, step: int) -> int:
        """How many objects the stage of a step draws from."""
        return len(self._stages[self._recipe.stage_at(step)].objects)

    def __getitem__(self, index: int) -> Draw:
        number = self._first + index
        stage_number = self._recipe.stage_at(number // self._batch)
        stage, seed = self._stages[stage_number], self._recipe.training.seed
        epoch, place = divmod(number - self._recipe.boundaries[stage_number] * self._batch, len(stage.objects))
        order = np.random.default_rng([seed, stage_number, epoch]).permutation(len(stage.objects))
        rng = np.random.default_rng([seed, 1 << 20, number])
        at = int(order[place])
        first, second = draw_images(stage.rows[at], self._recipe.loss.mode, rng)
        crops, images, rows = self._recipe.crops, self._cache.images, self._cache.rows
        globals_ = [global_crop(images[row], crops, rows[row].source, rng) for row in (first, second)]
        cut = (first, second) if self._recipe.loss.mode == "supervised" else (first,)
        locals_ = [local_crop(images[row], crops, rows[row].source, rng) for row in cut for _ in range(self._recipe.local_crops)]
        shape = (0, crops.local_side, crops.local_side, 3)
        return Draw(torch.from_numpy(np.stack(globals_)),
                    torch.from_numpy(np.stack(locals_) if locals_ else np.empty(shape, np.uint8)),
                    torch.tensor(stage.objects[at]), torch.tensor([first, second]))


def draw_images(rows: Mapping[str, Sequence[int]], mode: str, rng: np.random.Generator) -> tuple[int, int]:
    """The two images that an object's global crops are of.

    Args:
        rows: images of the object by source, none of them empty.
        mode: self_supervised: one image of any source, twice; supervised: a query and a reference, of a source that is drawn
            from those that are available.
        rng: draws.
    """
    if mode == "self_supervised":
        sources = sorted(rows)
        row = _one_of(rows[_one_of(sources, rng)], rng)
        return row, row
    references = [source for source in IMAGE_SOURCES if source in rows]
    reference = _one_of(references, rng)
    return _one_of(rows["query"], rng), _one_of(rows[reference], rng)


def _one_of(choices: Sequence[T], rng: np.random.Generator) -> T:
    return choices[int(rng.integers(len(choices)))]


def stage_objects(cache: CachedImages, recipe: ImageRecipe, sources: Sequence[str]) -> StageObjects:
    """The objects that have what a stage needs: any image; supervised, a query and an image of one of its sources.

    Raises:
        ValueError: there is none; says what is missing.
    """
    found: dict[str, dict[str, list[int]]] = {row.object_id: defaultdict(list) for row in cache.rows}
    for index, row in enumerate(cache.rows):
        if row.source == "query" or row.source in sources:
            found[row.object_id][row.source].append(index)
    supervised = recipe.loss.mode == "supervised"
    kept = [(number, {source: tuple(images) for source, images in rows.items()}) for number, rows in enumerate(found.values())
            if (rows and not supervised) or ("query" in rows and len(rows) > 1)]
    if not kept:
        wanted = f"a query and an image of {', '.join(sources)}" if supervised else f"an image of query, {', '.join(sources)}"
        there = ", ".join(sorted({row.source for row in cache.rows})) or "none"
        raise ValueError(f"none of the {len(found)} training objects has {wanted}; the images are of {there}")
    return StageObjects(tuple(number for number, _ in kept), tuple(rows for _, rows in kept))
