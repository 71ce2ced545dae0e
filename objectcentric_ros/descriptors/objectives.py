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


"""From what the network says of a batch to the loss of a recipe."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from objectcentric_ros.descriptors import contrastive
from objectcentric_ros.descriptors.data import Batch
from objectcentric_ros.descriptors.losses import KeypointView, keypoint_loss, mask_at_cells
from objectcentric_ros.descriptors.network import DescriptorNetwork, Heads
from objectcentric_ros.descriptors.recipe import LossConfig


def objective(network: DescriptorNetwork, batch: Batch, config: LossConfig) -> dict[str, Tensor]:
    """Losses of a batch by name, weighted; "loss" is their sum.

    Args:
        network: what is trained; called once, with both images.
        batch: pairs.
        config: which losses.
    """
    count = len(batch.images_a)
    images = torch.cat([batch.images_a, batch.images_b]).float().contiguous(memory_format=torch.channels_last)
    heads = network(images, detach_heads=config.detach_heads)
    losses: dict[str, Tensor] = {}
    if config.method != "keypoints":
        losses[config.method] = descriptor_loss(heads.descriptors[:count], heads.descriptors[count:], batch, network, config)
    weight = 1.0 if config.method == "keypoints" else config.keypoints
    if weight:
        losses |= {name: weight * value for name, value in _keypoint_losses(heads, batch, network, config).items()}
    losses["loss"] = torch.stack(list(losses.values())).sum()
    return losses


def descriptor_loss(features_a: Tensor, features_b: Tensor, batch: Batch, network: DescriptorNetwork, config: LossConfig
                    ) -> Tensor:
    """The loss of the recipe's method, mean over the pairs.

    Args:
        features_a: (B, D, h, w), of the first images.
        features_b: (B, D, h, w), of the second images.
        batch: the pairs they are of.
        network: for its stride, and whether descriptors are of length 1.
        config: the method.
    """
    stride, unit = network.config.output_stride, network.config.unit
    height, width = batch.images_a.shape[-2:]
    if config.method == "contrastive":
        d_a, d_b = (contrastive.sample(f, m, stride, unit) for f, m in ((features_a, batch.matches_a),
                                                                       (features_b, batch.matches_b)))
        half = batch.pixels_b.shape[1] // 2
        total = features_a.new_zeros(())
        for pixels in (batch.pixels_b[:, :half], batch.pixels_b[:, half:]):
            others = contrastive.sample(features_b, pixels, stride, unit)
            others = others[:, None].expand(-1, d_a.shape[1], -1, -1)
            total = total + contrastive.pixelwise_contrastive(d_a, d_b, others, config.margin) / 2
        return total
    losses = []
    for index in range(len(features_a)):
        a, b = features_a[index:index + 1], features_b[index:index + 1]
        points_a, points_b = batch.matches_a[index:index + 1], batch.matches_b[index:index + 1]
        d_a, d_b = contrastive.sample(a, points_a, stride, unit)[0], contrastive.sample(b, points_b, stride, unit)[0]
        if config.method == "grid_nce":
            losses.append((contrastive.grid_nce(d_a, b[0], points_b[0], stride, config.temperature)
                           + contrastive.grid_nce(d_b, a[0], points_a[0], stride, config.temperature)) / 2)
        elif config.method == "nt_xent":
            # As the baseline does it: the full map first, then the sampled pixels.
            full = [contrastive.upsampled(f, stride, height, width) for f in (a, b)]
            d_a, d_b = (contrastive.sample(f, p, 1, unit)[0] for f, p in zip(full, (points_a, points_b), strict=True))
            losses.append(contrastive.nt_xent(d_a, d_b, config.temperature))
        elif config.method == "nt_xent_full":
            full_b = contrastive.upsampled(b, stride, height, width)[0]
            losses.append(contrastive.nt_xent_full_image(d_a, full_b, points_b[0], config.temperature))
        else:
            losses.append((contrastive.pixelwise_distribution(d_a, b[0], points_b[0], stride)
                           + contrastive.pixelwise_distribution(d_b, a[0], points_a[0], stride)) / 2)
    return torch.stack(losses).mean()


def _keypoint_losses(heads: Heads, batch: Batch, network: DescriptorNetwork, config: LossConfig) -> dict[str, Tensor]:
    """Weighted parts of paper A's losses."""
    assert heads.logits is not None
    stride, count = network.config.output_stride, len(batch.images_a)
    views = []
    for part, mask, K, depth in ((slice(count), batch.masks_a, batch.K_a, batch.depths_a),
                                 (slice(count, None), batch.masks_b, batch.K_b, batch.depths_b)):
        depths = None if heads.depths is None else heads.depths[part]
        views.append(KeypointView(heads.logits[part], depths, mask_at_cells(mask, stride), K, measured=depth))
    weights = config.parts
    if heads.depths is None or not torch.isfinite(batch.T_b_a).all():
        weights = dataclasses.replace(weights, consistency=0.0, pose=0.0)   # they need metres and a known motion
    parts = keypoint_loss(views[0], views[1], batch.T_b_a, stride, weights)
    return {name: getattr(weights, name) * value for name, value in parts.items() if name != "total" and getattr(weights, name)}
