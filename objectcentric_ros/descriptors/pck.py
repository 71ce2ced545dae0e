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


"""How well descriptors match: errors in pixels of a fixed 640x480 frame, PCK, AUC, and the paper's score beside them.

The paper calls "PCK" the share of matches whose *coordinate vectors* have a cosine of at least k / 100, which any pixel near the
object passes (see `paper_score`). Here PCK@k is the share of matches that are found within k pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage
from objectcentric_ros.descriptors.matching import match as match
from objectcentric_ros.descriptors.matching import nearest

if TYPE_CHECKING:
    from objectcentric_ros.descriptors.pairs import Pair
    from objectcentric_ros.geometry.camera import PinholeCamera

FRAME = (640, 480)               # width, height that errors are measured in [px]
MAXIMUM = 100                    # the largest threshold of the AUC [px]
THRESHOLDS = (1, 3, 5, 10, 25)   # [px]

Points = NDArray[np.float64]


# -- figures of errors ----------------------------------------------------------------------------------------------------


def pixel_errors(truth: ArrayLike, found: ArrayLike, width: int = FRAME[0], height: int = FRAME[1]) -> NDArray[np.float64]:
    """Distances between points, in pixels of the fixed frame.

    Args:
        truth: (M, 2) pixels (u, v).
        found: (M, 2) pixels (u, v).
        width: of the image that they are pixels of, scaled to 640.
        height: of that image, scaled to 480.

    Returns:
        (M,) float64.

    Raises:
        ValueError: the two have different shapes.
    """
    first, second = _point_pair(truth, found)
    return np.linalg.norm((first - second) * _to_frame(width, height), axis=1)


def pck(errors: ArrayLike, thresholds: Sequence[float] = THRESHOLDS) -> NDArray[np.float64]:
    """Share of correct matches, PCK@k = mean(error <= k), one for each threshold k; NaN when there are no errors."""
    errors = np.asarray(errors, dtype=np.float64).ravel()
    if not len(errors):
        return np.full(len(thresholds), np.nan)
    return np.array([np.mean(errors <= threshold) for threshold in thresholds])


def auc(errors: ArrayLike, maximum: int = MAXIMUM) -> float:
    """Area under the PCK curve: the mean of PCK@k over k = 1..maximum; NaN when there are no errors."""
    errors = np.asarray(errors, dtype=np.float64).ravel()
    if not len(errors):
        return float("nan")
    passed = np.clip(maximum + 1 - np.ceil(np.maximum(errors, 1.0)), 0, maximum)    # thresholds that an error stays under
    return float(np.mean(passed) / maximum)


def coordinate_cosines(truth: ArrayLike, found: ArrayLike) -> NDArray[np.float64]:
    """Cosines of the angles that two points make at the image's corner (0, 0), (M,); 0 where a point is that corner."""
    first, second = _point_pair(truth, found)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.sum(first * second, axis=1) / np.where(lengths > 0, lengths, np.inf)


def paper_score(truth: ArrayLike, found: ArrayLike) -> float:
    """The paper's coordinate-cosine score: the mean over k = 1..100 of the share of matches whose cosine is >= k / 100.

    What the paper's tables call "AUC for PCK@k" (its evaluation code also swaps an axis; not done here). It says how alike the
    *directions* from the image's corner to the two points are: the image's centre, answered always, scores about 0.97. Kept
    for comparison with the paper's tables, useless for telling descriptors apart.

    Args:
        truth: (M, 2) pixels (u, v).
        found: (M, 2) pixels (u, v).
    """
    return _cosine_score(coordinate_cosines(truth, found))


def _cosine_score(cosines: NDArray[np.float64]) -> float:
    if not len(cosines):
        return float("nan")
    hundredths = np.floor(cosines * 100 + 1e-9)    # equal points have a cosine of 1 up to rounding
    return float(np.mean(np.clip(hundredths, 0, 100)) / 100)


def _to_frame(width: int, height: int) -> NDArray[np.float64]:
    return np.array([FRAME[0] / width, FRAME[1] / height])


