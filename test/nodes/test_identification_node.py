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

"""The identification node, on a real embedded database with an encoder that sees mean colours only."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from objectcentric_interfaces.msg import Identifications
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.identification import models
from objectcentric_ros.identification.encoder import make_encoder
from objectcentric_ros.nodes.conversions import stamp_nanoseconds
from objectcentric_ros.nodes.heart import ERROR
from objectcentric_ros.nodes.identification import IdentificationNode
from objectcentric_ros.nodes.image_conversions import array_from_image, image_from_color

from .colour_boxes import COLOURS, ColourEncoder, colour_gallery, identify
from .node_bench import BLOCK, BenchCamera, NodeBench, block_segmentation, scene_color


@pytest.fixture(scope="module")
def gallery_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Folder of a gallery of coloured boxes."""
    with colour_gallery(tmp_path_factory.mktemp("gallery")) as folder:
        yield folder


@pytest.fixture(scope="module")
def graph(gallery_dir: str) -> Iterator[tuple[NodeBench, BenchCamera, Any]]:
    """A bench with camera and identification node."""
    patch = pytest.MonkeyPatch()
    patch.setattr(models, "make_encoder", lambda name: ColourEncoder())
    bench = NodeBench()
    camera = BenchCamera(bench)
    node = bench.add(IdentificationNode, gallery_data_dir=gallery_dir)
    camera.connect(node)
    yield bench, camera, node
    bench.close()
    patch.undo()


@pytest.fixture
def bench(graph: tuple[NodeBench, BenchCamera, Any]) -> NodeBench:
    """The module's bench."""
    return graph[0]


def two_blocks() -> NDArray[np.uint8]:
    """The scene with a green block (segment 2) beside the red one (segment 1)."""
    color = scene_color()
    color[2:10, 2:10] = COLOURS["green-box"]
    return color


def show(graph: tuple[NodeBench, BenchCamera, Any], color: NDArray[np.uint8] | None = None, extra: int = 0) -> Header:
    """A scene that the node remembers; its header."""
    bench, camera, node = graph
    before = node._camera.frames_received
    header = camera.look(color=color)
    bench.wait_for(lambda: node._camera.frames_received > before, "the image")
    camera.segment(header, block_segmentation(extra))
    bench.wait_for(lambda: node._scenes.newest() and stamp_nanoseconds(node._scenes.newest().segments.header.stamp)
                   == stamp_nanoseconds(header.stamp), "the scene")
    return header


def test_each_segment_is_named_with_its_evidence(graph: Any, bench: NodeBench) -> None:
    header = show(graph, two_blocks(), extra=1)
    answer = identify(bench, stamp=header.stamp, segment_ids=[2, 1])
    assert answer.success, answer.message
    assert [i.segment_id for i in answer.identifications] == [2, 1]
    assert [i.ranking[0].object_id for i in answer.identifications] == ["green-box", "red-box"]
    best = answer.identifications[1].ranking[0]
    assert best.distance_tray < 0.01 and np.isnan(best.distance_bin) and best.mass == pytest.approx(0.1)
    assert not answer.identifications[1].none_of_these and answer.identifications[1].confidence > 0.9
    assert answer.encode_ms > 0 and answer.query_ms > 0


def test_no_ids_means_every_segment_and_each_item_is_there_once(graph: Any, bench: NodeBench) -> None:
    color = scene_color()
    color[2:10, 2:10] = (180, 60, 40)   # reddish, less so than the red block
    header = show(graph, color, extra=1)
    alone = identify(bench, stamp=header.stamp, segment_ids=[2])
    assert alone.identifications[0].ranking[0].object_id == "red-box" and not alone.identifications[0].none_of_these
    together = identify(bench, stamp=header.stamp)
    by_id = {i.segment_id: i for i in together.identifications}
    assert by_id[1].ranking[0].object_id == "red-box" and not by_id[1].none_of_these
    red = next(c.probability for c in by_id[2].ranking if c.object_id == "red-box")
    assert red < 0.5 and by_id[2].none_of_these, "the red box is the other segment"


