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

"""The manifest of identification datasets."""

import sys

import pytest

from objectcentric_ros.identification.manifest import (
    COLUMNS,
    Manifest,
    ManifestError,
    ManifestRow,
    read_manifest,
    write_manifest,
)

ROWS = (ManifestRow("mug", "query", "query/mug_0.jpg", split="test", candidate_set="scene 1"),
        ManifestRow("cap, red", "tray", "tray/cap_0.jpg"),
        ManifestRow("mug", "text", text='Mug, "large"; 0,3 l\nof stoneware – größer', split="test"))


@pytest.fixture
def folder(tmp_path):
    for row in ROWS:
        if row.path:
            (tmp_path / row.path).parent.mkdir(exist_ok=True)
            (tmp_path / row.path).write_bytes(b"picture")
    return tmp_path


def write_lines(folder, *lines):
    (folder / "manifest.csv").write_text("\n".join([",".join(COLUMNS), *lines]) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.parquet"])
def test_a_written_manifest_is_read_back(folder, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    write_manifest(folder / name, ROWS)
    for path in (folder, folder / name):
        assert read_manifest(path) == Manifest(folder, ROWS)
    assert [path.name for path in folder.iterdir() if path.is_file()] == [name]      # no temporary file is left


def test_columns_may_come_in_any_order_and_with_others(folder):
    (folder / "manifest.csv").write_text("note,split,source,object_id,text,path,candidate_set\n"
                                         "x,fusion,tray,cap,,tray/cap_0.jpg,\n\n", encoding="utf-8-sig")
    assert read_manifest(folder).rows == (ManifestRow("cap", "tray", "tray/cap_0.jpg", split="fusion"),)


def test_rows_are_selected_by_split_and_source(folder):
    manifest = Manifest(folder, ROWS)
    assert manifest.objects == ("mug", "cap, red")
    assert manifest.select("test").rows == (ROWS[0], ROWS[2])
    assert manifest.select(sources="tray").rows == (ROWS[1],)
    assert manifest.select("test", ("text", "tray")).rows == (ROWS[2],)
    assert manifest.select("fusion").rows == ()
    assert manifest.file(ROWS[0]) == folder / "query" / "mug_0.jpg"


@pytest.mark.parametrize("split, sources", [("dev", None), (None, "photo"), (None, ("tray", "photo"))])
def test_an_unknown_selection_is_an_error(folder, split, sources):
    with pytest.raises(ValueError, match="dev|photo"):
        Manifest(folder, ROWS).select(split, sources)


@pytest.mark.parametrize("line, message", [
    (",tray,tray/cap_0.jpg,,train,", "object_id is empty"),
    ("cap,photo,tray/cap_0.jpg,,train,", "unknown source 'photo'.*query, tray"),
    ("cap,tray,tray/cap_0.jpg,,dev,", "unknown split 'dev'.*train, fusion"),
    ("cap,tray,,,train,", "has a path and no text"),
    ("cap,tray,tray/cap_0.jpg,Cap,train,", "has a path and no text"),
    ("cap,text,,,train,", "has a text and no path"),
    ("cap,text,tray/cap_0.jpg,Cap,train,", "has a text and no path"),
    ("cap,tray,../cap_0.jpg,,train,", "relative to the manifest's folder"),
    ("cap,tray,tray/../../cap_0.jpg,,train,", "relative to the manifest's folder"),
    ("cap,tray,/etc/passwd,,train,", "relative to the manifest's folder"),
    ("cap,tray,C:/cap.jpg,,train,", "relative to the manifest's folder"),
    ("cap,tray,tray\\cap_0.jpg,,train,", "relative to the manifest's folder"),
    ("cap,tray,tray/cap_0.jpg", "6 values expected, got 3"),
    ("cap, red,tray,tray/cap_0.jpg,,train,", "6 values expected, got 7"),
])
def test_a_wrong_row_is_named_by_its_line(folder, line, message):
    write_lines(folder, "mug,query,query/mug_0.jpg,,test,", line)
    with pytest.raises(ManifestError, match=rf"manifest\.csv, line 3: .*{message}"):
        read_manifest(folder)


def test_a_row_that_is_there_twice_is_an_error(folder):
    row = "mug,query,query/mug_0.jpg,,test,"
    with pytest.raises(ManifestError, match="line 3: the same row as line 2"):
        read_manifest(write_lines(folder, row, row))
    with pytest.raises(ManifestError, match="twice"):
        write_manifest(folder / "other.csv", [ROWS[0], ROWS[1], ROWS[0]])
    assert not (folder / "other.csv").exists()


def test_missing_pictures_are_counted_and_the_first_five_named(folder):
    write_manifest(folder, [*ROWS, *(ManifestRow("mug", "bin", f"bin/{number}.jpg") for number in range(7))])
    with pytest.raises(ManifestError, match=r"7 of 9 pictures are missing .*bin/0\.jpg, .*bin/4\.jpg, \.\.\.$") as error:
        read_manifest(folder)
    assert "bin/5.jpg" not in str(error.value)
    assert len(read_manifest(folder, check_files=False).rows) == 10


def test_a_missing_column_is_named(folder):
    (folder / "manifest.csv").write_text("object_id,source,path\n")
    with pytest.raises(ManifestError, match=r"columns text, split, candidate_set are missing.*object_id, source, path$"):
        read_manifest(folder)


def test_a_folder_without_a_manifest_says_how_to_make_one(tmp_path):
    for path in (tmp_path, tmp_path / "other.csv"):
        with pytest.raises(FileNotFoundError, match="objectcentric dataset identification"):
            read_manifest(path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00object_id", b"x" * 2_000_000])
def test_what_is_no_csv_is_an_error(tmp_path, content):
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(ManifestError, match="not a CSV file"):
        read_manifest(tmp_path)


def test_what_is_no_parquet_is_an_error(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "manifest.parquet").write_bytes(b"PAR0")
    with pytest.raises(ManifestError, match="not a Parquet file"):
        read_manifest(tmp_path)


def test_parquet_without_pyarrow_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ManifestError, match="pip install pyarrow"):
        write_manifest(folder / "manifest.parquet", ROWS)
    (folder / "manifest.parquet").write_bytes(b"PAR1")
    with pytest.raises(ManifestError, match="pip install pyarrow"):
        read_manifest(folder)


def test_a_failed_write_leaves_the_old_manifest(folder):
    write_manifest(folder, ROWS)

    def rows():
        yield ManifestRow("new", "tray", "tray/new.jpg")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_manifest(folder, rows())
    assert read_manifest(folder).rows == ROWS
