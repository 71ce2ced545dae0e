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

"""Joining trained image encoders into one: reads them, finds the directions that matter, writes the model and its card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from objectcentric_ros.descriptors.training import current_commit
from objectcentric_ros.identification.efficientnet_lite import fit_square
from objectcentric_ros.identification.embedded_set import read_image
from objectcentric_ros.identification.image_model import load_encoder, read_card, save_encoder
from objectcentric_ros.identification.image_network import TorchImageEncoder, as_input
from objectcentric_ros.identification.image_validation import spread_rows, top1, validation_part
from objectcentric_ros.identification.joined_encoder import JoinedEncoder, JoinedRecipe, principal_directions
from objectcentric_ros.identification.manifest import Manifest
from objectcentric_ros.recipe import as_mapping

VALIDATION_OBJECTS = 246
_BATCH = 32

Progress = Callable[[int, int], None]


def join_encoders(recipe: JoinedRecipe, manifest: Manifest, output: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Join trained encoders, and write the model with its card.

    Args:
        recipe: which, and to how many numbers.
        manifest: its split `train` gives the directions, its split `fusion` the figures of the card.
        output: NAME.safetensors.
        progress: told the number of images done and of all.

    Returns:
        The card's facts.

    Raises:
        ValueError: a part is missing or broken, the parts don't go together, or there are too few images.
    """
    network = JoinedEncoder([load_encoder(Path(part)) for part in recipe.parts], recipe.dimension).eval()
    rows = spread_rows(manifest, recipe.images) if recipe.dimension else []
    held_out = validation_part(manifest, "fusion", VALIDATION_OBJECTS)
    total = len(rows) + len(held_out.rows)

    def report(done: int) -> None:
        if progress is not None:
            progress(done, total)

    if recipe.dimension:
        whole = np.empty((len(rows), network.directions.shape[1]), np.float32)
        with torch.inference_mode():
            for start in range(0, len(rows), _BATCH):
                batch = np.stack([fit_square(read_image(manifest.file(row)), network.side) for row in rows[start:start + _BATCH]])
                whole[start:start + len(batch)] = network.whole(as_input(torch.from_numpy(batch))).numpy()
                report(start + len(batch))
        network.directions.copy_(torch.from_numpy(principal_directions(whole, recipe.dimension)))
    encoder = TorchImageEncoder(network)
    vectors = np.empty((len(held_out.rows), network.dimension), np.float32)
    for start in range(0, len(held_out.rows), _BATCH):
        pictures = [read_image(manifest.file(row)) for row in held_out.rows[start:start + _BATCH]]
        vectors[start:start + len(pictures)] = encoder.encode(pictures)
        report(len(rows) + start + len(pictures))
    facts = {"name": recipe.name, "recipe": as_mapping(recipe), "commit": current_commit(), "data": manifest.root.name,
             "images": len(rows), "licence": "Apache-2.0",
             "validation_split": {"split": "fusion", "objects": len({row.object_id for row in held_out.rows}),
                                  "after": top1(held_out.rows, vectors) if held_out.rows else {}},
             "parts": [read_card(Path(part)) for part in recipe.parts]}
    save_encoder(output, network, facts)
    return facts
