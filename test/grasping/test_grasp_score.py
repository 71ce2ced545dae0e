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

"""Hand fit, features and score: windows against a loop, features with known values, the fit against known weights."""

import numpy as np
import pytest
import yaml

from objectcentric_ros.grasping.grasp_score import GraspFeatures, GraspScoreModel, grasp_features
from objectcentric_ros.grasping.hand_fit import Fits, TurnedPatch, _highest
from objectcentric_ros.paths import share_dir
from objectcentric_ros.picking.grasp_calibration import PRIOR, fit_score

RESOLUTION = 0.002
SIDE = 101
MIDDLE = SIDE // 2


@pytest.mark.parametrize("rows, columns", [
    ((0, 0), (0, 0)), ((-2, 2), (0, 0)), ((0, 0), (-5, -1)), ((0, 0), (1, 5)), ((3, 6), (-2, 2)), ((-6, -3), (-2, 2)),
    ((-1, 3), (-4, 2)),
])
def test_highest_in_a_window_is_the_maximum_of_the_window(rows, columns):
    image = np.random.default_rng(0).normal(size=(14, 15)).astype(np.float32)
    result = _highest(image, 1.0, rows, columns)
    for r in range(14):
        for c in range(15):
            window = [image[i, j] for i in range(r + rows[0], r + rows[1] + 1) for j in range(c + columns[0], c + columns[1] + 1)
                      if 0 <= i < 14 and 0 <= j < 15]
            assert result[r, c] == (max(window) if window else np.float32(-1e3))


def features_of(item, left, right, tip=0.01, top=0.05, row=MIDDLE, centre=(0.0, 0.0)):
    patch = TurnedPatch(0.0, np.zeros(2), RESOLUTION, item, np.zeros_like(item), np.ones(item.shape, bool))
    fits = Fits(np.array([row]), np.array([left]), np.array([right]), np.array([tip]), np.array([top]), np.array([0.011]),
                np.array([False]))
    features = grasp_features(patch, fits, np.asarray(centre), 0.08, 0.015, 0.004, (0.011, 0.004))
    return dict(zip(GraspFeatures.names(), features.matrix()[0], strict=True))


def slab(lefts, rights, height=0.05):
    """An item whose outline in each row is lefts..rights (columns)."""
    item = np.full((SIDE, SIDE), -1e3, np.float32)
    for row in range(SIDE):
        item[row, round(lefts(row - MIDDLE)):round(rights(row - MIDDLE)) + 1] = height
    return item


def test_a_straight_bar_through_the_middle_is_the_ideal():
    named = features_of(slab(lambda r: MIDDLE - 10, lambda r: MIDDLE + 10), MIDDLE - 10, MIDDLE + 10)
    assert named["fill"] == named["contact"] == named["overlap"] == 1
    for name in ("wedge", "skew", "lean", "along", "across", "ledge", "unseen", "tight", "shallow"):
        assert named[name] == pytest.approx(0, abs=0.01), name
    assert named["width"] == pytest.approx(0.038 / 0.08)


def test_a_wedge_opens_and_a_skewed_bar_does_not():
    wedge = features_of(slab(lambda r: MIDDLE - 10 - 0.5 * r, lambda r: MIDDLE + 10 + 0.5 * r), MIDDLE - 12, MIDDLE + 12)
    skewed = features_of(slab(lambda r: MIDDLE - 10 + 0.5 * r, lambda r: MIDDLE + 10 + 0.5 * r), MIDDLE - 12, MIDDLE + 12)
    assert wedge["wedge"] == pytest.approx(1, abs=0.15) and wedge["skew"] == pytest.approx(0, abs=0.1)
    assert skewed["skew"] == pytest.approx(0.5, abs=0.1) and skewed["wedge"] == pytest.approx(0, abs=0.1)


def test_offsets_are_in_five_centimetres():
    named = features_of(slab(lambda r: MIDDLE - 10, lambda r: MIDDLE + 10), MIDDLE - 10, MIDDLE + 10, centre=(0.05, 0.025))
    assert named["along"] == pytest.approx(1) and named["across"] == pytest.approx(0.5)


def test_a_roof_leans():
    item = slab(lambda r: MIDDLE - 10, lambda r: MIDDLE + 10)
    item[:, MIDDLE - 10:MIDDLE + 11] = 0.05 - 0.002 * np.abs(np.arange(-10, 11))  # 45 degrees
    named = features_of(item, MIDDLE - 10, MIDDLE + 10, tip=0.0295)
    assert named["lean"] == pytest.approx(1, abs=0.2)


def test_a_ledge_under_a_finger_is_noticed():
    item = slab(lambda r: MIDDLE - 10, lambda r: MIDDLE + 10)
    item[:, MIDDLE + 11:MIDDLE + 40] = 0.006
    assert features_of(item, MIDDLE - 10, MIDDLE + 10)["ledge"] == pytest.approx(0.5, abs=0.05)


def test_half_of_the_pads_in_the_air():
    item = slab(lambda r: MIDDLE - 10, lambda r: MIDDLE + 10)
    item[MIDDLE + 1:] = -1e3
    assert features_of(item, MIDDLE - 10, MIDDLE + 10)["contact"] == pytest.approx(5 / 9)


def test_fit_finds_the_weights_that_made_the_outcomes():
    rng = np.random.default_rng(0)
    names = GraspFeatures.names()
    features = rng.normal(size=(6000, len(names)))
    weights = np.array([PRIOR.weights[name] for name in names]) * rng.uniform(0.4, 1.6, len(names))
    held = rng.random(6000) < 1 / (1 + np.exp(-(0.7 + features @ weights)))
    model = fit_score(features, held, ridge=0.01)
    assert model.bias == pytest.approx(0.7, abs=0.15)
    np.testing.assert_allclose([model.weights[name] for name in names], weights, atol=0.2)
    probability = model.probability(GraspFeatures(*features.T))
    for low in (0.1, 0.4, 0.7):
        group = (probability > low) & (probability < low + 0.2)
        assert held[group].mean() == pytest.approx(probability[group].mean(), abs=0.06)


def test_weights_keep_the_sign_that_mechanics_gives_them():
    rng = np.random.default_rng(1)
    features = rng.random(size=(300, len(GraspFeatures.names())))
    held = rng.random(300) < features[:, GraspFeatures.names().index("wedge")]  # as if a wedge helped
    assert fit_score(features, held, ridge=0.1).weights["wedge"] == pytest.approx(0.25 * PRIOR.weights["wedge"])


def test_the_shipped_weights_prefer_what_holds_better():
    model = GraspScoreModel.load()
    good = dict.fromkeys(GraspFeatures.names(), 0.0) | {"overlap": 1.0, "fill": 1.0, "contact": 1.0, "width": 0.5}

    def score(**changes):
        return float(model.probability(GraspFeatures(*(np.array([value]) for value in (good | changes).values())))[0])

    assert score() > 0.85
    for worse in ({"overlap": 0.4, "shallow": 1.0}, {"wedge": 1.0}, {"lean": 1.0}, {"along": 1.5}, {"ledge": 0.5},
                  {"fill": 0.4, "contact": 0.4}):
        assert score(**worse) < score(), worse


def test_weights_of_other_features_are_refused(tmp_path):
    document = yaml.safe_load((share_dir() / "config" / "grasp_score.yaml").read_text())
    document["weights"]["beauty"] = 1.0
    path = tmp_path / "grasp_score.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(ValueError, match="weights must be of overlap, .*beauty"):
        GraspScoreModel.load(path)
