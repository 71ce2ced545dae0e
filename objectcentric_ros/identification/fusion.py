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

"""The deployed fusion of reference sources: from a candidate's distances to how likely it is the one (paper B, section VI).

A gradient-boosted tree ensemble looks at each candidate by itself and gives the odds o that the query shows it, from its least
distance to the references of each source (paper B, figure 6; NaN where it has none). The trees know nothing about a query
showing one thing only; that is added here, with two numbers that were fitted on objects that the trees did not see:

    w_c = o_c ** (1 / T)          p_c = w_c / (w_none + sum_k w_k)          p_none = w_none / (w_none + sum_k w_k)

It is the posterior of "c, and no other candidate" against "none" when candidates are independent given the query. A candidate
without any reference has w = 0 and is never shown to the trees. Where the likeliest are close, further trees may correct their
odds by what their pictures have in common with the query (verification.py).
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from objectcentric_ros.identification.coverage import SOURCE_COUNT
from objectcentric_ros.identification.local_features import LOCAL_KEY
from objectcentric_ros.identification.size_evidence import SIZE_FEATURES
from objectcentric_ros.identification.verification import COLUMNS, Verify, verified
from objectcentric_ros.paths import share_dir

SIZED = "distances+size"
FEATURES = {
    "distances": ("tray", "bin", "catalog", "text"),
    SIZED: ("tray", "bin", "catalog", "text", *SIZE_FEATURES),
    "distances+gaps": ("tray", "bin", "catalog", "text", "tray_gap", "bin_gap", "catalog_gap", "text_gap"),
}
"""Columns that the trees see, by the name of the choice; `distances` are the paper's, sizes are in size_evidence.py."""

_LARGEST = 2.0 + 1e-3        # of 1 - cos, with room for rounding
VERIFICATION = "verification"
"""Section of the card, and part of the file's name, of the trees that correct the log-odds of the likeliest."""
_CARD_KEYS = ("features", "temperature", "none_weight", "thresholds", "image_key", "text_key", "quarter_turns", "sha256")


class FusionError(ValueError):
    """A fusion model that can't be used, or distances that it can't be asked about."""


def fusion_features(distances: NDArray[np.floating], features: str = "distances",
                    sizes: NDArray[np.floating] | None = None) -> NDArray[np.float32]:
    """What the trees see of each candidate.

    The gap of a source is a candidate's distance minus the least distance of the *other* candidates by that source: below
    zero for the nearest one alone. It is NaN where the candidate lacks the source, and where no other candidate has it.

    Args:
        distances: (..., C, 4), NaN where there is no reference; the last but one axis holds the candidates of one query.
        features: a key of FEATURES.
        sizes: (..., C, 2) from size_evidence; None: nothing is known of sizes. Left out where the features have none.

    Returns:
        (..., C, F) float32, columns as FEATURES names them.

    Raises:
        FusionError: unknown features, another shape, an infinite number or one that is no cosine distance.
    """
    if features not in FEATURES:
        raise FusionError(f"unknown features {features!r}; there are {', '.join(FEATURES)}")
    d = checked_distances(distances)
    if features == "distances":
        return d
    if features == SIZED:
        shape = (*d.shape[:-1], len(SIZE_FEATURES))
        known = np.full(shape, np.nan, np.float32) if sizes is None else np.asarray(sizes, np.float32)
        if known.shape != shape:
            raise FusionError(f"distances of shape {d.shape} need sizes of shape {shape}, got {known.shape}")
        return np.concatenate([d, known], axis=-1)
    filled = np.where(np.isnan(d), np.float32(np.inf), d)
    others = np.full_like(d, np.inf)
    if d.shape[-2] > 1:
        least, second = np.moveaxis(np.partition(filled, 1, axis=-2)[..., :2, :], -2, 0)
        others = np.where(filled > least[..., None, :], least[..., None, :], second[..., None, :])
    with np.errstate(invalid="ignore"):
        gaps = np.where(np.isinf(others), np.float32(np.nan), d - others)
    return np.concatenate([d, gaps], axis=-1)