def test_identifications_overlay_and_markers_are_published_and_latched(graph: Any, bench: NodeBench) -> None:
    header = show(graph)
    assert identify(bench, stamp=header.stamp).success
    named, overlays = bench.listen(Identifications, "identifications"), bench.listen(Image, "identification/overlay")
    markers = bench.listen(MarkerArray, "identification/markers")
    bench.wait_for(lambda: named and overlays and markers)
    assert stamp_nanoseconds(named[-1].header.stamp) == stamp_nanoseconds(header.stamp)
    assert named[-1].identifications[0].ranking[0].object_id == "red-box"
    assert overlays[-1].encoding == "rgb8" and not np.array_equal(array_from_image(overlays[-1]), scene_color())
    (text,) = [marker for marker in markers[-1].markers if marker.text]
    assert text.text.startswith("red-box") and text.header.frame_id == header.frame_id


def test_an_image_is_identified(bench: NodeBench) -> None:
    image = image_from_color(np.full((40, 40, 3), COLOURS["blue-box"], np.uint8), Header())
    answer = identify(bench, image=image)
    assert answer.success and len(answer.identifications) == 1
    assert answer.identifications[0].segment_id == 0 and answer.identifications[0].ranking[0].object_id == "blue-box"


def test_none_of_these_is_an_answer(graph: Any, bench: NodeBench) -> None:
    header = show(graph)
    answer = identify(bench, stamp=header.stamp, candidates=["blue-box"])
    (identified,) = answer.identifications
    assert identified.none_of_these and identified.ranking[0].object_id == "blue-box" and identified.reason


def test_a_candidate_without_references_is_no_match_and_no_error(graph: Any, bench: NodeBench) -> None:
    header = show(graph)
    answer = identify(bench, stamp=header.stamp, candidates=["unseen", "red-box", "red-box"])
    (identified,) = answer.identifications
    assert [c.object_id for c in identified.ranking] == ["red-box", "unseen"], "named twice is one candidate"
    assert np.isnan(identified.ranking[1].distance_tray) and identified.ranking[1].title == "Самовар"


def test_a_scene_without_segments_gives_no_identifications(graph: Any, bench: NodeBench) -> None:
    bench, camera, node = graph
    before = node._camera.frames_received
    header = camera.look()
    bench.wait_for(lambda: node._camera.frames_received > before)
    empty = block_segmentation()
    camera.segment(header, type(empty)(np.zeros_like(empty.labels), ()))
    bench.wait_for(lambda: stamp_nanoseconds(node._scenes.newest().segments.header.stamp) == stamp_nanoseconds(header.stamp))
    answer = identify(bench, stamp=header.stamp)
    assert answer.success and not answer.identifications and "no segments" in answer.message


def test_ten_thousand_candidates_are_compared(bench: NodeBench, graph: Any, gallery_dir: str) -> None:
    header = show(graph)
    with Gallery.open(data_dir=gallery_dir) as gallery:
        many = [f"filler-{index}" for index in range(10_000)]
        known = gallery.summaries(many)
        for object_id in many[:200]:
            if object_id not in known:
                gallery.add_object(ObjectRecord(object_id, object_id))
    answer = identify(bench, stamp=header.stamp, candidates=[*many, "red-box"])
    assert not answer.success and "filler-200" in answer.message and "more" in answer.message and len(answer.message) < 500
    answer = identify(bench, stamp=header.stamp, candidates=[*many[:200], "red-box"] * 50)
    assert answer.success and answer.identifications[0].ranking[0].object_id == "red-box"
    assert len(answer.identifications[0].ranking) == 200, "cut at max_ranking"


def small(width: int, height: int) -> Image:
    """An image of a size."""
    return image_from_color(np.zeros((height, width, 3), np.uint8), Header())


