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

import json
import math
from pathlib import Path

import pytest

from objectcentric_ros import cli
from objectcentric_ros.nodes.latency import REMEMBERED, StampTimer


def test_messages_of_one_stamp_make_one_time():
    timer = StampTimer()
    timer.began(1, 10.0)
    timer.began(2, 10.2)
    timer.ended(2, 10.5)
    timer.ended(1, 11.0)
    assert timer.milliseconds() == pytest.approx([300.0, 1000.0])


def test_segments_without_an_image_or_twice_do_not_count():
    timer = StampTimer()
    timer.ended(1, 10.0)
    timer.began(2, 10.0)
    timer.ended(2, 10.1)
    timer.ended(2, 19.0)
    assert timer.milliseconds() == pytest.approx([100.0])


def test_images_that_were_never_segmented_are_forgotten():
    timer = StampTimer()
    for stamp in range(REMEMBERED + 1):
        timer.began(stamp, 0.0)
    timer.ended(0, 1.0)
    timer.ended(1, 1.0)
    assert timer.milliseconds() == [1000.0]


@pytest.mark.timeout(300)
def test_the_graph_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "deep" / "latency.json"
    code = cli.main(["evaluate", "latency", "--seconds", "6", "--queries", "3", "--candidates", "4", "--references", "2",
                     "--json", str(file)])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    figures = json.loads(file.read_text())
    keys = ("image_to_segments_ms_p50", "image_to_segments_ms_p95", "identify_ms_p50", "identify_ms_p95", "encoder_ms_p50",
            "identify_tray_ms_p50", "resident_gb")
    assert all(math.isfinite(figures[key]) and figures[key] > 0 for key in keys), figures
    assert figures["images"] >= 2 and figures["queries"] == 3
    assert figures["encoder_ms_p50"] < figures["identify_ms_p50"] <= figures["identify_ms_p95"]
    assert figures["resident_gb"] < 2.5 and "simulation" not in figures["resident_mb"]
    assert "image to segments" in printed.out


@pytest.mark.parametrize("option", ["--seconds", "--queries", "--candidates", "--references"])
def test_nothing_to_measure_is_refused(option: str, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["evaluate", "latency", option, "0"]) == 2
    assert f"{option} must be more than 0" in capsys.readouterr().err
