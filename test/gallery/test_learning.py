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

"""What the gallery learns from verified picks, keeps and gives back."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import numpy as np
import pytest

from objectcentric_ros.gallery.errors import GalleryError, InvalidRecord, UnknownObject
from objectcentric_ros.gallery.images import decode_image
from objectcentric_ros.gallery.learning import LearningConfig, learn, superfluous
from objectcentric_ros.gallery.records import CROP_IMAGE, ObjectRecord, PickRecord
from objectcentric_ros.gallery.store import Gallery

Picture = Callable[..., bytes]


@pytest.fixture
def stocked(gallery: Gallery, picture: Picture) -> Gallery:
    """A mug with one reference that points along the first axis."""
    gallery.add_object(ObjectRecord("mug", "Mug"))
    reference, _ = gallery.add_reference("mug", "tray", picture(0))
    gallery.put_embeddings("e", [(reference, at(0))])
    return gallery


def at(degrees: float) -> list[float]:
    return [float(np.cos(np.deg2rad(degrees))), float(np.sin(np.deg2rad(degrees)))]


def pick(gallery: Gallery, crop: bytes | None, outcome: str = "picked", object_id: str = "mug",
         config: LearningConfig | None = None) -> str:
    """Record a pick; its id."""
    pick_id = str(uuid.uuid4())
    images = {} if crop is None else {CROP_IMAGE: crop}
    assert gallery.record_pick(PickRecord(pick_id, object_id, "a mug", outcome, 1.0, 2.0, (), images), config or LearningConfig())
    return pick_id


def embed(gallery: Gallery, degrees: dict[bytes, float]) -> None:
    """What an identification does: embed what has no embedding, each picture where it is said to be."""
    missing = gallery.missing_embeddings("e", ["mug"])
    gallery.put_embeddings("e", [(row[0], at(degrees[row[3]])) for row in missing])


def learned(gallery: Gallery) -> list[str]:
    return [reference.pick_id for reference in gallery.references("mug") if reference.pick_id]


def test_a_verified_pick_adds_a_tray_reference_that_names_it(stocked: Gallery, picture: Picture) -> None:
    pick_id = pick(stocked, picture(1))
    first, second = stocked.references("mug")
    assert (first.pick_id, second.pick_id, second.source) == ("", pick_id, "tray")
    assert stocked.reference_image(second.reference_id) == picture(1)
    assert stocked.missing_embeddings("e", ["mug"])[0][0] == second.reference_id       # counts at the next identification


@pytest.mark.parametrize("outcome", ["grasp_lost", "wrong_item", "aborted", "not_identified"])
def test_a_pick_that_failed_teaches_nothing(stocked: Gallery, picture: Picture, outcome: str) -> None:
    pick_id = pick(stocked, picture(1), outcome)
    assert learned(stocked) == []
    info = decode_image(picture(1))[1]
    with pytest.raises(GalleryError, match=f"ended {outcome}"):
        stocked._run(lambda connection: learn(connection, pick_id, picture(1), info, LearningConfig()))
    with pytest.raises(GalleryError, match="not recorded"):
        stocked._run(lambda connection: learn(connection, str(uuid.uuid4()), picture(1), info, LearningConfig()))


def test_nothing_is_learned_where_it_is_turned_off_or_nothing_was_seen(stocked: Gallery, picture: Picture) -> None:
    pick(stocked, picture(1), config=LearningConfig(enabled=False))
    pick(stocked, None)
    pick(stocked, picture(1), object_id="unicorn")
    stocked.record_pick(PickRecord(str(uuid.uuid4()), "mug", "mug", "picked", 1.0, 2.0, (), {CROP_IMAGE: picture(1)}))
    assert learned(stocked) == []
    assert stocked.stats().picks == {"picked": 4}


def test_the_same_picture_and_the_same_pick_are_learned_once(stocked: Gallery, picture: Picture) -> None:
    pick(stocked, picture(1))
    pick(stocked, picture(1))
    pick(stocked, picture(0))                                      # somebody's own reference stays unmarked
    assert len(learned(stocked)) == 1 and stocked.references("mug")[0].pick_id == ""


def test_what_says_nothing_new_goes_once_it_is_embedded(stocked: Gallery, picture: Picture) -> None:
    places = {picture(1): 5.0, picture(2): 60.0, picture(3): 63.0, picture(4): 120.0}
    picks = [pick(stocked, crop) for crop in (picture(1), picture(2), picture(3))]
    embed(stocked, places)
    pick(stocked, picture(4), config=LearningConfig(same_distance=1 - np.cos(np.deg2rad(10))))
    assert learned(stocked)[:-1] == [picks[1]]                     # 5 is near the first, 63 near 60
    assert len(stocked.references("mug")) == 3


def test_the_least_telling_goes_where_there_are_too_many(stocked: Gallery, picture: Picture) -> None:
    places = {picture(1): 30.0, picture(2): 120.0, picture(3): 130.0, picture(4): 180.0}
    picks = [pick(stocked, picture(number)) for number in (1, 2, 3, 4)]
    embed(stocked, places)
    config = LearningConfig(most=4, same_distance=0.0)
    pick(stocked, picture(5), config=config)
    assert learned(stocked)[:-1] == [picks[0], *picks[2:]]         # 120 and 130 are the nearest two; the older one goes


def test_old_ones_go(stocked: Gallery, picture: Picture) -> None:
    first, second = pick(stocked, picture(1)), pick(stocked, picture(2))
    stocked._run(lambda connection: connection.execute(
        "UPDATE object_references SET created = now() - interval '40 days' WHERE reference_id IN "
        "(SELECT reference_id FROM learned_references WHERE pick_id = %s) OR reference_id = (SELECT min(reference_id) "
        "FROM object_references)", (first,)))
    third = pick(stocked, picture(3), config=LearningConfig(max_age_days=30))
    assert learned(stocked) == [second, third]
    assert len(stocked.references("mug")) == 3                      # what somebody added stays, however old


def test_unlearning_takes_back_what_picks_added_and_nothing_else(stocked: Gallery, picture: Picture) -> None:
    picks = [pick(stocked, picture(number)) for number in (1, 2, 3)]
    assert stocked.unlearn(pick_id=picks[1].upper()) == 1
    assert learned(stocked) == [picks[0], picks[2]]
    stocked.add_object(ObjectRecord("jug", "Jug"))
    assert stocked.unlearn("jug") == 0
    assert stocked.unlearn("mug") == 2
    assert len(stocked.references("mug")) == 1 and stocked.stats().picks == {"picked": 3}
    with pytest.raises(UnknownObject):
        stocked.unlearn("unicorn")
    for wrong in ({}, {"pick_id": "the second"}):
        with pytest.raises(InvalidRecord):
            stocked.unlearn(**wrong)


def test_the_verb_unlearns(stocked: Gallery, picture: Picture, capsys: pytest.CaptureFixture[str]) -> None:
    from objectcentric_ros.cli import main

    assert stocked._server is not None
    where = ["--data-dir", str(stocked._server.folder)]
    pick_id = pick(stocked, picture(1))
    pick(stocked, picture(2))
    assert main(["gallery", "show", "mug", *where]) == 0
    assert "learned from picks: 2" in capsys.readouterr().out
    assert main(["gallery", "unlearn", "--pick", pick_id, *where]) == 0
    assert main(["gallery", "unlearn", "MUG", *where]) == 0
    assert capsys.readouterr().out.count("1 learned references removed") == 2
    assert main(["gallery", "unlearn", *where]) == 2
    assert "give the object or the pick" in capsys.readouterr().err


def test_superfluous_by_hand() -> None:
    def unit(degrees: float, *more: float) -> np.ndarray:
        return np.array([at(angle) for angle in (degrees, *more)], np.float32)

    config = LearningConfig(same_distance=0.01, most=2)
    assert superfluous([2, 3], {1: unit(0, 90), 2: unit(91), 3: unit(45)}, config) == [2]        # like an orientation of 1
    assert superfluous([2, 3], {1: unit(0), 2: unit(45), 3: unit(46, 90)}, config) == [3]         # the newer says nothing new
    assert superfluous([2, 3, 4], {2: unit(0), 3: unit(30), 4: unit(120)}, config) == [2]
    assert superfluous([2, 3, 4], {}, config) == [2]                                              # no embedding: the oldest
    assert superfluous([], {1: unit(0), 2: unit(0)}, config) == []
    with pytest.raises(InvalidRecord):
        LearningConfig(same_distance=-0.1)
