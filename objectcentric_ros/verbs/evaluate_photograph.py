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


"""``objectcentric evaluate photograph``: train on one photograph, find it again in another."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  apt-get download opencv-doc && dpkg-deb -x opencv-doc_*.deb opencv-doc
  objectcentric evaluate photograph opencv-doc/usr/share/doc/opencv-doc/examples/data/box.png \\
      opencv-doc/usr/share/doc/opencv-doc/examples/data/box_in_scene.png --picture out/box.png

The object must be flat: the truth is a homography, from sparse SIFT matches and RANSAC. The model is trained on the one
photograph by the recipe `photograph`, as `objectcentric train descriptors` would; --model takes a trained one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("photo", type=Path, help="photograph of the object alone")
    parser.add_argument("scene", type=Path, help="photograph of the object somewhere")
    parser.add_argument("--mask", type=Path, metavar="FILE", help="where the object is in the photograph (default: everywhere)")
    parser.add_argument("--model", type=Path, metavar="FILE", help="trained model (default: train one)")
    parser.add_argument("--steps", type=int, default=600, metavar="N", help="of the training (default 600)")
    parser.add_argument("--points", type=int, default=400, metavar="N", help="pixels to look for (default 400)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of pixels and training (default 0)")
    parser.add_argument("--work", type=Path, default=Path("out") / "photograph", metavar="FOLDER", help="for the training")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write a picture of the matches there")


def run(arguments: argparse.Namespace) -> int:
    """Train, measure, print a table; returns the exit code."""
    try:
        return _run(arguments)
    except ImportError as error:
        print(f"objectcentric evaluate photograph: {error.name} is missing: `pip install -r requirements/train.txt`",
              file=sys.stderr)
    except ValueError as error:
        print(f"objectcentric evaluate photograph: {error}", file=sys.stderr)
    return 2


def _run(arguments: argparse.Namespace) -> int:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from objectcentric_ros.descriptors import photograph
    from objectcentric_ros.descriptors.baselines import DenseSift
    from objectcentric_ros.descriptors.baselines_torch import XFeat
    from objectcentric_ros.descriptors.model_file import TorchDescriptorModel, load_network
    from objectcentric_ros.descriptors.network import DescriptorNetwork
    from objectcentric_ros.descriptors.recipe import DescriptorRecipe
    from objectcentric_ros.descriptors.training import train
    from objectcentric_ros.descriptors.views import ObjectView, default_camera
    from objectcentric_ros.recipe import load_recipe
    from objectcentric_ros.verbs.training_options import recipe_file

    photo, scene = (_read(path) for path in (arguments.photo, arguments.scene))
    mask = np.ones(photo.shape[:2], np.bool_) if arguments.mask is None else _read(arguments.mask)[..., 0] > 127
    view = ObjectView(photo, mask, default_camera(photo.shape[1], photo.shape[0]), None, None, arguments.photo.stem, "photo")
    H, inliers = photograph.homography(photo, scene)
    source, target = photograph.true_matches(mask, H, scene, arguments.points, arguments.seed)
    recipe = load_recipe(recipe_file("photograph"), DescriptorRecipe, {
        "training.steps": arguments.steps, "training.seed": arguments.seed, "name": arguments.photo.stem})
    path = arguments.model or arguments.work / f"{arguments.photo.stem}-{arguments.steps}-{arguments.seed}.safetensors"
    if not path.exists():
        train(recipe, [view], path, path.with_suffix(""))
    models: dict[str, Any] = {"trained on the photograph": TorchDescriptorModel(load_network(path)), "XFeat": XFeat(),
                              "SIFT": DenseSift(), "untrained": TorchDescriptorModel(DescriptorNetwork(recipe.network))}
    table = Table(title=f"{arguments.photo.name} in {arguments.scene.name}: {len(source)} pixels, truth from {inliers} inliers")
    for name in ("method", "median error [px]", "within 5 px", "within 10 px", "within 25 px"):
        table.add_column(name, justify="left" if name == "method" else "right")
    rows = []
    for name, model in models.items():
        found = photograph.find(model, photo, scene, source, target)
        rows.append({"method": name, "median_px": found.median_px, **{f"within_{k}": share for k, share in found.within.items()}})
        table.add_row(name, f"{found.median_px:.1f}", *(f"{share:.2f}" for share in found.within.values()))
        if arguments.picture and name.startswith("trained"):
            _draw(arguments.picture, photo, scene, source, found.points, target)
    Console().print(table)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({"rows": rows, "pixels": len(source), "inliers": inliers,
                                              "steps": arguments.steps, "seed": arguments.seed}, indent=1) + "\n")
    return 0


def _read(path: Path) -> Any:
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{path} {'is not an image that can be read' if path.exists() else 'is missing'}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _draw(path: Path, photo: Any, scene: Any, source: Any, found: Any, target: Any, count: int = 40) -> None:
    """Lines from the photograph to where its pixels were found: green within 10 px, red beyond."""
    import cv2
    import numpy as np

    height = max(photo.shape[0], scene.shape[0])
    picture = np.full((height, photo.shape[1] + scene.shape[1], 3), 255, np.uint8)
    picture[:photo.shape[0], :photo.shape[1]] = photo
    picture[:scene.shape[0], photo.shape[1]:] = scene
    for index in np.linspace(0, len(source) - 1, min(count, len(source))).astype(int):
        right = np.linalg.norm(found[index] - target[index]) <= 10
        start, end = source[index].round().astype(int), (found[index] + [photo.shape[1], 0]).round().astype(int)
        cv2.line(picture, tuple(map(int, start)), tuple(map(int, end)), (40, 170, 60) if right else (210, 50, 40), 1, cv2.LINE_AA)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1])
