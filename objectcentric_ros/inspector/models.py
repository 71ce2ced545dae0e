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


"""The descriptor model to inspect, by name or file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from objectcentric_ros.descriptors.baselines import DenseSift, RawPatch
from objectcentric_ros.descriptors.deployed import ModelMissing, load_model
from objectcentric_ros.descriptors.descriptor_image import DescriptorModel

UNTRAINED: dict[str, Callable[[], DescriptorModel]] = {"patch": RawPatch, "sift": DenseSift}


def load_descriptor_model(name_or_path: str) -> DescriptorModel:
    """Load a model.

    Args:
        name_or_path: name of an exported model in models/ or its path; or a file NAME.safetensors, as it was trained, which
            needs torch where no export lies beside it; or "patch" or "sift" for descriptors that nobody trained.

    Raises:
        ValueError: there is no such model, or it can't be read.
    """
    if name_or_path in UNTRAINED:
        return UNTRAINED[name_or_path]()
    try:
        return load_model(name_or_path)
    except ModelMissing as error:
        path = Path(name_or_path)
        if path.suffix == ".safetensors" and path.is_file():
            return _as_trained(path)
        raise ValueError(f"{error}; {' and '.join(UNTRAINED)} need no training") from error


def _as_trained(path: Path) -> DescriptorModel:
    try:
        from objectcentric_ros.descriptors.model_file import TorchDescriptorModel, load_network
    except ImportError as error:
        raise ValueError(f"{path} is a network as it was trained, and needs the packages of requirements/train.txt "
                         f"({error.name} is missing): export it, or install them") from error
    return TorchDescriptorModel(load_network(path))
