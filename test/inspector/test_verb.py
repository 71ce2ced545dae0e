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


"""`objectcentric inspect` on the command line."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import urllib.request
from contextlib import nullcontext
from pathlib import Path

import cv2
import pytest

from objectcentric_ros import cli
from objectcentric_ros.verbs import inspect

from .colour_model import ColourModel, ramp


@pytest.fixture
def photo(tmp_path: Path) -> str:
    cv2.imwrite(str(tmp_path / "a.png"), ramp())
    return str(tmp_path / "a.png")


def test_it_serves_until_it_is_interrupted_and_needs_neither_torch_nor_ros(photo: str) -> None:
    program = ("import sys; from objectcentric_ros.cli import main; code = main(sys.argv[1:]); "
               "heavy = {'torch', 'rclpy', 'mujoco'} & set(sys.modules); sys.exit(code or bool(heavy))")
    process = subprocess.Popen([sys.executable, "-c", program, "inspect", photo, "--model", "patch", "--port", "0"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("inspector: ").strip()
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert b"Descriptor inspector" in answer.read()
    finally:
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (0, "")


def test_other_machines_are_let_in_only_with_a_warning(photo: str, capsys: pytest.CaptureFixture[str],
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    parser = argparse.ArgumentParser()
    inspect.add_arguments(parser)
    monkeypatch.setattr(inspect, "interrupting", lambda ended: nullcontext(ended.set()))     # Ctrl-C at once
    assert inspect.run(parser.parse_args([photo, "--host", "0.0.0.0", "--port", "0"]), lambda name: ColourModel()) == 0
    printed = capsys.readouterr()
    assert "warning: listening on 0.0.0.0" in printed.err and "http://127.0.0.1:" in printed.out


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--model", "patch"], "nothing to inspect"),
    (["missing.png", "--model", "patch"], "missing.png can't be read"),
    (["PHOTO", "--model", "no_such_model"], "no_such_model"),
    (["PHOTO", "--model", "patch", "--port", "99999"], "--port"),
    (["PHOTO", "--model", "patch", "--longest-side", "0"], "--longest-side"),
    (["PHOTO", "--model", "patch", "--host", "192.0.2.1"], "can't listen on 192.0.2.1"),
    (["PHOTO", "--model", "patch", "--bag", "no_bag"], "no bag")])
def test_what_cannot_work_gets_a_sentence(photo: str, capsys: pytest.CaptureFixture[str], arguments: list[str],
                                          sentence: str) -> None:
    assert cli.main(["inspect", *(photo if argument == "PHOTO" else argument for argument in arguments)]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("objectcentric inspect: ") and sentence in printed
