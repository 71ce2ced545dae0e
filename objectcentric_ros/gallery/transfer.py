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

"""Import and export: a folder with one sub-folder an object, or a manifest.

    folder/
        manifest.csv                    object_id, source, path, text, language, title; one row a reference
        rubiks-cube/
            object.yaml                 id, title, translations, size, mass, attributes, texts; all optional
            tray/001-3f2a90bc.png       sub-folders name the source ...
            photo.jpg                   ... images beside object.yaml have the source the import is told
            grasp_points/001.npz        named grasp points

Every object and every reference is committed by itself: an import that was interrupted is repeated, and skips what is there.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from objectcentric_ros.gallery.errors import DatabaseLost, DuplicateGraspPoint, DuplicateObject, GalleryError, InvalidRecord
from objectcentric_ros.gallery.grasp_point_files import read_grasp_point, write_grasp_point
from objectcentric_ros.gallery.records import IMAGE_SOURCES, SOURCES, ObjectRecord, require_image_source
from objectcentric_ros.gallery.store import Gallery

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
MANIFEST_COLUMNS = ("object_id", "source", "path", "text", "language", "title")
_OBJECT_KEYS = ("id", "title", "translations", "size", "mass", "attributes", "texts", "references")
_PAGE = 200
_GRASP_POINTS = "grasp_points"


@dataclass(frozen=True)
class ReferenceFile:
    """A reference to import: an image file, or a text (source "text")."""

    source: str
    path: Path | None = None
    text: str = ""
    language: str = ""


@dataclass(frozen=True)
class ObjectFiles:
    """An object to import with its references and the files of its grasp points."""

    record: ObjectRecord
    references: tuple[ReferenceFile, ...]
    grasp_points: tuple[Path, ...] = ()


@dataclass
class ImportReport:
    """What an import did.

    Args:
        objects_added: new objects.
        objects_present: objects that were there already; their data is left alone.
        references_added: new references.
        references_present: references that were there already.
        grasp_points_added: new grasp points; those whose name the object has already are left alone.
        failures: (file, sentence) of what could not be imported; everything else was.
    """

    objects_added: int = 0
    objects_present: int = 0
    references_added: int = 0
    references_present: int = 0
    grasp_points_added: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)


def read_source(path: Path, image_source: str = "catalog") -> list[ObjectFiles]:
    """List what a folder or a manifest (.csv, .yaml) holds, without opening the images.

    Args:
        path: folder or manifest.
        image_source: source of images that do not lie in a tray, bin or catalog folder.

    Raises:
        GalleryError: it is not there, empty, or not understood; names the file and the key.
    """
    require_image_source(image_source)
    path = Path(path)
    if path.is_dir():
        found = list(_read_folder(path, image_source))
        if not found:
            raise GalleryError(f"{path} holds no objects: expected one sub-folder an object, with {', '.join(IMAGE_SUFFIXES)} "
                               "images and perhaps an object.yaml inside")
        return found
    if not path.is_file():
        raise GalleryError(f"{path} does not exist; give a folder of objects or a manifest (.csv, .yaml)")
    if path.suffix.lower() == ".csv":
        return _read_csv(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _read_yaml_manifest(path)
    raise GalleryError(f"{path.name} is no manifest: expected .csv or .yaml, or a folder of objects")


def import_objects(gallery: Gallery, objects: Sequence[ObjectFiles],
                   progress: Callable[[ObjectFiles], None] | None = None) -> ImportReport:
    """Add objects and references that are not there yet; what can't be read is reported, the rest goes in.

    Args:
        gallery: where to.
        objects: from read_source.
        progress: called after each object.

    Raises:
        DatabaseLost: everything before the current reference is stored; run it again.
    """
    report = ImportReport()
    for item in objects:
        try:
            gallery.add_object(item.record)
            report.objects_added += 1
        except DuplicateObject:
            report.objects_present += 1
        for reference in item.references:
            try:
                duplicate = _add_reference(gallery, item.record.object_id, reference)
            except DatabaseLost:
                raise
            except (GalleryError, OSError) as error:
                report.failures.append((str(reference.path or item.record.object_id), str(error)))
                continue
            if duplicate:
                report.references_present += 1
            else:
                report.references_added += 1
        _add_grasp_points(gallery, item, report)
        if progress is not None:
            progress(item)
    return report


def _add_grasp_points(gallery: Gallery, item: ObjectFiles, report: ImportReport) -> None:
    for path in item.grasp_points:
        try:
            gallery.add_grasp_point(item.record.object_id, read_grasp_point(path))
            report.grasp_points_added += 1
        except DatabaseLost:
            raise
        except DuplicateGraspPoint:
            continue
        except GalleryError as error:
            report.failures.append((str(path), str(error)))


def _add_reference(gallery: Gallery, object_id: str, reference: ReferenceFile) -> bool:
    if reference.source == "text":
        return gallery.add_text(object_id, reference.text, reference.language)[1]
    if reference.path is None:
        raise InvalidRecord(f"a {reference.source} reference of {object_id} has no path")
    return gallery.add_reference(object_id, reference.source, reference.path.read_bytes())[1]


def export_gallery(gallery: Gallery, folder: Path, progress: Callable[[str], None] | None = None) -> int:
    """Write every object with its references and grasp points, not embeddings, features and picks; returns the number of objects.

    Raises:
        GalleryError: the folder holds something already, or can't be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise GalleryError(f"{folder} is not empty; export into a new folder")
        written = 0
        with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
            manifest = csv.DictWriter(file, MANIFEST_COLUMNS)
            manifest.writeheader()
            while page := gallery.list_objects(limit=_PAGE, offset=written)[0]:
                for summary in page:
                    manifest.writerows(_export_object(gallery, summary.record, folder))
                    if progress is not None:
                        progress(summary.record.object_id)
                written += len(page)
        return written
    except OSError as error:
        raise GalleryError(f"{error.filename or folder} can't be written: {error.strerror}") from error


