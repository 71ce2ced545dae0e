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

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.identification import local_bank
from objectcentric_ros.identification.embedded_set import EmbeddedSet
from objectcentric_ros.identification.local_bank import LocalBank
from objectcentric_ros.identification.local_features import LocalFeatures, common_points, local_features
from objectcentric_ros.identification.manifest import SOURCES

NAN = np.nan
OBJECTS = ("a", "b", "c")
# Object, source, path; the tray's picture of "a" in two orientations. "c" has a title and no picture.
ROWS = (("a", "query", "a_query.png"), ("a", "tray", "a_tray.png"), ("a", "tray", "a_tray.png"), ("a", "tray", "a_tray_2.png"),
        ("a", "catalog", "a_catalog.png"), ("b", "query", "b_query.png"), ("b", "bin", "b_bin.png"), ("b", "text", "a title"),
        ("c", "text", "another"), ("stranger", "tray", "missing.png"))
ALL = np.ones((1, 4), bool)


@pytest.fixture
def embedded() -> EmbeddedSet:
    vectors = np.tile(np.eye(3, dtype=np.float32)[:1], (len(ROWS), 1))
    return EmbeddedSet(np.array([row[0] for row in ROWS]), np.array([SOURCES.index(row[1]) for row in ROWS], np.int8), vectors,
                       np.array(["test"] * len(ROWS)), np.array([row[2] for row in ROWS]), "image-1")


@pytest.fixture
def root(tmp_path: Path, drawn: Callable[..., NDArray[np.uint8]], seen_otherwise: Callable[..., NDArray[np.uint8]]) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name, image in (("a_query", seen_otherwise(drawn(0))), ("a_tray", drawn(5)), ("a_tray_2", drawn(0)),
                        ("a_catalog", drawn(6)), ("b_query", seen_otherwise(drawn(1))), ("b_bin", drawn(1))):
        cv2.imwrite(str(folder / f"{name}.png"), image[..., ::-1])
    return folder


def features(root: Path, name: str) -> LocalFeatures:
    return local_features(np.ascontiguousarray(cv2.imread(str(root / f"{name}.png"))[..., ::-1]))


def every_pair() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.repeat([0, 1], 3), np.tile([0, 1, 2], 2)


def test_evidence_is_what_the_pictures_have_in_common(embedded: EmbeddedSet, root: Path) -> None:
    found = LocalBank(embedded, root, OBJECTS).evidence(*every_pair(), np.ones((6, 4), bool))
    assert found.shape == (6, 6) and found.dtype == np.float32
    for query, name in enumerate(("a_query", "b_query")):
        seen = features(root, name)
        tray = max(common_points(seen, features(root, other)) for other in ("a_tray", "a_tray_2"))
        np.testing.assert_array_equal(found[3 * query], [*tray, NAN, NAN, *common_points(seen, features(root, "a_catalog"))])
        np.testing.assert_array_equal(found[3 * query + 1], [NAN, NAN, *common_points(seen, features(root, "b_bin")), NAN, NAN])
    assert np.isnan(found[[2, 5]]).all()                                    # a title is no picture
    assert min(found[0, 0], found[4, 2]) > 50 and max(found[1, 2], found[3, 0]) < 10


def test_objects_are_numbered_as_the_caller_says(embedded: EmbeddedSet, root: Path) -> None:
    usual = LocalBank(embedded, root, OBJECTS).evidence(*every_pair(), np.ones((6, 3), bool))
    turned = LocalBank(embedded, root, OBJECTS[::-1]).evidence(every_pair()[0], 2 - every_pair()[1], np.ones((6, 3), bool))
    np.testing.assert_array_equal(turned, usual)


def test_what_is_not_covered_is_not_looked_at(embedded: EmbeddedSet, root: Path) -> None:
    (root / "a_catalog.png").unlink()
    covered = np.array([[True, True, False, True], [False, True, False, True]])
    found = LocalBank(embedded, root, OBJECTS).evidence(np.array([0, 0]), np.array([0, 0]), covered)
    assert found[0, 0] > 50 and np.isnan(found[0, 2:]).all() and np.isnan(found[1]).all()
    none = LocalBank(embedded, root, OBJECTS).evidence(np.empty(0, np.intp), np.empty(0, np.intp), np.empty((0, 3), bool))
    assert none.shape == (0, 6)


