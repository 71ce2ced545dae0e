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

"""Batches for the text tower: one object a draw, one picture of each source that it has, one of its titles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import Dataset

from objectcentric_ros.identification.embedded_set import EmbeddedSet
from objectcentric_ros.identification.manifest import SOURCES, Manifest
from objectcentric_ros.identification.text_recipe import TextRecipe, TitleConfig
from objectcentric_ros.identification.title import truncated_title, whole_title

IMAGE_SOURCES = SOURCES[:4]
Pictures = Callable[[NDArray[np.int64], np.random.Generator], Tensor]
"""Rows of a set to tensors of them: vectors that were computed before, or augmented images."""


@dataclass(frozen=True)
class TitledObjects:
    """Objects that have a title and a query.

    Args:
        ids: of the O objects.
        titles: of each, as the catalogue has them.
        rows: of each, the numbers of its pictures by source.
    """

    ids: tuple[str, ...]
    titles: tuple[tuple[str, ...], ...]
    rows: tuple[Mapping[str, NDArray[np.int64]], ...]

    def __len__(self) -> int:
        return len(self.ids)


class TextBatch(NamedTuple):
    """B objects.

    Args:
        tokens: (B, T) int64, padded with 0.
        groups: (B,) int64, equal where titles are the same, as the tower reads them.
        pictures: (B, ...) by source, zeros where the object has none.
        present: (B,) bool by source.
    """

    tokens: Tensor
    groups: Tensor
    pictures: dict[str, Tensor]
    present: dict[str, Tensor]


def titled_objects(manifest: Manifest, split: str, pictures: Iterable[tuple[str, str]]) -> TitledObjects:
    """The objects of a split that can be trained on.

    Args:
        manifest: has the titles.
        split: train, fusion or test.
        pictures: (object id, source) of every row of the set that Pictures reads.

    Raises:
        ValueError: fewer than two objects have a title and a query.
    """
    titles: dict[str, list[str]] = {}
    for row in manifest.select(split, "text").rows:
        titles.setdefault(row.object_id, []).append(row.text)
    rows: dict[str, dict[str, list[int]]] = {}
    for number, (object_id, source) in enumerate(pictures):
        if source != "text" and object_id in titles:
            rows.setdefault(object_id, {}).setdefault(source, []).append(number)
    ids = tuple(object_id for object_id in titles if "query" in rows.get(object_id, {}))
    if len(ids) < 2:
        raise ValueError(f"{manifest.root}: {len(ids)} objects of the split {split} have a title and a query, 2 are needed")
    return TitledObjects(ids, tuple(tuple(titles[object_id]) for object_id in ids),
                         tuple({source: np.array(numbers) for source, numbers in rows[object_id].items()} for object_id in ids))


def vector_rows(embedded: EmbeddedSet) -> list[tuple[str, str]]:
    """(object id, source) of every row of a set of vectors."""
    return [(str(object_id), SOURCES[source]) for object_id, source in zip(embedded.object_ids, embedded.sources, strict=True)]


def frozen_vectors(embedded: EmbeddedSet) -> Pictures:
    """Pictures that are vectors, computed before: the image tower isn't even there."""
    return lambda rows, generator: torch.from_numpy(embedded.vectors[rows])


def drawn_title(titles: tuple[str, ...], config: TitleConfig, generator: np.random.Generator) -> str:
    """One of an object's titles as a training step sees it."""
    title = titles[int(generator.integers(len(titles)))]
    whole = not config.truncate or generator.random() < config.whole
    text = whole_title(title) if whole else truncated_title(title)
    words = text.split()
    if config.drop_words and len(words) > 1:
        kept = generator.random(len(words)) >= config.drop_words
        kept[int(generator.integers(len(words)))] = True
        text = " ".join(word for word, keep in zip(words, kept, strict=True) if keep)
    return text


class TextBatches(Dataset[TextBatch]):
    """The batches of a training by number; the same number is the same batch, whatever was drawn before.

    Args:
        objects: to draw from.
        recipe: sizes, titles and seed.
        tokenizer: with truncation and padding.
        pictures: reads them.
        first: number of the first batch: those before were used by a training that goes on.
    """

    def __init__(self, objects: TitledObjects, recipe: TextRecipe, tokenizer: Tokenizer, pictures: Pictures,
                 first: int = 0) -> None:
        self._objects, self._recipe, self._tokenizer, self._pictures, self._first = objects, recipe, tokenizer, pictures, first
        self._batch = min(recipe.training.batch, len(objects))
        self._sources = {source for term in recipe.terms for source in term.split("_")} - {"text"}
        read = truncated_title if recipe.titles.truncate else whole_title
        keys = [tuple(sorted(read(title).casefold() for title in titles)) for titles in objects.titles]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        self._groups = np.array([numbers[key] for key in keys])

    def __len__(self) -> int:
        return self._recipe.training.steps     # also of a training that goes on: Lightning counts the batches before too

    def __getitem__(self, index: int) -> TextBatch:
        number, seed = self._first + index, self._recipe.training.seed
        epoch, place = divmod(number, len(self._objects) // self._batch)
        chosen = np.random.default_rng((seed, 0, epoch)).permutation(len(self._objects))[place * self._batch:][:self._batch]
        generator = np.random.default_rng((seed, 1, number))
        texts = [drawn_title(self._objects.titles[one], self._recipe.titles, generator) for one in chosen]
        tokens = torch.tensor([encoding.ids for encoding in self._tokenizer.encode_batch(texts)])
        pictures, present = {}, {"text": torch.ones(len(chosen), dtype=torch.bool)}
        for source in sorted(self._sources):
            there = np.array([source in self._objects.rows[one] for one in chosen])
            present[source] = torch.from_numpy(there)
            if there.any():
                rows = np.array([generator.choice(self._objects.rows[one][source]) for one in chosen[there]])
                found = self._pictures(rows, generator)
                pictures[source] = found.new_zeros((len(chosen), *found.shape[1:]))
                pictures[source][present[source]] = found
        return TextBatch(tokens, torch.from_numpy(self._groups[chosen]), pictures, present)