@pytest.mark.parametrize(("fields", "text"), [
    ({"candidates": []}, "candidates is empty"), ({"candidates": ["no-such-item"]}, "no-such-item"),
    ({"segment_ids": [1, 99]}, "no segment 99; it has 1"), ({"stamp": Time(sec=5)}, "no segments of 5.000 s are remembered"),
    ({"image": small(1, 1)}, "1x1"), ({"image": Image(width=4, height=4, encoding="rgb8", step=12)}, "truncated"),
    ({"image": Image(width=9, height=9, encoding="bayer_x")}, "bayer_x"),
    ({"image": small(9, 9), "segment_ids": [1]}, "not both")])
def test_a_wrong_request_is_refused_with_a_sentence(graph: Any, bench: NodeBench, fields: dict[str, Any], text: str) -> None:
    header = show(graph)
    answer = identify(bench, **{"stamp": header.stamp, **fields})
    assert not answer.success and text in answer.message
    assert identify(bench, stamp=header.stamp).success, "the node is still there"


def test_a_segment_without_pixels_is_refused(graph: Any, bench: NodeBench) -> None:
    bench, camera, node = graph
    header = show(graph)
    hollow = block_segmentation()
    hollow.labels[BLOCK] = 0
    camera.segment(header, hollow)
    bench.wait_for(lambda: not node._scenes.newest().labels().any())
    answer = identify(bench, stamp=header.stamp)
    assert not answer.success and "no pixel" in answer.message


def test_segments_whose_image_was_never_received_are_explained(graph: Any, bench: NodeBench) -> None:
    bench, camera, node = graph
    header = camera.header()
    camera.segment(header, block_segmentation())
    bench.wait_for(lambda: node._scenes._unseen == stamp_nanoseconds(header.stamp))
    answer = identify(bench, stamp=header.stamp)
    assert not answer.success and "not their image" in answer.message


def test_continuous_mode_names_every_scene_while_somebody_listens(graph: Any, bench: NodeBench) -> None:
    bench, camera, node = graph
    named = bench.listen(Identifications, "identifications")
    bench.wait_for(lambda: node._identifications.get_subscription_count() > 0)
    (set_,) = node.set_parameters([Parameter("continuous", value=True)])
    assert set_.successful
    try:
        header = show(graph)
        bench.wait_for(lambda: named and stamp_nanoseconds(named[-1].header.stamp) == stamp_nanoseconds(header.stamp))
        assert named[-1].identifications[0].ranking[0].object_id == "red-box"
    finally:
        node.set_parameters([Parameter("continuous", value=False)])


def test_calls_from_several_clients_are_all_answered(graph: Any, bench: NodeBench) -> None:
    header = show(graph)
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(identify(bench, stamp=header.stamp))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(answers) == 5 and all(answer.success for answer in answers)


def test_references_are_embedded_as_they_come_and_only_once(graph: Any, bench: NodeBench, gallery_dir: str) -> None:
    node = graph[2]
    key = node._identifier.embedding_key
    with Gallery.open(data_dir=gallery_dir) as gallery:
        everything = node._all_objects()
        bench.wait_for(lambda: not gallery.missing_embeddings(key, everything, 1), "the first references")
        before = node._embedded
        gallery.add_object(ObjectRecord("late-box", "Late box"))
        patch = np.full((32, 32, 3), (120, 30, 200), np.uint8)
        gallery.add_reference("late-box", "bin", cv2.imencode(".png", patch)[1].tobytes())
        bench.wait_for(lambda: node._embedded > before, "the late reference")
        assert not gallery.missing_embeddings(key, ["late-box"], 1)
        (queried,) = gallery.min_distances(key, np.eye(3)[:1], ["late-box"])[0]
    assert node._embedded == before + 1 and not np.isnan(queried[1]), "the bin column has a distance now"


def test_an_unknown_encoder_fails_configure_with_the_known_ones(gallery_dir: str) -> None:
    bench = NodeBench()
    try:
        node = bench.add(IdentificationNode, start=False, encoder="magic", gallery_data_dir=gallery_dir)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(models, "make_encoder", make_encoder)   # the module's bench has another one in its place
            assert not node.configure_and_activate()
        bench.wait_for_status("identification", ERROR, "unknown encoder 'magic'", "efficientnet")
    finally:
        bench.close()
