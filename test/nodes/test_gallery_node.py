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

"""The gallery node, on a real embedded database."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import Pose
from objectcentric_interfaces import srv
from objectcentric_interfaces.msg import GalleryObject, Grasp, PickAttempt

from objectcentric_ros.gallery.errors import DatabaseLost
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.nodes.conversions import stamp_from_seconds
from objectcentric_ros.nodes.gallery import GalleryNode
from objectcentric_ros.nodes.gallery_messages import message_from_record, record_from_message
from objectcentric_ros.nodes.heart import ERROR, OK
from objectcentric_ros.nodes.image_conversions import compressed_from_bytes, compressed_from_color

from .node_bench import NodeBench

NAN = float("nan")


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NodeBench, Path]]:
    """A bench with a gallery node on a fresh database; tests use object ids of their own."""
    folder = tmp_path_factory.mktemp("gallery")
    bench = NodeBench()
    bench.add(GalleryNode, gallery_data_dir=str(folder))
    yield bench, folder
    bench.close()


@pytest.fixture
def bench(graph: tuple[NodeBench, Path]) -> NodeBench:
    """The module's bench."""
    return graph[0]


def known(object_id: str, title: str, **fields: Any) -> GalleryObject:
    """A gallery object."""
    return GalleryObject(object_id=object_id, title=title, **{"size": [NAN] * 3, "mass": NAN, **fields})


def add(bench: NodeBench, message: GalleryObject) -> Any:
    """Call add_object."""
    return bench.call(srv.AddObject, "gallery/add_object", srv.AddObject.Request(object=message))


def get(bench: NodeBench, text: str) -> Any:
    """Call get_object."""
    return bench.call(srv.GetObject, "gallery/get_object", srv.GetObject.Request(object=text))


def picture(seed: int) -> np.ndarray:
    """(32, 32, 3) noise."""
    return np.random.default_rng(seed).integers(0, 255, (32, 32, 3), np.uint8)


def test_learning_is_turned_off_by_a_parameter(tmp_path: Path) -> None:
    # The first of this file: the module's gallery node, which serves the same names, is not up yet.
    bench = NodeBench()
    try:
        bench.add(GalleryNode, gallery_data_dir=str(tmp_path), learning__enabled=False)
        add(bench, known("bowl", "Bowl"))
        record_crop(bench, "bowl", 10)
        counted = get(bench, "bowl").object
        assert (counted.picks_succeeded, counted.references_tray) == (1, 0)
    finally:
        bench.close()


def test_an_added_object_comes_back_as_it_was(bench: NodeBench) -> None:
    given = known("teapot", "Teapot", translation_languages=["ru", "zh"], translation_titles=["Чайник", "茶壶"],
                  size=[0.1, 0.12, 0.2], mass=0.4, attributes_json=json.dumps({"colour": "blue"}))
    assert add(bench, given).success
    answer = get(bench, "teapot")
    assert answer.success
    assert answer.object.title == "Teapot" and math.isclose(answer.object.mass, 0.4, rel_tol=1e-6)
    assert np.allclose(answer.object.size, [0.1, 0.12, 0.2]) and json.loads(answer.object.attributes_json) == {"colour": "blue"}
    titles = dict(zip(answer.object.translation_languages, answer.object.translation_titles, strict=True))
    assert titles == {"ru": "Чайник", "zh": "茶壶"}


@pytest.mark.parametrize("text", ["samovar-1", "SAMOVAR", "самовар", "САМОВАР"])
def test_an_object_is_found_by_id_and_by_title_in_any_alphabet(bench: NodeBench, text: str) -> None:
    add(bench, known("samovar-1", "Samovar", translation_languages=["ru"], translation_titles=["Самовар"]))
    answer = get(bench, text)
    assert answer.success, answer.message
    assert answer.object.object_id == "samovar-1"


def test_an_unknown_object_is_refused_with_the_nearest_titles(bench: NodeBench) -> None:
    add(bench, known("frying-pan", "Frying pan"))
    answer = get(bench, "fryng pan")
    assert not answer.success and "Frying pan" in answer.message
    assert not answer.message.startswith(("'", '"')), "the sentence, not its repr"


@pytest.mark.parametrize(("message", "text"), [
    (known("Not An Id", "x"), "not usable"), (known("untitled", ""), "empty"), (known("heavy", "x", mass=-1.0), "mass"),
    (known("flat", "x", size=[0.1, -1.0, 0.1]), "size"), (known("odd", "x", attributes_json="{"), "no JSON"),
    (known("list", "x", attributes_json="[1]"), "JSON object"),
    (known("lopsided", "x", translation_languages=["de"]), "parallel")])