def _point_pair(truth: ArrayLike, found: ArrayLike) -> tuple[Points, Points]:
    first, second = np.asarray(truth, dtype=np.float64), np.asarray(found, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 2 or first.shape[1] != 2:
        raise ValueError(f"true and found points must both be (M, 2), got {first.shape} and {second.shape}")
    return first, second


# -- records --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PairScore:
    """What became of each of the M matches of one pair of images; all arrays (M,) float64.

    Args:
        error: distance between the found and the true pixel [px of 640x480], search in the whole image.
        error_masked: the same, search in the object's mask.
        error_3d, error_3d_masked: distance in space [m]; NaN without depth at either pixel.
        closer, closer_masked: share of the searched pixels whose descriptors are nearer than the true pixel's, 0..1; NaN for
            answers without descriptors.
        cosine, cosine_masked: the paper's cosines between the coordinate vectors.
        instance, mode: the pair's.
    """

    error: NDArray[np.float64]
    error_masked: NDArray[np.float64]
    error_3d: NDArray[np.float64]
    error_3d_masked: NDArray[np.float64]
    closer: NDArray[np.float64]
    closer_masked: NDArray[np.float64]
    cosine: NDArray[np.float64]
    cosine_masked: NDArray[np.float64]
    instance: str = ""
    mode: str = ""


def score_pair(first: DescriptorImage, second: DescriptorImage, pair: Pair) -> PairScore:
    """Look for the matches of the pair's first image in its second.

    Args:
        first: descriptors of the first image.
        second: descriptors of the second image.
        pair: with M > 0 matches.

    Raises:
        ValueError: there are no matches, the descriptors don't fit, or the second mask is empty.
    """
    query = first.at(pair.matches_a)
    truth = np.asarray(pair.matches_b, dtype=np.float64)
    found, closer = nearest(query, second, None, truth)
    masked, closer_masked = nearest(query, second, pair.mask_b, truth)
    return score_points(pair, found, masked, closer, closer_masked)


def score_points(pair: Pair, found: ArrayLike, found_masked: ArrayLike, closer: NDArray[np.float64] | None = None,
                 closer_masked: NDArray[np.float64] | None = None) -> PairScore:
    """Score answers that are already there, from descriptors or without.

    Args:
        pair: with M > 0 matches.
        found: (M, 2) pixels (u, v) of the second image, looked for everywhere.
        found_masked: (M, 2), looked for in its mask.
        closer: (M,), see `PairScore`; None: not known.
        closer_masked: the same for `found_masked`.
    """
    truth = np.asarray(pair.matches_b, dtype=np.float64)
    if not len(truth):
        raise ValueError(f"a pair of {pair.instance or 'images'} has no matches: leave it out")
    height, width = pair.mask_b.shape
    scale, unknown = _to_frame(width, height), np.full(len(truth), np.nan)
    answers = [np.asarray(points, dtype=np.float64) for points in (found, found_masked)]
    error, error_masked = (pixel_errors(truth, points, width, height) for points in answers)
    error_3d, error_3d_masked = (_errors_3d(truth, points, pair.camera_b, pair.depth_b) for points in answers)
    cosine, cosine_masked = (coordinate_cosines(truth * scale, points * scale) for points in answers)
    return PairScore(error, error_masked, error_3d, error_3d_masked, unknown if closer is None else closer,
                     unknown if closer_masked is None else closer_masked, cosine, cosine_masked, pair.instance, pair.mode)


def _errors_3d(truth: Points, found: Points, camera: PinholeCamera, depth: NDArray[np.float32] | None) -> NDArray[np.float64]:
    if depth is None:
        return np.full(len(truth), np.nan)
    places = []
    for points in (truth, found):
        u, v = (np.clip(np.rint(points[:, i]).astype(int), 0, depth.shape[1 - i] - 1) for i in (0, 1))
        places.append(camera.deproject(points, depth[v, u]))
    return np.linalg.norm(places[0] - places[1], axis=1)


# -- many pairs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figures:
    """Figures of many pairs; each pair counts the same, however many matches it has.

    Args:
        pairs, matches: how many.
        auc, auc_masked: mean PCK@1..100 px, search in the whole image and in the mask.
        pck, pck_masked: PCK at 1, 3, 5, 10 and 25 px.
        paper_score, paper_score_masked: the paper's coordinate-cosine score, see `paper_score`.
        median_error, median_error_masked: [px of 640x480], of all matches.
        median_error_3d: [m], search in the mask; NaN without depth.
        closer, closer_masked: mean share of the pixels nearer than the true one.
        curve, curve_masked: PCK@1..100 for plots.
    """

    pairs: int
    matches: int
    auc: float
    auc_masked: float
    pck: dict[int, float]
    pck_masked: dict[int, float]
    paper_score: float
    paper_score_masked: float
    median_error: float
    median_error_masked: float
    median_error_3d: float
    closer: float
    closer_masked: float
    curve: list[float]
    curve_masked: list[float]

    def as_dict(self) -> dict[str, Any]:
        """Numbers, texts and lists for JSON; None where a figure isn't known (JSON has no NaN)."""
        facts = asdict(self)
        return {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in facts.items()}


def pool(scores: Sequence[PairScore]) -> Figures:
    """Figures of the pairs together.

    Raises:
        ValueError: there are none.
    """
    if not scores:
        raise ValueError("no pairs to take figures of: make at least one")
    joined = {name: np.concatenate([getattr(score, name) for score in scores])
              for name in ("error", "error_masked", "error_3d_masked", "closer", "closer_masked")}
    curve, curve_masked = _curve([score.error for score in scores]), _curve([score.error_masked for score in scores])
    spatial = joined["error_3d_masked"][np.isfinite(joined["error_3d_masked"])]
    return Figures(
        pairs=len(scores), matches=len(joined["error"]),
        auc=float(np.mean(curve)), auc_masked=float(np.mean(curve_masked)),
        pck={k: curve[k - 1] for k in THRESHOLDS}, pck_masked={k: curve_masked[k - 1] for k in THRESHOLDS},
        paper_score=float(np.mean([_cosine_score(score.cosine) for score in scores])),
        paper_score_masked=float(np.mean([_cosine_score(score.cosine_masked) for score in scores])),
        median_error=float(np.median(joined["error"])), median_error_masked=float(np.median(joined["error_masked"])),
        median_error_3d=float(np.median(spatial)) if len(spatial) else float("nan"),
        closer=float(np.mean(joined["closer"])), closer_masked=float(np.mean(joined["closer_masked"])),
        curve=curve, curve_masked=curve_masked)


def _curve(errors: Sequence[NDArray[np.float64]]) -> list[float]:
    return np.mean([pck(error, range(1, MAXIMUM + 1)) for error in errors], axis=0).tolist()


def per_image(scores: Sequence[PairScore], masked: bool = True) -> NDArray[np.float64]:
    """The AUC of each pair, (n,): what the bootstrap draws from."""
    return np.array([auc(score.error_masked if masked else score.error) for score in scores])


def bootstrap_difference(first: ArrayLike, second: ArrayLike, seed: int, share: float = 0.95,
                         draws: int = 2000) -> tuple[float, float]:
    """Interval of the mean difference first - second, by the paired bootstrap over images.

    Args:
        first: (n,) figures of one method for n images, e.g. `per_image`.
        second: (n,) figures of another for the same images in the same order.
        seed: of the draws.
        share: of the draws that lie in the interval.
        draws: how often n images are drawn, with replacement.

    Returns:
        (low, high): when 0 lies outside, the methods differ.

    Raises:
        ValueError: the two have different shapes or no images.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"the figures must be (n,) for the same images, got {a.shape} and {b.shape}")
    chosen = np.random.default_rng(seed).integers(len(a), size=(draws, len(a)))
    low, high = np.quantile((a - b)[chosen].mean(axis=1), [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
