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

"""The report of an evaluation: one self-contained HTML page, Markdown tables, plots and the figures as JSON."""

from __future__ import annotations

import base64
import datetime
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import jinja2

from objectcentric_ros.identification.embedded_set import EmbeddingError, read_image
from objectcentric_ros.identification.evaluation import Evaluation
from objectcentric_ros.identification.evaluation_failures import Failure, ObjectFacts, Shown
from objectcentric_ros.identification.evaluation_plots import write_plots
from objectcentric_ros.identification.evaluation_recipe import FUSED, EvaluationRecipe
from objectcentric_ros.identification.evaluation_rows import NotHere
from objectcentric_ros.identification.evaluation_tables import facts, tables

_SIDE = 112                  # of a picture in the page [px]
_QUALITY = 82
_TITLE = 120                 # characters of a title in the page
FIGURES, TABLES, PAGE = "figures.json", "tables.md", "report.html"


def write_report(folder: Path, evaluation: Evaluation, recipe: EvaluationRecipe, absent: Sequence[NotHere],
                 objects: Mapping[str, ObjectFacts], data: Path) -> None:
    """Write figures.json, tables.md, the plots and report.html.

    Args:
        folder: for them; made where it is missing.
        evaluation: what was measured.
        recipe: by which.
        absent: rows and models whose files are missing.
        objects: titles.
        data: folder of the dataset, whose pictures are shown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    evaluation.figures["not_here"] = [{"name": one.name, "files": list(one.files), "command": one.command, "reason": one.reason}
                                      for one in absent]
    write_figures(folder / FIGURES, evaluation)
    found = tables(evaluation.figures, recipe, absent)
    _write(folder / TABLES, "\n".join(table.markdown() for table in found))
    plots = write_plots(evaluation, recipe, folder)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("objectcentric_ros.identification", "templates"), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.get_template("evaluation.html.jinja").render(
        name=recipe.name, headline=_headline(evaluation.figures), made=datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
        facts=facts(evaluation.figures), protocol=evaluation.figures["protocol"], counts=evaluation.figures["counts"],
        absent=absent, tables=found,
        plots=[{"caption": caption, "url": _url(path.read_bytes(), "png")} for caption, path in plots.items()],
        failures=[{"title": title, "examples": [_example(failure, objects, data) for failure in failures]}
                  for title, failures in evaluation.failures.items() if failures])
    _write(folder / PAGE, page)


def write_figures(path: Path, evaluation: Evaluation) -> None:
    """Write the figures as JSON; the file appears complete or not at all."""
    _write(path, json.dumps(evaluation.figures, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def _headline(figures: Mapping[str, Any]) -> str:
    """The fused precision of the first scenario, or the nearest reference's."""
    entries = {entry["method"]: entry for entry in reversed(figures["scenarios"])}
    method = FUSED if FUSED in entries else "min_distance"
    entry = entries[method]
    return f"{100 * entry['precision_at_100']:.1f} % right at coverage {entry['name']} ({method})"


def _example(failure: Failure, objects: Mapping[str, ObjectFacts], data: Path) -> dict[str, Any]:
    def who(name: str) -> str:
        title = objects[name].title if name in objects else ""
        return f"{name}: {title[:_TITLE]}" if title else name

    confidence = f"{100 * failure.confidence:.1f} % sure" if failure.confidence >= 0 else f"distance {-failure.confidence:.3f}"
    return {"confidence": confidence, "truth": who(failure.truth), "predicted": who(failure.predicted),
            "query": _shot(failure.query, data),
            "truth_references": [_shot(shown, data) for shown in failure.truth_references],
            "predicted_references": [_shot(shown, data) for shown in failure.predicted_references]}


def _shot(shown: Shown, data: Path) -> dict[str, Any]:
    label = shown.source if shown.distance is None else f"{shown.source} {shown.distance:.3f}"
    url = ""
    if shown.path:
        try:
            url = _thumbnail(data / shown.path)
        except EmbeddingError:
            label += " (picture is gone)"
    return {"label": label if shown.covered else f"{label}, not covered", "url": url, "text": shown.text[:_TITLE],
            "covered": shown.covered}


def _thumbnail(path: Path) -> str:
    image = read_image(path)
    scale = min(1.0, _SIDE / max(image.shape[:2]))
    small = cv2.resize(image, (0, 0), fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return _url(bytes(encoded), "jpeg")


def _url(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()


def _write(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=path.suffix, delete=False) as file:
        file.write(text)
    os.replace(file.name, path)
    path.chmod(0o644)