def test_an_object_that_cannot_be_stored_is_refused(bench: NodeBench, message: GalleryObject, text: str) -> None:
    answer = add(bench, message)
    assert not answer.success and text in answer.message
    assert not get(bench, message.object_id).success


def test_fields_that_nobody_filled_are_unknown(bench: NodeBench) -> None:
    assert add(bench, GalleryObject(object_id="bare", title="Bare")).success
    answer = get(bench, "bare")
    assert math.isnan(answer.object.mass) and all(map(math.isnan, answer.object.size))


def test_a_taken_id_is_refused_and_the_first_object_stays(bench: NodeBench) -> None:
    add(bench, known("twice", "First"))
    answer = add(bench, known("twice", "Second"))
    assert not answer.success and "twice" in answer.message
    assert get(bench, "twice").object.title == "First"


def test_update_replaces_and_remove_removes(bench: NodeBench) -> None:
    add(bench, known("cup", "Cup"))
    request = srv.UpdateObject.Request(object=known("cup", "Big cup", mass=0.3))
    assert bench.call(srv.UpdateObject, "gallery/update_object", request).success
    assert get(bench, "cup").object.title == "Big cup"
    assert bench.call(srv.RemoveObject, "gallery/remove_object", srv.RemoveObject.Request(object_id="cup")).success
    assert not get(bench, "cup").success
    again = bench.call(srv.RemoveObject, "gallery/remove_object", srv.RemoveObject.Request(object_id="cup"))
    assert not again.success and "cup" in again.message
    missing = bench.call(srv.UpdateObject, "gallery/update_object", srv.UpdateObject.Request(object=known("cup", "Cup")))
    assert not missing.success


def test_list_filters_counts_and_pages(bench: NodeBench) -> None:
    for index in range(5):
        add(bench, known(f"spoon-{index}", f"Spoon {index}"))
    request = srv.ListObjects.Request(text="spoon", limit=2, offset=1)
    answer = bench.call(srv.ListObjects, "gallery/list_objects", request)
    assert answer.success and answer.total == 5
    assert [known.object_id for known in answer.objects] == ["spoon-1", "spoon-2"]
    everything = bench.call(srv.ListObjects, "gallery/list_objects", srv.ListObjects.Request(text="spoon"))
    assert len(everything.objects) == 5, "limit 0 means as many as fit"


def test_references_are_added_once_and_counted(bench: NodeBench) -> None:
    add(bench, known("bottle", "Bottle"))
    request = srv.AddReference.Request(object_id="bottle", source="tray", image=compressed_from_color(picture(1)))
    first = bench.call(srv.AddReference, "gallery/add_reference", request)
    second = bench.call(srv.AddReference, "gallery/add_reference", request)
    assert first.success and not first.duplicate
    assert second.success and second.duplicate and second.reference_id == first.reference_id
    counted = get(bench, "bottle").object
    assert (counted.references_tray, counted.references_bin, counted.references_catalog) == (1, 0, 0)


@pytest.mark.parametrize(("object_id", "source", "data", "text"), [
    ("nobody", "tray", None, "nobody"), ("jar", "shelf", None, "shelf"),
    ("jar", "tray", b"GIF89a nonsense", ""), ("jar", "tray", b"", "")])
def test_a_bad_reference_is_refused_and_not_stored(bench: NodeBench, object_id: str, source: str, data: bytes | None,
                                                       text: str) -> None:
    add(bench, known("jar", "Jar"))
    image = compressed_from_color(picture(2)) if data is None else compressed_from_bytes(data)
    request = srv.AddReference.Request(object_id=object_id, source=source, image=image)
    answer = bench.call(srv.AddReference, "gallery/add_reference", request)
    assert not answer.success and answer.message and text in answer.message
    assert get(bench, "jar").object.references_tray == 0


def pick_request(object_id: str, **fields: Any) -> srv.RecordPick.Request:
    """A finished pick with one attempt and one image."""
    grasp = Grasp(pose=Pose(), width=0.04, opening=0.07, approach_distance=0.1, score=0.8, method="geometric")
    grasp.pose.position.x = 0.5
    attempt = PickAttempt(grasp=grasp, outcome="picked", gripper_width=0.041, confidence=0.9, phases=["look", "lift"],
                          seconds=[1.0, 2.5])
    values = {"pick_id": str(uuid.uuid4()), "object_id": object_id, "request": "the box", "outcome": "picked",
              "started": stamp_from_seconds(1.7e9), "finished": stamp_from_seconds(1.7e9 + 20), "attempts": [attempt],
              "image_names": ["before"], "images": [compressed_from_color(picture(3), kind="jpeg")]}
    return srv.RecordPick.Request(**{**values, **fields})


