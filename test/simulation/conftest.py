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


"""Scenes that the tests of the simulation share: making one takes a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from objectcentric_ros.simulation.catalogue import Catalogue
from objectcentric_ros.simulation.cell import Cell

CLUTTER = ("rubiks-cube", "medicine-box", "camera", "remote-control", "hammer", "cap", "coffee-mug", "butter")


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.load()


@pytest.fixture(scope="session")
def clutter(catalogue: Catalogue) -> Iterator[Cell]:
    """A tray of eight items that no test changes."""
    with Cell([catalogue.get(item_id) for item_id in CLUTTER], seed=11) as cell:
        yield cell
