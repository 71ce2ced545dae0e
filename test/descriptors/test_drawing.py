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

"""Pictures of pairs, and plots."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from objectcentric_ros.descriptors.drawing import draw_matches, draw_pair
from objectcentric_ros.descriptors.pairs import Pair
from objectcentric_ros.geometry.camera import PinholeCamera


def make_pair(matches_a, matches_b, height=60, width=80):
    camera = PinholeCamera(width, height, 100.0, 100.0, 0.0, 0.0)
    color, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
    mask[5:50, 5:70] = True
    return Pair(color_a=color, color_b=color.copy(), mask_a=mask, mask_b=mask, camera_a=camera, camera_b=camera, depth_a=None,
                depth_b=None, matches_a=np.asarray(matches_a, float), matches_b=np.asarray(matches_b, float), T_b_a=None,
                residual=0.0, mode="exact", instance="cap")


def test_a_pair_is_drawn_beside_itself_with_lines_between_its_matches():
    pair = make_pair([[20, 20]], [[40, 30]])
    picture = draw_pair(pair)
    assert picture.shape == (60, 168, 3)
    colour = picture[23 - 20 + 20 - 3, 20]    # the circle around (20, 20) has a radius of 3
    assert colour.max() > 100 and not pair.color_a.any(), "the pair itself isn't drawn into"
    middle = picture[25, (20 + 128) // 2 - 1:(20 + 128) // 2 + 2]    # (20, 20) to (88 + 40, 30)
    assert middle.max() > 100
    assert picture[20, 17:24].max() > 100 and picture[30, 125:132].max() > 100
    np.testing.assert_array_equal(picture[:, 80:82][[0, -1]], 255)    # the gap
    np.testing.assert_array_equal(picture[5, 5:70], 255)              # the outline
    assert not picture[0, :80].any()


def test_matches_are_spread_over_the_object():
    matches = np.concatenate([np.full((50, 2), 20.0), [[60.0, 45.0]]])
    picture = draw_pair(make_pair(matches, matches), count=2)
    assert picture[42:49, 57:64].max() > 100 and picture[17:24, 17:24].max() > 100
    assert not draw_pair(make_pair(np.zeros((0, 2)), np.zeros((0, 2))))[10:40, 10:60].any()


def test_wrong_answers_are_red_and_right_ones_green():
    pair = make_pair([[20, 20], [20, 45]], [[20, 20], [20, 45]])
    picture = draw_matches(pair, [[20, 20], [60, 45]]).astype(int)
    green, red = picture[20, 70], picture[45, 75]
    assert green[1] > 100 > green[0] and red[0] > 100 > red[1]
    assert picture[45, 88 + 40].min() > 200, "white to the truth"
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        draw_matches(pair, [[0, 0]])


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_plots_are_written(tmp_path, suffix):
    pytest.importorskip("matplotlib")
    from objectcentric_ros.descriptors.plots import plot_against_dimension, plot_cumulative, plot_pck

    paths = [tmp_path / "plots" / f"{name}.{suffix}" for name in ("pck", "cumulative", "auc")]
    plot_pck({"ours": np.linspace(0, 1, 100), "chance": np.linspace(0, 0.1, 100)}, paths[0], "PCK", floor=["chance"])
    plot_cumulative({"ours": [0.1, 0.2, np.nan], "nothing": [np.nan]}, paths[1], "closer", "share", 1.0)
    plot_against_dimension({"ours": [(64, 0.8, 0.01), (3, 0.5, 0.02)], "one seed": [(16, 0.6, 0.0)], "none": []}, paths[2],
                           "AUC", "AUC", logarithmic=True)
    for path in paths:
        if suffix == "svg":
            assert path.read_text().rstrip().endswith("</svg>")
        else:
            assert cv2.imread(str(path)).std() > 5
