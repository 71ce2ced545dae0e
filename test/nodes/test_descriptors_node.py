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

"""The descriptors node: what it finds and shows, and that bad input gets a sentence and never ends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import Point, PointStamped
from numpy.typing import NDArray
from objectcentric_interfaces.srv import QueryDescriptor
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from objectcentric_ros.descriptors.deployed import ModelMissing
from objectcentric_ros.descriptors.descriptor_image import DescriptorImage
from objectcentric_ros.nodes import descriptors
from objectcentric_ros.nodes.clicks import clicked_pixel
from objectcentric_ros.nodes.conversions import stamp_nanoseconds
from objectcentric_ros.nodes.descriptors import DescriptorsNode
from objectcentric_ros.nodes.heart import ERROR, OK, WARN
from objectcentric_ros.nodes.image_conversions import array_from_image, image_from_color

from .node_bench import CAMERA, OPTICAL_FRAME, TIMEOUT, BenchCamera, NodeBench, scene_color

MARK = (5, 40)     # row and column of a green dot


class ColourModel:
    """A pixel's descriptor is its colour and how light it is."""

    key, dimension, precision, basis = "colour", 4, "fake", None

    def __init__(self) -> None:
        self.images = 0

    def prepare(self, height: int, width: int) -> None:
        """See DeployedModel."""

    def describe(self, color: NDArray[np.uint8]) -> DescriptorImage:
        """See DescriptorModel."""
        self.images += 1
        colour = color.astype(np.float32) / 255
        return DescriptorImage(np.concatenate([colour, colour.mean(axis=2, keepdims=True)], axis=2), 1, *color.shape[:2])


@dataclass
class FakePoint:
    """What is read of a gallery's GraspPoint."""

    name: str
    encoder_key: str
    descriptor: NDArray[np.float32]


class FakeGallery:
    """Grasp points of one object."""

    def __init__(self, *points: FakePoint) -> None:
        self.points = points

    def grasp_points(self, object_id: str) -> tuple[FakePoint, ...]:
        """See Gallery."""
        return self.points

    def grasp_point(self, object_id: str, name: str) -> FakePoint:
        """See Gallery."""
        for point in self.points:
            if point.name == name:
                return point
        raise LookupError(f"{object_id} has no grasp point {name!r}; it has {', '.join(p.name for p in self.points)}")

    def close(self) -> None:
        """See Gallery."""


def marked() -> NDArray[np.uint8]:
    """The bench's scene with a green dot."""
    color = scene_color()
    color[MARK] = (0, 255, 0)
    return color


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ColourModel:
    """The model that the node loads."""
    made = ColourModel()
    monkeypatch.setattr(descriptors, "load_model", lambda name, **options: made)
    return made


@pytest.fixture
def node(bench: NodeBench, camera: BenchCamera, model: ColourModel) -> Any:
    """The node, with the camera connected, and the marked scene as the newest image."""
    node = bench.add(DescriptorsNode, max_rate=50.0)
    camera.connect(node)
    header = camera.look(color=marked())
    bench.wait_for(lambda: node._camera.newest().stamp_ns == stamp_nanoseconds(header.stamp))
    return node


def ask(bench: NodeBench, **fields: Any) -> Any:
    """Answer to a query."""
    return bench.call(QueryDescriptor, "query_descriptor", QueryDescriptor.Request(**fields))


def click(bench: NodeBench, node: Any, x: float, y: float, z: float, frame: str = OPTICAL_FRAME) -> str:
    """Publish a click; what the node made of it."""
    publisher = bench.client.create_publisher(PointStamped, "/clicked_point", 5)
    bench.wait_for(lambda: publisher.get_subscription_count() > 0)
    before, node._last_click = node._last_click, "waiting"
    publisher.publish(PointStamped(header=Header(frame_id=frame), point=Point(x=x, y=y, z=z)))
    return bench.wait_for(lambda: node._last_click != "waiting" and node._last_click) or before


