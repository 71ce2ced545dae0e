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


"""The benchmark of descriptors: train what must be trained, measure everything on the same held-out pairs, keep what is done.

A finished cell (one method, D, N and seed) is a JSON file that is never computed again; its name is a hash of all that it
depends on. A killed benchmark goes on with the cell it was at, and a training in it with its last checkpoint.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from objectcentric_ros.descriptors import baselines
from objectcentric_ros.descriptors.benchmark_recipe import BenchmarkRecipe, Cell, cells, key_of
from objectcentric_ros.descriptors.data import PairDataset, collate
from objectcentric_ros.descriptors.descriptor_image import DescriptorModel
from objectcentric_ros.descriptors.memory import peak_memory
from objectcentric_ros.descriptors.model_file import TorchDescriptorModel, load_network
from objectcentric_ros.descriptors.network import DescriptorNetwork
from objectcentric_ros.descriptors.objectives import objective
from objectcentric_ros.descriptors.pairs import NoPair, Pair, PairConfig, PairGenerator
from objectcentric_ros.descriptors.pck import PairScore, per_image, pool, score_pair, score_points
from objectcentric_ros.descriptors.recipe import DescriptorRecipe
from objectcentric_ros.descriptors.training import train
from objectcentric_ros.descriptors.views import ObjectView
from objectcentric_ros.recipe import load_recipe

FRAME = (640, 480)
VERSION = 1           # of the cells' files: raise it when what is measured changes
TIMED = 5


@dataclass(frozen=True)
class Sources:
    """Where a benchmark gets what it doesn't make itself.

    Args:
        test_views: of the held-out instances.
        training_views: for a recipe.
        recipe_file: of a recipe's name.
        model_file: of a model's name.
        report: gets a line of text for each step.
    """

    test_views: Sequence[ObjectView]
    training_views: Callable[[DescriptorRecipe], Sequence[ObjectView]]
    recipe_file: Callable[[str], Path]
    model_file: Callable[[str], Path]
    report: Callable[[str], None]


def test_pairs(views: Sequence[ObjectView], recipe: BenchmarkRecipe) -> dict[str, list[Pair]]:
    """Pairs of 640x480 by mode: rendered, and augmented (exact)."""
    config = recipe.test
    found: dict[str, list[Pair]] = {}
    for mode, count in (("rendered", config.rendered), ("exact", config.augmented)):
        width, height = (0, 0) if mode == "rendered" else FRAME
        generator = PairGenerator(views, PairConfig(mode=mode, width=width, height=height, matches=config.matches,
                                                    min_matches=min(24, config.matches),
                                                    roll=180.0, tilt=30.0, fit=0.5), config.seed)
        pairs: list[Pair] = []
        index = 0
        while len(pairs) < count:
            try:
                pairs.append(generator.pair(index))
            except NoPair:
                if index > 10 * count + 100:
                    raise
            index += 1
        found["augmented" if mode == "exact" else mode] = pairs
    return found


def run(recipe: BenchmarkRecipe, folder: Path, sources: Sources) -> list[dict[str, Any]]:
    """Measure all cells that aren't there yet; returns all, in order.

    Args:
        recipe: the benchmark.
        folder: for cells and trained models.
        sources: of views, recipes and models.
    """
    pairs: dict[str, list[Pair]] = {}
    results = []
    everything = cells(recipe)
    for number, cell in enumerate(everything, start=1):
        path = folder / "cells" / f"{cell_key(recipe, cell, sources)}.json"
        if not path.exists():
            pairs = pairs or test_pairs(sources.test_views, recipe)
            sources.report(f"{number} of {len(everything)}: {cell.label}")
            result = measure_cell(recipe, cell, pairs, folder, sources)
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(result))
            unfinished.replace(path)
        results.append(json.loads(path.read_text()))
    return results


def cell_key(recipe: BenchmarkRecipe, cell: Cell, sources: Sources) -> str:
    """Name of a cell's file: a hash of the method, the recipe's or model's content, and the test pairs."""
    content: Any = ""
    if cell.row.kind in ("trained", "untrained"):
        content = training_recipe(cell, sources)
    elif cell.row.kind == "model":
        content = key_of(sources.model_file(cell.row.source).read_bytes().hex())
    row = {"kind": cell.row.kind, "source": cell.row.source, "weights": cell.row.weights}
    return key_of(VERSION, recipe.family, recipe.test, recipe.memory_size, recipe.memory_matches, row, cell.dimension,
                  cell.keypoints, cell.seed, content)


def training_recipe(cell: Cell, sources: Sources) -> DescriptorRecipe:
    """The recipe of a cell: the row's, with the cell's D, N and seed."""
    overrides = {override.key: yaml.safe_load(override.text) for override in cell.row.overrides}
    overrides |= {"network.dimension": cell.dimension, "training.seed": cell.seed}
    if cell.keypoints:
        overrides["network.keypoints"] = cell.keypoints
    return load_recipe(sources.recipe_file(cell.row.source), DescriptorRecipe, overrides)


