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


"""Planner backends by name: every module `<name>_planner.py` of this folder with a `make_planner(layout, seed)`."""

from __future__ import annotations

import importlib
import pkgutil

import objectcentric_ros.motion
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.motion.protocols import Planner

_SUFFIX = "_planner"


def planner_names() -> tuple[str, ...]:
    """Names that make_planner knows."""
    modules = pkgutil.iter_modules(objectcentric_ros.motion.__path__)
    return tuple(sorted(module.name.removesuffix(_SUFFIX) for module in modules if module.name.endswith(_SUFFIX)))


def make_planner(name: str, layout: CellLayout, seed: int = 0) -> Planner:
    """The planner of a name, in the cell of a layout; imports that backend only.

    Raises:
        ValueError: no such planner; the message lists the known ones.
    """
    if name not in planner_names():
        raise ValueError(f"no planner is called '{name}'; known: {', '.join(planner_names())}")
    planner: Planner = importlib.import_module(f"objectcentric_ros.motion.{name}{_SUFFIX}").make_planner(layout, seed)
    return planner
