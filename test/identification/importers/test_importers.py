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

"""Importers on small made-up trees in the true layouts, and on what strangers may put into them."""

from __future__ import annotations

import csv
import gzip
import json
import os
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objectcentric_ros.cli import main
from objectcentric_ros.identification.importers.amazon_bin import read_amazon_bin
from objectcentric_ros.identification.importers.armbench import ArmBenchConfig, read_armbench
from objectcentric_ros.identification.importers.berkeley import BerkeleyConfig, read_berkeley
from objectcentric_ros.identification.importers.folder import read_folder
from objectcentric_ros.identification.importers.found import DatasetError, licence_files, split_of, write_dataset
from objectcentric_ros.identification.importers.plain_pickle import load_plain_pickle
from objectcentric_ros.identification.manifest import read_manifest


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (20, 16)) -> None:
    """A noise picture, PNG or JPEG by its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def bomb(path: Path, side: int = 50_000) -> None:
    """A PNG of a few bytes that declares side x side pixels."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"0" * 100))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b""))



class Armbench:
    """Two training picks and a test pick over four products, as the public archive lays them out."""

    split = {"trainset": ["p1", "p2"], "testset": ["p3"], "trainset-objects": ["B01", "B02"], "testset-objects": ["B03"]}

    def __init__(self, root: Path) -> None:
        self.root = root
        for number, (pick, truth) in enumerate((("p1", "B01"), ("p2", "B02"), ("p3", "B03"))):
            picture(root / "Picks" / pick / "PickRGB.jpg", number)
            picture(root / "Picks" / pick / "ToteWallRGB.jpg", 10 + number)
            write_json(root / "Picks" / pick / "annotation.json", {"GT_ID": truth})
            write_json(root / "Picks" / pick / "container.json",
                       {product: {"item_name": f"Thing {product}, 3 pieces", "weight": 1.0} for product in (truth, "B04")})
        for seed, product in enumerate(("B01", "B02", "B03", "B04")):
            for number in (1, 2):
                picture(root / "Reference_Images" / product / f"{number}.jpg", 100 + 10 * seed + number)
        self.write_split(self.split)

    def write_split(self, content: object, protocol: int = 4) -> None:
        (self.root / "train-test-split.pickle").write_bytes(pickle.dumps(content, protocol))


@pytest.fixture
def armbench(tmp_path: Path) -> Armbench:
    return Armbench(tmp_path / "armbench")