def test_a_pick_is_recorded_once_with_its_grasp_and_images(bench: NodeBench, graph: tuple[NodeBench, Path]) -> None:
    add(bench, known("box", "Box"))
    request = pick_request("box")
    assert bench.call(srv.RecordPick, "gallery/record_pick", request).success
    assert bench.call(srv.RecordPick, "gallery/record_pick", request).success
    counted = get(bench, "box").object
    assert (counted.picks_attempted, counted.picks_succeeded) == (1, 1)
    with Gallery.open(data_dir=graph[1]) as gallery:   # a second user of the embedded server, as the identification node is
        (pick,) = gallery.pick_history("box", with_images=True)
    assert pick.pick_id == request.pick_id and pick.finished - pick.started == pytest.approx(20)
    assert pick.attempts[0].grasp["T_base_tcp"][0][3] == pytest.approx(0.5)
    assert pick.attempts[0].phases == (("look", 1.0), ("lift", 2.5))
    assert set(pick.images) == {"before"}


def record_crop(bench: NodeBench, object_id: str, seed: int, outcome: str = "picked") -> str:
    """Record a pick with a crop of the item; its id."""
    request = pick_request(object_id, outcome=outcome, image_names=["crop"],
                           images=[compressed_from_color(picture(seed), kind="png")])
    assert bench.call(srv.RecordPick, "gallery/record_pick", request).success
    return request.pick_id


def test_the_gallery_learns_the_crop_of_a_pick_that_ended_well(bench: NodeBench, graph: tuple[NodeBench, Path]) -> None:
    add(bench, known("bowl", "Bowl"))
    first = record_crop(bench, "bowl", 10)
    record_crop(bench, "bowl", 11, "grasp_lost")
    record_crop(bench, "bowl", 10)
    assert get(bench, "bowl").object.references_tray == 1
    with Gallery.open(data_dir=graph[1]) as gallery:
        assert [reference.pick_id for reference in gallery.references("bowl")] == [first]
        assert gallery.unlearn("bowl") == 1
    assert get(bench, "bowl").object.references_tray == 0


@pytest.mark.parametrize(("fields", "text"), [
    ({"pick_id": "not a uuid"}, "UUID"), ({"image_names": []}, "parallel"), ({"finished": stamp_from_seconds(1.0)}, "finish"),
    ({"images": [compressed_from_bytes(b"no image")]}, "")])
def test_a_broken_pick_is_refused_and_not_half_recorded(bench: NodeBench, fields: dict[str, Any], text: str) -> None:
    add(bench, known("tin", "Tin"))
    answer = bench.call(srv.RecordPick, "gallery/record_pick", pick_request("tin", **fields))
    assert not answer.success and answer.message and text in answer.message
    assert get(bench, "tin").object.picks_attempted == 0


def test_a_pick_of_something_that_the_gallery_does_not_have_is_recorded(bench: NodeBench) -> None:
    assert bench.call(srv.RecordPick, "gallery/record_pick", pick_request("unicorn", outcome="not_found", attempts=[])).success


def test_diagnostics_count_the_gallery(bench: NodeBench) -> None:
    bench.nodes[0]._report_statistics()
    status = bench.wait_for(lambda: bench.status("gallery") if "objects" in bench.status("gallery").message else None)
    values = {value.key: value.value for value in status.values}
    assert status.level == OK and int(values["objects"]) >= 0 and int(values["calls"]) >= 0 and "embedded" in values["gallery"]


def test_a_lost_database_is_an_answer_and_a_warning(bench: NodeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*arguments: Any) -> None:
        raise DatabaseLost("the gallery's database does not answer")
    monkeypatch.setattr(Gallery, "find_object", lost)
    answer = get(bench, "teapot")
    assert not answer.success and answer.message == "the gallery's database does not answer"


def test_an_error_that_nobody_foresaw_is_an_answer(bench: NodeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> None:
        raise ZeroDivisionError("division by zero")
    monkeypatch.setattr(Gallery, "find_object", broken)
    answer = get(bench, "teapot")
    assert not answer.success and "ZeroDivisionError" in answer.message
    monkeypatch.undo()
    assert not get(bench, "nothing of the kind").success, "the node is still there"


def test_a_url_that_leads_nowhere_fails_configure_with_a_sentence() -> None:
    bench = NodeBench()
    try:
        node = bench.add(GalleryNode, start=False, gallery_url="postgresql://nobody@127.0.0.1:9/nothing")
        assert not node.configure_and_activate()
        bench.wait_for_status("gallery", ERROR, "does not answer")
    finally:
        bench.close()


def test_records_survive_the_round_trip_through_a_message() -> None:
    record = record_from_message(known("mug", "Mug", size=[0.12, 0.08, 0.1], mass=0.35))
    assert record.size == (0.12, 0.08, 0.1) and record.mass == 0.35, "float32 on the wire must not show"
    assert record_from_message(message_from_record(record)) == record
