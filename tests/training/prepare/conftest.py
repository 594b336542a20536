import gzip

import polars as pl
import pytest

from pocketrec_training.prepare import PrepareConfig, find_source, prepare


class Workbench:
    """Makes sources from texts and prepares them."""

    def __init__(self, place):
        self.source = place / "source"
        self.source.mkdir()
        self.out = place / "out"

    def file(self, name, content):
        path = self.source / name
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    def prepare(self, path=None, items=None, **options):
        return prepare(find_source(path or self.source, items), self.out, PrepareConfig(**options))

    def table(self, name):
        return pl.read_parquet(self.out / f"{name}.parquet")

    def column(self, table, name):
        return self.table(table)[name].to_list()


@pytest.fixture
def bench(tmp_path):
    return Workbench(tmp_path)


@pytest.fixture
def step():
    def find(card, name, table="interactions"):
        return next(step for step in card.steps if step.table == table and step.name.startswith(name))

    return find
