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


from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.simulation.catalogue import Catalogue
from objectcentric_ros.simulation.cell import Cell
from objectcentric_ros.simulation.variant_items import VariantItem
from objectcentric_ros.simulation.variants import Variant


@pytest.fixture(scope="module")
def box():
    return Catalogue.load().get("medicine-box")


def test_a_stretched_box_has_the_stretched_sizes_and_surface(box) -> None:
    thing = VariantItem.make(box, Variant(box.id, "wide", stretch=(1.2, 1.0, 0.8)))
    np.testing.assert_allclose(thing.item.size, np.asarray(box.size) * [1.2, 1.0, 0.8], rtol=1e-4)
    assert thing.item.mass == pytest.approx(0.96 * box.mass) and thing.item.id == "wide"
    pieces = np.vstack(thing.model.convex_pieces)
    np.testing.assert_allclose(np.ptp(pieces, axis=0), thing.item.size, atol=0.003)
    x, y, z = thing.on_surface([0.3 * box.size[0], 0.0, 0.0])
    assert x == pytest.approx(0.36 * box.size[0]) and y == 0 and z == pytest.approx(0.4 * box.size[2], abs=0.002)


def test_beside_the_item_there_is_no_surface_and_other_items_have_no_such_variant(box) -> None:
    with pytest.raises(ValueError, match="no surface"):
        VariantItem.make(box, Variant(box.id)).on_surface([1.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="not of"):
        VariantItem.make(replace(box, id="other"), Variant(box.id))


def test_variants_stand_upright_in_the_tray(box) -> None:
    layout = CellLayout.load()
    things = [VariantItem.make(box, Variant(box.id, f"box-{number}", hue=90.0 * number)) for number in range(2)]
    with Cell([thing.item for thing in things], 3, layout, models={thing.item.id: thing.model for thing in things},
              upright=True) as cell:
        truth = cell.ground_truth()
    assert truth.object_ids == ("box-0", "box-1") and all(truth.in_tray)
    assert any(T[2, 2] > 0.99 for T in truth.T_base_item)
