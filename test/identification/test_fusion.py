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

import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from objectcentric_ros.identification.fusion import (
    FEATURES,
    FusionError,
    FusionModel,
    checked_distances,
    fusion_features,
    posterior,
    write_model,
)
from objectcentric_ros.identification.local_features import LOCAL_KEY
from objectcentric_ros.identification.verification import COLUMNS, verified

xgboost = pytest.importorskip("xgboost")
NAN = np.nan
SECTION = {"local_key": LOCAL_KEY, "candidates": 2, "gap": 50.0, "temperature": 1.0, "none_weight": 0.5}
CARD = {"features": "distances", "temperature": 1.0, "none_weight": 0.5, "thresholds": {0.9: 0.4, 0.99: None},
        "image_key": "image-1", "text_key": "", "quarter_turns": 1}


def toy_booster(features: str, seed: int = 0):
    """Trees that were fitted on near candidates being right, with references missing at random."""
    rng = np.random.default_rng(seed)
    label = rng.random((400, 10)) < 0.1
    distances = np.where(label[..., None], rng.normal(0.25, 0.1, (400, 10, 4)), rng.normal(0.6, 0.15, (400, 10, 4)))
    distances = np.clip(distances, 0, 2).astype(np.float32)
    distances[rng.random(distances.shape) < 0.4] = NAN
    known = ~np.isnan(distances).all(axis=-1)
    rows = fusion_features(distances, features)[known]
    parameters = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1,
                  "monotone_constraints": "(" + ",".join(["-1"] * rows.shape[1]) + ")"}
    return xgboost.train(parameters, xgboost.DMatrix(rows, label=label[known]), 30)


@pytest.fixture(scope="module", params=list(FEATURES))
def model_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fusion") / "model.ubj"
    write_model(path, toy_booster(request.param), {**CARD, "features": request.param})
    return path


@pytest.fixture(scope="module")
def model(model_file: Path) -> FusionModel:
    return FusionModel.load(model_file)