def test_the_same_pair_may_be_asked_about_with_other_coverage(embedded: EmbeddedSet, root: Path) -> None:
    bank = LocalBank(embedded, root, OBJECTS)
    covered = np.array([[True, False, False], [True, False, True], [False, False, True]])
    found = bank.evidence(np.zeros(3, np.intp), np.zeros(3, np.intp), covered)
    np.testing.assert_array_equal(found[0, :2], found[1, :2])
    np.testing.assert_array_equal(found[1, 4:], found[2, 4:])
    assert np.isnan(found[0, 4:]).all() and np.isnan(found[2, :2]).all() and not np.isnan(found[1, [0, 1, 4, 5]]).any()


def test_what_was_found_is_kept_for_the_next_time(embedded: EmbeddedSet, root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = LocalBank(embedded, root, OBJECTS, cache)
    first.save()
    assert not cache.exists()                                               # nothing was found yet
    found = first.evidence(*every_pair(), np.ones((6, 3), bool))
    first.save()
    first.save()
    assert len(list(cache.iterdir())) == 1
    for picture in root.iterdir():
        picture.unlink()
    asked: list[tuple[int, int]] = []
    again = LocalBank(embedded, root, OBJECTS, cache, lambda done, total: asked.append((done, total)))
    np.testing.assert_array_equal(again.evidence(*every_pair(), np.ones((6, 3), bool)), found)
    assert asked == []
    with pytest.raises(OSError, match="can't read"):
        LocalBank(embedded, root, OBJECTS).evidence(np.array([0]), np.array([0]), ALL)


def test_later_finds_join_the_earlier_ones(embedded: EmbeddedSet, root: Path, tmp_path: Path) -> None:
    for query, number in ((0, 0), (1, 1)):
        bank = LocalBank(embedded, root, OBJECTS, tmp_path / "cache")
        bank.evidence(np.array([query]), np.array([number]), ALL)
        bank.save()
    for picture in root.iterdir():
        picture.unlink()
    bank = LocalBank(embedded, root, OBJECTS, tmp_path / "cache")
    both = bank.evidence(np.array([0, 1]), np.array([0, 1]), np.ones((2, 3), bool))
    assert both[0, 0] > 50 and both[1, 2] > 50


def test_other_objects_have_another_file(embedded: EmbeddedSet, root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for objects in (OBJECTS, OBJECTS[:2], OBJECTS[::-1]):
        bank = LocalBank(embedded, root, objects, cache)
        bank.evidence(np.array([0]), np.array([1]), ALL)
        bank.save()
    fewer = LocalBank(embedded.take(np.arange(1, len(ROWS))), root, OBJECTS, cache)        # the first query is another one
    fewer.evidence(np.array([0]), np.array([1]), ALL)
    fewer.save()
    assert len(list(cache.glob("*.local.npz"))) == len(list(cache.iterdir())) == 4
    LocalBank(embedded, root, OBJECTS).save()                                              # without a folder: nowhere
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no picture")])
@pytest.mark.parametrize("name", ["a_query.png", "a_tray_2.png"])
def test_a_picture_that_cannot_be_read_is_named(embedded: EmbeddedSet, root: Path, damage: Callable[[Path], object],
                                                name: str) -> None:
    damage(root / name)
    with pytest.raises(OSError, match=name):
        LocalBank(embedded, root, OBJECTS).evidence(np.array([0]), np.array([0]), ALL)


def test_every_picture_is_looked_at_once(embedded: EmbeddedSet, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One picture has two rows, for two orientations; pairs are asked about in parts of two."""
    read: list[str] = []
    compared: list[tuple[int, int]] = []
    steps: list[tuple[int, int]] = []

    def reading(folder: Path, path: str, original: Callable[[Path, str], LocalFeatures] = local_bank._read) -> LocalFeatures:
        read.append(path)
        return original(folder, path)

    def comparing(query: LocalFeatures, reference: LocalFeatures) -> tuple[int, int]:
        compared.append((len(query), len(reference)))
        return common_points(query, reference)

    monkeypatch.setattr(local_bank, "_read", reading)
    monkeypatch.setattr(local_bank, "common_points", comparing)
    monkeypatch.setattr(local_bank, "_STEP", 2)
    bank = LocalBank(embedded, root, OBJECTS, progress=lambda done, total: steps.append((done, total)))
    for _ in range(2):
        bank.evidence(*every_pair(), np.ones((6, 3), bool))
    assert sorted(read) == ["a_catalog.png", "a_query.png", "a_tray.png", "a_tray_2.png", "b_bin.png", "b_query.png"]
    assert len(compared) == 2 * 4                   # two queries; two pictures in trays, one of a bin, one of a catalog
    assert steps == [(2, 6), (4, 6), (6, 6)]
