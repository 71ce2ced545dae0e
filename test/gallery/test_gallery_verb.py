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

import pytest

from objectcentric_ros.cli import main
from objectcentric_ros.gallery.store import Gallery


@pytest.fixture
def call(gallery: Gallery, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs `objectcentric gallery ...` on the test's gallery; exit code, output, errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        assert gallery._server is not None
        code = main(["gallery", *arguments, "--data-dir", str(gallery._server.folder)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_add_show_list_export_remove_import(call: Callable, gallery: Gallery, tmp_path: Path,
                                            picture: Callable[..., bytes]) -> None:
    for seed in range(3):
        (tmp_path / f"{seed}.png").write_bytes(picture(seed))
    code, out, _ = call("add", "--title", "Blue mug", "--translation", "de=Blaue Tasse", "--mass", "0.3", "--size", "0.1",
                        "0.08", "0.09",
                        "--photo", str(tmp_path / "0.png"), str(tmp_path / "1.png"), "--photo", str(tmp_path / "1.png"))
    assert code == 0 and "2 catalog photos added, 1 were there already" in out
    assert call("add", "--id", "blue-mug", "--photo", str(tmp_path / "2.png"), "--source", "tray")[0] == 0
    code, out, _ = call("show", "blaue tasse")
    assert code == 0 and "0.300 kg" in out and "tray 1, bin 0, catalog 2" in out
    assert "1 of 1 objects" in call("list", "mug")[1]
    assert call("export", str(tmp_path / "backup"))[0] == 0
    assert call("remove", "Blue mug")[0] == 0
    assert "objects: 0" in call("stats")[1]
    code, out, _ = call("import", str(tmp_path / "backup"))
    assert code == 0 and "1 added" in out and "references: 3 added" in out
    assert gallery.get_object("blue-mug").translations == {"de": "Blaue Tasse"}


@pytest.mark.parametrize(("arguments", "words"), [
    (["show", "unicorn"], "unicorn"), (["remove", "unicorn"], "unicorn"), (["add"], "--title"),
    (["add", "--id", "mug"], "--photo"),
    (["add", "--id", "MUG", "--title", "Mug"], "a-z"), (["add", "--title", "魔方"], "--id"),
    (["add", "--title", "Mug", "--photo", "/nowhere.png"], "/nowhere.png"),
    (["add", "--title", "Mug", "--translation", "Tasse"], "de=Tasse"),
    (["add", "--title", "Mug", "--mass", "-1"], "mass"), (["import", "/nowhere"], "/nowhere"),
    (["export", "/proc/gallery"], "/proc/gallery")])
def test_a_wrong_command_is_a_sentence_and_exit_code_2(call: Callable, arguments: list[str], words: str) -> None:
    code, _, err = call(*arguments)
    assert code == 2 and words in err
    assert "Traceback" not in err


def test_a_bad_photo_adds_no_object(call: Callable, gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"bad")
    code, _, err = call("add", "--title", "Mug", "--photo", str(tmp_path / "bad.png"))
    assert code == 2 and "bad.png" in err
    assert gallery.stats().objects == 0


def test_an_import_with_a_bad_image_keeps_the_rest_and_exits_2(call: Callable, gallery: Gallery, tmp_path: Path,
                                                               picture: Callable[..., bytes]) -> None:
    (tmp_path / "mug").mkdir()
    (tmp_path / "mug" / "good.png").write_bytes(picture(0))
    (tmp_path / "mug" / "bad.png").write_bytes(b"bad")
    code, _, err = call("import", str(tmp_path))
    assert code == 2 and "bad.png" in err
    assert gallery.stats().references["catalog"] == 1
