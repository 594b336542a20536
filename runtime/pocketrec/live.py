"""The catalogue as it stands now: the bundle's items under the overlay's changes, as one range of rows.

Rows below `len(catalogue)` are the bundle's; those above are items of the overlay. An item that the overlay replaced
has a row of each kind: the bundle's is hidden, and its behaviour (votes, popularity) goes on under the new row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from pocketrec.bundle import Bundle
from pocketrec.items import Item
from pocketrec.newcomer_votes import NewcomerVotes
from pocketrec.overlay import Changes
from pocketrec.rules import Rules

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LiveCatalogue:
    """One unchanging view of all items; a request works on one from start to end."""

    bundle: Bundle
    changes: Changes
    visible: Mask | None
    """Bundle rows that are neither removed nor replaced; None if all are."""
    added: dict[str, int]
    """Row of each item of the overlay."""
    origins: Rows
    """For each item of the overlay the bundle's row whose votes and popularity are its own, or -1."""
    fields: frozenset[str]
    """Names of what items can be filtered by."""
    newcomers: NewcomerVotes
    """Who votes for each item of the overlay; nobody for those that have an origin."""

    @classmethod
    def of(cls, bundle: Bundle, changes: Changes, before: "LiveCatalogue | None" = None) -> "LiveCatalogue":
        """Lay changes over a bundle.

        Args:
            bundle: What was exported.
            changes: What the overlay holds.
            before: The view until now; what is known of items that stand where they stood isn't found anew.
        """
        rows, size = bundle.catalogue.rows, len(bundle.catalogue)
        replaced = np.array([rows.get(item.id, -1) for item in changes.items], dtype=np.int32)
        origins = _origins(bundle, changes, replaced)
        hidden = [rows[id] for id in changes.removed if id in rows] + replaced[replaced >= 0].tolist()
        visible = None
        if hidden:
            visible = np.ones(size, np.bool_)
            visible[hidden] = False
        added = {item.id: size + place for place, item in enumerate(changes.items)}
        fields = bundle.catalogue.fields.union(*(item.attributes for item in changes.items))
        return cls(bundle, changes, visible, added, origins, fields, _newcomers(bundle, changes, origins, before))

    def __len__(self) -> int:
        """Number of rows, hidden ones too."""
        return len(self.bundle.catalogue) + len(self.added)

    def row(self, id: str) -> int | None:
        """Row of an item that exists now."""
        row = self.added.get(id)
        if row is not None:
            return row
        row = self.bundle.catalogue.rows.get(id)
        return row if row is not None and (self.visible is None or self.visible[row]) else None

    def rows_of(self, ids: Sequence[str]) -> Rows:
        """Rows of a history's items: unknown ones are left out, removed ones still tell what the person likes."""
        base, added = self.bundle.catalogue.rows, self.added
        found = [added.get(id, base.get(id, -1)) for id in ids] if added else [base.get(id, -1) for id in ids]
        rows = np.array(found, dtype=np.int32)
        return rows[rows >= 0]

    def id(self, row: int) -> str:
        """Id of a row."""
        size = len(self.bundle.catalogue)
        return self.bundle.catalogue.ids[row] if row < size else self.changes.items[row - size].id

    def item(self, row: int) -> Item:
        """Item of a row, for a caller to keep: what becomes of its attributes doesn't touch the catalogue."""
        size = len(self.bundle.catalogue)
        item = self.bundle.catalogue.item(row) if row < size else self.changes.items[row - size]
        return replace(item, attributes=item.attributes.copy())

    def vectors(self, rows: Rows) -> Floats:
        """Vectors of rows, float32 [rows, dim]."""
        base = self.bundle.index.vectors
        if not self.added:
            return base.take(rows, axis=0)
        vectors = base[np.minimum(rows, len(base) - 1)]
        late = rows >= len(base)
        vectors[late] = self.changes.vectors.placed[rows[late] - len(base)]
        return vectors

    def origin(self, rows: Rows) -> Rows:
        """Bundle's rows by which votes and popularity are looked up; -1 for items that the bundle never had."""
        if not self.added:
            return rows
        size = len(self.bundle.catalogue)
        origins = rows.copy()
        late = rows >= size
        origins[late] = self.origins[rows[late] - size]
        return origins

    def late_votes(self, history: Rows) -> Floats:
        """What a history says of each item of the overlay, but for those that replace one of the bundle's.

        Args:
            history: The bundle's rows, as `origin` gives them.

        Returns:
            As `Votes.sums`, float32 [2 * tables, added].
        """
        facts = self.bundle.manifest.neighbours, self.bundle.manifest.followers
        return self.newcomers.sums(history, self.bundle.tables, [table.newcomer_scale for table in facts])

    def allowed(self, rules: Rules) -> Mask | None:
        """Bundle rows that are visible and meet the rules; None if all do."""
        mask = rules.mask(self.bundle.catalogue)
        if mask is None or self.visible is None:
            return mask if self.visible is None else self.visible
        return mask & self.visible

    def added_rows(self, rules: Rules) -> Rows:
        """Rows of the overlay's items that meet the rules."""
        if not self.added:
            return np.zeros(0, np.int32)
        met = [rules.allow(item) for item in self.changes.items] if rules.conditions else slice(None)
        return np.arange(len(self.bundle.catalogue), len(self), dtype=np.int32)[met]


def _origins(bundle: Bundle, changes: Changes, replaced: Rows) -> Rows:
    """The rows that were replaced, but for those that nobody took and that say something else now.

    Those had nothing but the votes of their former text.
    """
    read_anew = changes.vectors.read.any(axis=1)
    return np.where(read_anew & (bundle.popularity[replaced] == 0), np.int32(-1), replaced)


def _newcomers(bundle: Bundle, changes: Changes, origins: Rows, before: LiveCatalogue | None) -> NewcomerVotes:
    """Voters for each item of the overlay, found only for those that are new or say something else than before."""
    places = {} if before is None else {item.id: place for place, item in enumerate(before.changes.items)}
    kept, wanted = list[tuple[int, int]](), list[int]()
    for place in np.flatnonzero(origins < 0).tolist():
        item = changes.items[place]
        old = places.get(item.id)
        if before is not None and old is not None and _reads_alike(bundle, before.changes.items[old], item):
            kept.append((place, old))
        else:
            wanted.append(place)
    found = _found(bundle, changes, wanted)
    voters = np.zeros((len(origins), found.voters.shape[1]), np.int32)
    votes = np.zeros(voters.shape, np.float32)
    voters[wanted], votes[wanted] = found.voters, found.votes
    if before is not None and kept:
        here, there = (list(rows) for rows in zip(*kept, strict=True))
        voters[here], votes[here] = before.newcomers.voters[there], before.newcomers.votes[there]
    return NewcomerVotes(voters, votes)


def _reads_alike(bundle: Bundle, one: Item, other: Item) -> bool:
    render = bundle.manifest.encoder.template.render
    return one == other or render(one) == render(other)


def _found(bundle: Bundle, changes: Changes, places: Sequence[int]) -> NewcomerVotes:
    """Voters for some items of the overlay."""
    known = bundle.popularity[:-1] > 0
    if bundle.texts is None:
        return NewcomerVotes.by_place(changes.vectors.placed[places], bundle.index.vectors, known)
    texts = [bundle.manifest.encoder.template.render(changes.items[place]) for place in places]
    return NewcomerVotes.of(changes.vectors.read[places], texts, bundle.texts, known)
