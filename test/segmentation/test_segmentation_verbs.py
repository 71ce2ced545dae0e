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


"""The verbs that measure and train the segmenter, over trays of blocks instead of the simulator."""

from __future__ import annotations

import argparse
import json

import cv2
import numpy as np
import pytest

from objectcentric_ros import cli
from objectcentric_ros.segmentation import segmenter as types
from objectcentric_ros.segmentation.block_scenes import Block, render
from objectcentric_ros.verbs import evaluate_segmentation

KEYS = {"recall_50", "precision_50", "mean_iou", "mean_iou_matched", "ms_p50", "ms_p95", "visible", "excluded", "segments",
        "ignored", "matches", "scenes", "items", "seed", "split", "segmenter", "min_visible", "most_missed", "trays"}


class _FindsFirstItemOnly:
    """A segmenter that knows the truth of the fixture's trays and leaves out all but the first block."""

    def segment(self, frame):
        labels = (frame.color[..., 0] > 150).astype(np.uint16)
        return types.Segmentation(labels, (types.Segment(1, (0, 0, 1, 1), int(labels.sum()), np.zeros(3), 0.9),))


@pytest.fixture()
def trays(monkeypatch, layout):
    """Trays of a red and a green block; records the seeds asked for."""
    asked = []

    def tray(seed, items, split, _layout):
        asked.append((seed, items, split))
        frame, labels = render(layout, [Block((0.0, 0.0), (0.06, 0.08, 0.05), (220, 30, 30)),
                                        Block((0.08, 0.0), (0.05, 0.05, 0.04), (30, 140, 30))], color_noise=0.0)
        # Shaded sides would be too dark for the segmenter above.
        return evaluate_segmentation.SimulatedScene(frame, np.where(frame.color.max(axis=2) > 100, labels, 0).astype(np.uint16),
                                                    ("red-box", "green-box"))

    monkeypatch.setattr(evaluate_segmentation, "simulated_scene", tray)
    monkeypatch.setattr(evaluate_segmentation, "make_segmenter", lambda name, layout: _FindsFirstItemOnly())
    return asked


def test_figures_are_counted_over_all_trays_and_written(trays, tmp_path, capsys):
    file, pictures = tmp_path / "deep" / "f.json", tmp_path / "pictures"
    code = cli.main(["evaluate", "segmentation", "--scenes", "3", "--seed", "7", "--items", "2", "--split", "dev",
                     "--json", str(file), "--pictures", str(pictures)])
    figures = json.loads(file.read_text())
    assert code == 0 and set(figures) == KEYS
    assert trays == [(7, 2, "dev"), (8, 2, "dev"), (9, 2, "dev")]
    assert figures["visible"] == 6 and figures["matches"] == 3 and figures["recall_50"] == 0.5 and figures["precision_50"] == 1.0
    assert figures["most_missed"] == [{"id": "green-box", "missed": 3, "visible": 3}]
    assert len(figures["trays"]) == 3 and figures["ms_p50"] > 0
    assert "recall_50" in capsys.readouterr().out
    assert sorted(path.name for path in pictures.iterdir()) == ["tray_7.png", "tray_8.png", "tray_9.png"]
    assert cv2.imread(str(pictures / "tray_7.png")).shape == (480, 1280, 3)


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as done:
        cli.main(["evaluate", "segmentation", "--help"])
    assert done.value.code == 0 and "--scenes 40" in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--scenes", "0"], ["--split", "train"], ["--items", "many"], ["--segmenter", "unet"]])
def test_wrong_options_end_with_code_2(options):
    with pytest.raises(SystemExit) as done:
        cli.main(["evaluate", "segmentation", *options])
    assert done.value.code == 2


def test_training_needs_at_least_one_tray(capsys):
    pytest.importorskip("xgboost")
    from objectcentric_ros.verbs import train_segmentation

    assert train_segmentation.run(argparse.Namespace(scenes=0, blocks=0, seed=0, split="dev", output=None)) == 2
    assert "must not be negative" in capsys.readouterr().err


def test_training_on_blocks_makes_a_model_that_segments_them(tmp_path, layout):
    pytest.importorskip("xgboost")
    from objectcentric_ros.segmentation.metrics import score_scene
    from objectcentric_ros.segmentation.rgbd import MergeModel, RgbdSegmenter
    from objectcentric_ros.segmentation.training import TrainingConfig, train
    from objectcentric_ros.verbs.train_segmentation import _block_frame

    frames = [_block_frame(seed, layout) for seed in range(2)]
    model = train(frames, layout, TrainingConfig(trees=15, foreground_trees=10, learning_rate=0.4, depth=4, foreground_depth=3))
    model.save(tmp_path / "model.npz")
    frame, labels = frames[0]
    score = score_scene(RgbdSegmenter(layout, model=MergeModel.load(tmp_path / "model.npz")).segment(frame).labels, labels)
    assert score.matches >= 0.5 * score.visible
