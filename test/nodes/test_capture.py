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


"""Photographs from the graph: the mask is a segment's, and what is missing is said."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from objectcentric_ros import cli
from objectcentric_ros.descriptors.views import read_views
from objectcentric_ros.nodes.capture import CaptureClient, chosen_mask

from .node_bench import CAMERA, BenchCamera, NodeBench, block_segmentation, scene_color, scene_depth


@pytest.fixture
def bench() -> Iterator[NodeBench]:
    bench = NodeBench()
    try:
        yield bench
    finally:
        bench.close()


def test_the_nearest_segment_is_taken_unless_another_is_named() -> None:
    labels = np.zeros((9, 9), np.uint16)
    labels[0:2, 0:2], labels[5:7, 5:7] = 3, 8
    assert chosen_mask(labels, None).sum() == 4 and chosen_mask(labels, None)[6, 6]
    assert chosen_mask(labels, 3)[0, 0] and not chosen_mask(labels, 3)[6, 6]
    with pytest.raises(ValueError, match="no segment 4; the segments are 3, 8"):
        chosen_mask(labels, 4)
    with pytest.raises(ValueError, match="nothing is segmented"):
        chosen_mask(np.zeros((4, 4), np.uint16), None)


def test_views_are_taken_from_the_graph_and_written(bench: NodeBench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    camera, ended = BenchCamera(bench), threading.Event()

    def film() -> None:
        while not ended.wait(0.1):
            camera.segment(camera.look(), block_segmentation(extra=1))
    thread = threading.Thread(target=film, daemon=True)
    thread.start()
    try:
        code = cli.main(["capture", "block", "--count", "2", "--every", "0", "--folder", str(tmp_path)])
        assert code == 0, capsys.readouterr().err
        assert cli.main(["capture", "block", "--folder", str(tmp_path), "--segment", "2"]) == 0
        assert cli.main(["capture", "block", "--folder", str(tmp_path), "--segment", "77"]) == 2
        assert cli.main(["capture", "../out", "--folder", str(tmp_path)]) == 2
    finally:
        ended.set()
        thread.join()
    said = capsys.readouterr()
    assert "no segment 77" in said.err and "can't be a file's name" in said.err
    first, second, third = read_views(tmp_path)
    assert (first.instance, [view.name for view in (first, second, third)]) == ("block", ["0000", "0001", "0002"])
    assert first.camera == CAMERA and np.array_equal(first.color, scene_color()) and first.mask.sum() == 192
    assert third.mask.sum() == 64 and not (third.mask & first.mask).any()
    assert np.nanmax(np.abs(first.depth - scene_depth())) < 0.001


def test_silence_is_an_error_that_says_what_to_start(bench: NodeBench) -> None:
    with CaptureClient() as client, pytest.raises(ValueError, match="is `objectcentric bringup perception` running"):
        client.view("x", "0", timeout=0.3)
