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

"""What an evaluation of identification is: test data, encoders, fusion models, coverage scenarios (paper B, IV to VI)."""

from __future__ import annotations

from dataclasses import dataclass

from objectcentric_ros.identification.manifest import REFERENCE_SOURCES, SPLITS

TABLES = {"I": "image encoders", "II": "text towers, before and after training", "III": "images and titles in one space"}
MIN_DISTANCE = "min_distance"
FUSED = "fused"
GROUPS = ("coverage", "ablation")


@dataclass(frozen=True)
class TestDataConfig:
    """The dataset and how it is made where it is missing.

    Args:
        folder: with a manifest; `--data` of the verb replaces it.
        objects, seed: of `objectcentric dataset identification`, for the message where the folder is missing.
        split: whose objects are measured.
    """

    folder: str = "out/identification"
    objects: int = 1600
    seed: int = 0
    split: str = "test"

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"unknown split {self.split!r}: there are {', '.join(SPLITS)}")

    @property
    def command(self) -> str:
        """That makes the data."""
        return f"objectcentric dataset identification --out {self.folder} --objects {self.objects} --seed {self.seed}"


@dataclass(frozen=True)
class CaseConfig:
    """Test cases.

    Args:
        candidates: smallest and largest candidate set, the true object included.
        per_query: candidate sets a query; the paper has 100 000 cases of 25 000 queries.
        seed: of candidate sets and coverage; `--seed` of the verb replaces it.
    """

    candidates: tuple[int, int] = (10, 30)
    per_query: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        low, high = self.candidates
        if not 2 <= low <= high or self.per_query < 1:
            raise ValueError(f"candidates must be two sizes of 2 or more, and per_query 1 or more, got {self}")


@dataclass(frozen=True)
class BootstrapConfig:
    """Intervals.

    Args:
        replicates: samples of queries, drawn with replacement.
        share: that an interval holds.
    """

    replicates: int = 1000
    share: float = 0.95

    def __post_init__(self) -> None:
        if self.replicates < 1 or not 0 < self.share < 1:
            raise ValueError(f"replicates must be 1 or more and share within 0..1, got {self}")


@dataclass(frozen=True)
class RowConfig:
    """One pair of encoders.

    Args:
        name: in the tables.
        image: file of an image encoder (.xml, .safetensors), or the name of one that comes with the package.
        text: file of the text tower of its space; empty: no titles.
        tables: that it stands in, of TABLES.
        quarter_turns: orientations (1, 2, 4) in which references are embedded.
        views: whether pictures of bins and catalogs are embedded at several magnifications.
        features: of a .safetensors: the backbone's features of images of this side [px] in place of the linear layer's numbers.
        curves: whether its nearest references are measured in the scenarios as well.
        train: command that makes the files, shown where they are missing.
        note: a sentence below the tables.
    """

    name: str
    image: str
    text: str = ""
    tables: tuple[str, ...] = ("I",)
    quarter_turns: int = 1
    views: bool = False
    features: int = 0
    curves: bool = False
    train: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.tables) - set(TABLES)):
            raise ValueError(f"row {self.name}: unknown tables {', '.join(unknown)}: there are {', '.join(TABLES)}")
        if self.quarter_turns not in (1, 2, 4):
            raise ValueError(f"row {self.name}: quarter_turns must be 1, 2 or 4, got {self.quarter_turns}")
        if self.features and (self.features < 32 or not self.image.endswith(".safetensors")):
            raise ValueError(f"row {self.name}: features are a side of 32 px or more of a .safetensors, got {self.features} of "
                             f"{self.image}")


@dataclass(frozen=True)
class ScenarioConfig:
    """How much of the gallery is there.

    Args:
        coverage: per cent of the objects that have references: tray, bin, catalog, text.
        group: coverage (figure 7, middle) or ablation (figure 7, right).
    """

    coverage: tuple[float, float, float, float]
    group: str = "coverage"

    def __post_init__(self) -> None:
        if not all(0 <= share <= 100 for share in self.coverage) or not any(self.coverage):
            raise ValueError(f"coverage is given in per cent for {', '.join(REFERENCE_SOURCES)}, got {list(self.coverage)}")
        if self.group not in GROUPS:
            raise ValueError(f"unknown group {self.group!r}: there are {', '.join(GROUPS)}")

    @property
    def name(self) -> str:
        """As the paper writes it: 70-85-100-100."""
        return "-".join(f"{share:g}" for share in self.coverage)

    @property
    def rates(self) -> tuple[float, ...]:
        """Shares of 1."""
        return tuple(share / 100 for share in self.coverage)


@dataclass(frozen=True)
class FusionConfig:
    """A fusion model over the distances of the main row.

    Args:
        name: of the method; `fused` is the one of the README's tables.
        model: .ubj file.
        train: command that makes it, shown where it is missing.
        note: a sentence below the tables.
    """

    name: str
    model: str
    train: str = "objectcentric train fusion"
    note: str = ""

    def __post_init__(self) -> None:
        if self.name == MIN_DISTANCE:
            raise ValueError(f"{MIN_DISTANCE} is the method without a model")


@dataclass(frozen=True)
class FailureConfig:
    """The failures of figure 8: the truth has catalog picture and title only, a look-alike has a tray image.

    Args:
        kinds: of objects.csv whose objects look alike: what is inside can't be seen.
        examples: high-confidence failures that the report shows.
        top: method whose failures are shown.
    """

    kinds: tuple[str, ...] = ("white_bag", "brown_box")
    examples: int = 12
    top: str = FUSED


@dataclass(frozen=True)
class EvaluationRecipe:
    """An evaluation.

    Args:
        name: of the evaluation.
        main: row whose distances are fused, and that open set, reliability and failures are measured on.
        rows: encoders.
        fusions: models.
        scenarios: coverages; the first one is that of the open set.
        data, cases, bootstrap, failures: see there.
        open_set_share: of the cases that the promised precision of a threshold is checked on, as it was calibrated: in so many
            the true object is not among the candidates, and any answer is wrong.
        distance_bins: of the histograms of distances.
    """

    name: str
    main: str
    rows: tuple[RowConfig, ...]
    fusions: tuple[FusionConfig, ...]
    scenarios: tuple[ScenarioConfig, ...]
    data: TestDataConfig = TestDataConfig()
    cases: CaseConfig = CaseConfig()
    bootstrap: BootstrapConfig = BootstrapConfig()
    failures: FailureConfig = FailureConfig()
    open_set_share: float = 0.1
    distance_bins: int = 60

    def __post_init__(self) -> None:
        for what, names in (("rows", [row.name for row in self.rows]), ("fusions", [fusion.name for fusion in self.fusions]),
                            ("scenarios", [scenario.name for scenario in self.scenarios])):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{what} of the same name: {', '.join(twice)}")
        if self.main not in [row.name for row in self.rows]:
            raise ValueError(f"main {self.main!r} is no row; the rows are {', '.join(row.name for row in self.rows)}")
        if not self.scenarios or not 0 <= self.open_set_share < 1:
            raise ValueError(f"name at least one scenario, and an open_set_share of 0 or more and below 1; got {self}")
