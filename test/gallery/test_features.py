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

"""Local image features: opaque bytes by reference and key, which wait for whoever computes them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psycopg
import pytest

from objectcentric_ros.gallery.bulk import VectorObject
from objectcentric_ros.gallery.errors import GalleryError, InvalidRecord
from objectcentric_ros.gallery.features import MAX_BYTES
from objectcentric_ros.gallery.learning import LearningConfig
from objectcentric_ros.gallery.migrations import MIGRATIONS, migrate
from objectcentric_ros.gallery.records import CROP_IMAGE, ObjectRecord, PickRecord
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.gallery.transfer import import_objects, read_source

Picture = Callable[..., bytes]
DENSE = np.random.default_rng(0).bytes(MAX_BYTES)


@pytest.fixture
def stocked(gallery: Gallery, picture: Picture) -> Gallery:
    """A mug with a reference image of every source and a text, and a jug with one image."""
    gallery.add_object(ObjectRecord("mug", "Mug"))
    gallery.add_object(ObjectRecord("jug", "Jug"))
    for seed, source in enumerate(("tray", "bin", "catalog")):
        gallery.add_reference("mug", source, picture(seed))
    gallery.add_text("mug", "to drink from")
    gallery.add_reference("jug", "bin", picture(3))
    return gallery


def ids(gallery: Gallery, object_id: str = "mug") -> list[int]:
    """Image references of an object, oldest first."""
    return [reference.reference_id for reference in gallery.references(object_id) if reference.source != "text"]


def stored(gallery: Gallery) -> int:
    row = gallery._run(lambda connection: connection.execute("SELECT count(*) FROM reference_features").fetchone())
    assert row is not None
    return row[0]


def test_features_come_back_as_they_went_in(stocked: Gallery) -> None:
    tray, bin_, catalog = ids(stocked)
    assert stocked.put_features("sift", [(catalog, b""), (tray, DENSE), (bin_, b"\0\xff'\\x")]) == 3
    assert stocked.features("sift", ["mug", "jug", "no-such-object", "mug"]) == {
        "mug": [("tray", DENSE), ("bin", b"\0\xff'\\x"), ("catalog", b"")]}
    assert stocked.features("sift", []) == {}


def test_what_is_missing_shrinks_as_features_are_put(stocked: Gallery, picture: Picture) -> None:
    tray, bin_, catalog = ids(stocked)
    [jug] = ids(stocked, "jug")
    assert stocked.missing_features("sift", ["jug", "mug"]) == [
        (tray, "mug", "tray", picture(0)), (bin_, "mug", "bin", picture(1)), (catalog, "mug", "catalog", picture(2)),
        (jug, "jug", "bin", picture(3))]
    stocked.put_features("sift", [(bin_, b"1"), (tray, b"")])             # empty is known as well
    assert [row[0] for row in stocked.missing_features("sift", ["mug"])] == [catalog]
    stocked.put_features("sift", [(catalog, b"2"), (jug, b"3")])
    assert stocked.missing_features("sift", ["mug", "jug"]) == []


def test_at_most_as_many_as_asked_for_are_missing(stocked: Gallery) -> None:
    assert [row[0] for row in stocked.missing_features("sift", ["mug", "jug"], 2)] == ids(stocked)[:2]
    assert stocked.missing_features("sift", ["mug"], 0) == []


def test_another_key_is_another_world(stocked: Gallery) -> None:
    first, *_ = ids(stocked)
    stocked.put_features("sift", [(first, b"1")])
    assert stocked.features("orb", ["mug"]) == {}
    assert len(stocked.missing_features("orb", ["mug"])) == 3
    assert stocked.put_features("orb", [(first, b"2")]) == 1
    assert (stocked.features("sift", ["mug"]), stocked.features("orb", ["mug"])) == (
        {"mug": [("tray", b"1")]}, {"mug": [("tray", b"2")]})


def test_what_is_stored_stays_and_the_first_of_a_call_counts(stocked: Gallery) -> None:
    first, second, _ = ids(stocked)
    assert stocked.put_features("sift", [(first, b"1")]) == 1
    assert stocked.put_features("sift", [(second, b"3"), (first, b"2"), (second, b"4")]) == 1
    assert stocked.features("sift", ["mug"]) == {"mug": [("tray", b"1"), ("bin", b"3")]}
    assert stocked.put_features("sift", []) == 0


def test_features_go_with_their_reference_and_their_object(stocked: Gallery) -> None:
    first, second, third = ids(stocked)
    [jug] = ids(stocked, "jug")
    stocked.put_features("sift", [(first, b"1"), (second, b"2"), (third, b"3"), (jug, b"4")])
    stocked.remove_reference(second)
    assert stocked.features("sift", ["mug"]) == {"mug": [("tray", b"1"), ("catalog", b"3")]}
    stocked.remove_object("mug")
    assert stocked.features("sift", ["mug", "jug"]) == {"jug": [("bin", b"4")]}
    assert stored(stocked) == 1


def test_features_of_what_was_learned_go_when_it_is_taken_back(stocked: Gallery, picture: Picture) -> None:
    pick = PickRecord(str(uuid.uuid4()), "mug", "a mug", "picked", 1.0, 2.0, (), {CROP_IMAGE: picture(9)})
    stocked.record_pick(pick, LearningConfig())
    stocked.put_features("sift", [(ids(stocked)[-1], b"learned")])
    assert stocked.features("sift", ["mug"]) == {"mug": [("tray", b"learned")]}
    stocked.unlearn("mug")
    assert stocked.features("sift", ["mug"]) == {} and stored(stocked) == 0


def test_a_reference_that_went_meanwhile_is_left_out(stocked: Gallery) -> None:
    first, second, third = ids(stocked)
    stocked.remove_reference(second)
    assert stocked.put_features("sift", [(first, b"1"), (second, b"2"), (third, b"3")]) == 2
    assert stocked.features("sift", ["mug"]) == {"mug": [("tray", b"1"), ("catalog", b"3")]}


def test_a_reference_that_is_being_removed_is_left_out_without_waiting(stocked: Gallery) -> None:
    first, second, _ = ids(stocked)
    with stocked._pool.connect() as other, other.transaction():
        other.execute("SET LOCAL idle_in_transaction_session_timeout = '20s'")      # else a writer that waits waits for ever
        other.execute("DELETE FROM object_references WHERE reference_id = %s", (first,))
        assert stocked.put_features("sift", [(first, b"1"), (second, b"2")]) == 1
    assert stocked.features("sift", ["mug"]) == {"mug": [("bin", b"2")]}


@pytest.mark.parametrize(("wrong", "words"), [(bytes(MAX_BYTES + 1), "have 65537 bytes; at most 65536"), ("text", "got str"),
                                              (None, "got NoneType"), (np.zeros(3, np.uint8), "got ndarray")],
                         ids=["large", "text", "none", "array"])
def test_what_is_too_large_or_no_bytes_is_named_and_nothing_is_stored(stocked: Gallery, wrong: object, words: str) -> None:
    first, second, _ = ids(stocked)
    with pytest.raises(InvalidRecord, match=f"reference {second} .*{words}"):
        stocked.put_features("sift", [(first, b"1"), (second, wrong)])              # type: ignore[list-item]
    assert stored(stocked) == 0


@pytest.mark.parametrize("key", ["", " ", "a\0b", "x" * 201])
def test_a_key_is_a_short_text(stocked: Gallery, key: str) -> None:
    with pytest.raises(InvalidRecord, match="key of features"):
        stocked.put_features(key, [(ids(stocked)[0], b"1")])
    assert stored(stocked) == 0


def test_the_table_itself_refuses_what_is_too_large(stocked: Gallery) -> None:
    def past_the_check(connection: psycopg.Connection) -> None:
        connection.execute("INSERT INTO reference_features VALUES (%s, 'sift', %s)", (ids(stocked)[0], bytes(MAX_BYTES + 1)))

    with pytest.raises(GalleryError, match="data_check"):
        stocked._run(past_the_check)


def test_two_writers_of_the_same_rows_at_once_both_succeed(gallery: Gallery, both_ways: Callable[..., int]) -> None:
    many = [VectorObject(ObjectRecord(f"item-{number}", "Item"), ("tray",), np.array([[1.0, number]], np.float32))
            for number in range(400)]
    gallery.add_vectors("e", many)
    rows = [(ids(gallery, item.record.object_id)[0], DENSE[:20_000]) for item in many]
    assert both_ways(gallery.put_features, rows) == stored(gallery) == 3 * len(rows)


def test_a_reference_whose_image_is_not_stored_is_never_missing(gallery: Gallery) -> None:
    gallery.add_vectors("e", [VectorObject(ObjectRecord("cap", "Cap"), ("tray",), np.array([[1.0, 0.0]], np.float32))])
    gallery.add_text("cap", "A cap")
    assert len(gallery.references("cap")) == 2
    assert gallery.missing_features("sift", ["cap"]) == []


def test_an_export_leaves_them_out_and_they_are_missing_after_the_import(stocked: Gallery, tmp_path: Path) -> None:
    stocked.put_features("sift", [(reference, b"local features") for reference in ids(stocked)])
    stocked.export(tmp_path / "backup")
    assert not any(b"local features" in path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file())
    stocked.remove_object("mug")
    assert import_objects(stocked, read_source(tmp_path / "backup")).failures == []
    assert stocked.features("sift", ["mug"]) == {}
    assert len(stocked.missing_features("sift", ["mug"])) == 3


def test_their_table_counts_on_the_disk(stocked: Gallery) -> None:
    before = stocked.disk()["reference_features"]
    stocked.put_features("sift", [(reference, DENSE) for reference in ids(stocked)])
    assert stocked.disk()["reference_features"] - before >= 3 * MAX_BYTES          # dense: as large as it is


def test_an_older_gallery_gets_the_table_and_keeps_its_references(stocked: Gallery) -> None:
    def older(connection: psycopg.Connection) -> None:
        connection.execute("DROP TABLE reference_features")
        connection.execute("DELETE FROM schema_version WHERE version >= 7")

    before = ids(stocked)
    stocked._run(older)
    assert stocked._run(migrate) == len(MIGRATIONS)
    assert ids(stocked) == before == [row[0] for row in stocked.missing_features("sift", ["mug"])]
    assert stocked.put_features("sift", [(before[0], b"1")]) == 1
