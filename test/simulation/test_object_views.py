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

"""Views of single items: geometry against the item's own size and mesh, and the folders that hold them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from objectcentric_ros import cli
from objectcentric_ros.descriptors.views import ObjectView, read_views
from objectcentric_ros.geometry.se3 import invert, transform_points
from objectcentric_ros.simulation.catalogue import Catalogue
from objectcentric_ros.simulation.families import Family, family_names, load_family
from objectcentric_ros.simulation.item_model import load_item_model
from objectcentric_ros.simulation.object_views import ViewConfig, render_views
from objectcentric_ros.simulation.sensor import DepthSensorConfig
from objectcentric_ros.simulation.variants import Variant, apply_variant, unwarp, warp
from objectcentric_ros.simulation.view_dataset import ensure_views

CONFIG = ViewConfig()


@pytest.fixture(scope="module")
def cubes(catalogue: Catalogue) -> list[ObjectView]:
    return list(render_views(catalogue.get("rubiks-cube"), 6, seed=4))


def object_points(view: ObjectView) -> np.ndarray:
    """What the view sees, (M, 3) [m] in the object's frame."""
    return transform_points(invert(view.T_camera_object), view.camera.deproject_image(view.depth)[view.mask])


def test_depth_and_pose_put_the_pixels_on_the_item_s_surface(cubes: list[ObjectView], catalogue: Catalogue) -> None:
    half = np.asarray(catalogue.get("rubiks-cube").size) / 2
    for view in cubes:
        beyond = np.max(np.abs(object_points(view)) - half, axis=1)      # 0 on a face of the cube
        assert np.abs(np.median(beyond)) < 2e-4
        assert np.all(beyond < 3e-4)
        assert np.isfinite(view.depth[view.mask]).all() and np.isnan(view.depth[~view.mask]).all()


def test_points_of_one_view_are_where_another_view_sees_them(catalogue: Catalogue) -> None:
    upright = ViewConfig(upright=1.0, elevation=(60.0, 90.0))
    first, second = render_views(catalogue.get("rubiks-cube"), 2, seed=0, config=upright)
    points = transform_points(second.T_camera_object, object_points(first))
    pixels = second.camera.project(points).astype(np.float32)[None]
    error = points[:, 2] - cv2.remap(second.depth, pixels, None, cv2.INTER_LINEAR)[0]
    seen = np.abs(error) < 2e-3
    assert seen.mean() > 0.9 and np.nanmean(error < -2e-3) < 0.01        # hidden behind the surface, never before it
    assert np.median(np.abs(error[seen])) < 2e-6                         # 3e-5 for half a pixel
    green = [first.color[first.mask][seen, 1], cv2.remap(second.color, pixels, None, cv2.INTER_LINEAR)[0][seen, 1]]
    assert np.corrcoef(green)[0, 1] > 0.94                               # 0.914 for half a pixel: colour lies on depth


def test_every_view_shows_the_whole_item_from_above_within_reach(cubes: list[ObjectView]) -> None:
    for view in cubes:
        v, u = np.nonzero(view.mask)
        assert u.min() >= CONFIG.margin and v.min() >= CONFIG.margin
        assert u.max() < 640 - CONFIG.margin and v.max() < 480 - CONFIG.margin
        assert CONFIG.distance[0] <= np.linalg.norm(view.T_camera_object[:3, 3]) <= CONFIG.distance[1]
        assert (view.color[~view.mask] == 0).all() and view.color[view.mask].max() > 60
        rotation = view.T_camera_object[:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) > 0
    centres = np.array([[np.mean(axis) for axis in np.nonzero(view.mask)] for view in cubes])
    assert np.ptp(centres, axis=0).min() > 50


def test_the_camera_looks_down_on_an_upright_item(catalogue: Catalogue) -> None:
    config = ViewConfig(upright=1.0, tilt=0.0)
    for view in render_views(catalogue.get("rubiks-cube"), 4, seed=0, config=config):
        up = -view.T_camera_object[2, 2]                                  # sine of the optical axis' angle with the table
        assert np.sin(np.deg2rad(35.0)) - 1e-9 <= up <= 1.0