def test_a_descriptor_is_found_where_it_is_in_the_newest_image(bench: NodeBench, node: Any) -> None:
    answer = ask(bench, descriptor=[0.0, 1.0, 0.0, 1 / 3], temperature=-2.0)
    assert answer.success, answer.message
    assert (answer.peak.x, answer.peak.y) == pytest.approx((MARK[1], MARK[0]), abs=0.05)
    assert not answer.multimodal and answer.confidence > 0.5
    assert list(answer.descriptor) == pytest.approx([0.0, 1.0, 0.0, 1 / 3])


def test_a_points_descriptor_is_returned_and_finds_the_point_in_another_image(bench: NodeBench, node: Any) -> None:
    first = ask(bench, point=Point(x=float(MARK[1]), y=float(MARK[0])))
    assert first.success and list(first.descriptor) == pytest.approx([0.0, 1.0, 0.0, 1 / 3])
    other = np.roll(marked(), (20, -7), axis=(0, 1))
    second = ask(bench, descriptor=first.descriptor, image=image_from_color(other, Header()))
    assert (second.peak.x, second.peak.y) == pytest.approx((MARK[1] - 7, MARK[0] + 20), abs=0.05)


def test_two_places_that_match_are_told(bench: NodeBench, node: Any) -> None:
    color = marked()
    color[40, 4] = (0, 255, 0)
    answer = ask(bench, descriptor=[0.0, 1.0, 0.0, 1 / 3], image=image_from_color(color, Header()))
    assert answer.success and answer.multimodal and answer.confidence < 0.1 and "another is at" in answer.message


def test_a_grasp_point_of_an_object_is_found(bench: NodeBench, node: Any) -> None:
    node._gallery = FakeGallery(FakePoint("dot", "colour", np.array([0.0, 1.0, 0.0, 1 / 3], np.float32)))
    for name in ("dot", ""):      # the only one needs no name
        answer = ask(bench, object_id="hat", grasp_point=name)
        assert answer.success and (answer.peak.x, answer.peak.y) == pytest.approx((MARK[1], MARK[0]), abs=0.05)


def test_grasp_points_that_can_not_be_used_are_refused(bench: NodeBench, node: Any) -> None:
    vector = np.array([0.0, 1.0, 0.0, 1 / 3], np.float32)
    node._gallery = FakeGallery(FakePoint("dot", "colour", vector), FakePoint("old", "another-model", vector))
    for name, text in (("brim", "no grasp point 'brim'"), ("old", "of the model another-model"),
                       ("", "has the grasp points dot, old: name one")):
        answer = ask(bench, object_id="hat", grasp_point=name)
        assert not answer.success and text in answer.message
    assert "whose grasp point" in ask(bench, grasp_point="dot").message


@pytest.mark.parametrize(("fields", "text"), [
    ({"descriptor": [1.0, 2.0]}, "must be (4,)"),
    ({"descriptor": [1.0, float("nan"), 0.0, 0.0]}, "finite"),
    ({"descriptor": [1.0, 0.0, 0.0, 0.0], "object_id": "hat"}, "not both"),
    ({"descriptor": [1.0, 0.0, 0.0, 0.0], "temperature": float("nan")}, "finite"),
    ({"point": Point(x=64.0, y=3.0)}, "outside the image of 64x48"),
    ({"point": Point(x=-1.0, y=3.0)}, "outside the image"),
    ({"point": Point(x=float("nan"), y=3.0)}, "outside the image"),
    ({"image": Image(width=3, height=0, encoding="rgb8")}, "empty"),
    ({"image": Image(width=3, height=2, step=9, encoding="rgb8")}, "truncated"),
    ({"image": Image(width=3, height=2, step=9, encoding="rgb8_made_up")}, "rgb8_made_up")])
