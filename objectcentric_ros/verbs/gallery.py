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

"""objectcentric gallery: add, import, list, show, remove, count and export objects."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from objectcentric_ros.gallery.errors import DuplicateObject, GalleryError
from objectcentric_ros.gallery.images import decode_image
from objectcentric_ros.gallery.nearest import KINDS
from objectcentric_ros.gallery.records import IMAGE_SOURCES, SOURCES, ObjectRecord, ObjectSummary
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.gallery.transfer import export_gallery, import_objects, read_source, slug
from objectcentric_ros.gallery.vector_index import VectorIndexConfig

EXAMPLES = """examples:
  objectcentric gallery add --id blue-mug --title "Blue mug" --translation "de=Blaue Tasse" --photo mug1.jpg --photo mug2.jpg
  objectcentric gallery add --id blue-mug --photo mug3.jpg --source tray       more photos of an object that is there
  objectcentric gallery import my_items/          one sub-folder an object: photos, and an object.yaml if you like
  objectcentric gallery list cube
  objectcentric gallery show "rubik's cube"
  objectcentric gallery unlearn "rubik's cube"    remove the references that picks have added
  objectcentric gallery export backup/            objects and references; import backup/ reads it again
  objectcentric gallery index                     for a search among all objects of a large gallery
  objectcentric gallery stats --url postgresql://robot:secret@shelf/gallery"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the sub-commands."""
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--url", default=argparse.SUPPRESS,
                       help="PostgreSQL server with pgvector: postgresql://user:password@host/database")
    where.add_argument("--data-dir", type=Path, default=argparse.SUPPRESS, help="folder of the embedded gallery")
    parser.add_argument("--url", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--data-dir", type=Path, default=None, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    add = commands.add_parser("add", parents=[where], help="add an object, or photos to an object")
    add.add_argument("--id", help="a-z 0-9 _ -; made of the title when missing")
    add.add_argument("--title", help="main title; needed for a new object")
    add.add_argument("--translation", action="append", default=[], metavar="LANGUAGE=TITLE", help="may be repeated")
    add.add_argument("--photo", action="append", nargs="+", type=Path, default=[], metavar="FILE",
                     help="PNG or JPEG; may be repeated")
    add.add_argument("--source", choices=IMAGE_SOURCES, default="catalog", help="where the photos are from (default: catalog)")
    add.add_argument("--mass", type=float, metavar="KG", help="mass [kg]")
    add.add_argument("--size", type=float, nargs=3, metavar=("X", "Y", "Z"), help="bounding box [m]")

    load = commands.add_parser("import", parents=[where], help="import a folder of objects, or a manifest")
    load.add_argument("path", type=Path, metavar="FOLDER_OR_MANIFEST", help="folder, .csv or .yaml")
    load.add_argument("--source", choices=IMAGE_SOURCES, default="catalog",
                      help="source of images outside tray/, bin/ and catalog/ sub-folders (default: catalog)")

    show_list = commands.add_parser("list", parents=[where], help="list objects")
    show_list.add_argument("text", nargs="?", default="", help="only those whose id or a title contains this")
    show_list.add_argument("--limit", type=int, default=100, help="at most so many rows (default: 100)")

    show = commands.add_parser("show", parents=[where], help="show one object with references and picks")
    show.add_argument("object", help="id, or title in any language")

    remove = commands.add_parser("remove", parents=[where], help="remove an object and its references; its picks stay")
    remove.add_argument("object", help="id, or title in any language")

    unlearn = commands.add_parser("unlearn", parents=[where], help="remove references that picks have added")
    unlearn.add_argument("object", nargs="?", help="id, or title in any language")
    unlearn.add_argument("--pick", metavar="ID", help="only what this pick has added")

    index = commands.add_parser("index", parents=[where], help="build the index of the search among all objects, and tune it")
    index.add_argument("--encoder", metavar="KEY", help="whose embeddings; needed where there are several (see stats)")
    index.add_argument("--kind", choices=KINDS, default=KINDS[0],
                       help="over mean vectors of each object and source, or over every vector (default centres)")
    index.add_argument("--recall", type=float, default=0.95, help="share of the true nearest that is found (default 0.95)")
    index.add_argument("--drop", action="store_true", help="remove it: the search is exact from then on")

    commands.add_parser("stats", parents=[where], help="count what is there")

    export = commands.add_parser("export", parents=[where], help="write objects and references into a folder")
    export.add_argument("folder", type=Path, help="new or empty folder")


def run(args: argparse.Namespace) -> int:
    """Run a sub-command; 0, or 2 with a sentence when the input or the gallery is at fault."""
    commands = {"add": _add, "import": _import, "list": _list, "show": _show, "remove": _remove, "unlearn": _unlearn,
                "index": _index, "stats": _stats, "export": _export}
    try:
        # Read everything that a person may have mistyped before a database is started for it.
        if args.command == "add":
            args.photos = [(path, _read_photo(path)) for group in args.photo for path in group]
            args.record = _record(args)
        elif args.command == "import":
            args.objects = read_source(args.path, args.source)
        with Gallery.open(args.url, args.data_dir) as gallery:
            return commands[args.command](gallery, args, Console())
    except GalleryError as error:
        print(f"objectcentric gallery: {error}", file=sys.stderr)
        return 2


def _read_photo(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise GalleryError(f"{path} can't be read: {error.strerror}") from error
    try:
        decode_image(data)
    except GalleryError as error:
        raise GalleryError(f"{path}: {error}") from error
    return data


def _record(args: argparse.Namespace) -> ObjectRecord | None:
    """The new object that the arguments describe; None when they only add photos to one that is there."""
    if args.title is None:
        if not args.id:
            raise GalleryError("give --title for a new object, or --id to add photos to one that is there")
        if args.translation or args.mass is not None or args.size is not None:
            raise GalleryError("--translation, --mass and --size describe a new object: give its --title as well")
        if not args.photos:
            raise GalleryError("nothing to add: give --title for a new object, or --photo for one that is there")
        return None
    translations = dict(entry.split("=", 1) for entry in args.translation if "=" in entry)
    if len(translations) != len(args.translation):
        raise GalleryError("a translation is LANGUAGE=TITLE, each language once, such as de=Tasse; "
                           f"got {', '.join(args.translation)}")
    object_id = args.id or slug(args.title)
    if not object_id:
        raise GalleryError(f"no id can be made of the title {args.title!r}: give --id")
    return ObjectRecord(object_id, args.title, translations, tuple(args.size) if args.size else None, args.mass)


def _add(gallery: Gallery, args: argparse.Namespace, console: Console) -> int:
    record = args.record
    if record is not None:
        try:
            gallery.add_object(record)
        except DuplicateObject as error:
            raise GalleryError(f"{error} (photos alone are added with --id and --photo, without --title)") from error
    object_id = record.object_id if record is not None else gallery.get_object(args.id).object_id
    added = sum(not gallery.add_reference(object_id, args.source, data)[1] for _, data in args.photos)
    known = len(args.photos) - added
    console.print(f"{object_id}: {'added' if record is not None else 'there'}, {added} {args.source} photos added"
                  + (f", {known} were there already" if known else ""))
    return 0


def _progress(console: Console) -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                    TimeRemainingColumn(), console=console)


def _import(gallery: Gallery, args: argparse.Namespace, console: Console) -> int:
    with _progress(console) as progress:
        task = progress.add_task("importing", total=len(args.objects))
        report = import_objects(gallery, args.objects, lambda item: progress.advance(task))
    console.print(f"objects: {report.objects_added} added, {report.objects_present} were there; "
                  f"references: {report.references_added} added, {report.references_present} were there")
    for file, sentence in report.failures:
        print(f"objectcentric gallery: not imported: {file}: {sentence}", file=sys.stderr)
    return 2 if report.failures else 0


def _list(gallery: Gallery, args: argparse.Namespace, console: Console) -> int:
    summaries, total = gallery.list_objects(args.text, args.limit)
    table = Table("id", "title", *SOURCES, "picks", box=None)
    for summary in summaries:
        table.add_row(summary.record.object_id, summary.record.title, *(str(summary.references[source]) for source in SOURCES),
                      f"{summary.picks_succeeded}/{summary.picks_attempted}" if summary.picks_attempted else "-")
    if summaries:
        console.print(table)
    console.print(f"{len(summaries)} of {total} objects")
    return 0


def _show(gallery: Gallery, args: argparse.Namespace, console: Console) -> int:
    record = gallery.find_object(args.object)
    summary: ObjectSummary = gallery.summaries([record.object_id])[record.object_id]
    console.print(f"{record.object_id}: {record.title}", highlight=False)
    for language, title in sorted(record.translations.items()):
        console.print(f"  {language}: {title}", highlight=False)
    if record.size:
        console.print(f"  size: {record.size[0]:.3f} x {record.size[1]:.3f} x {record.size[2]:.3f} m")
    if record.mass:
        console.print(f"  mass: {record.mass:.3f} kg")
    for key, value in record.attributes.items():
        console.print(f"  {key}: {value}", highlight=False)
    console.print("  references: " + ", ".join(f"{source} {summary.references[source]}" for source in SOURCES))
    learned = [reference for reference in gallery.references(record.object_id) if reference.pick_id]
    if learned:
        console.print(f"  learned from picks: {len(learned)} of the tray references, the last from pick {learned[-1].pick_id}")
    for point in gallery.grasp_points(record.object_id):
        width = f", {1000 * point.width:.0f} mm wide" if point.width is not None else ""
        note = f" ({point.note})" if point.note else ""
        console.print(f"  grasp point {point.name}: {point.approach}{width}, {point.encoder_key}{note}", highlight=False,
                      markup=False)
    console.print(f"  picks: {summary.picks_succeeded} of {summary.picks_attempted} succeeded")
    for pick in gallery.pick_history(record.object_id, limit=10):
        when = datetime.fromtimestamp(pick.started).isoformat(" ", "seconds")
        console.print(f"    {when} {pick.outcome}, {len(pick.attempts)} attempts, {pick.finished - pick.started:.1f} s")
    return 0


def _remove(gallery: Gallery, args: argparse.Namespace, console: Console) -> int:
    record = gallery.find_object(args.object)
    gallery.remove_object(record.object_id)
    console.print(f"{record.object_id} ({record.title}) removed", highlight=False)
    return 0


def _unlearn(gallery: Gallery, args: argparse.Namespace, console: Console) -> int:
    object_id = gallery.find_object(args.object).object_id if args.object else None
    count = gallery.unlearn(object_id, args.pick)
    console.print(f"{count} learned references removed", highlight=False)
    return 0


def _index(gallery: Gallery, args: argparse.Namespace, console: Console) -> int:
    keys = sorted(gallery.stats().embeddings)
    if args.encoder is None and len(keys) != 1:
        raise GalleryError(f"give --encoder: {', '.join(keys)}" if keys else
                           "the gallery has no embeddings yet: they are made at the first identification")
    key = args.encoder or keys[0]
    if args.drop:
        gallery.drop_index(key)
        console.print(f"{key}: no index", highlight=False, markup=False)
        return 0
    tuned = gallery.build_index(key, VectorIndexConfig(args.kind, recall=args.recall))
    if tuned is not None:
        console.print(f"{key}: {args.kind} index, effort {tuned[0]}, recall of objects {tuned[1]:.3f}", highlight=False,
                      markup=False)
    return 0


def _stats(gallery: Gallery, args: argparse.Namespace, console: Console) -> int:
    stats = gallery.stats()
    console.print(f"gallery {gallery.where}", highlight=False)
    console.print(f"objects: {stats.objects}")
    for source in SOURCES:
        share = 100 * stats.objects_with[source] / max(stats.objects, 1)
        console.print(f"  {source}: {stats.references[source]} references, coverage {share:.0f} %")
    for key, count in sorted(stats.embeddings.items()):
        console.print(f"embeddings of {key}: {count}")
    console.print(f"grasp points: {stats.grasp_points}")
    console.print("picks: " + (", ".join(f"{outcome} {count}" for outcome, count in sorted(stats.picks.items())) or "none"))
    console.print(f"size: {stats.bytes / 1e6:.1f} MB")
    return 0


def _export(gallery: Gallery, args: argparse.Namespace, console: Console) -> int:
    with _progress(console) as progress:
        task = progress.add_task("exporting", total=gallery.list_objects(limit=0)[1])
        count = export_gallery(gallery, args.folder, lambda object_id: progress.advance(task))
    console.print(f"{count} objects written to {args.folder}", highlight=False)
    return 0