def test_a_view_depends_on_seed_and_index_alone(cubes: list[ObjectView], catalogue: Catalogue) -> None:
    cube = catalogue.get("rubiks-cube")
    (again,) = render_views(cube, [3], seed=4)
    assert again.name == cubes[3].name == "0003"
    np.testing.assert_array_equal(again.color, cubes[3].color)
    np.testing.assert_array_equal(again.depth, cubes[3].depth)
    (other,) = render_views(cube, [3], seed=5)
    assert not np.array_equal(other.T_camera_object, again.T_camera_object)


def test_a_sensor_loses_depth_but_not_the_mask(cubes: list[ObjectView], catalogue: Catalogue) -> None:
    (view,) = render_views(catalogue.get("rubiks-cube"), [3], seed=4, config=ViewConfig(sensor=DepthSensorConfig()))
    np.testing.assert_array_equal(view.mask, cubes[3].mask)
    valid = np.isfinite(view.depth)
    assert 0.3 * view.mask.sum() < valid.sum() < view.mask.sum() and not valid[~view.mask].any()
    error = view.depth[valid] - cubes[3].depth[valid]
    assert 1e-4 < error.std() < 5e-3


def test_a_variant_of_another_item_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="one of hat, not of cap"):
        next(render_views(catalogue.get("cap"), 1, 0, Variant("hat")))


def test_an_item_that_fills_the_image_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="look from farther away"):
        next(render_views(catalogue.get("book"), 1, 0, config=ViewConfig(distance=(0.08, 0.09))))


def test_a_variant_has_its_proportions_and_its_colours(catalogue: Catalogue) -> None:
    cap = catalogue.get("cap")
    parts = load_item_model(cap).parts
    changed = apply_variant(parts, Variant("cap", "x", tint=(0.1, 0.6, 0.1), stretch=(1.0, 0.8, 1.5), taper=-0.2), cap.size[2])
    points = np.vstack([part.vertices for part in parts])
    warped = np.vstack([part.vertices for part in changed])
    assert np.ptp(warped[:, 2]) == pytest.approx(1.5 * np.ptp(points[:, 2]), rel=1e-5)
    middle = np.abs(points[:, 2]) < 1e-3
    np.testing.assert_allclose(warped[middle, 1], 0.8 * points[middle, 1], atol=5e-4)
    assert all((part.rgba[:3].argmax() == 1) for part in changed if part.texture is None)
    same = apply_variant(parts, Variant("cap"), cap.size[2])
    for part, kept in zip(parts, same, strict=True):
        np.testing.assert_allclose(part.vertices, kept.vertices, atol=1e-9)
        np.testing.assert_allclose(part.rgba, kept.rgba, atol=1e-6)
        assert part.texture is None or np.array_equal(part.texture, kept.texture)


def test_a_third_of_the_colour_circle_turns_red_to_green() -> None:
    from objectcentric_ros.simulation.item_model import VisualPart

    red = VisualPart(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32), None, None,
                     np.array([0.8, 0.2, 0.2, 1.0], np.float32))
    (green,) = apply_variant((red,), Variant("cap", hue=120.0), 1.0)
    np.testing.assert_allclose(green.rgba, [0.2, 0.8, 0.2, 1.0], atol=1e-3)


def test_unwarp_undoes_warp() -> None:
    variant = Variant("cap", "x", stretch=(1.2, 0.9, 1.7), taper=0.4)
    points = np.random.default_rng(0).uniform(-0.05, 0.05, (20, 3))
    np.testing.assert_allclose(warp([0.0, 0.02, 0.05], variant, 0.1), [0.0, 0.02 * 0.9 * 1.4, 0.05 * 1.7])
    np.testing.assert_allclose(unwarp(warp(points, variant, 0.1), variant, 0.1), points, atol=1e-12)


@pytest.mark.parametrize("values", [{"hue": np.nan}, {"tint": (2.0, 0.0, 0.0)}, {"stretch": (1.0, 3.0, 1.0)}, {"taper": 1.0},
                                    {"name": "../x"}])
