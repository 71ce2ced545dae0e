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

"""The demo's report: one self-contained HTML page that shows what was seen, believed and done."""

from __future__ import annotations

import base64
import datetime
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from objectcentric_ros.picking.outcome import PickOutcome
from objectcentric_ros.picking.result import PickResult

CAPTIONS = {
    "overlay": "Segments with names and confidences", "grasp": "Chosen grasp", "lift": "Lifted",
    "cleared": "Set aside, to clear the way", "verify": "Second look, the item in the hand", "placed": "Placed",
}


@dataclass(frozen=True)
class ReportedPick:
    """One pick of the report: what was asked for (as typed), its title, and how it ended."""

    request: str
    title: str
    result: PickResult


def write_report(path: Path, picks: Sequence[ReportedPick], facts: dict[str, str], scene: bytes | None,
                 credits: Sequence[str]) -> None:
    """Write the page.

    Args:
        path: the HTML file; it appears complete or not at all.
        picks: in order.
        facts: name -> value, shown above the picks.
        scene: JPEG of the cell before the first pick.
        credits: attribution lines of the item models that are shown.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("objectcentric_ros.picking", "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True)
    page = environment.get_template("report.html.jinja").render(
        picks=[_pick_view(pick) for pick in picks], facts=facts, scene=_data_url(scene) if scene else None, credits=credits,
        picked=sum(pick.result.outcome is PickOutcome.PICKED for pick in picks),
        made=datetime.datetime.now().strftime("%Y-%m-%d %H:%M"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".html", delete=False) as file:
        file.write(page)
    os.replace(file.name, path)
    path.chmod(0o644)


def _pick_view(pick: ReportedPick) -> dict[str, Any]:
    summary = pick.result.to_mapping()
    pictures = pick.result.pictures()
    return {
        "request": pick.request, "title": pick.title, "outcome": pick.result.outcome.label, "message": pick.result.message,
        "ok": pick.result.outcome is PickOutcome.PICKED, "seconds": pick.result.seconds,
        "attempts": [_attempt_view(number, attempt) for number, attempt in enumerate(summary["attempts"], start=1)],
        "pictures": [{"caption": _caption(name), "url": _data_url(picture)} for name, picture in pictures.items()]}


def _attempt_view(number: int, attempt: dict[str, Any]) -> dict[str, Any]:
    # A phase may come twice in an attempt (a second plan after one that found no motion): one bar for both.
    seconds: dict[str, float] = {}
    for phase, duration in attempt["phases"]:
        seconds[phase] = seconds.get(phase, 0.0) + duration
    total = sum(seconds.values()) or 1.0
    return {**attempt, "number": number, "total": total,
            "bars": [{"phase": phase, "seconds": duration, "percent": 100 * duration / total}
                     for phase, duration in seconds.items()]}


def _caption(name: str) -> str:
    kind, _, number = name.partition("_")
    caption = CAPTIONS.get(kind, kind)
    return f"{caption} (attempt {number})" if number and number != "1" else caption


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