def measure_cell(recipe: BenchmarkRecipe, cell: Cell, pairs: dict[str, list[Pair]], folder: Path,
                 sources: Sources) -> dict[str, Any]:
    """Figures of one method, for JSON."""
    result: dict[str, Any] = {"method": cell.row.method, "kind": cell.row.kind, "D": cell.dimension or None,
                              "N": cell.keypoints or None, "seed": cell.seed, "note": cell.row.note}
    if cell.row.kind == "answer":
        rng = np.random.default_rng([recipe.test.seed, cell.seed])
        scores = {mode: [_answer(cell.row.source, pair, rng) for pair in some] for mode, some in pairs.items()}
    else:
        model, network, costs = model_of(recipe, cell, folder, sources)
        result |= costs
        result["D"] = model.dimension
        if network is not None and network.config.keypoints and not result["N"]:
            result["N"] = network.config.keypoints
        result["infer_ms"] = inference_ms(model, pairs["rendered"][0].color_a)
        scores = {mode: [score_pair(model.describe(pair.color_a), model.describe(pair.color_b), pair) for pair in some]
                  for mode, some in pairs.items()}
    for mode, some in scores.items():
        if some:
            result[mode] = {**pool(some).as_dict(), "per_image_masked": per_image(some).tolist()}
    return result


def model_of(recipe: BenchmarkRecipe, cell: Cell, folder: Path, sources: Sources
             ) -> tuple[DescriptorModel, DescriptorNetwork | None, dict[str, Any]]:
    """The model of a cell, trained if it must be, and what its training costs."""
    row = cell.row
    if row.kind == "fixed":
        return _fixed(row.source, row.weights), None, {}
    if row.kind == "model":
        network = load_network(sources.model_file(row.source))
        card = yaml.safe_load(sources.model_file(row.source).with_suffix(".yaml").read_text())
        from objectcentric_ros.recipe import build
        trained_by = build(DescriptorRecipe, card["recipe"], f"{row.source}: recipe")
        return TorchDescriptorModel(network), network, training_costs(trained_by, recipe, sources)
    trained_by = training_recipe(cell, sources)
    if row.kind == "untrained":
        torch.manual_seed(cell.seed)
        network = DescriptorNetwork(trained_by.network)
        return TorchDescriptorModel(network), network, {}
    key = key_of(trained_by)
    path = folder / "models" / f"{key}.safetensors"
    views = sources.training_views(trained_by)
    if not path.exists():
        train(trained_by, views, path, folder / "models" / key)
    network = load_network(path)
    return TorchDescriptorModel(network), network, training_costs(trained_by, recipe, sources, views)


def training_costs(trained_by: DescriptorRecipe, recipe: BenchmarkRecipe, sources: Sources,
                   views: Sequence[ObjectView] | None = None) -> dict[str, Any]:
    """Peak memory and time of one training step of one pair, at the benchmark's image size and number of matches."""
    import dataclasses

    side, matches = recipe.memory_size, recipe.memory_matches
    views = views if views is not None else sources.test_views      # any will do: nothing is learned from them
    kinds = [dataclasses.replace(kind, width=side, height=side, matches=matches) for kind in trained_by.pairs]
    non_matches = trained_by.loss.non_matches if trained_by.loss.method == "contrastive" else 0
    pair = PairDataset(views[:200], kinds, recipe.test.seed, 1)[0]
    batch = collate([pair], matches, non_matches)
    network = DescriptorNetwork(trained_by.network).train().to(memory_format=torch.channels_last)
    for part in network.modules():        # one image and stride 32 leave one value a channel, which batch norm refuses
        if isinstance(part, torch.nn.BatchNorm2d):
            part.eval()

    def step() -> None:
        objective(network, batch, trained_by.loss)["loss"].backward()
        network.zero_grad(set_to_none=True)
    step()
    times = []
    for _ in range(3):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return {"train_peak_mb": peak_memory(step) / 2**20, "step_ms": 1e3 * min(times)}


def inference_ms(model: DescriptorModel, color: Any) -> float:
    """Median time of describing one image [ms]."""
    model.describe(color)
    times = []
    for _ in range(TIMED):
        began = time.perf_counter()
        model.describe(color)
        times.append(time.perf_counter() - began)
    return 1e3 * float(np.median(times))


def _fixed(name: str, weights: str) -> DescriptorModel:
    if name == "raw_patch":
        return baselines.RawPatch()
    if name == "sift":
        return baselines.DenseSift()
    from objectcentric_ros.descriptors import baselines_torch
    if name == "xfeat":
        return baselines_torch.XFeat()
    backbone, _, file = weights.partition("=")
    return baselines_torch.TimmViT(backbone, Path(file))


def _answer(name: str, pair: Pair, rng: np.random.Generator) -> PairScore:
    """Answers that look at no image."""
    count = len(pair.matches_b)
    height, width = pair.mask_b.shape
    masked = baselines.chance_in_mask(count, pair.mask_b, rng)
    if name == "chance_in_mask":
        return score_points(pair, masked, masked)
    if name == "image_centre":
        centre = baselines.image_centre(count, width, height)
        v, u = np.nonzero(pair.mask_b)
        middle = np.repeat([[u.mean(), v.mean()]], count, axis=0)
        return score_points(pair, centre, middle)
    return score_points(pair, baselines.chance_in_image(count, width, height, rng), masked)
