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

"""A recorded bag through the perception nodes: the same segments and names every time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from objectcentric_interfaces.msg import Identification, Identifications, Segments

from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.nodes import bag
from objectcentric_ros.nodes.conversions import stamp_nanoseconds
from objectcentric_ros.nodes.identification import IdentificationNode
from objectcentric_ros.nodes.image_conversions import labels_from_image
from objectcentric_ros.nodes.segmentation import SegmentationNode

from .node_bench import COLOR_TOPIC, DEPTH_TOPIC, LATCHED, NodeBench

FIXTURES = Path(__file__).parent.parent / "fixtures"
Seen = dict[int, NDArray[np.uint16]]
Named = dict[int, dict[int, str]]


@pytest.fixture(scope="module")
def gallery_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gallery with the items of the recorded tray."""
    folder = tmp_path_factory.mktemp("gallery")
    with Gallery.open(data_dir=folder) as gallery:
        for item in sorted((FIXTURES / "references").iterdir()):
            gallery.add_object(ObjectRecord(item.name, item.name))
            for photograph in sorted(item.glob("*.png")):
                gallery.add_reference(item.name, "tray", photograph.read_bytes())
        yield str(folder)


def name_of(found: Identification) -> str:
    return "none of these" if found.none_of_these else str(found.ranking[0].object_id)


def replay(gallery_dir: str) -> tuple[Seen, Named]:
    """Label images and the best name of every segment, by image stamp [ns]."""
    bench = NodeBench()
    try:
        segments, names = bench.listen(Segments, "segments", LATCHED), bench.listen(Identifications, "identifications", LATCHED)
        bench.add(SegmentationNode, use_sim_time=True, max_rate=20.0)
        bench.add(IdentificationNode, use_sim_time=True, gallery_data_dir=gallery_dir, continuous=True)
        bag.play(FIXTURES / "tray", wait_for=[COLOR_TOPIC, DEPTH_TOPIC, "/tf", "/tf_static"])

        def done() -> bool:
            return bool(segments and names and names[-1].header.stamp == segments[-1].header.stamp)
        bench.wait_for(done, "names of the last segments", timeout=30.0)
        seen = {stamp_nanoseconds(message.header.stamp): labels_from_image(message.labels) for message in segments}
        named = {stamp_nanoseconds(message.header.stamp): {found.segment_id: name_of(found) for found in message.identifications}
                 for message in names}
        return seen, named
    finally:
        bench.close()


def test_replay_gives_the_same_segments_and_names_every_time(gallery_dir: str) -> None:
    first_seen, first_named = replay(gallery_dir)
    second_seen, second_named = replay(gallery_dir)
    common = first_seen.keys() & second_seen.keys()
    assert common
    for stamp in common:
        np.testing.assert_array_equal(first_seen[stamp], second_seen[stamp])
        assert 3 <= len(np.unique(first_seen[stamp])) - 1 <= 9   # six items lie there, two of them half hidden
    both_named = first_named.keys() & second_named.keys()
    assert both_named
    for stamp in both_named:
        assert first_named[stamp] == second_named[stamp]
        assert "stapler" in first_named[stamp].values()
