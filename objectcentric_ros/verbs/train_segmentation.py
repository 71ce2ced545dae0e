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


"""``objectcentric train segmentation``: train the segmenter from simulated scenes."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.paths import share_dir

EXAMPLES = """examples:
  objectcentric train segmentation
  objectcentric train segmentation --scenes 40 --blocks 10 --output out/quick.npz

Needs the packages of requirements/train.txt. The model card beside the model says how the shipped one was trained."""

BLOCK_SEED_OFFSET = 10_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--scenes", type=int, default=160, metavar="N", help="trays of 5 to 14 household items (default 160)")
    parser.add_argument("--blocks", type=int, default=50, metavar="N", help="trays of boxes and cans, 4 to 11 each (default 50)")
    parser.add_argument("--seed", type=int, default=500_000, metavar="S", help="tray i is made with seed S + i (default 500000)")
    parser.add_argument("--split", choices=("dev", "all"), default="dev", help="items to train on (default dev)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="model file (default: the shipped one)")


def run(arguments: argparse.Namespace) -> int:
    """Train and write the model; returns the exit code."""
    from objectcentric_ros.segmentation.rgbd import MODEL_FILE
    from objectcentric_ros.segmentation.training import TrainingConfig, train

    try:
        import xgboost  # noqa: F401
    except ImportError:
        print("objectcentric train segmentation: xgboost is missing: `pip install -r requirements/train.txt`", file=sys.stderr)
        return 2
    if arguments.scenes < 0 or arguments.blocks < 0 or arguments.scenes + arguments.blocks < 1:
        print("objectcentric train segmentation: --scenes and --blocks must not be negative, nor both 0", file=sys.stderr)
        return 2
    began = time.monotonic()
    layout = CellLayout.load()
    model = train(_frames(arguments, layout), layout, TrainingConfig(),
                  report=lambda text: print(f"{time.monotonic() - began:5.0f} s  {text}", flush=True))
    output = arguments.output or share_dir() / MODEL_FILE
    output.parent.mkdir(parents=True, exist_ok=True)
    model.save(output)
    print(f"{time.monotonic() - began:5.0f} s  wrote {output}")
    return 0


def _frames(arguments: argparse.Namespace, layout: CellLayout) -> Iterator[tuple[RgbdFrame, NDArray[np.uint16]]]:
    """Frames and true labels, with a progress bar."""
    from rich.console import Console
    from rich.progress import track

    from objectcentric_ros.simulation.clutter import ClutterError
    from objectcentric_ros.verbs.evaluate_segmentation import simulated_scene

    jobs = [(arguments.seed + i, False) for i in range(arguments.scenes)]
    jobs += [(arguments.seed + BLOCK_SEED_OFFSET + i, True) for i in range(arguments.blocks)]
    for seed, is_blocks in track(jobs, description="trays", console=Console(stderr=True)):
        if is_blocks:
            yield _block_frame(seed, layout)
            continue
        try:
            scene = simulated_scene(seed, int(np.random.default_rng(seed).integers(5, 15)), arguments.split, layout)
        except ClutterError as error:
            print(f"tray {seed} is left out: {error}", file=sys.stderr)
            continue
        yield scene.frame, scene.labels


def _block_frame(seed: int, layout: CellLayout) -> tuple[RgbdFrame, NDArray[np.uint16]]:
    """A tray of random packages seen by the simulated D435."""
    from objectcentric_ros.segmentation.block_scenes import random_blocks, render
    from objectcentric_ros.simulation.sensor import D435Model

    rng = np.random.default_rng(seed)
    grey = float(rng.uniform(40, 190))
    red, green, blue = (int(c) for c in np.clip(grey + rng.normal(0, 25, 3), 10, 240))
    frame, labels = render(layout, random_blocks(layout, int(rng.integers(4, 12)), rng), seed=seed, tray_color=(red, green, blue))
    return replace(frame, depth=D435Model().observe(frame.depth, frame.color, frame.camera, rng)), labels