def candidates(seed: int, count: int = 12, missing: float = 0.4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    distances = rng.uniform(0.1, 0.9, (count, 4)).astype(np.float32)
    distances[rng.random(distances.shape) < missing] = NAN
    return distances


def test_gaps_by_hand() -> None:
    distances = np.array([[0.2, 0.5, NAN, 0.7], [0.3, NAN, NAN, 0.7], [0.6, NAN, 0.4, 0.9]], np.float32)
    rows = fusion_features(distances, "distances+gaps")
    assert rows.shape == (3, 8) and rows.dtype == np.float32
    np.testing.assert_array_equal(rows[:, :4], distances)
    # Tray: against the second nearest for the nearest one. Bin and catalog: nobody else has them. Text: a tie is no gap.
    np.testing.assert_allclose(rows[:, 4:], [[-0.1, NAN, NAN, 0.0], [0.1, NAN, NAN, 0.0], [0.4, NAN, NAN, 0.2]], atol=1e-6)


def test_gaps_of_many_queries_are_those_of_each() -> None:
    several = np.stack([candidates(seed) for seed in range(5)])
    together = fusion_features(several, "distances+gaps")
    for row, distances in zip(together, several, strict=True):
        np.testing.assert_array_equal(row, fusion_features(distances, "distances+gaps"))
    assert np.isnan(fusion_features(several[0][:1], "distances+gaps")[:, 4:]).all()      # one candidate has no rival


def test_posterior_by_hand() -> None:
    p, none = posterior(np.array([[np.log(3.0), 0.0, -np.inf]]), 1.0, 0.5)
    np.testing.assert_allclose(p, [[3 / 4.5, 1 / 4.5, 0.0]])
    np.testing.assert_allclose(none, [0.5 / 4.5])
    p, none = posterior(np.array([[np.log(9.0), -np.inf]]), 2.0, 1.0)     # temperature 2: the square root of the odds
    np.testing.assert_allclose(p, [[0.75, 0.0]])
    p, none = posterior(np.array([[800.0, 799.0], [-800.0, -np.inf]]), 1.0, 1.0)
    assert np.isfinite(p).all() and p[0].sum() + none[0] == pytest.approx(1) and none[1] == pytest.approx(1)


def test_probabilities_sum_to_one_with_none(model: FusionModel) -> None:
    for seed in range(5):
        p, none = model.probabilities(candidates(seed))
        assert p.shape == (12,) and p.dtype == np.float64 and p.sum() + none == pytest.approx(1)


def test_a_lower_distance_never_lowers_the_probability(model: FusionModel) -> None:
    for seed in range(30):
        distances = candidates(seed)
        rng = np.random.default_rng(seed + 1000)
        row, column = rng.choice(np.argwhere(~np.isnan(distances)))
        nearer = distances.copy()
        nearer[row, column] *= rng.random()
        before, after = model.probabilities(distances)[0], model.probabilities(nearer)[0]
        assert after[row] >= before[row] - 1e-12
        assert model.log_odds(nearer)[row] >= model.log_odds(distances)[row] - 1e-6


def test_the_nearest_candidate_is_the_likeliest(model: FusionModel) -> None:
    distances = np.full((6, 4), 0.65, np.float32)
    distances[4] = 0.2
    p, none = model.probabilities(distances)
    assert p.argmax() == 4 and p[4] > 0.8 > none
    far, far_none = model.probabilities(np.full((6, 4), 0.9, np.float32))
    assert far.max() < far_none


def test_candidates_without_references_are_never_asked_about(model: FusionModel) -> None:
    class Refuses:
        def inplace_predict(self, rows: np.ndarray, **_: object) -> np.ndarray:
            assert not np.isnan(rows[:, :4]).all(axis=1).any()
            return np.zeros(len(rows), np.float32)

    distances = candidates(1)
    distances[[0, 5]] = NAN
    p, _ = FusionModel(Refuses(), model.card).probabilities(distances)
    assert p[0] == p[5] == 0 and (p[[1, 2, 3]] > 0).all()
    p, none = FusionModel(Refuses(), model.card).probabilities(np.full((3, 4), NAN))
    np.testing.assert_array_equal(p, 0)
    assert none == 1.0
    p, none = FusionModel(Refuses(), model.card).probabilities(np.zeros((0, 4)))
    assert p.shape == (0,) and none == 1.0


def test_a_batch_is_its_queries(model: FusionModel) -> None:
    several = np.stack([candidates(seed) for seed in range(4)])
    p, none = model.batch(several)
    for row, distances in enumerate(several):
        alone, alone_none = model.probabilities(distances)
        np.testing.assert_allclose(p[row], alone, rtol=1e-6)
        assert none[row] == pytest.approx(alone_none)


@pytest.mark.parametrize(("distances", "message"), [
    (np.full((3, 4), np.inf), "infinite"), (np.full((3, 3), 0.1), "shape"), (np.full(4, 0.1), "candidates"),
    (np.full((3, 4), -0.5), "1 - cos"), (np.full((3, 4), 2.5), "1 - cos"), (np.zeros((2, 3, 4)), "batch")])
def test_distances_that_are_none_are_refused(model: FusionModel, distances: np.ndarray, message: str) -> None:
    with pytest.raises(FusionError, match=message):
        model.probabilities(distances)


def test_rounding_of_equal_vectors_is_no_error() -> None:
    assert checked_distances(np.array([[-1e-7, 2.0000002, NAN, 0.0]])).shape == (1, 4)


def test_thresholds_come_from_the_card(model: FusionModel) -> None:
    assert model.threshold(0.9) == 0.4 and model.threshold(0.99) is None
    with pytest.raises(FusionError, match=r"0\.95.*0\.9, 0\.99"):
        model.threshold(0.95)
    assert (model.image_key, model.text_key, model.quarter_turns) == ("image-1", "", 1)


def test_what_was_written_is_read(model_file: Path) -> None:
    booster = toy_booster(FusionModel.load(model_file).features)
    distances = candidates(3)
    direct = FusionModel(booster, FusionModel.load(model_file).card).probabilities(distances)[0]
    for name in (model_file, str(model_file.with_suffix("")), model_file.with_suffix(".yaml")):
        np.testing.assert_array_equal(FusionModel.load(name).probabilities(distances)[0], direct)


def test_a_damaged_model_is_refused(model_file: Path, tmp_path: Path) -> None:
    content, card = model_file.read_bytes(), model_file.with_suffix(".yaml").read_text()
    path = tmp_path / "damaged.ubj"

    def write(data: bytes, text: str) -> None:
        path.write_bytes(data)
        path.with_suffix(".yaml").write_text(text)

    with pytest.raises(FusionError, match="train fusion"):
        FusionModel.load(path)
    for data in (content[:-1], content[:100], b"", content[:500] + bytes([content[500] ^ 1]) + content[501:]):
        write(data, card)
        with pytest.raises(FusionError, match="damaged"):
            FusionModel.load(path)
    noise = b"{ no model"
    write(noise, card.replace(hashlib.sha256(content).hexdigest(), hashlib.sha256(noise).hexdigest()))
    with pytest.raises(FusionError, match="no xgboost model"):
        FusionModel.load(path)
    for key, value, message in (("features", "colours", "features"), ("temperature", 0, "temperature"),
                                ("none_weight", "much", "none_weight"), ("quarter_turns", 3, "quarter_turns"),
                                ("thresholds", {0.9: 1.5}, "thresholds")):
        write(content, yaml.safe_dump({**yaml.safe_load(card), key: value}))
        with pytest.raises(FusionError, match=message):
            FusionModel.load(path)
    write(content, yaml.safe_dump({key: value for key, value in yaml.safe_load(card).items() if key != "image_key"}))
    with pytest.raises(FusionError, match="lacks image_key"):
        FusionModel.load(path)
    write(content, "[]")
    with pytest.raises(FusionError, match="no mapping"):
        FusionModel.load(path)


def test_a_card_of_other_features_is_refused(model_file: Path, tmp_path: Path) -> None:
    card = yaml.safe_load(model_file.with_suffix(".yaml").read_text())
    other = next(name for name in FEATURES if name != card["features"])
    path = tmp_path / "other.ubj"
    path.write_bytes(model_file.read_bytes())
    path.with_suffix(".yaml").write_text(yaml.safe_dump({**card, "features": other}))
    with pytest.raises(FusionError, match="takes"):
        FusionModel.load(path)


def test_only_whole_models_are_written(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="ubj"):
        write_model(tmp_path / "model.json", toy_booster("distances"), CARD)
    with pytest.raises(FusionError, match="lacks image_key"):
        write_model(tmp_path / "model.ubj", toy_booster("distances"), {key: CARD[key] for key in CARD if key != "image_key"})
    assert list(tmp_path.iterdir()) == []


def toy_verifier(seed: int = 0, columns: int = len(COLUMNS)):
    """Trees that were fitted on candidates with many arranged points of the tray's picture being right."""
    rng = np.random.default_rng(seed)
    rows = rng.uniform(0, 60, (400, columns)).astype(np.float32)
    label = rows[:, COLUMNS.index("tray_arranged")] + rng.normal(0, 3, 400) > 30
    return xgboost.train({"objective": "binary:logistic", "max_depth": 2, "nthread": 1}, xgboost.DMatrix(rows, label=label), 10)


def share_points(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
    """The higher the column, the more points."""
    return np.repeat(np.where(columns > 0, 55, 2)[:, None], 6, axis=1).astype(np.float32)


@pytest.fixture
def verifying(tmp_path: Path) -> Path:
    path = tmp_path / "verifying.ubj"
    write_model(path, toy_booster("distances"), {**CARD, "verification": SECTION}, toy_verifier())
    return path


SAME = np.full((2, 3, 4), 0.4, np.float32)
SAME[:, 2] = 0.9
SAME[1, 1] = NAN
SAME[1, 2] = NAN            # the second query has one candidate: nothing to tell apart


def test_a_model_that_verifies_is_read_as_it_was_written(verifying: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in tmp_path.iterdir()) == ["verifying.ubj", "verifying.verification.ubj", "verifying.yaml"]
    card = yaml.safe_load(verifying.with_suffix(".yaml").read_text())
    content = (tmp_path / "verifying.verification.ubj").read_bytes()
    assert card["verification"] == {**SECTION, "sha256": hashlib.sha256(content).hexdigest()}
    direct = FusionModel(toy_booster("distances"), card, toy_verifier())
    assert direct.verifies
    for name in (verifying, str(verifying.with_suffix("")), verifying.with_suffix(".yaml")):
        loaded = FusionModel.load(name)
        assert loaded.verifies
        np.testing.assert_array_equal(loaded.batch(SAME, verify=share_points)[0], direct.batch(SAME, verify=share_points)[0])


def test_points_in_common_tell_candidates_of_the_same_distances_apart(verifying: Path) -> None:
    model = FusionModel.load(verifying)
    p, none = model.batch(SAME)
    assert p[0, 0] == p[0, 1] > p[0, 2] > 0
    looked, looked_none = model.batch(SAME, verify=share_points)
    assert looked[0, 1] > 2 * looked[0, 0] and looked[0, 1] > p[0, 1] and looked[0, 0] < p[0, 0]
    np.testing.assert_array_equal(looked[1], p[1])
    assert looked_none[1] == none[1]
    np.testing.assert_allclose(looked.sum(axis=1) + looked_none, 1.0)
    np.testing.assert_array_equal(model.probabilities(SAME[0])[0], p[0])         # nobody can be asked there

    def refuse(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        raise AssertionError("asked")

    without = FusionModel(model.booster, model.card)
    assert not without.verifies
    np.testing.assert_array_equal(without.batch(SAME, verify=refuse)[0], p)
    with pytest.raises(AssertionError, match="asked"):
        model.batch(SAME, verify=refuse)
    np.testing.assert_array_equal(model.batch(SAME[1:], verify=refuse)[0], p[1:])


def test_the_card_says_who_is_verified(verifying: Path) -> None:
    model = FusionModel.load(verifying)
    asked: list[list[int]] = []

    def note(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        asked.append(columns.tolist())
        return share_points(rows, columns)

    for changes in ({}, {"candidates": 3}, {"candidates": 3, "gap": 1e-6}):
        card = {**model.card, "verification": {**model.card["verification"], **changes}}
        FusionModel(model.booster, card, model.verifier).batch(SAME[:1], verify=note)
    assert asked == [[0, 1], [0, 1, 2], [0, 1, 2]]
    apart = SAME[:1].copy()
    apart[0, 1] = 0.9
    FusionModel(model.booster, {**model.card, "verification": {**SECTION, "gap": 1e-6}}, model.verifier).batch(apart, verify=note)
    assert len(asked) == 3


def test_the_verified_have_a_temperature_of_their_own(verifying: Path) -> None:
    model = FusionModel.load(verifying)
    section = {**model.card["verification"], "temperature": 2.0, "none_weight": 3.0}
    own = FusionModel(model.booster, {**model.card, "verification": section}, model.verifier)
    evidence = share_points(np.array([0, 0]), np.array([0, 1]))
    log_odds, asked = verified(model.log_odds(SAME), model.verifier, 2, 50.0, lambda rows, columns: evidence)
    assert asked.tolist() == [True, False]
    p, none = own.batch(SAME, verify=share_points)
    by_hand, none_by_hand = posterior(log_odds[0], 2.0, 3.0)
    np.testing.assert_allclose(p[0], by_hand)
    assert none[0] == pytest.approx(float(none_by_hand)) and none[0] > model.batch(SAME, verify=share_points)[1][0]
    np.testing.assert_array_equal(p[1], model.batch(SAME)[0][1])
    np.testing.assert_array_equal(own.batch(SAME)[0], model.batch(SAME)[0])         # nobody was asked: the card's own


def test_a_missing_or_swapped_verifier_is_named(verifying: Path, tmp_path: Path) -> None:
    other = tmp_path / "verifying.verification.ubj"
    content = other.read_bytes()
    other.write_bytes(bytes(toy_verifier(1).save_raw("ubj")))
    with pytest.raises(FusionError, match=r"verifying\.verification\.ubj is damaged or of another training"):
        FusionModel.load(verifying)
    for damaged in (content[:-1], b"", verifying.read_bytes()):
        other.write_bytes(damaged)
        with pytest.raises(FusionError, match=r"verifying\.verification\.ubj is damaged"):
            FusionModel.load(verifying)
    other.unlink()
    with pytest.raises(FusionError, match=r"verifying\.verification\.ubj, which can't be read"):
        FusionModel.load(verifying)
    other.write_bytes(content)
    assert FusionModel.load(verifying).verifies


def test_a_verifier_of_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.ubj"
    write_model(path, toy_booster("distances"), {**CARD, "verification": SECTION}, toy_verifier(columns=8))
    with pytest.raises(FusionError, match=r"model\.verification\.ubj takes 8 features, its card says 14"):
        FusionModel.load(path)


@pytest.mark.parametrize("change", [
    {"local_key": "sift-512-v9"}, {"candidates": 1}, {"candidates": 2.5}, {"candidates": None}, {"gap": 0}, {"gap": "much"},
    {"gap": NAN}, {"temperature": 0}, {"none_weight": "much"}, {"none_weight": np.inf}, {"sha256": 5}, {"sha256": None}])
def test_a_verification_that_cannot_be_meant_is_refused(verifying: Path, tmp_path: Path, change: dict[str, object]) -> None:
    card = yaml.safe_load(verifying.with_suffix(".yaml").read_text())
    verifying.with_suffix(".yaml").write_text(yaml.safe_dump({**card, "verification": {**card["verification"], **change}}))
    with pytest.raises(FusionError, match=f"card of verifying.ubj has a verification of .*{LOCAL_KEY}"):
        FusionModel.load(verifying)
    if "sha256" not in change:
        with pytest.raises(FusionError, match="has a verification of"):
            write_model(tmp_path / "new.ubj", toy_booster("distances"), {**CARD, "verification": {**SECTION, **change}},
                        toy_verifier())
        assert not list(tmp_path.glob("new*"))


def test_a_card_without_the_hash_of_its_verifier_is_refused(verifying: Path) -> None:
    card = yaml.safe_load(verifying.with_suffix(".yaml").read_text())
    for section in (SECTION, "some", []):
        verifying.with_suffix(".yaml").write_text(yaml.safe_dump({**card, "verification": section}))
        with pytest.raises(FusionError, match="verif"):
            FusionModel.load(verifying)


def test_a_model_without_a_verifier_takes_the_place_of_one_with(verifying: Path, tmp_path: Path) -> None:
    write_model(verifying, toy_booster("distances"), CARD)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["verifying.ubj", "verifying.yaml"]
    model = FusionModel.load(verifying)
    assert not model.verifies and "verification" not in model.card


def test_card_and_verifier_come_together(tmp_path: Path) -> None:
    for card, verifier in ((CARD, toy_verifier()), ({**CARD, "verification": SECTION}, None)):
        with pytest.raises(FusionError, match="section verification"):
            write_model(tmp_path / "model.ubj", toy_booster("distances"), card, verifier)
    assert list(tmp_path.iterdir()) == []
