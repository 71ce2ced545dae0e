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

"""What a text tower is trained on: the train split's titles with vectors of a frozen image tower, or with their images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objectcentric_ros.identification.efficientnet_lite import fit_square
from objectcentric_ros.identification.embedded_set import EmbeddedSet
from objectcentric_ros.identification.image_cache import CachedImages, cached_images
from objectcentric_ros.identification.image_crops import global_crop
from objectcentric_ros.identification.image_model import encoder_key, load_encoder, save_encoder
from objectcentric_ros.identification.image_network import ImageEncoder, start_projection
from objectcentric_ros.identification.image_recipe import ImageCropConfig
from objectcentric_ros.identification.manifest import Manifest
from objectcentric_ros.identification.text_data import (
    IMAGE_SOURCES,
    Pictures,
    TitledObjects,
    frozen_vectors,
    titled_objects,
    vector_rows,
)
from objectcentric_ros.identification.text_recipe import TextRecipe
from objectcentric_ros.identification.text_training import TextMaterial
from objectcentric_ros.recipe import as_mapping

Progress = Callable[[int, int], None]
_PROJECTION_CROPS = 1000      # that the linear layer of a start is fitted to


def frozen_material(manifest: Manifest, embedded: EmbeddedSet) -> TextMaterial:
    """Material of the regime text: vectors that were computed before, and no image tower at all.

    Args:
        manifest: has the titles.
        embedded: vectors of its pictures.

    Raises:
        ValueError: the set has vectors of too few of the manifest's objects.
    """
    rows, pictures = vector_rows(embedded), frozen_vectors(embedded)
    objects = titled_objects(manifest, "train", rows)
    return TextMaterial(objects, pictures, _validation(manifest, rows), pictures, embedded.dimension, embedded.key,
                        facts={"data": str(manifest.root), "image_vectors": int(len(embedded))})


def image_material(manifest: Manifest, recipe: TextRecipe, cache: Path | None = None,
                   progress: Progress | None = None) -> TextMaterial:
    """Material of the regimes image_text and clip: images, and an image tower that is trained too.

    Args:
        manifest: titles and pictures.
        recipe: names the image tower's start.
        cache: folder of the images made small; None: beside the dataset.
        progress: told while that cache is made.

    Raises:
        ValueError: the start can't be loaded, or there are too few objects or pictures.
    """
    side = recipe.images.cache_side
    train = cached_images(manifest.select("train", IMAGE_SOURCES), side, cache, progress)     # the image tower's own training's
    objects = titled_objects(manifest, "train", _rows(train))
    fusion = manifest.select("fusion", "query")
    held = cached_images(fusion, side, cache, progress) if fusion.rows else None
    network, start = _network(recipe, train)
    facts = {"data": str(manifest.root), "images": len(train.rows), "image_start": start}

    def save(output: Path, trained: nn.Module) -> str:
        assert trained is network
        path = image_path(output)
        save_encoder(path, network, {"name": path.stem, "recipe": as_mapping(recipe), **facts})
        return encoder_key(path.stem, network)

    crops = recipe.images.crops
    return TextMaterial(objects, augmented(train, crops), _validation(manifest, _rows(held)) if held else None,
                        plain(held or train, network.config.side), network.dimension, network=network, save_network=save,
                        facts=facts)


def image_path(text_model: Path) -> Path:
    """Where the image tower is that was trained with a text tower: NAME_image.safetensors beside NAME.safetensors."""
    return text_model.with_name(f"{text_model.stem}_image.safetensors")


def augmented(images: CachedImages, crops: ImageCropConfig) -> Pictures:
    """Pictures that are global crops, augmented as in the training of the image tower: (N, G, G, 3) uint8."""
    def read(rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        return torch.from_numpy(np.stack([global_crop(images.images[row], crops, images.rows[row].source, generator)
                                          for row in rows]))
    return read


def plain(images: CachedImages, side: int) -> Pictures:
    """Pictures as the trained tower will see them: (N, side, side, 3) uint8."""
    return lambda rows, generator: torch.from_numpy(np.stack([fit_square(images.images[row], side) for row in rows]))


def _rows(images: CachedImages) -> list[tuple[str, str]]:
    return [(row.object_id, row.source) for row in images.rows]


def _validation(manifest: Manifest, rows: list[tuple[str, str]]) -> TitledObjects | None:
    try:
        return titled_objects(manifest, "fusion", rows)
    except ValueError:       # a user's dataset may have no such split
        return None


def _network(recipe: TextRecipe, train: CachedImages) -> tuple[ImageEncoder, str]:
    """The image tower and what it starts from."""
    if recipe.images.start:
        return load_encoder(Path(recipe.images.start)), recipe.images.start
    network = ImageEncoder(recipe.images.network)
    generator = np.random.default_rng(recipe.training.seed)
    chosen = generator.permutation(len(train.rows))[:_PROJECTION_CROPS]
    pictures = plain(train, recipe.images.network.side)(chosen, generator)
    start_projection(network, list(pictures.numpy()))
    return network, recipe.images.network.weights or "none: from scratch"
