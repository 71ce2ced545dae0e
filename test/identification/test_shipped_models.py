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

"""The shipped models together: what a user gets who photographs a new item and gives it a title."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.identification.models import open_identifier
from objectcentric_ros.picking.enrolment import record_of, tray_references
from objectcentric_ros.segmentation import make_segmenter
from objectcentric_ros.simulation.catalogue import Catalogue
from objectcentric_ros.verbs.demo import DEFAULT_ITEMS

KNOWN = ("pen-box", "locker", "tape", "screwdriver")
NEW = "milk-carton"


def test_the_demos_items_were_never_trained_on() -> None:
    catalogue = Catalogue.load()
    for title in DEFAULT_ITEMS:
        (item,) = catalogue.find(title)
        assert item.split == "test", f"{title} may have been trained on"


@pytest.mark.timeout(240)
def test_three_photographs_and_a_title_make_a_new_item_identifiable_at_once(tmp_path: Path) -> None:
    catalogue, segmenter = Catalogue.load(), make_segmenter("rgbd", CellLayout.load())
    with Gallery.open(data_dir=tmp_path) as gallery:
        identifier = open_identifier(gallery)
        for name in KNOWN:
            gallery.add_object(record_of(catalogue.get(name)))
            for crop in tray_references(catalogue.get(name), 3, segmenter):
                gallery.add_reference(name, "tray", crop)
        *photographs, query = tray_references(catalogue.get(NEW), 4, segmenter)
        crop = cv2.imdecode(np.frombuffer(query, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        before = identifier.identify([crop], KNOWN).results[0]
        gallery.add_object(record_of(catalogue.get(NEW)))
        for photograph in photographs:
            gallery.add_reference(NEW, "tray", photograph)
        after = identifier.identify([crop], [*KNOWN, NEW]).results[0]
    assert len(photographs) == 3
    assert after.ranking[0].object_id == NEW and not after.none_of_these
    assert after.ranking[0].probability > before.ranking[0].probability, "nothing that was known looked so much like it"
    assert not np.isnan(after.ranking[0].distances[[0, 3]]).any(), "its photographs and its title were both compared"