def test_a_bad_request_is_refused_with_a_sentence_and_the_next_served(
        bench: NodeBench, node: Any, fields: dict[str, Any], text: str) -> None:
    answer = ask(bench, **fields)
    assert not answer.success and text in answer.message
    assert ask(bench, descriptor=[0.0, 1.0, 0.0, 1 / 3]).success


def test_without_a_camera_image_it_says_so(bench: NodeBench, model: ColourModel) -> None:
    bench.add(DescriptorsNode)
    answer = ask(bench, descriptor=[0.0, 1.0, 0.0, 1 / 3])
    assert not answer.success and "no camera image yet" in answer.message


def test_the_heatmap_shows_what_was_clicked(bench: NodeBench, camera: BenchCamera, node: Any) -> None:
    pictures = bench.listen(Image, "descriptors/heatmap", 1)
    bench.wait_for(lambda: node._heatmap.get_subscription_count() > 0)
    assert "pixel (40.0, 5.0)" in click(bench, node, float(MARK[1]), float(MARK[0]), 0.0)
    header = camera.look(color=np.roll(marked(), 10, axis=0))
    stamp = stamp_nanoseconds(header.stamp)
    picture = bench.wait_for(lambda: next((p for p in pictures if stamp_nanoseconds(p.header.stamp) == stamp), None), "heatmap")
    assert picture.encoding == "rgb8" and picture.header.frame_id == OPTICAL_FRAME
    assert tuple(array_from_image(picture)[MARK[0] + 10, MARK[1]]) == (255, 255, 255)      # the cross


def test_before_a_click_the_heatmap_is_the_image_and_costs_no_inference(
        bench: NodeBench, camera: BenchCamera, node: Any, model: ColourModel) -> None:
    before = model.images
    pictures = bench.listen(Image, "descriptors/heatmap", 1)
    bench.wait_for(lambda: node._heatmap.get_subscription_count() > 0)
    camera.look(color=marked())
    picture = bench.wait_for(lambda: pictures and pictures[-1])
    assert np.array_equal(array_from_image(picture)[40:], marked()[40:]) and model.images == before


def test_colours_of_the_descriptors_stay_when_the_image_changes(bench: NodeBench, camera: BenchCamera, node: Any) -> None:
    pictures = bench.listen(Image, "descriptors/pca", 1)
    bench.wait_for(lambda: node._pca.get_subscription_count() > 0)

    def painted(color: NDArray[np.uint8]) -> NDArray[np.uint8]:
        stamp = stamp_nanoseconds(camera.look(color=color).stamp)
        return array_from_image(bench.wait_for(
            lambda: next((p for p in pictures if stamp_nanoseconds(p.header.stamp) == stamp), None)))
    first = painted(marked())
    second = painted(np.roll(marked(), 12, axis=1))
    assert np.ptp(first.reshape(-1, 3), axis=0).max() > 100
    assert np.array_equal(np.roll(first, 12, axis=1), second)      # a basis of its own would have clipped other colours
    status = bench.wait_for(lambda: next((s for s in [bench.status("descriptors")] if "overhead_ms_p50" in figures(s)), None))
    assert float(figures(status)["overhead_ms_p50"]) > 0


def figures(status: Any) -> dict[str, str]:
    """Figures of a status."""
    return {value.key: value.value for value in status.values}


def test_nothing_is_described_while_nobody_watches(
        bench: NodeBench, camera: BenchCamera, node: Any, model: ColourModel) -> None:
    before, arrived = model.images, node._camera.frames_received
    for _ in range(3):
        camera.look()
    bench.wait_for(lambda: node._camera.frames_received == arrived + 3)
    assert model.images == before


def test_a_point_of_space_is_projected_into_the_image(bench: NodeBench, camera: BenchCamera, node: Any) -> None:
    # The camera looks straight down from (0.48, 0, 0.6): a point below it is the image's centre.
    assert click(bench, node, 0.48, 0.0, 0.1, "fr3_link0") == "pixel (32.0, 24.0)"


