"""The whole of prepare: a source in, a data set out, every change counted."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import polars as pl

from pocketrec.digest import file_digest
from pocketrec.errors import ConfigError, DataError
from pocketrec.progress import progress
from pocketrec.staging import check_replaceable, staged_folder
from pocketrec_training.dataset import CONTENTS, FORMAT, DatasetCard, Step
from pocketrec_training.prepare.columns import ColumnMap, check_chosen, map_columns
from pocketrec_training.prepare.interactions import Interactions, clean_interactions
from pocketrec_training.prepare.items import Catalogue, clean_items, items_of_interactions
from pocketrec_training.prepare.missing import check_policies
from pocketrec_training.prepare.options import PrepareConfig
from pocketrec_training.prepare.raw_table import RawTable
from pocketrec_training.prepare.reading import read_table
from pocketrec_training.prepare.side_tables import clean_friends, clean_qrels, clean_queries, clean_users
from pocketrec_training.prepare.source import TABLES, Source

_DEFAULT = PrepareConfig()


def prepare(source: Source, out: Path, options: PrepareConfig = _DEFAULT) -> DatasetCard:
    r"""Clean a source into a data set. The same source and options give the same bytes.

    Args:
        source: From `find_source` or `demo_source`.
        out: Folder to write; an older data set there is replaced when the new one is whole, and anything else
            is refused.
        options: What the person chose.

    Returns:
        The card that stands in `dataset.json`: what was read, what cleaning did, what came out.

    Raises:
        DataError: The source can't be read, or has broken rows that were not to be skipped; `out` stays as it
            was.
        ConfigError: An option names a table, column or policy that doesn't exist or doesn't fit.

    Example:
        >>> from pocketrec_training.prepare import find_source
        >>> with TemporaryDirectory() as place:
        ...     log = Path(place) / "log.csv"
        ...     _ = log.write_text("user,item,date\nann,tea,2026-01-31\nbob,tea,2026-02-01\n")
        ...     card = prepare(find_source(log), Path(place) / "dataset")
        >>> card.users, card.items, card.columns["interactions.timestamp"]
        (2, 1, 'date (ISO dates)')
    """
    _check(options, source)
    check_replaceable(out, "a data set", CONTENTS)
    try:
        with staged_folder(out) as folder:
            return _write(source, folder, options)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{source.location}: {error}") from error


def _check(options: PrepareConfig, source: Source) -> None:
    check_chosen(options.columns)
    check_policies(options.missing)
    for key in (*options.columns, *options.missing):
        table = key.partition(".")[0]
        if table not in source.tables and not (table == "items" and "interactions" in source.tables):
            raise ConfigError(f"{key}: the source has no table {table}, but {', '.join(source.tables)}")
    for name, count in (("user", options.min_user_count), ("item", options.min_item_count)):
        if count < 1:
            raise ConfigError(f"min_{name}_count={count}: must be 1 or more; 1 keeps all")
    if not 0 < options.users_share <= 1:
        raise ConfigError(f"users_share={options.users_share}: must be above 0 and at most 1; 1 keeps all")


def _write(source: Source, folder: Path, options: PrepareConfig) -> DatasetCard:
    with TemporaryDirectory(dir=folder) as scratch, progress(f"Preparing {source.name}", total=3) as shown:
        raw = {
            table: read_table(source.tables[table], Path(scratch), options)
            for table in TABLES
            if table in source.tables
        }
        maps = {table: map_columns(table, raw[table].path.name, raw[table].columns, options.columns) for table in raw}
        raw, maps, derived = _with_items(raw, maps, options)
        shown.advance()
        catalogue = clean_items(raw["items"], maps["items"], options)
        items, steps = catalogue.rows, catalogue.steps
        if not derived:
            _check_left(source, "items", items, steps)
        events = Interactions.none()
        if "interactions" in raw:
            events = clean_interactions(raw["interactions"], maps["interactions"], items["item_id"], options)
            steps += events.steps
        if derived or options.min_item_count > 1:
            kept = items.filter(pl.col("item_id").is_in(events.taken.implode()))
            lost = len(items) - len(kept)
            steps.append(Step(name="no interactions left", table="items", rows_in=len(items), dropped=lost))
            items = kept
        shown.advance()
        if "interactions" in raw:
            _check_left(source, "interactions", events.rows, steps)
        _check_left(source, "items", items, steps)
        tables = {"items": items, "interactions": events.rows}
        nested = [f"items.{name}" for name in catalogue.unused]
        tables |= _side_tables(raw, maps, tables, steps, nested, options)
        for table, rows in tables.items():
            rows.write_parquet(folder / f"{table}.parquet")
        shown.advance()
    card = DatasetCard(
        format=FORMAT,
        name=options.name or source.name,
        source=f"{source.location} ({source.reader})",
        licence=options.licence or source.licence or "not stated",
        users=events.rows["user_id"].n_unique(),
        items=len(items),
        interactions=len(events.rows),
        columns=_described(maps, catalogue, events) | derived,
        unused=(*source.unread, *_unused(maps), *nested),
        steps=tuple(steps),
        ties=events.ties,
        files={path.name: file_digest(path) for path in sorted(folder.glob("*.parquet"))},
    )
    (folder / "dataset.json").write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")
    return card


def _with_items(
    raw: dict[str, RawTable], maps: dict[str, ColumnMap], options: PrepareConfig
) -> tuple[dict[str, RawTable], dict[str, ColumnMap], dict[str, str]]:
    """Where a source has no table of items, one made of its interactions, and words that say so."""
    if "items" in raw:
        return raw, maps, {}
    log = maps["interactions"]
    key = log.source["item_id"]
    chosen = {"items.item_id": key} | options.columns
    found = map_columns("items", raw["interactions"].path.name, [key, *log.unused], chosen).source
    said = {"items.item_id": f"{key} (of interactions: there is no table of items)"}
    if "title" not in found:
        said["items.title"] = f"{key} (there are no titles)"
    items = ColumnMap(found, ())
    left = ColumnMap(log.source, tuple(name for name in log.unused if name not in found.values()))
    made = items_of_interactions(raw["interactions"], log, items)
    return raw | {"items": made}, maps | {"items": items, "interactions": left}, said


def _side_tables(
    raw: Mapping[str, RawTable],
    maps: Mapping[str, ColumnMap],
    tables: Mapping[str, pl.DataFrame],
    steps: list[Step],
    nested: list[str],
    options: PrepareConfig,
) -> dict[str, pl.DataFrame]:
    found: dict[str, pl.DataFrame] = {}
    item_ids, user_ids = tables["items"]["item_id"], tables["interactions"]["user_id"].unique()
    for table in ("users", "friends", "queries", "qrels"):
        if table not in raw:
            continue
        match table:
            case "users":
                rows, done, unfit = clean_users(raw[table], maps[table], options)
                nested += [f"users.{name}" for name in unfit]
            case "friends":
                rows, done = clean_friends(raw[table], maps[table], user_ids)
            case "queries":
                rows, done = clean_queries(raw[table], maps[table])
            case _:
                rows, done = clean_qrels(raw[table], maps[table], found["queries"]["query_id"], item_ids)
        found[table] = rows
        steps += done
    return found


def _check_left(source: Source, table: str, rows: pl.DataFrame, steps: list[Step]) -> None:
    if not len(rows):
        raise DataError(f"{source.location}: no {table} are left{_why(table, steps)}")


def _why(table: str, steps: list[Step]) -> str:
    worst = max((step for step in steps if step.table == table), key=lambda step: step.dropped)
    examples = f", such as {worst.examples[0]}" if worst.examples else ""
    return f": {worst.name!r} dropped {worst.dropped} of {worst.rows_in}{examples}" if worst.dropped else ""


def _described(maps: Mapping[str, ColumnMap], catalogue: Catalogue, events: Interactions) -> dict[str, str]:
    notes = {f"items.{name}": note for name, note in catalogue.notes.items()}
    notes |= {f"interactions.{name}": note for name, note in events.notes.items()}
    columns = {f"{table}.{name}": source for table, found in maps.items() for name, source in found.source.items()}
    return {key: f"{source} ({notes[key]})" if key in notes else source for key, source in columns.items()}


def _unused(maps: Mapping[str, ColumnMap]) -> list[str]:
    """Columns of tables that have no attributes."""
    return [
        f"{table}.{name}" for table, found in maps.items() if table not in ("items", "users") for name in found.unused
    ]
