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

"""The report page."""

import re
from pathlib import Path
from types import SimpleNamespace

from objectcentric_ros.picking.outcome import PickOutcome
from objectcentric_ros.picking.report import ReportedPick, write_report
from objectcentric_ros.picking.result import PickResult


def result(outcome: PickOutcome = PickOutcome.PICKED) -> PickResult:
    grasp = SimpleNamespace(method="geometric", score=0.75, reason="narrow across y")
    attempt = SimpleNamespace(outcome=outcome.label, message="", confidence=0.9, grasp=grasp,
                              phases=["look", "plan", "plan"], seconds=[1.0, 2.0, 1.0])
    details = SimpleNamespace(pick_id="id", object_id="cup", attempts=[attempt], image_names=["overlay_1", "../../lift_2"],
                              images=[SimpleNamespace(data=b"\xff\xd8one"), SimpleNamespace(data=b"\xff\xd8two")])
    return PickResult(outcome, "Picked <b>it</b>.", 12.5, details)


def write(folder: Path, *results: PickResult) -> str:
    picks = [ReportedPick("Tasse <1>", "Cup", r) for r in results]
    write_report(folder / "report.html", picks, {"seed": "3"}, b"\xff\xd8scene", ["Cup: A, CC0"])
    return (folder / "report.html").read_text()


def test_the_page_shows_picks_pictures_and_credits_and_escapes_what_people_typed(tmp_path: Path):
    page = write(tmp_path, result())
    assert "1 of 1" in page
    assert "Tasse &lt;1&gt;" in page and "<b>it</b>" not in page
    assert page.count("data:image/jpeg;base64,") == 3
    assert "Lifted (attempt 2)" in page
    assert "Cup: A, CC0" in page
    assert "http" not in re.sub(r"data:image[^\"]*", "", page), "the page must not load anything"


def test_phases_that_come_twice_are_one_bar_and_the_bars_fill_the_row(tmp_path: Path):
    page = write(tmp_path, result())
    widths = [float(width) for width in re.findall(r"width: ([0-9.]+)%\"", page)]
    assert widths == [25.0, 75.0]


def test_a_failed_pick_is_not_counted(tmp_path: Path):
    assert "1 of 2" in write(tmp_path, result(), result(PickOutcome.GRASP_LOST))


def test_a_pick_without_a_result_is_still_reported(tmp_path: Path):
    page = write(tmp_path, PickResult(PickOutcome.NODE_LOST, "The pick node died.", 3.0))
    assert "node_lost" in page and "The pick node died." in page


def test_names_of_pictures_can_leave_no_folder():
    assert list(result().pictures()) == ["overlay_1", "lift_2"]