def checked_distances(distances: NDArray[np.floating]) -> NDArray[np.float32]:
    """(..., C, 4) float32; raises FusionError for another shape, infinity, or numbers outside the cosine distance's 0..2."""
    d = np.asarray(distances, np.float32)
    if d.ndim < 2 or d.shape[-1] != SOURCE_COUNT:
        raise FusionError(f"distances must be (..., candidates, {SOURCE_COUNT}): tray, bin, catalog, text; got shape {d.shape}")
    if np.isinf(d).any():
        raise FusionError("a distance is infinite; NaN is the sign for a source without references")
    if ((d < -1e-3) | (d > _LARGEST)).any():
        raise FusionError(f"distances are 1 - cos, within 0..2; got {np.nanmin(d):.3g} to {np.nanmax(d):.3g}")
    return d


def posterior(log_odds: NDArray[np.floating], temperature: float, none_weight: float
              ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities of the candidates and of none, of what the trees say about each; the formula is in the module's text.

    Args:
        log_odds: (..., C) natural logarithm of the odds; -inf for a candidate without references.
        temperature: T > 0; above 1 the trees are believed less.
        none_weight: w_none > 0.

    Returns:
        p (..., C) float64 and p_none (...) float64, which sum to 1.
    """
    z = np.asarray(log_odds, np.float64) / temperature
    none = np.log(none_weight)
    largest = np.maximum(z.max(axis=-1, initial=-np.inf), none)
    weights, rest = np.exp(z - largest[..., None]), np.exp(none - largest)
    total = rest + weights.sum(axis=-1)
    return weights / total[..., None], rest / total


@dataclass(frozen=True)
class FusionModel:
    """A fusion model, loaded once; safe to ask from several threads.

    Args:
        booster: the xgboost.Booster.
        card: what the model card says.
        verifier: the Booster that corrects the log-odds of the likeliest; None: nothing is verified.
    """

    booster: Any
    card: Mapping[str, Any]
    verifier: Any = None

    @classmethod
    def load(cls, path: Path | str) -> FusionModel:
        """Read a model (.ubj) and the card beside it (.yaml).

        Args:
            path: the file, with or without ending, or the name of a model in models/.

        Raises:
            FusionError: a file is missing or damaged, they are not of one training, or xgboost is not installed.
        """
        stem = str(path).removesuffix(".ubj").removesuffix(".yaml")
        places = [Path(f"{place}.ubj") for place in (stem, share_dir() / stem, share_dir() / "models" / stem)]
        path = next((place for place in places if place.is_file()), places[0])
        try:
            content = path.read_bytes()
            card = yaml.safe_load(path.with_suffix(".yaml").read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise FusionError(f"{path} can't be read, `objectcentric train fusion` makes one: {error}") from error
        if not isinstance(card, dict) or (missing := [key for key in _CARD_KEYS if key not in card]):
            lacking = f" lacks {', '.join(missing)}" if isinstance(card, dict) else " is no mapping"
            raise FusionError(f"the card {path.with_suffix('.yaml')}{lacking}")
        _check_card(card, path)
        booster = _read_booster(path, content, str(card["sha256"]), len(FEATURES[card["features"]]))
        verifier = None
        if (section := card.get(VERIFICATION)) is not None:
            other = _verifier_file(path)
            try:
                content = other.read_bytes()
            except OSError as error:
                raise FusionError(f"{path.name}'s card speaks of {other.name}, which can't be read: {error}") from error
            verifier = _read_booster(other, content, str(section.get("sha256")), len(COLUMNS))
        model = cls(booster, card, verifier)
        model.log_odds(np.full((1, SOURCE_COUNT), 0.5, np.float32))     # the first call sets xgboost up
        return model

    @property
    def features(self) -> str:
        """Which columns the trees see, a key of FEATURES."""
        return str(self.card["features"])

    @property
    def image_key(self) -> str:
        """Key of the image encoder whose distances the model was trained on."""
        return str(self.card["image_key"])

    @property
    def text_key(self) -> str:
        """Key of the text encoder, empty where it was trained without titles."""
        return str(self.card["text_key"] or "")

    @property
    def quarter_turns(self) -> int:
        """In how many orientations the references were embedded."""
        return int(self.card["quarter_turns"])

    @property
    def views(self) -> bool:
        """Whether pictures of bins and catalogs are embedded at several magnifications; see encode_references."""
        return bool(self.card.get("views", False))

    def threshold(self, precision: float) -> float | None:
        """Least probability of an answer that promises this precision (identification.reject); None where none can.

        Raises:
            FusionError: the model was not calibrated for this precision.
        """
        thresholds = {float(target): value for target, value in self.card["thresholds"].items()}
        if float(precision) not in thresholds:
            there = ", ".join(f"{target:g}" for target in sorted(thresholds)) or "none"
            raise FusionError(f"the fusion model has no threshold for a precision of {precision:g}; those it was calibrated for: "
                              f"{there}")
        value = thresholds[float(precision)]
        return None if value is None else float(value)

    def log_odds(self, distances: NDArray[np.floating], sizes: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
        """What the trees say: (..., C) log-odds of each candidate by itself, -inf where it has no reference; see batch."""
        d = checked_distances(distances)
        rows = fusion_features(d, self.features, sizes).reshape(-1, len(FEATURES[self.features]))
        known = ~np.isnan(d).all(axis=-1).ravel()
        result = np.full(len(rows), -np.inf)
        if known.any():
            result[known] = self.booster.inplace_predict(np.ascontiguousarray(rows[known]), predict_type="margin",
                                                         validate_features=False)
        return result.reshape(d.shape[:-1])

    def probabilities(self, distances: NDArray[np.floating],
                      sizes: NDArray[np.floating] | None = None) -> tuple[NDArray[np.float64], float]:
        """How likely the query shows each candidate, or none of them.

        Args:
            distances: (C, 4) least distance by source (tray, bin, catalog, text), NaN where there is no reference.
            sizes: (C, 2) from size_evidence; None: unknown.

        Returns:
            p (C,) float64, 0 for a candidate without references, and p_none; they sum to 1.

        Raises:
            FusionError: distances of another shape, infinite, or outside 0..2.
        """
        if np.ndim(distances) != 2:
            raise FusionError(f"distances must be (candidates, 4), got {np.ndim(distances)} axes; for several queries see batch")
        p, p_none = self.batch(distances, sizes)
        return p, float(p_none)

    @property
    def verifies(self) -> bool:
        """Whether the model asks `verify` of batch, for features of LOCAL_KEY."""
        return self.verifier is not None

    def batch(self, distances: NDArray[np.floating], sizes: NDArray[np.floating] | None = None,
              verify: Verify | None = None, most: int | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Probabilities for many queries at once.

        Args:
            distances: (..., C, 4); (N, C, 4) where there is `verify`.
            sizes: (..., C, 2) or None.
            verify: asked about the likeliest where they are close; None, or a model without a verifier: nothing is.
            most: queries that it is asked about, the least decided ones; None: all.

        Returns:
            p (..., C) and p_none (...).
        """
        log_odds = self.log_odds(distances, sizes)
        p, p_none = posterior(log_odds, float(self.card["temperature"]), float(self.card["none_weight"]))
        if verify is not None and self.verifier is not None:
            section = self.card[VERIFICATION]
            log_odds, asked = verified(log_odds, self.verifier, int(section["candidates"]), float(section["gap"]), verify, most)
            p[asked], p_none[asked] = posterior(log_odds[asked], float(section["temperature"]), float(section["none_weight"]))
        return p, p_none


def write_model(path: Path, booster: Any, card: Mapping[str, Any], verifier: Any = None) -> dict[str, Any]:
    """Write a booster and its card; the two are checked against each other when they are read.

    Args:
        path: the model file, with the suffix .ubj; the card is beside it with .yaml.
        booster: the xgboost.Booster.
        card: everything the card says but the SHA-256.
        verifier: the Booster of the verification, where the card has such a section; it is written beside the model.

    Returns:
        The whole card.

    Raises:
        FusionError: another suffix, the card lacks something that the robot needs, or only one of card and verifier is there.
    """
    if path.suffix != ".ubj":
        raise FusionError(f"a fusion model is an .ubj file, got {path.name}")
    if (verifier is None) != (card.get(VERIFICATION) is None):
        raise FusionError(f"the card of {path.name} must have a section {VERIFICATION} where there is a verifier, and only there")
    content = bytes(booster.save_raw("ubj"))
    whole = {**card, "sha256": hashlib.sha256(content).hexdigest()}
    files = [(path, content)]
    if verifier is not None:
        content = bytes(verifier.save_raw("ubj"))
        whole[VERIFICATION] = {**card[VERIFICATION], "sha256": hashlib.sha256(content).hexdigest()}
        files.insert(0, (_verifier_file(path), content))
    if missing := [key for key in _CARD_KEYS if key not in whole]:
        raise FusionError(f"the card of {path.name} lacks {', '.join(missing)}")
    _check_card(whole, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=130)
    for target, data in (*files, (path.with_suffix(".yaml"), text.encode())):
        part = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
        part.write_bytes(data)
        part.replace(target)
    if verifier is None:
        _verifier_file(path).unlink(missing_ok=True)
    return whole


def _verifier_file(path: Path) -> Path:
    return path.with_suffix(f".{VERIFICATION}.ubj")


def _read_booster(path: Path, content: bytes, digest: str, features: int) -> Any:
    """An xgboost.Booster of checked bytes; raises FusionError."""
    if hashlib.sha256(content).hexdigest() != digest:
        raise FusionError(f"{path} is damaged or of another training than the card beside it: its SHA-256 is not the card's")
    try:
        import xgboost  # takes most of a second; only who has a model needs it
    except ImportError as error:
        raise FusionError("the fusion model needs xgboost: pip install -r requirements/core.txt") from error
    try:
        # One thread: a tray is a few hundred rows, which take longer to share out than to compute.
        booster = xgboost.Booster(params={"nthread": 1}, model_file=bytearray(content))
    except xgboost.core.XGBoostError as error:
        raise FusionError(f"{path} is no xgboost model: {str(error).splitlines()[0]}") from error
    if booster.num_features() != features:
        raise FusionError(f"{path} takes {booster.num_features()} features, its card says {features}")
    return booster


def _check_card(card: Mapping[str, Any], path: Path) -> None:
    """Raise FusionError where a value of the card can't be meant."""
    if not isinstance(card["features"], str) or card["features"] not in FEATURES:
        raise FusionError(f"the card of {path.name} names features {card['features']!r}; there are {', '.join(FEATURES)}")
    if card["quarter_turns"] not in (1, 2, 4):
        raise FusionError(f"the card of {path.name} has quarter_turns {card['quarter_turns']!r}; expected 1, 2 or 4")
    for key in ("temperature", "none_weight"):
        if not isinstance(card[key], (int, float)) or not (0 < card[key] < float("inf")):
            raise FusionError(f"the card of {path.name} has {key} {card[key]!r}; expected a positive number")
    thresholds = card["thresholds"]
    if not isinstance(thresholds, Mapping) or any(
            not isinstance(value, (int, float, type(None))) or (value is not None and not 0 <= value <= 1)
            for value in thresholds.values()):
        raise FusionError(f"the card of {path.name} has thresholds {thresholds!r}; expected probabilities by precision")
    section = card.get(VERIFICATION)
    if section is not None and not (
            isinstance(section, Mapping) and section.get("local_key") == LOCAL_KEY and isinstance(section.get("sha256", ""), str)
            and isinstance(section.get("candidates"), int) and section["candidates"] >= 2
            and all(isinstance(section.get(name), (int, float)) and 0 < section[name] < float("inf")
                    for name in ("gap", "temperature", "none_weight"))):
        raise FusionError(f"the card of {path.name} has a verification of {section!r}; expected local_key {LOCAL_KEY}, "
                          "candidates (2 or more), positive gap, temperature and none_weight, and sha256")