def _export_object(gallery: Gallery, record: ObjectRecord, folder: Path) -> list[dict[str, str]]:
    home = folder / record.object_id
    home.mkdir()
    document: dict[str, Any] = {"id": record.object_id, "title": record.title}
    if record.translations:
        document["translations"] = dict(record.translations)
    if record.size is not None:
        document["size"] = list(record.size)
    if record.mass is not None:
        document["mass"] = record.mass
    if record.attributes:
        document["attributes"] = dict(record.attributes)
    blank = dict.fromkeys(MANIFEST_COLUMNS, "") | {"object_id": record.object_id, "title": record.title}
    rows, texts = [], []
    references = gallery.references(record.object_id)
    for number, reference in enumerate(references, 1):
        row = blank | {"source": reference.source}
        if reference.text is not None:
            texts.append({"text": reference.text, "language": reference.language})
            row |= {"text": reference.text, "language": reference.language}
        else:
            suffix = "png" if reference.format == "png" else "jpg"
            path = home / reference.source / f"{number:04d}-{reference.sha256[:8]}.{suffix}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(gallery.reference_image(reference.reference_id))
            row["path"] = path.relative_to(folder).as_posix()
        rows.append(row)
    if texts:
        document["texts"] = texts
    for number, point in enumerate(gallery.grasp_points(record.object_id), 1):
        (home / _GRASP_POINTS).mkdir(exist_ok=True)
        write_grasp_point(home / _GRASP_POINTS / f"{number:03d}.npz", point)
    (home / "object.yaml").write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return rows or [blank]


def _read_folder(folder: Path, image_source: str) -> Iterator[ObjectFiles]:
    for home in sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        document = _load_yaml(home / "object.yaml") if (home / "object.yaml").is_file() else {}
        images = [ReferenceFile(image_source, path) for path in _images_in(home)]
        for source in IMAGE_SOURCES:
            images += [ReferenceFile(source, path) for path in _images_in(home / source)]
        if document or images:
            yield ObjectFiles(_record(document, home.name, home), (*_in_written_order(images), *_texts(document, home)),
                              _grasp_points_in(home))


def object_from_folder(home: Path) -> tuple[ObjectRecord, list[str]]:
    """Record and texts of a folder's object.yaml.

    Raises:
        GalleryError: it can't be read, or a value can't be stored.
    """
    document = _load_yaml(home / "object.yaml")
    return _record(document, home.name, home), [reference.text for reference in _texts(document, home)]


def _in_written_order(images: list[ReferenceFile]) -> list[ReferenceFile]:
    """By file name, which starts with the number of the reference in an exported folder."""
    return sorted(images, key=lambda image: (image.path.name if image.path else "", image.source))


def _images_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."))


def _grasp_points_in(home: Path) -> tuple[Path, ...]:
    return tuple(sorted((home / _GRASP_POINTS).glob("*.npz")))


