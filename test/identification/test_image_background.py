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

import dataclasses

import numpy as np
import pytest

from objectcentric_ros.identification.efficientnet_lite import PADDING_GREY
from objectcentric_ros.identification.image_background import another_background
from objectcentric_ros.identification.image_crops import global_crop
from objectcentric_ros.identification.image_recipe import ImageCropConfig


def thing() -> np.ndarray:
    """A red square on the padding's grey, which JPEG has changed a little."""
    image = np.full((64, 64, 3), PADDING_GREY, np.int16) + np.random.default_rng(1).integers(-4, 5, (64, 64, 3))
    image[20:44, 20:44] = (220, 30, 30)
    return image.astype(np.uint8)


def test_grey_becomes_something_else_and_the_thing_stays_in_another_light() -> None:
    seen = [another_background(thing(), np.random.default_rng(seed)) for seed in range(12)]
    grey = [(np.abs(image.astype(int) - PADDING_GREY) <= 6).all(axis=2)[:10].mean() for image in seen]
    assert max(grey) < 0.7 and np.mean(grey) < 0.2
    for image in seen:
        red, green = np.median(image[20:44, 20:44].reshape(-1, 3), axis=0)[:2]
        assert 0.45 * 220 <= red <= 255 and red > 1.5 * green


@pytest.mark.parametrize("source", ["query", "tray", "bin", "catalog"])
def test_only_what_was_cut_out_gets_a_background(source: str) -> None:
    config = ImageCropConfig(global_side=64, colour_jitter=0.0)
    always = dataclasses.replace(config, background=1.0)
    plain, other = (global_crop(thing(), made, source, np.random.default_rng(3)) for made in (config, always))
    assert (source in ("query", "tray")) != np.array_equal(plain, other)


def test_a_recipe_without_backgrounds_draws_what_it_always_drew() -> None:
    config = ImageCropConfig(global_side=64, blur=0.5)
    first, second = (global_crop(thing(), made, "tray", np.random.default_rng(5))
                     for made in (config, dataclasses.replace(config, background=0.0)))
    assert np.array_equal(first, second)
    with pytest.raises(ValueError, match="background must be a share"):
        dataclasses.replace(config, background=1.5)