def test_armbench_becomes_a_manifest_split_by_product(armbench: Armbench, tmp_path: Path) -> None:
    picture(armbench.root / "Bin_Images" / "B01" / "7.jpg", 50)
    picture(armbench.root / "Catalog_Images" / "B03" / "main.png", 51)
    write_json(armbench.root / "titles.json", {"B04": "The fourth"})
    counts = write_dataset(read_armbench(armbench.root), tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    assert counts == {"query": 3, "tray": 8, "bin": 1, "catalog": 1, "text": 4}
    assert {row.object_id for row in manifest.select(split="test").rows} == {"b03"}
    assert {row.source for row in manifest.select(split="test").rows} == {"query", "tray", "catalog", "text"}
    assert ("b04", "The fourth") in {(row.object_id, row.text) for row in manifest.rows}
    [query] = [row for row in manifest.rows if row.source == "query" and row.object_id == "b01"]
    assert query.candidate_set == "p1"
    original = (armbench.root / "Picks" / "p1" / "PickRGB.jpg").read_bytes()
    assert manifest.file(query).read_bytes() == original
    with (tmp_path / "out" / "candidate_sets.csv").open() as file:
        assert [tuple(row) for row in csv.reader(file)][1:3] == [("p3", "b03"), ("p3", "b04")]


def test_armbench_views_and_missing_pictures(armbench: Armbench, tmp_path: Path) -> None:
    (armbench.root / "Picks" / "p1" / "PickRGB.jpg").unlink()
    write_json(armbench.root / "Picks" / "p2" / "annotation.json", {"GT_ID": None})
    found = read_armbench(armbench.root, ArmBenchConfig(views=("PickRGB", "ToteWallRGB")))
    assert sorted(row.file.name for row in found.rows if row.source == "query" and row.file) == [
        "PickRGB.jpg", "ToteWallRGB.jpg", "ToteWallRGB.jpg"]
    assert found.left_out == {"picks without a true product": 1}
    with pytest.raises(DatasetError, match="PickRGB, ToteWallRGB"):
        ArmBenchConfig(views=("Front",))


def test_a_training_pick_of_a_test_product_is_left_out(armbench: Armbench) -> None:
    armbench.write_split(armbench.split | {"testset-objects": ["B03", "B02"]})
    found = read_armbench(armbench.root)
    assert found.left_out == {"training picks of products of the test set": 1}
    assert {row.split for row in found.rows if row.object_id == "B02"} == {"test"}


def test_an_armbench_text_under_another_key(armbench: Armbench) -> None:
    with pytest.raises(DatasetError, match="label; the keys seen are item_name, weight: give --title-key"):
        read_armbench(armbench.root, ArmBenchConfig(title_key="label"))
    for path in armbench.root.glob("Picks/*/container.json"):
        path.write_text(path.read_text().replace("item_name", "bezeichnung"))
    with pytest.raises(DatasetError, match="bezeichnung"):
        read_armbench(armbench.root)
    found = read_armbench(armbench.root, ArmBenchConfig(title_key="bezeichnung"))
    assert {row.text for row in found.rows if row.source == "text"} == {f"Thing B0{number}, 3 pieces" for number in range(1, 5)}


class Code:
    """Pickles as a call."""

    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_with_code_in_it_raises_and_runs_nothing(armbench: Armbench, tmp_path: Path, protocol: int) -> None:
    victim = tmp_path / "ran"
    for code in (Code(os.system, f"touch {victim}"), Code(exec, f"open({str(victim)!r}, 'w')"), Code(os.mkdir, str(victim)),
                 Code(getattr, "text", "upper"), Code(eval, "1")):
        armbench.write_split(armbench.split | {"trainset": code}, protocol)
        with pytest.raises(DatasetError, match="could run code"):
            read_armbench(armbench.root)
        assert main(["dataset", "import", "armbench", str(armbench.root), "--out", str(tmp_path / "out")]) == 2
    assert not victim.exists() and not (tmp_path / "out").exists()


def test_plain_pickles_are_read_and_damaged_ones_are_named(tmp_path: Path) -> None:
    path = tmp_path / "split.pickle"
    content = {"a": ["x", ("y", 1)], "b": {"z"}, "c": frozenset({2.5}), "d": None}
    for protocol in range(5):
        path.write_bytes(pickle.dumps(content, protocol))
        assert load_plain_pickle(path) == content
    for damaged in (b"", b"\x80\x04garbage", pickle.dumps(content)[:-5], b"cos\nsystem\n."):
        path.write_bytes(damaged)
        with pytest.raises(DatasetError, match=r"split\.pickle"):
            load_plain_pickle(path)


@pytest.mark.parametrize("spoil, what", [
    (lambda a: (a.root / "train-test-split.pickle").unlink(), "train-test-split.pickle is missing"),
    (lambda a: a.write_split(["p1"]), "must hold lists trainset"),
    (lambda a: a.write_split(a.split | {"trainset": [1]}), "must be a list of names"),
    (lambda a: a.write_split(a.split | {"trainset": ["../p1"]}), "no name of a pick"),
    (lambda a: (a.root / "Picks" / "p2" / "container.json").unlink(), "p2/container.json is missing"),
    (lambda a: (a.root / "Picks" / "p2" / "annotation.json").write_text("[" * 100_000), "annotation.json can't be read"),
    (lambda a: (a.root / "Reference_Images").rename(a.root / "References"), "no folder Reference_Images")])
def test_a_damaged_armbench_says_what_is_wrong(armbench: Armbench, spoil: Callable[[Armbench], object], what: str) -> None:
    spoil(armbench)
    with pytest.raises(DatasetError, match=what):
        read_armbench(armbench.root)


def test_amazon_bins_with_one_item_only(tmp_path: Path) -> None:
    def entry(asin: str, quantity: int = 1) -> dict[str, object]:
        inch = {"unit": "IN", "value": 10.0}
        return {"asin": asin, "name": f"{asin} raw", "normalizedName": f"Name of {asin}", "quantity": quantity, "length": inch,
                "width": inch, "height": inch, "weight": {"unit": "pounds", "value": 2.0}}

    for number, (data, expected) in enumerate([
            ({"X": entry("B0A")}, 1), ({"X": entry("B0A")}, 1), ({"X": entry("B0A", 2)}, 2),
            ({"X": entry("B0B"), "Y": entry("B0C")}, 2), ({}, 0), ({"X": entry("B0D")}, 1)], 1):
        write_json(tmp_path / "metadata" / f"{number}.json", {"BIN_FCSKU_DATA": data, "EXPECTED_QUANTITY": expected})
        if number != 6:
            picture(tmp_path / "bin-images" / f"{number}.jpg", number)
    found = read_amazon_bin(tmp_path)
    assert [(row.object_id, row.source, row.file.stem if row.file else row.text) for row in found.rows] == [
        ("B0A", "bin", "1"), ("B0A", "text", "Name of B0A"), ("B0A", "bin", "2")]
    assert found.left_out == {"bins that don't hold exactly one item": 3, "bins without a picture": 1}
    assert found.objects["B0A"].size == pytest.approx((0.254,) * 3) and found.objects["B0A"].mass == pytest.approx(0.90718474)
    write_dataset(found, tmp_path / "out")
    assert (tmp_path / "out" / "objects.csv").read_text().splitlines()[1] == "b0a,Name of B0A,,b0a,0.2540,0.2540,0.2540,0.9072"
    (tmp_path / "metadata" / "3.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"3\.json must be JSON with BIN_FCSKU_DATA"):
        read_amazon_bin(tmp_path)


def berkeley(root: Path, listings: list[dict[str, object]], images: list[tuple[str, str]]) -> None:
    """A tree of Amazon Berkeley Objects."""
    (root / "listings" / "metadata").mkdir(parents=True)
    with gzip.open(root / "listings" / "metadata" / "listings_0.json.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(listing) + "\n" for listing in listings)
    (root / "images" / "metadata").mkdir(parents=True)
    with gzip.open(root / "images" / "metadata" / "images.csv.gz", "wt", encoding="utf-8") as file:
        file.write("image_id,height,width,path\n" + "".join(f"{image},16,20,{path}\n" for image, path in images))
    for seed, (_, path) in enumerate(images):
        picture(root / "images" / "small" / path, seed)


def test_berkeley_objects_join_listings_and_pictures(tmp_path: Path) -> None:
    inch = {"normalized_value": {"unit": "inches", "value": 2.0}}
    berkeley(tmp_path / "abo", [
        {"item_id": "B0X", "main_image_id": "i1", "other_image_id": ["i2", "i3"], "item_name": [
            {"language_tag": "de_DE", "value": "Stuhl"}, {"language_tag": "en_US", "value": "Chair, blue"}],
         "item_dimensions": {"height": inch, "width": inch, "length": inch},
         "item_weight": [{"normalized_value": {"unit": "pounds", "value": 1.0}}]},
        {"item_id": "B0X", "main_image_id": "i2", "item_name": []},
        {"item_id": "B0Y", "main_image_id": "i3", "item_name": [{"language_tag": "fr_FR", "value": "Tasse"}]},
        {"item_id": "B0Z"}], [("i1", "aa/1.jpg"), ("i2", "bb/2.jpg"), ("i3", "cc/3.jpg")])
    found = read_berkeley(tmp_path / "abo", BerkeleyConfig(images=2))
    assert [(row.object_id, row.source, row.file.name if row.file else row.text) for row in found.rows] == [
        ("B0X", "catalog", "1.jpg"), ("B0X", "catalog", "2.jpg"), ("B0X", "text", "Chair, blue"),
        ("B0Y", "catalog", "3.jpg"), ("B0Y", "text", "Tasse")]
    assert found.objects["B0X"].size == pytest.approx((0.0508,) * 3) and found.objects["B0X"].mass == pytest.approx(0.45359237)
    assert sum(found.left_out.values()) == 2
    write_dataset(found, tmp_path / "out")
    assert len(read_manifest(tmp_path / "out").rows) == 5


@pytest.mark.parametrize("path", ["../../secret.jpg", "/etc/passwd"])
def test_a_berkeley_path_that_leads_out_is_refused(tmp_path: Path, path: str) -> None:
    berkeley(tmp_path / "abo", [{"item_id": "B0X", "main_image_id": "i1"}], [])
    with gzip.open(tmp_path / "abo" / "images" / "metadata" / "images.csv.gz", "wt") as file:
        file.write(f"image_id,height,width,path\ni1,1,1,{path}\n")
    (tmp_path / "abo" / "images" / "small").mkdir()
    with pytest.raises(DatasetError, match="outside of the dataset"):
        read_berkeley(tmp_path / "abo")


def test_damaged_berkeley_files_are_named(tmp_path: Path) -> None:
    berkeley(tmp_path, [{"item_id": "B0X", "main_image_id": "i9"}], [("i1", "1.jpg")])
    with pytest.raises(DatasetError, match="no image 'i9', which listing B0X names"):
        read_berkeley(tmp_path)
    listings = tmp_path / "listings" / "metadata" / "listings_0.json.gz"
    for damaged in (gzip.compress(b'{"item_id": "B0X"}\n{"item_'), gzip.compress(b"{}\n[]\n"), gzip.compress(b"{}\n{}\n")[:-9],
                    b"not packed"):
        listings.write_bytes(damaged)
        with pytest.raises(DatasetError, match=r"listings_0\.json\.gz, line"):
            read_berkeley(tmp_path)
    listings.unlink()
    with pytest.raises(DatasetError, match="no listings/metadata"):
        read_berkeley(tmp_path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A plain folder with two objects."""
    root = tmp_path / "photos"
    picture(root / "Blue Mug" / "front.jpg", 1)
    picture(root / "Blue Mug" / "query" / "a.png", 2)
    (root / "Blue Mug" / "title.txt").write_text("A blue mug\nTasse\n", encoding="utf-8")
    picture(root / "cap" / "bin" / "b.jpg", 3)
    (root / "cap" / "object.yaml").write_text("title: Cap\nmass: 0.2\nsize: [0.1, 0.2, 0.3]\n")
    return root


def test_a_plain_folder_becomes_a_dataset_by_the_verb(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "LICENSE.txt").write_text("all mine")
    assert main(["dataset", "import", "folder", str(photos), "--out", str(tmp_path / "out"), "--source", "tray"]) == 0
    printed = capsys.readouterr().out
    assert "licence files: LICENSE.txt" in printed and "tray 1" in printed
    manifest = read_manifest(tmp_path / "out")
    assert {(row.object_id, row.source, row.text) for row in manifest.rows} == {
        ("blue-mug", "tray", ""), ("blue-mug", "query", ""), ("blue-mug", "text", "A blue mug"), ("blue-mug", "text", "Tasse"),
        ("cap", "bin", ""), ("cap", "text", "Cap")}
    assert {row.split for row in manifest.rows if row.object_id == "cap"} == {split_of("cap")}
    assert "cap,Cap,,cap,0.1000,0.2000,0.3000,0.2000" in (tmp_path / "out" / "objects.csv").read_text()
    assert main(["dataset", "import", "folder", str(photos), "--out", str(tmp_path / "out")]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("spoil, what", [
    (lambda root: bomb(root / "cap" / "bin" / "z.png"), "at most 50 million"),
    (lambda root: picture(root / "cap" / "bin" / "z.png", 1, (1, 1)), "1 x 1 pixels; nothing is visible"),
    (lambda root: (root / "cap" / "bin" / "z.jpg").write_bytes(b"GIF89a no picture"), "no readable PNG or JPEG"),
    (lambda root: (root / "cap" / "bin" / "z.png").symlink_to(root / "nowhere.png"), "the file is missing"),
    (lambda root: (root / "cap" / "title.txt").write_text("x" * 100_000), "100000 characters")],
    ids=["bomb", "1x1", "no picture", "missing", "long title"])
def test_what_cannot_be_used_stops_the_import_and_nothing_is_stored(photos: Path, tmp_path: Path, spoil: Callable[[Path], object],
                                                                   what: str, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(photos)
    assert main(["dataset", "import", "folder", str(photos), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert what in error and "nothing was written" in error and len(error) < 1000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]
    assert main(["dataset", "import", "folder", str(photos), "--out", str(tmp_path / "out"), "--skip-bad"]) == 0
    assert "left out: can't be used 1" in capsys.readouterr().out
    assert len(read_manifest(tmp_path / "out").rows) == 6


def test_a_truncated_png_is_seen(photos: Path, tmp_path: Path) -> None:
    whole = (photos / "Blue Mug" / "query" / "a.png").read_bytes()
    (photos / "Blue Mug" / "query" / "a.png").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(DatasetError, match=r"a\.png: no readable PNG"):
        write_dataset(read_folder(photos), tmp_path / "out")


def test_ids_that_become_the_same_stay_apart(tmp_path: Path) -> None:
    for seed, name in enumerate(("Mug (blue)", "mug blue", "mug-blue")):
        picture(tmp_path / "in" / name / "a.jpg", seed)
    write_dataset(read_folder(tmp_path / "in"), tmp_path / "out")
    assert read_manifest(tmp_path / "out").objects == ("mug-blue", "mug-blue-2", "mug-blue-3")
    picture(tmp_path / "other" / "魔方" / "a.jpg")
    with pytest.raises(DatasetError, match="neither Latin letters nor digits"):
        write_dataset(read_folder(tmp_path / "other"), tmp_path / "out2")
    with pytest.raises(DatasetError, match="holds no objects"):
        read_folder(tmp_path / "other" / "魔方")


def test_licence_files_are_found_by_name(tmp_path: Path) -> None:
    for name in ("LICENSE-CC-BY-4.0.txt", "images/LICENCE.md", "readme.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert [path.name for path in licence_files(tmp_path)] == ["LICENSE-CC-BY-4.0.txt", "LICENCE.md"]


def test_splits_are_drawn_by_object_in_the_promised_shares() -> None:
    splits = [split_of(f"object-{number}") for number in range(4000)]
    assert [splits.count(name) / 4000 for name in ("train", "fusion", "test")] == pytest.approx([0.6, 0.15, 0.25], abs=0.025)