def _read_csv(path: Path) -> list[ObjectFiles]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        if "object_id" not in columns or "source" not in columns:
            raise GalleryError(f"{path} needs the columns object_id, source, and path or text; "
                               f"it has {', '.join(columns) or 'none'}")
        rows = list(reader)
    documents: dict[str, dict[str, Any]] = {}
    references: dict[str, list[ReferenceFile]] = {}
    for line, row in enumerate(rows, 2):
        object_id, source = (row.get("object_id") or "").strip(), (row.get("source") or "").strip()
        if source == "query":                    # evaluation images of the shared manifest format: never references
            continue
        if source and source not in SOURCES:
            raise GalleryError(f"{path} line {line}: unknown source {source!r}; the sources are {', '.join(SOURCES)}")
        if object_id not in documents:
            beside = path.parent / object_id / "object.yaml"
            documents[object_id] = _load_yaml(beside) if object_id and beside.is_file() else {}
            documents[object_id].setdefault("title", (row.get("title") or "").strip() or object_id)
            references[object_id] = []
        if source == "text":
            references[object_id].append(ReferenceFile("text", None, row.get("text") or "", row.get("language") or ""))
        elif source:
            if not row.get("path"):
                raise GalleryError(f"{path} line {line}: a {source} reference needs a path")
            references[object_id].append(ReferenceFile(source, path.parent / row["path"]))
    return [ObjectFiles(_record(documents[object_id] | {"id": object_id}, object_id, path), tuple(references[object_id]),
                        _grasp_points_in(path.parent / object_id) if object_id else ())
            for object_id in documents]


def _read_yaml_manifest(path: Path) -> list[ObjectFiles]:
    entries = _load_yaml(path, ("objects",)).get("objects")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise GalleryError(f"{path} needs a list `objects` of mappings with id, title and references")
    found = []
    for entry in entries:
        _require_keys(entry, _OBJECT_KEYS, path)
        references = []
        for reference in entry.get("references") or []:
            if not isinstance(reference, dict) or reference.get("source") not in IMAGE_SOURCES or not reference.get("path"):
                raise GalleryError(f"{path}: a reference of {entry.get('id')} needs source (tray, bin or catalog) and path")
            references.append(ReferenceFile(reference["source"], path.parent / str(reference["path"])))
        found.append(ObjectFiles(_record(entry, "", path), (*references, *_texts(entry, path))))
    return found


def _load_yaml(path: Path, keys: Sequence[str] = _OBJECT_KEYS) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise GalleryError(f"{path} can't be read: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise GalleryError(f"{path} must be a mapping with the keys {', '.join(keys)}")
    _require_keys(document, keys, path)
    return document


def _require_keys(document: Mapping[str, Any], keys: Sequence[str], path: Path) -> None:
    if unknown := [str(key) for key in document if key not in keys]:
        raise GalleryError(f"{path} has unknown keys {', '.join(unknown)}; the keys are {', '.join(keys)}")


def _record(document: Mapping[str, Any], name: str, path: Path) -> ObjectRecord:
    """Record from object.yaml; what it lacks comes from the folder's name."""
    object_id = str(document.get("id") or slug(name))
    title = document.get("title") or name.replace("_", " ").replace("-", " ").strip()
    size, mass = document.get("size"), document.get("mass")
    translations, attributes = document.get("translations") or {}, document.get("attributes") or {}
    try:
        if not isinstance(translations, dict) or not isinstance(attributes, dict):
            raise InvalidRecord("translations and attributes must be mappings")
        # YAML reads the language code no as False: that one is given back.
        languages = {"no" if key is False else str(key): str(text) for key, text in translations.items()}
        return ObjectRecord(object_id, str(title), languages, None if size is None else tuple(size),
                            None if mass is None else float(mass), attributes)
    except (GalleryError, TypeError, ValueError) as error:
        raise GalleryError(f"{path}: {error}") from error


def _texts(document: Mapping[str, Any], path: Path) -> list[ReferenceFile]:
    texts = []
    for entry in document.get("texts") or []:
        entry = {"text": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, dict) or not isinstance(entry.get("text"), str):
            raise GalleryError(f"{path}: texts must be a list of texts, or of mappings with text and language")
        texts.append(ReferenceFile("text", None, entry["text"], str(entry.get("language") or "")))
    return texts


def slug(name: str) -> str:
    """An object id made of a name; empty when no Latin letter or digit is in it.

    >>> slug("Café Crème, 250 g")
    'cafe-creme-250-g'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_]+", "-", plain).strip("-")
