"""Which files a source consists of, and whose layout it has."""

from pathlib import Path

from pocketrec.errors import DataError
from pocketrec_training.prepare.amazon import amazon_source, events, is_amazon, products
from pocketrec_training.prepare.files import file_format
from pocketrec_training.prepare.movielens import movielens_source
from pocketrec_training.prepare.reading import DELIMITED, JSON_LINES, PARQUET
from pocketrec_training.prepare.recbole import recbole_source
from pocketrec_training.prepare.source import TABLES, Source, TableFile


def find_source(path: Path, items: Path | None = None) -> Source:
    """Look what a path holds.

    Args:
        path: A folder of a known layout (MovieLens, RecBole, Amazon Reviews 2023), a folder with `items.*`,
            `interactions.*` and their like, or a file of interactions.
        items: The file of items, beside a file of interactions.

    Raises:
        DataError: Nothing there can be prepared.
    """
    location = str(path)
    for file in (path, items):
        if file is not None and not file.exists():
            raise DataError(f"there is no {file}")
    if path.is_dir():
        if items is not None:
            raise DataError(f"{location} is a folder, whose items are found by name; --items goes with a file")
        source = movielens_source(path, location) or recbole_source(path, location) or amazon_source(path, location)
        return source or _named_tables(path, location)
    if items is None and (source := recbole_source(path, location)) is not None:
        return source
    tables = {"interactions": _file(path, events)}
    if items is not None:
        if items.is_dir():
            raise DataError(f"{items} is a folder; --items takes a file")
        tables = {"items": _file(items, products), **tables}
    return Source(path.name.split(".")[0], location, "files", tables)


def _file(path: Path, amazon_shape: object) -> TableFile:
    if is_amazon(path):
        return TableFile(path, shape=products if amazon_shape is products else events)
    return TableFile(path)


def _named_tables(folder: Path, location: str) -> Source:
    known, unread = dict[str, TableFile](), []
    for path in sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")):
        table, form = path.name.split(".")[0].lower(), file_format(path)
        if form not in (*DELIMITED, *JSON_LINES, *PARQUET) or path.name == "dataset.json":
            continue
        if table not in TABLES:
            unread.append(path.name)
        elif table in known:
            raise DataError(f"{location} holds both {known[table].path.name} and {path.name}; keep one")
        else:
            known[table] = TableFile(path)
    for one, other in (("queries", "qrels"), ("qrels", "queries")):
        if one in known and other not in known:
            raise DataError(f"{location} holds {known[one].path.name} but no {other}; search needs both")
    if "interactions" not in known and not {"items", "queries"} <= known.keys():
        there = f"; it holds {', '.join(unread[:5])}" if unread else ""
        raise DataError(
            f"{location} is no source: it needs interactions.csv (or .tsv, .jsonl, .parquet, .gz), or items "
            f"with queries, or a layout of MovieLens, RecBole or Amazon Reviews 2023{there}"
        )
    return Source(folder.resolve().name, location, "tables by name", known, unread=tuple(unread))
