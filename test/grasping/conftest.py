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

"""The ray-cast tray of the segmentation tests, which grasps are planned on as well."""

import importlib.util
import sys
from pathlib import Path

import pytest

from objectcentric_ros.geometry.layout import CellLayout


@pytest.fixture(scope="session")
def tray_scene():
    """The module test/segmentation/synthetic_scene.py: Block and render()."""
    path = Path(__file__).parent.parent / "segmentation" / "synthetic_scene.py"
    spec = importlib.util.spec_from_file_location("synthetic_scene_for_grasps", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def layout():
    return CellLayout.load()
