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


"""The rules that keep the libraries apart: who imports whom."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "objectcentric_ros"
FLOORS = {  # a folder imports folders of its own floor and below
    "geometry": 0,
    "descriptors": 1, "gallery": 1, "segmentation": 1,
    "grasping": 2, "identification": 2, "motion": 2, "simulation": 2,
    "picking": 3,
    "nodes": 4, "inspector": 4,
    "verbs": 5,
}
LIBRARIES = sorted(path for path in PACKAGE.rglob("*.py") if "nodes" not in path.relative_to(PACKAGE).parts)


def imported_modules(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def edges() -> set[tuple[str, str]]:
    """(importing folder, imported folder) inside the package."""
    found = set()
    for path in PACKAGE.rglob("*/*.py"):
        importer = path.relative_to(PACKAGE).parts[0]
        for module in imported_modules(path):
            parts = module.split(".")
            if parts[0] == "objectcentric_ros" and parts[1:] and parts[1] in FLOORS and parts[1] != importer:
                found.add((importer, parts[1]))
    return found


@pytest.mark.parametrize("path", LIBRARIES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_library_imports_neither_rclpy_nor_messages(path: Path) -> None:
    ros = r"(rclpy|launch|launch_ros|\w+_(msgs|srvs|interfaces))(\.|$)"
    assert [module for module in imported_modules(path) if re.match(ros, module)] == []


def test_every_folder_has_a_floor() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders - FLOORS.keys() == set()


def test_imports_run_downward() -> None:
    upward = {(importer, imported) for importer, imported in edges() if FLOORS[importer] < FLOORS[imported]}
    assert upward == set()


def test_imports_make_no_circle() -> None:
    remaining = edges()
    while True:  # take away folders that import nothing, or that nothing imports, until only circles are left
        importers, importeds = ({edge[side] for edge in remaining} for side in (0, 1))
        kept = {(importer, imported) for importer, imported in remaining if imported in importers and importer in importeds}
        if kept == remaining:
            break
        remaining = kept
    assert remaining == set()


@pytest.mark.parametrize("module", ["segmentation.rgbd", "identification.identifier", "gallery.store", "grasping.geometric",
                                    "motion.roboplan_planner", "descriptors.query", "descriptors.pck", "descriptors.deployed",
                                    "grasping.choice", "inspector.server", "inspector.models",
                                    "identification.fusion"])
def test_inference_needs_neither_simulator_nor_training_library(module: str) -> None:
    heavy = ("mujoco", "torch", "lightning", "lightly", "xgboost", "rclpy")
    program = f"import sys, objectcentric_ros.{module}; print(*[name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []
