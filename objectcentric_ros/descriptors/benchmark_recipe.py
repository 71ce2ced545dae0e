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


"""What a benchmark of descriptors is: methods, dimensions, seeds, and the held-out pairs that all are measured on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from objectcentric_ros.recipe import as_mapping

ANSWERS = ("chance_in_image", "chance_in_mask", "image_centre")
FIXED = ("raw_patch", "sift", "xfeat", "vit")
KINDS = ("answer", "fixed", "untrained", "trained", "model")


@dataclass(frozen=True)
class Override:
    """Another value for a key of a training recipe.

    Args:
        key: dotted, such as loss.method.
        text: a value, as YAML has it.
    """

    key: str
    text: str


@dataclass(frozen=True)
class RowConfig:
    """One method.

    Args:
        method: its name in the table.
        kind: answer (no descriptors: chance_in_image, chance_in_mask, image_centre), fixed (raw_patch, sift, xfeat, vit),
            untrained and trained (by a recipe), or model (a trained file).
        source: name of the answer or the fixed method; recipe, by name or file; model file.
        weights: safetensors file of a vit.
        dimensions: D, one row each; for untrained and trained.
        keypoints: N, one row each; empty: the recipe's.
        seeds: trainings a row; for untrained and trained.
        overrides: for the recipe.
        note: a sentence below the table.
    """

    method: str
    kind: str
    source: str
    weights: str = ""
    dimensions: tuple[int, ...] = ()
    keypoints: tuple[int, ...] = ()
    seeds: tuple[int, ...] = (0,)
    overrides: tuple[Override, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"row {self.method}: unknown kind {self.kind!r}: there are {', '.join(KINDS)}")
        allowed = {"answer": ANSWERS, "fixed": FIXED}.get(self.kind)
        if allowed and self.source not in allowed:
            raise ValueError(f"row {self.method}: unknown source {self.source!r}: there are {', '.join(allowed)}")
        if self.kind in ("trained", "untrained") and not self.dimensions:
            raise ValueError(f"row {self.method}: name its dimensions")


@dataclass(frozen=True)
class HeldOutConfig:
    """The pairs that everything is measured on: instances that no training saw.

    Args:
        split: of the family: test are the held-out instances.
        views: rendered an instance.
        seed: of views and pairs; none of the training's.
        rendered: pairs of two rendered views.
        augmented: pairs of one rendered view, warped twice.
        matches: a pair.
    """

    split: str = "test"
    views: int = 16
    seed: int = 900_001
    rendered: int = 48
    augmented: int = 24
    matches: int = 64


@dataclass(frozen=True)
class BenchmarkRecipe:
    """A benchmark.

    Args:
        name: of the benchmark.
        family: whose views are used.
        rows: methods.
        test: what they are measured on.
        main_dimension: D of the plots over other things.
        memory_size: side of the square images that training memory and step times are measured on [px].
        memory_matches: correspondences then.
    """

    name: str
    family: str
    rows: tuple[RowConfig, ...]
    test: HeldOutConfig = HeldOutConfig()
    main_dimension: int = 64
    memory_size: int = 256
    memory_matches: int = 128


@dataclass(frozen=True)
class Cell:
    """One training or model to measure.

    Args:
        row: of the table.
        dimension: D; 0: the method's own.
        keypoints: N; 0: the method's own.
        seed: of the training.
    """

    row: RowConfig
    dimension: int
    keypoints: int
    seed: int

    @property
    def label(self) -> str:
        """For people."""
        parts = [self.row.method, f"D {self.dimension}" if self.dimension else "",
                 f"N {self.keypoints}" if self.keypoints else "", f"seed {self.seed}" if self.row.kind == "trained" else ""]
        return ", ".join(part for part in parts if part)


def cells(recipe: BenchmarkRecipe) -> list[Cell]:
    """Everything that must be measured, in the order of the rows."""
    return [Cell(row, dimension, keypoints, seed) for row in recipe.rows for dimension in row.dimensions or (0,)
            for keypoints in row.keypoints or (0,) for seed in row.seeds]


def key_of(*parts: Any) -> str:
    """Hash of dataclasses, texts and numbers: the name of what was made from them."""
    plain = [as_mapping(part) if hasattr(part, "__dataclass_fields__") else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()[:16]
