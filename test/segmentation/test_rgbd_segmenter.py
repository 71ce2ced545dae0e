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


"""The RGB-D segmenter with its shipped model, on trays of blocks whose truth is known exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml

from objectcentric_ros.paths import share_dir
from objectcentric_ros.segmentation import SEGMENTERS, make_segmenter
from objectcentric_ros.segmentation.block_scenes import Block, random_blocks, render
from objectcentric_ros.segmentation.boosted_trees import BoostedTrees
from objectcentric_ros.segmentation.metrics import pool, score_scene
from objectcentric_ros.segmentation.rgbd import MODEL_FILE, MergeModel, RgbdSegmenter

RED, GREEN, WHITE = (190, 60, 50), (60, 150, 80), (235, 235, 225)


def two_coloured(points):
    return np.where(points[:, :1] > 0.0, (210, 170, 40), (40, 90, 190)).astype(np.uint8)


@pytest.fixture(scope="module")
def segmenter(layout):
    return make_segmenter("rgbd", layout)


@pytest.fixture(scope="module")
def clutter(layout):
    return render(layout, random_blocks(layout, 9, np.random.default_rng(4)), noise=0.001, seed=4)


def ious(segmenter, layout, blocks, seed=0):
    """IoU of each block with its segment, and the number of segments."""
    frame, labels = render(layout, blocks, noise=0.001, seed=seed)
    segmentation = segmenter.segment(frame)
    return score_scene(segmentation.labels, labels).ious, len(segmentation.segments)


SCENES = {
    "two-heights": [Block((0.0, 0.0), (0.07, 0.09, 0.06), RED), Block((0.0, 0.08), (0.07, 0.07, 0.03), GREEN)],
    "two-colours": [Block((0.0, 0.0), (0.07, 0.09, 0.04), RED), Block((0.0, 0.09), (0.07, 0.07, 0.04), GREEN, yaw=0.3)],
    "one-two-coloured": [Block((0.0, 0.0), (0.10, 0.07, 0.05), two_coloured)],
    "one-two-coloured-turned": [Block((0.05, 0.10), (0.12, 0.06, 0.03), two_coloured, yaw=0.6)],
    "thin": [Block((0.0, 0.0), (0.10, 0.07, 0.012), WHITE)],
    "can": [Block((-0.05, -0.1), (0.065, 0.065, 0.12), RED, round=True)],
    "stacked": [Block((0.0, 0.0), (0.12, 0.10, 0.04), RED), Block((0.01, 0.01), (0.05, 0.05, 0.03), GREEN, bottom=0.04)],
}


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("seed", [0, 1])
def test_each_block_is_one_segment(segmenter, layout, name, seed):
    blocks = SCENES[name]
    found, count = ious(segmenter, layout, blocks, seed)
    assert count == len(blocks) and min(found) > 0.85


@pytest.mark.parametrize("depth", [np.nan, 0.2], ids=["nearer-than-the-camera-measures", "near"])
def test_what_hangs_in_the_hand_is_no_segment_of_the_tray(segmenter, layout, depth):
    frame, labels = render(layout, SCENES["two-heights"], noise=0.001, seed=0)
    assert not labels[-120:].any(), "the blocks must not be behind what hangs"
    color, near = frame.color.copy(), frame.depth.copy()
    color[-120:, 200:440], near[-120:, 200:440] = WHITE, depth
    segmentation = segmenter.segment(replace(frame, color=color, depth=near))
    assert len(segmentation.segments) == 2
    assert min(score_scene(segmentation.labels, labels).ious) > 0.85


def test_a_label_is_part_of_its_box(segmenter, layout):
    def label(points):
        inside = (np.abs(points[:, :1]) < 0.02) & (np.abs(points[:, 1:2]) < 0.015)
        return np.where(inside, (240, 240, 240), RED).astype(np.uint8)
    found, count = ious(segmenter, layout, [Block((0.0, 0.0), (0.10, 0.07, 0.05), label)])
    assert count == 1 and found[0] > 0.9


def test_most_of_random_packages_are_found(segmenter, layout):
    scores = []
    for seed in range(20, 23):
        frame, labels = render(layout, random_blocks(layout, 8, np.random.default_rng(seed)), noise=0.001, seed=seed)
        scores.append(score_scene(segmenter.segment(frame).labels, labels))
    assert pool(scores).recall_50 >= 0.75


def test_empty_tray_has_no_segments(segmenter, layout):
    frame, _ = render(layout, [], noise=0.001)
    segmentation = segmenter.segment(frame)
    assert segmentation.segments == () and not segmentation.labels.any()


def test_description_of_the_segments_is_that_of_their_pixels(segmenter, clutter):
    frame, _ = clutter
    segmentation = segmenter.segment(frame)
    labels = segmentation.labels
    assert labels.dtype == np.uint16 and labels.shape == frame.depth.shape
    assert np.unique(labels).tolist() == list(range(len(segmentation.segments) + 1))
    points = frame.points_base()
    for segment in segmentation.segments:
        v, u = np.nonzero(labels == segment.id)
        assert segment.box == (u.min(), v.min(), u.max() + 1, v.max() + 1)
        assert segment.area == len(v) and 0.0 <= segment.confidence <= 1.0
        np.testing.assert_allclose(segment.centroid_base, np.median(points[v, u], axis=0), atol=0.004)
    confidences = [segment.confidence for segment in segmentation.segments]
    assert confidences == sorted(confidences, reverse=True)


def test_same_frame_same_segments(segmenter, layout, clutter):
    frame, _ = clutter
    first, second = segmenter.segment(frame), RgbdSegmenter(layout).segment(frame)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert [s.confidence for s in first.segments] == [s.confidence for s in second.segments]


def test_holes_in_the_depth_go_to_the_item_around_them(segmenter, layout):
    frame, labels = render(layout, [Block((0.0, 0.0), (0.08, 0.08, 0.05), RED)], noise=0.001)
    v, u = np.nonzero(labels == 1)
    depth = frame.depth.copy()
    depth[int(v.mean()) - 6:int(v.mean()) + 6, int(u.mean()) - 6:int(u.mean()) + 6] = np.nan
    depth[v.min():v.max(), u.max() - 3:u.max() + 1] = np.nan
    found = segmenter.segment(replace(frame, depth=depth)).labels
    assert score_scene(found, labels).ious[0] > 0.9
    assert found[int(v.mean()), int(u.mean())] > 0


@pytest.mark.parametrize("shift", [(0.003, 0.0, 0.003), (0.0, -0.003, -0.003)])
def test_hand_eye_error_of_three_millimetres_does_no_harm(segmenter, layout, shift):
    blocks = [Block((0.0, 0.0), (0.10, 0.07, 0.012), WHITE), Block((0.0, 0.15), (0.06, 0.06, 0.05), RED)]
    frame, labels = render(layout, blocks, noise=0.001)
    T_base_camera = frame.T_base_camera.copy()
    T_base_camera[:3, 3] += shift
    segmentation = segmenter.segment(replace(frame, T_base_camera=T_base_camera))
    assert len(segmentation.segments) == 2 and min(score_scene(segmentation.labels, labels).ious) > 0.85


def test_worthless_images_give_nothing_or_something_but_no_error(segmenter, clutter):
    frame, _ = clutter
    rng = np.random.default_rng(0)
    assert segmenter.segment(replace(frame, depth=np.full_like(frame.depth, np.nan))).segments == ()
    assert segmenter.segment(replace(frame, depth=np.zeros_like(frame.depth))).segments == ()
    noise = rng.integers(0, 256, frame.color.shape, dtype=np.uint8)
    for depth in (rng.uniform(0.2, 0.7, frame.depth.shape).astype(np.float32), np.full_like(frame.depth, 0.3),
                  np.where(rng.random(frame.depth.shape) < 0.97, np.nan, frame.depth).astype(np.float32)):
        labels = segmenter.segment(replace(frame, color=noise, depth=depth)).labels
        assert labels.shape == depth.shape
    away = frame.T_base_camera.copy()
    away[0, 3] += 3.0
    assert segmenter.segment(replace(frame, T_base_camera=away)).segments == ()


def test_unknown_name_lists_the_known_ones(layout):
    with pytest.raises(ValueError, match="no segmenter is named 'unet'; there are: rgbd"):
        make_segmenter("unet", layout)
    assert "rgbd" in SEGMENTERS


def test_model_file_round_trip_and_errors(tmp_path):
    model = MergeModel.load()
    model.save(tmp_path / "model.npz")
    again = MergeModel.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(model.same_item.leaf, again.same_item.leaf)
    with pytest.raises(FileNotFoundError, match="objectcentric train segmentation"):
        MergeModel.load(tmp_path / "absent.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(2))
    with pytest.raises(ValueError, match="no array foreground/feature"):
        MergeModel.load(tmp_path / "other.npz")


def test_model_of_other_features_is_refused():
    model = MergeModel.load()
    trees = model.same_item
    renamed = BoostedTrees(trees.feature, trees.threshold, trees.leaf, trees.bias, ("something_else", *trees.feature_names[1:]))
    with pytest.raises(ValueError, match="something_else"):
        MergeModel(model.foreground, renamed)


def test_the_model_has_a_card_that_says_how_to_train_it_again():
    card = yaml.safe_load((share_dir() / MODEL_FILE).with_suffix(".yaml").read_text())
    assert card["licence"] == "Apache-2.0" and card["recipe"]["command"].startswith("objectcentric train segmentation")
    assert card["measured"][0]["recall_50"] >= 0.8