def test_a_variant_out_of_range_is_refused(values: dict) -> None:
    with pytest.raises(ValueError, match="variant"):
        Variant(**{"item_id": "cap", **values})


def test_the_families_hold_out_what_they_do_not_train_on(catalogue: Catalogue) -> None:
    assert {"caps", "mixed"} <= set(family_names())
    for name, train, test in (("caps", 5, 3), ("mixed", 10, 4)):
        family = load_family(name, catalogue)
        assert len(family.train) >= train and len(family.test) >= test
        shapes = [{(v.item_id, v.stretch, v.taper) for v in family.split(split)} for split in ("train", "test")]
        assert not shapes[0] & shapes[1]
    assert {catalogue.get(v.item_id).split for v in family.train} == {"dev"}
    assert {catalogue.get(v.item_id).split for v in family.test} == {"test"}


@pytest.mark.parametrize(("train", "said"), [
    ("{item_id: cap, shade: 3}", "unknown keys shade"),
    ("{name: cap}", "item_id"),
    ("{item_id: capp}", "no item with id 'capp'"),
    ("{item_id: hat}", "held-out hat|hat occurs twice"),
    ("{item_id: hat, name: other}", "held-out hat is trained on as other"),
])
def test_a_family_at_fault_says_what_is_wrong(train: str, said: str, catalogue: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"train: [{train}]\ntest: [{{item_id: hat}}]\n")
    with pytest.raises(ValueError, match=said) as error:
        load_family(path, catalogue)
    assert "mine" in str(error.value)


def test_views_are_rendered_once_and_never_mixed(tmp_path: Path) -> None:
    family = Family("two", (Variant("rubiks-cube"),), (Variant("hammer"),))
    steps: list[tuple[str, int, int]] = []
    folder = ensure_views(family, "train", 2, 0, tmp_path / "views", lambda *step: steps.append(step))
    assert steps == [("rubiks-cube", 0, 2), ("rubiks-cube", 1, 2), ("rubiks-cube", 2, 2)]
    image = folder / "rubiks-cube" / "0001.color.png"
    before = image.read_bytes()
    image.unlink()
    first = (folder / "rubiks-cube" / "0000.color.png").stat().st_mtime_ns
    ensure_views(family, "train", 2, 0, folder)
    assert image.read_bytes() == before and (folder / "rubiks-cube" / "0000.color.png").stat().st_mtime_ns == first
    with pytest.raises(ValueError, match="views of seed 0"):
        ensure_views(family, "train", 2, 1, folder)
    changed = Family("two", (replace(family.train[0], hue=90.0),), family.test)
    with pytest.raises(ValueError, match="another rubiks-cube"):
        ensure_views(changed, "train", 2, 0, folder)
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match="holds other things"):
        ensure_views(family, "train", 2, 0, other)
    with pytest.raises(ValueError, match="at least 1"):
        ensure_views(family, "train", 0, 0, folder)


def test_the_verb_writes_views_that_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine, output = tmp_path / "mine.yaml", tmp_path / "out"
    mine.write_text("train: [{item_id: hat}]\ntest: [{item_id: rubiks-cube, name: cube, hue: 30}]\n")
    arguments = ["dataset", "views", str(mine), "--output", str(output), "--views", "2", "--split", "test", "--seed", "9"]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out.strip() == str(output)
    views = read_views(output)
    assert [(view.instance, view.name) for view in views] == [("cube", "0000"), ("cube", "0001")]
    (rendered,) = render_views(Catalogue.load().get("rubiks-cube"), [1], 9, Variant("rubiks-cube", "cube", hue=30.0))
    np.testing.assert_array_equal(views[1].color, rendered.color)
    np.testing.assert_array_equal(views[1].mask, rendered.mask)
    np.testing.assert_allclose(views[1].T_camera_object, rendered.T_camera_object, rtol=0, atol=0)
    assert np.nanmax(np.abs(views[1].depth - rendered.depth)) <= 0.00051
    assert "Hat" in (output / "ATTRIBUTION.md").read_text()


def test_the_verb_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dataset", "views", "nonsense", "--output", str(tmp_path / "x")]) == 2
    assert "there is no family nonsense; there are caps, mixed" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