@pytest.mark.parametrize(("x", "y", "z", "frame", "text"), [
    (0.48, 0.0, 0.9, "fr3_link0", "lies behind the camera"),
    (9.0, 0.0, 0.0, "fr3_link0", "outside the image of 64x48"),
    (200.0, 3.0, 0.0, OPTICAL_FRAME, "outside the image"),
    (float("nan"), 0.0, 0.0, "fr3_link0", "not finite"),
    (0.0, 0.0, 1.0, "", "no frame_id"),
    (0.0, 0.0, 1.0, "moon", "moon")])
def test_a_bad_click_is_refused_with_a_sentence(
        bench: NodeBench, node: Any, x: float, y: float, z: float, frame: str, text: str) -> None:
    node.config = node.config.__class__(**{**node.config.__dict__, "transform_timeout": 0.0})
    answer = click(bench, node, x, y, z, frame)
    assert answer.startswith("refused: ") and text in answer
    assert node._searched is None
    assert ask(bench, descriptor=[0.0, 1.0, 0.0, 1 / 3]).success


def test_a_click_on_a_points_own_axis_needs_no_transform() -> None:
    message = PointStamped(header=Header(frame_id=OPTICAL_FRAME), point=Point(x=0.1, y=-0.05, z=0.5))
    pixel = clicked_pixel(message, CAMERA, OPTICAL_FRAME, lambda target, source: np.eye(4))
    assert pixel == pytest.approx((60 * 0.1 / 0.5 + 32, 60 * -0.05 / 0.5 + 24))


def test_a_missing_model_leaves_the_node_up_with_a_warning(bench: NodeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, **options: Any) -> None:
        raise ModelMissing(f"there is no exported descriptor model {name!r}: export one")
    monkeypatch.setattr(descriptors, "load_model", refuse)
    node = bench.add(DescriptorsNode, model="nowhere")
    assert node.state_label == "active"
    bench.wait_for_status("descriptors", WARN, "no exported descriptor model 'nowhere'", "configure this node anew")
    answer = ask(bench, descriptor=[0.0])
    assert not answer.success and "nowhere" in answer.message


def test_a_broken_model_leaves_the_node_up_with_an_error(bench: NodeBench, tmp_path: Any) -> None:
    (tmp_path / "m.yaml").write_text("export: {precision: int8, files: {int8: {m.int8.xml: 00}}}")
    (tmp_path / "m.xml").write_text("<net/>")
    node = bench.add(DescriptorsNode, model=str(tmp_path / "m"))
    assert node.state_label == "active"
    bench.wait_for_status("descriptors", ERROR, "m.int8.xml is missing")


def test_a_model_that_fails_does_not_end_the_node(
        bench: NodeBench, camera: BenchCamera, node: Any, model: ColourModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(color: NDArray[np.uint8]) -> DescriptorImage:
        raise RuntimeError("out of ideas")
    monkeypatch.setattr(model, "describe", fail)
    bench.listen(Image, "descriptors/pca", 1)
    bench.wait_for(lambda: node._pca.get_subscription_count() > 0)
    camera.look()
    bench.wait_for_status("descriptors", ERROR, "out of ideas")
    answer = ask(bench, descriptor=[0.0, 1.0, 0.0, 1 / 3])
    assert not answer.success and "out of ideas" in answer.message
    monkeypatch.undo()
    monkeypatch.setattr(descriptors, "load_model", lambda name, **options: model)
    assert ask(bench, descriptor=[0.0, 1.0, 0.0, 1 / 3]).success


def test_it_pauses_and_goes_on(bench: NodeBench, camera: BenchCamera, node: Any) -> None:
    node.trigger_deactivate()
    bench.wait_for(lambda: camera.color.get_subscription_count() == 0, timeout=TIMEOUT)
    node.trigger_activate()
    camera.connect(node)
    bench.wait_for_status("descriptors", OK, "ready")
    assert ask(bench, descriptor=[0.0, 1.0, 0.0, 1 / 3]).success
