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

"""The identification node with titles and fusion. A file of its own: two nodes must not serve one service in one domain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from objectcentric_interfaces.msg import Segment, Segments
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from objectcentric_ros.identification import deployed_text, models
from objectcentric_ros.identification.fusion import write_model
from objectcentric_ros.nodes.camera_input import CameraMessages, Scene
from objectcentric_ros.nodes.heart import ERROR
from objectcentric_ros.nodes.identification import IdentificationNode, _sides
from objectcentric_ros.nodes.image_conversions import image_from_color

from .colour_boxes import COLOURS, ColourEncoder, colour_gallery, identify
from .node_bench import NodeBench


@pytest.fixture(scope="module")
def gallery_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Folder of a gallery of coloured boxes."""
    with colour_gallery(tmp_path_factory.mktemp("gallery")) as folder:
        yield folder


class ColourWords:
    """Knows what the three boxes' titles say."""

    key, image_key, dimension = "words-1", "colour-1", 3

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See TextEncoder."""
        vectors = np.array([[1.0 if name in text else 0.1 for name in ("red", "green", "blue")] for text in texts], np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def fusion_file(folder: Path, **card: Any) -> str:
    """A fusion model that was fitted on near references being right."""
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(0)
    rows = rng.uniform(0, 1, (4000, 4)).astype(np.float32)
    data = xgboost.DMatrix(np.where(rng.random(rows.shape) < 0.5, rows, np.nan), label=rows.mean(axis=1) < 0.5)
    write_model(folder / "boxes.ubj", xgboost.train({"objective": "binary:logistic", "max_depth": 4, "nthread": 1}, data, 40),
                {"features": "distances", "temperature": 1.0, "none_weight": 0.5, "thresholds": {0.95: 0.5}, "quarter_turns": 1,
                 "image_key": "colour-1", "text_key": "words-1", **card})
    return str(folder / "boxes.ubj")


def test_titles_and_the_fusion_of_all_sources_are_used(gallery_dir: str, tmp_path: Path) -> None:
    bench = NodeBench()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(models, "make_encoder", lambda name: ColourEncoder())
            patch.setattr(deployed_text, "make_text_encoder", lambda name: ColourWords())
            bench.add(IdentificationNode, gallery_data_dir=gallery_dir, text_encoder="words", fusion=fusion_file(tmp_path))
            color = np.full((32, 32, 3), COLOURS["red-box"], np.uint8)
            response = identify(bench, image=image_from_color(color, Header()), candidates=list(COLOURS))
        assert response.success, response.message
        [answer] = response.identifications
        best = answer.ranking[0]
        assert best.object_id == "red-box" and best.distance_text < 0.1 and np.isnan(best.distance_bin)
        assert answer.reason.startswith("red box (tray 0.0") and not answer.none_of_these
    finally:
        bench.close()


def test_a_fusion_model_of_another_encoder_fails_configure(gallery_dir: str, tmp_path: Path) -> None:
    bench = NodeBench()
    try:
        model = fusion_file(tmp_path, image_key="other-1")
        node = bench.add(IdentificationNode, start=False, gallery_data_dir=gallery_dir, fusion=model)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(models, "make_encoder", lambda name: ColourEncoder())
            assert not node.configure_and_activate()
        bench.wait_for_status("identification", ERROR, "trained on distances of other-1", "train fusion")
    finally:
        bench.close()


def test_segments_are_measured_in_metres_by_their_distance() -> None:
    """120 x 60 px at 0.5 m and 600 px focal length are 10 x 5 cm; a segment without a distance has no size."""
    labels = np.zeros((200, 300), np.uint16)
    labels[20:80, 50:170] = 1
    labels[100:150, 50:100] = 7
    segments = [Segment(id=1, centroid=Point(z=0.5)), Segment(id=7, centroid=Point(z=float("nan")))]
    info = CameraInfo(k=[600.0, 0.0, 150.0, 0.0, 600.0, 100.0, 0.0, 0.0, 1.0])
    scene = Scene(CameraMessages(0, None, None, info, 0.0), Segments(segments=segments))
    unknown, box = _sides(scene, labels, [7, 1])
    assert box == pytest.approx((0.1, 0.05)) and np.isnan(unknown).all()
