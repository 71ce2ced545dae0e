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


"""The inspector's page in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from objectcentric_ros.inspector.frames import Frame, PhotoSource
from objectcentric_ros.inspector.grasp_points import MemoryGraspPoints
from objectcentric_ros.inspector.inspection import Inspection
from objectcentric_ros.inspector.server import InspectorServer

from .browser import Page, find_browser, opened
from .colour_model import ColourModel, patches

WIDTH, HEIGHT = 640, 480
LATENCY = 150.0       # from the mouse's event to the heatmap on the screen [ms]
ONE, TWO = (160, 120), (480, 330)


@pytest.fixture
def store() -> MemoryGraspPoints:
    return MemoryGraspPoints({"mug": "Blue mug", "cup": "Cup <b>&"})


class Camera:
    """A live source: a person moves what it sees."""

    title, live, count = "camera", True, 1

    def __init__(self) -> None:
        self.place = TWO

    def frame(self, index: int) -> Frame:
        return Frame(patches(self.place, width=WIDTH, height=HEIGHT), self.title)


@pytest.fixture
def camera() -> Camera:
    return Camera()


@pytest.fixture
def page(tmp_path: Path, store: MemoryGraspPoints, camera: Camera) -> Iterator[Page]:
    browser = find_browser()
    if browser is None:
        pytest.skip("there is no Chromium or Chrome here: apt-get install chromium")
    background = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8), (0, 0), 25)
    for name, places in (("one <b>.png", [ONE]), ("two.png", [TWO]), ("both.png", [ONE, TWO])):
        image = patches(*places, width=WIDTH, height=HEIGHT)
        orange = image[..., 0] == 240
        cv2.imwrite(str(tmp_path / name), np.where(orange[..., None], image, background // 2)[..., ::-1])
    photos = [PhotoSource(tmp_path / name) for name in ("one <b>.png", "two.png", "both.png")]
    with InspectorServer(Inspection(ColourModel(stride=2), [*photos, camera], store), port=0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            with opened(browser, server.url, tmp_path / "profile") as page:
                page.wait("document.body?.dataset.ready")
                yield page
        finally:
            server.shutdown()
            thread.join()


def point_at(page: Page, stage: str, place: tuple[float, float], button: str = "") -> float:
    """Move the mouse to a pixel and wait until the other image shows its heat; the latency [ms]."""
    other = "b" if stage == "a" else "a"
    picture = f"document.querySelector('#stage-{stage} img')"
    x, y, width, height = page.evaluate(f"(r => [r.x, r.y, r.width, r.height])({picture}.getBoundingClientRect())")
    page.evaluate(f"document.querySelector('#stage-{other}').dataset.drawn = ''")
    page.move(x + (place[0] + 0.5) / WIDTH * width, y + (place[1] + 0.5) / HEIGHT * height, button)
    page.wait(f"document.querySelector('#stage-{other}').dataset.drawn")
    return float(page.evaluate(f"document.querySelector('#stage-{other}').dataset.latencyMs"))


def hottest(page: Page, stage: str) -> list[float]:
    """Pixel of the image where the drawn heat is most opaque, and its opacity."""
    found: list[float] = page.evaluate(f"""(() => {{
        const canvas = document.querySelector('#stage-{stage} canvas');
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let best = 3;
        for (let index = 3; index < pixels.length; index += 4) if (pixels[index] > pixels[best]) best = index;
        const cell = (best - 3) / 4, size = {WIDTH} / canvas.width;
        return [cell % canvas.width * size, Math.floor(cell / canvas.width) * size, pixels[best]]; }})()""")
    return found


def choose(page: Page, side: str, source: int) -> None:
    page.evaluate(f"((list) => {{ list.value = {source}; list.dispatchEvent(new Event('change')); }})"
                  f"(document.querySelector('#source-{side}'))")


def text(page: Page, selector: str) -> str:
    return str(page.evaluate(f"document.querySelector({selector!r}).textContent"))


def test_the_mouse_draws_heat_and_match_on_the_other_image_at_once(page: Page, tmp_path: Path) -> None:
    latencies = [point_at(page, "a", (ONE[0] + step, ONE[1] + step % 3)) for step in (-3, -2, -1, 0, 1, 2, 0)]
    u, v, opacity = hottest(page, "b")
    assert abs(u - TWO[0]) <= 4 and abs(v - TWO[1]) <= 4 and opacity >= 170
    assert text(page, "#verdict") == "One clear match"
    assert float(np.median(latencies)) <= LATENCY, latencies
    page.screenshot(tmp_path / "inspector.png", 1400, 860)
    assert cv2.imread(str(tmp_path / "inspector.png")).shape == (860, 1400, 3)
    point_at(page, "b", TWO)             # and the other way round
    u, v, _ = hottest(page, "a")
    assert abs(u - ONE[0]) <= 4 and abs(v - ONE[1]) <= 4
    assert page.complaints == []


def test_two_places_are_warned_of(page: Page) -> None:
    choose(page, "b", 2)
    page.wait("document.querySelector('#stage-b img').alt.endsWith('both.png')")
    point_at(page, "a", ONE)
    assert text(page, "#verdict") == "Several places match"
    assert page.evaluate("document.querySelectorAll('#stage-b .rival').length") == 1


def test_a_click_holds_the_point_and_keys_move_it_and_the_slider(page: Page) -> None:
    point_at(page, "a", ONE, "left")
    assert text(page, "#point") == "160.0, 120.0"
    page.move(20, 20)
    page.evaluate("document.querySelector('#stage-a').focus()")
    page.press("ArrowRight")
    page.wait("document.querySelector('#stage-b').dataset.drawn === '161.0,120.0'")
    slider = "document.querySelector('#temperature')"
    before = float(page.evaluate(f"{slider}.focus(), {slider}.value"))
    page.evaluate("document.querySelector('#stage-b').dataset.drawn = ''")
    page.press("ArrowRight")
    page.wait("document.querySelector('#stage-b').dataset.drawn")
    assert float(page.evaluate(f"{slider}.value")) == pytest.approx(before + 0.05)
    assert page.evaluate("document.querySelector('#automatic').getAttribute('aria-pressed')") == "false"
    page.press("Escape")
    assert page.evaluate("document.querySelectorAll('.stage.held').length") == 0


def test_a_held_point_is_followed_on_a_live_image(page: Page, camera: Camera) -> None:
    point_at(page, "a", ONE, "left")
    choose(page, "b", 3)
    page.wait("document.querySelector('#stage-b img').alt === 'camera'")
    camera.place = (300, 60)
    page.wait("Math.abs(parseFloat(document.querySelector('#peak').textContent) - 300) < 4")
    u, v, _ = hottest(page, "b")
    assert abs(u - 300) <= 4 and abs(v - 60) <= 4


def test_colours_and_keypoints_are_shown_on_both_images(page: Page) -> None:
    page.evaluate("['pca', 'keypoints'].forEach((id) => document.getElementById(id).click())")
    page.wait("[...document.querySelectorAll('.stage img')].every((i) => i.src.includes('/pca?beside=') && i.complete"
              " && i.naturalWidth === 640)")
    circles = page.evaluate("[...document.querySelectorAll('#stage-b .keypoint')].map((c) => [c.getAttribute('cx'), "
                            "c.getAttribute('cy')].join())")
    assert circles == ["160,120", "320,240"]
    assert page.complaints == []


def test_a_held_point_is_saved_for_an_item(page: Page, store: MemoryGraspPoints) -> None:
    assert page.evaluate("document.querySelector('#save-button').disabled")
    point_at(page, "a", ONE, "left")
    page.evaluate("(() => { document.querySelector('#item').value = 'cup'; document.querySelector('#name').value = 'handle';"
                  " document.querySelector('#width').value = 25; document.querySelector('#save-button').click(); })()")
    page.wait("document.querySelector('#save-status').textContent.startsWith('Saved “handle” of Cup <b>&')")
    np.testing.assert_allclose(store.points["cup", "handle"].descriptor, np.array([240, 140, 20]) / 255, atol=1e-5)
    assert store.points["cup", "handle"].width == 0.025
    page.evaluate("document.querySelector('#save-button').click()")
    page.wait("document.querySelector('#save-button').textContent === 'Replace'")
