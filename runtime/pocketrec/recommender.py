"""The recommender: everything a request passes through, on one page.

history ids -> rows -> vectors; query and context -> encoder; user tower; candidates from the index, from the votes of
the history's items and from what trends, under the request's rules; features -> scorer; diversity; the best k, with
reasons.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketrec.bundle import Bundle
from pocketrec.diversity import diversify
from pocketrec.features import appeal, features
from pocketrec.items import Item, Recommendation, encode_item
from pocketrec.live import LiveCatalogue
from pocketrec.manifest import Manifest
from pocketrec.newcomers import settled
from pocketrec.overlay import Overlay, Vectors
from pocketrec.reasons import reasons_for
from pocketrec.retrieval import retrieve
from pocketrec.rules import Condition, Mask, Rules
from pocketrec.session import Session
from pocketrec.text import clean_text
from pocketrec.votes import Votes

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]

_NONE = np.zeros(0, np.int32)
_ITEM, _QUERY, _CONTEXT = 0, 1, 2
"""Kinds of token that the user tower knows."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What a person did and asked for, in the space of vectors."""

    seen: Rows
    """All items of the history, oldest first."""
    history: Rows
    """The newest of them, as many as the tower reads."""
    vectors: Floats
    """Theirs [history, dim]."""
    tokens: Floats
    """[tokens, dim]: context, history, query."""
    kinds: NDArray[np.int64]
    query: Floats | None
    allow_seen: bool
    """Whether items of the history may be recommended."""


@dataclass(frozen=True, slots=True)
class _Allowed:
    """Which items may be recommended."""

    mask: Mask | None
    """Over the bundle's rows; None for all."""
    added: Rows
    """Rows of the overlay's items."""
    base: int
    """Rows of the bundle; those after them are the overlay's."""
    without: Rows
    """A few rows of the bundle to leave out all the same: the history, and what the caller excludes."""

    def but(self, rows: Rows) -> "_Allowed":
        """The same, with some more rows left out."""
        out = np.concatenate([self.without, rows[rows < self.base]]) if len(self.without) else rows[rows < self.base]
        added = self.added[~np.isin(self.added, rows)] if len(self.added) else self.added
        return _Allowed(self.mask, added, self.base, out)


class Recommender:
    """Recommends from a bundle. Safe to use from several threads; one is enough for thousands of requests a second.

    Example:
        ```python
        rec = Recommender.load("bundle/", overlay="state/")
        rec.recommend(history=["85123A", "71053"], k=10)
        rec.recommend(query="gift for a tea lover", where={"categories": "kitchen"})
        ```
    """

    def __init__(self, bundle: Bundle, overlay: Overlay) -> None:
        self._bundle = bundle
        self._overlay = overlay
        self._live = LiveCatalogue.of(bundle, overlay.changes())
        self._appeal = appeal(bundle.popularity, bundle.trend)
        self._by_appeal = np.argsort(-self._appeal[:-1], kind="stable").astype(np.int32)
        self._writing = threading.Lock()

    @classmethod
    def load(
        cls,
        bundle: str | Path,
        overlay: str | Path | None = None,
        threads: int = 1,
        read_only: bool = False,
    ) -> "Recommender":
        """Open a bundle.

        Args:
            bundle: Folder that `pocketrec export` wrote.
            overlay: Folder that keeps `upsert` and `remove`; without it they last as long as this object.
            threads: For the graphs; one gives the best latency for one request at a time.
            read_only: Take a copy of what the overlay holds now, and leave it as it is and the bundle's that has it:
                later changes there aren't seen, and those made here are lost at the end. So another bundle can be
                tried beside a running service.

        Raises:
            BundleError: A file of the bundle is missing, altered, or of a newer format.
            OverlayError: The overlay's file is none, or damaged.
        """
        opened = Bundle.open(Path(bundle), threads)
        if overlay is None:
            return cls.of(opened)
        open_overlay = Overlay.copied if read_only else Overlay.open
        read = partial(_read_items, opened)
        return cls(opened, open_overlay(Path(overlay), opened.reading, opened.manifest.dim, read))

    @classmethod
    def of(cls, bundle: Bundle) -> "Recommender":
        """Over a bundle that is open; what is changed lasts as long as this object."""
        return cls(bundle, Overlay.open(None, bundle.reading, bundle.manifest.dim, partial(_read_items, bundle)))

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self._bundle.manifest

    def __len__(self) -> int:
        """Number of items that can be recommended now."""
        live = self._live
        base = len(live.bundle.catalogue) if live.visible is None else int(np.count_nonzero(live.visible))
        return base + len(live.added)

    # ------------------------------------------------------------------------------------------------- the hot path

    def recommend(
        self,
        history: Iterable[str] = (),
        *,
        query: str | None = None,
        context: str | None = None,
        k: int = 10,
        where: Mapping[str, Condition] | None = None,
        exclude: Iterable[str] = (),
        among: Iterable[str] | None = None,
        allow_seen: bool = False,
        diversity: float = 0.0,
        explain: bool = False,
    ) -> list[Recommendation]:
        """The best k items for a person, best first; fewer only if fewer are allowed.

        Args:
            history: Ids of what the person took, oldest first. Ids that the catalogue doesn't know are passed over.
            query: What the person typed.
            context: What is known of the moment or the person: "christmas, on mobile". The words that training knew do
                best; `pocketrec.text` has its `time_words` and `user_words`.
            k: Length of the answer.
            where: Field to value, to several values of which any will do, or to a range `{"min": 10, "max": 20}`.
            exclude: Ids that must not appear.
            among: The only ids that may appear, such as this week's arrivals; all by default.
            allow_seen: Whether items of the history may appear.
            diversity: From 0, by score alone, to 1, by variety alone.
            explain: Fill in reasons.

        Raises:
            ValueError: An argument out of range, or a field in `where` that no item has.
        """
        _check_k(k)
        if not isinstance(diversity, int | float | np.number) or not 0 <= diversity <= 1:
            raise ValueError(f"diversity must lie in 0..1, not {diversity!r}")
        live, ids = self._live, _ids(history, "history")
        request = self._read(live, ids, query, context, allow_seen)
        allowed = self._allow(live, where, exclude, among).but(_NONE if allow_seen else request.seen)
        rows, scores = self._rank(live, request, allowed, k if diversity == 0 else max(5 * k, 50))
        if diversity > 0:
            taken = diversify(scores, live.vectors(rows), k, diversity)
            rows, scores = rows[taken], scores[taken]
        return self._present(live, request, rows, scores, explain)

    def _rank(self, live: LiveCatalogue, request: _Request, allowed: _Allowed, k: int) -> tuple[Rows, Floats]:
        """Rows and scores of the best k."""
        if not len(request.tokens):
            return self._most_popular(live, allowed, k)
        user, votes, late = self._user(live, request)
        count = max(self._bundle.manifest.candidates, k)
        rows = retrieve(user, votes, self._bundle.index, count, allowed.without, allowed.mask, self._bundle.trending)
        if len(allowed.added):
            rows = np.concatenate([rows, _late_candidates(live, allowed.added, user, late, count)])
        scores = self._score(live, request, user, votes, late, rows)
        best = (-scores).argsort(kind="stable")[:k]
        return rows[best], scores[best]

    def _user(self, live: LiveCatalogue, request: _Request) -> tuple[Floats, Votes, Floats]:
        """The tower's user vector, and the votes of the history: for the bundle's items and for the overlay's."""
        every = np.ones((1, len(request.tokens)), np.float32)
        user = self._bundle.user.run({"vectors": request.tokens[None], "kinds": request.kinds[None], "mask": every})[0]
        history = live.origin(request.seen)
        return user, Votes.of(history, self._bundle.tables), live.late_votes(history)

    def _score(
        self, live: LiveCatalogue, request: _Request, user: Floats, votes: Votes, late: Floats, rows: Rows
    ) -> Floats:
        """The scorer's word on candidates."""
        vectors, origins = live.vectors(rows), live.origin(rows)
        cast = votes.at(origins)
        if late.shape[1]:
            added = rows >= len(self._bundle.catalogue)
            cast[:, added] += late[:, rows[added] - len(self._bundle.catalogue)]
        table = features(
            user=user,
            vectors=vectors,
            votes=cast,
            popularity=self._bundle.popularity[origins],
            trend=self._bundle.trend[origins],
            history=request.vectors,
            query=request.query,
            allow_seen=request.allow_seen,
        )
        table = table[:, : len(self._bundle.manifest.features)]  # older scorers know of no trend
        feed = {"user": user[None], "candidates": vectors[None], "features": table[None]}
        scores: Floats = self._bundle.scorer.run(feed)[0]
        return scores

    def _read(
        self,
        live: LiveCatalogue,
        ids: Sequence[str],
        query: str | None = None,
        context: str | None = None,
        allow_seen: bool = False,
    ) -> _Request:
        """Ids and texts to vectors."""
        seen = live.rows_of(ids)
        history = seen[-self._bundle.manifest.history :]
        vectors, asked = live.vectors(history), None
        tokens, kinds = vectors, np.full(len(history), _ITEM)
        if context is not None:
            said = self._bundle.encoder.encode_one(_text(context, "context"))
            tokens, kinds = np.concatenate([said[None], tokens]), np.append(_CONTEXT, kinds)
        if query is not None:
            asked = self._bundle.encoder.encode_one(_text(query, "query"))
            tokens, kinds = np.concatenate([tokens, asked[None]]), np.append(kinds, _QUERY)
        return _Request(seen, history, vectors, tokens, kinds, asked, allow_seen)

    def _allow(
        self,
        live: LiveCatalogue,
        where: Mapping[str, Condition] | None = None,
        exclude: Iterable[str] = (),
        among: Iterable[str] | None = None,
    ) -> _Allowed:
        """A request's rules as rows."""
        rules, base = Rules.of(where, live.fields), len(self._bundle.catalogue)
        mask, added = live.allowed(rules), live.added_rows(rules)
        if among is not None:
            chosen = np.zeros(len(live), np.bool_)
            chosen[live.rows_of(_ids(among, "among"))] = True
            mask, added = chosen[:base] if mask is None else chosen[:base] & mask, added[chosen[added]]
        return _Allowed(mask, added, base, _NONE).but(live.rows_of(_ids(exclude, "exclude")))

    def _most_popular(self, live: LiveCatalogue, allowed: _Allowed, k: int) -> tuple[Rows, Floats]:
        """For a request that says nothing about the person."""
        ordered = self._by_appeal
        keep = np.ones(len(ordered), np.bool_) if allowed.mask is None else allowed.mask.copy()
        keep[allowed.without] = False
        rows = np.concatenate([ordered[keep[ordered]][:k], allowed.added])
        scores = self._appeal[live.origin(rows)]
        best = (-scores).argsort(kind="stable")[:k]
        return rows[best], scores[best]

    def _present(
        self, live: LiveCatalogue, request: _Request, rows: Rows, scores: Floats, explain: bool
    ) -> list[Recommendation]:
        """Rows as the caller sees them."""
        reasons = reasons_for(live, rows, request.history, request.query) if explain else [()] * len(rows)
        return [
            Recommendation(id=item.id, score=score, item=item, reasons=why)
            for item, score, why in zip(map(live.item, rows.tolist()), scores.tolist(), reasons, strict=True)
        ]

    # ------------------------------------------------------------------------------------------------- other questions

    def rank(
        self,
        history: Iterable[str] = (),
        *,
        query: str | None = None,
        context: str | None = None,
        k: int = 10,
        among: Iterable[str] | None = None,
        allow_seen: bool = False,
    ) -> list[str]:
        """Ids of the best k items: `recommend` without rules, reasons and the items themselves."""
        _check_k(k)
        live, ids = self._live, _ids(history, "history")
        request = self._read(live, ids, query, context, allow_seen)
        allowed = self._allow(live, among=among).but(_NONE if allow_seen else request.seen)
        rows, _ = self._rank(live, request, allowed, k)
        return [live.id(row) for row in rows.tolist()]

    def recommend_many(
        self,
        histories: Iterable[Iterable[str]],
        *,
        k: int = 10,
        where: Mapping[str, Condition] | None = None,
        among: Iterable[str] | None = None,
        allow_seen: bool = False,
    ) -> list[list[Recommendation]]:
        """`recommend` for many histories, on one view of the catalogue; each answer is the one it gets alone."""
        _check_k(k)
        live = self._live
        rules, answers = self._allow(live, where, among=among), []
        for history in histories:
            request = self._read(live, _ids(history, "history"), allow_seen=allow_seen)
            allowed = rules.but(_NONE if allow_seen else request.seen)
            rows, scores = self._rank(live, request, allowed, k)
            answers.append(self._present(live, request, rows, scores, explain=False))
        return answers

    def similar(self, id: str, *, k: int = 10, where: Mapping[str, Condition] | None = None) -> list[Recommendation]:
        """The k items nearest to an item by vector: alike in text and in who takes them.

        Raises:
            ValueError: The catalogue has no such item.
        """
        _check_k(k)
        live = self._live
        row = live.row(id)
        if row is None:
            raise ValueError(f"no item has the id {id!r}")
        itself = np.array([row], np.int32)
        vector = live.vectors(itself)[0]
        allowed = self._allow(live, where).but(itself)
        rows = self._bundle.index.search(vector, k, allowed.without, allowed.mask)
        rows = np.concatenate([rows, _nearest(live, allowed.added, vector, k)])
        scores = live.vectors(rows) @ vector
        best = (-scores).argsort(kind="stable")[:k]
        return [
            Recommendation(id=item.id, score=score, item=item)
            for item, score in zip(map(live.item, rows[best].tolist()), scores[best].tolist(), strict=True)
        ]

    def item(self, id: str) -> Item | None:
        """The item of an id, as it stands now; None if the catalogue doesn't have it."""
        live = self._live
        row = live.row(id)
        return None if row is None else live.item(row)

    def score(
        self,
        history: Iterable[str],
        candidates: Iterable[str],
        *,
        query: str | None = None,
        context: str | None = None,
        allow_seen: bool = False,
    ) -> list[float]:
        """The scores of given items for a person, in their order: those that `recommend` would rank them by.

        Args:
            history: As for `recommend`.
            candidates: Ids of the items.
            query: As for `recommend`.
            context: As for `recommend`.
            allow_seen: Whether items of the history may be recommended too, which the scorer takes into account.

        Raises:
            ValueError: A candidate that the catalogue doesn't have.
        """
        live = self._live
        request = self._read(live, _ids(history, "history"), query, context, allow_seen)
        wanted = _ids(candidates, "candidates")
        found = [live.row(id) for id in wanted]
        unknown = [id for id, row in zip(wanted, found, strict=True) if row is None]
        if unknown:
            raise ValueError(f"candidates: no item has the id {unknown[0]!r}")
        rows = np.array(found, dtype=np.int32)
        if not len(rows):
            return []
        if not len(request.tokens):
            return [float(score) for score in self._appeal[live.origin(rows)]]
        user, votes, late = self._user(live, request)
        return [float(score) for score in self._score(live, request, user, votes, late, rows)]

    def encode(self, texts: Iterable[str]) -> Floats:
        """Unit vectors of texts in the space of items and users, float32 [texts, dim]."""
        if isinstance(texts, str):
            raise TypeError(f"texts must be a list of strings, not the one string {texts!r}")
        return self._bundle.encoder.encode([_text(text, "texts") for text in texts], self._bundle.manifest.dim)

    def session(self, history: Iterable[str] = ()) -> Session:
        """A visit whose history grows with `observe`."""
        return Session(self, _ids(history, "history"))

    # ------------------------------------------------------------------------------------------------- changes

    def upsert(self, items: Iterable[Item]) -> None:
        """Add items, or replace those with the same id. They can be recommended when this returns, and are on disk.

        Raises:
            TypeError: Something that is no `Item`.
            ValueError: An item without id or title, or two with one id. Nothing is stored then.
            OverlayError: Another bundle has taken the overlay over, or its file can't be written.
        """
        changed = list(items)
        for item in changed:
            _check_item(item)
        ids = [item.id for item in changed]
        if len(set(ids)) < len(ids):
            twice = next(id for id in ids if ids.count(id) > 1)
            raise ValueError(f"two items have the id {twice!r}; ids must be unique")
        vectors = _read_items(self._bundle, changed)
        with self._writing:
            self._overlay.upsert(changed, vectors)
            self._live = LiveCatalogue.of(self._bundle, self._overlay.changes(), self._live)

    def remove(self, ids: Iterable[str]) -> None:
        """Take items out of the catalogue; ids that it doesn't have are no error. On disk when this returns.

        Raises:
            OverlayError: As for `upsert`.
        """
        gone = _ids(ids, "ids")
        with self._writing:
            self._overlay.remove(gone)
            self._live = LiveCatalogue.of(self._bundle, self._overlay.changes(), self._live)

    def close(self) -> None:
        """Close the overlay's file."""
        self._overlay.close()


def _read_items(bundle: Bundle, items: Sequence[Item]) -> Vectors:
    """Vectors of items: one that reads as it did at export keeps its own.

    Another that somebody took moves with its text and keeps what behaviour taught of it; the rest are newcomers.
    """
    template, catalogue, known = bundle.manifest.encoder.template, bundle.catalogue, bundle.popularity[:-1] > 0
    vectors, texts = (np.zeros((len(items), bundle.manifest.dim), np.float32) for _ in range(2))
    for place, item in enumerate(items):
        text, row = template.render(item), catalogue.rows.get(item.id)
        before = None if row is None else template.render(catalogue.item(row))
        if row is not None and before == text:
            vectors[place] = bundle.index.vectors[row]
            continue
        read = texts[place] = bundle.encoder.encode_one(text)
        if row is not None and before is not None and known[row]:
            moved = bundle.index.vectors[row] + read - bundle.encoder.encode_one(before)
            vectors[place] = moved / max(float(np.linalg.norm(moved)), 1e-12)
        else:
            vectors[place] = settled(read[None], bundle.index.vectors, known, bundle.manifest.newcomer_length)[0]
    return Vectors(vectors, texts)


def _late_candidates(live: LiveCatalogue, rows: Rows, user: Floats, late: Floats, count: int) -> Rows:
    """Items of the overlay that the scorer should rank: the nearest to the user, the most voted, and what trends."""
    if len(rows) <= count:
        return rows
    best = [_nearest(live, rows, user, count)]
    for cast in (*late[::2, rows - len(live.bundle.catalogue)], live.bundle.trend[live.origin(rows)]):
        best.append(rows[np.argpartition(-cast, count)[:count]])
    return np.unique(np.concatenate(best))


def _nearest(live: LiveCatalogue, rows: Rows, vector: Floats, count: int) -> Rows:
    """The `count` rows whose vectors are nearest, in any order."""
    if len(rows) <= count:
        return rows
    return rows[np.argpartition(-(live.vectors(rows) @ vector), count)[:count]]


def _ids(values: Iterable[str], name: str) -> list[str]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a list of ids, not {values!r}")
    ids = list(values)
    for id in ids:
        if not isinstance(id, str):
            raise TypeError(f"{name} must hold ids as strings, not {type(id).__name__}: {id!r}")
    return ids


def _text(value: str, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}: {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} isn't Unicode text: {value!r}") from None
    if not clean_text(value):
        raise ValueError(f"{name} is empty; leave it out or pass None")
    return value


def _check_k(k: int) -> None:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k must be a whole number of at least 1, not {k!r}")


def _check_item(item: Item) -> None:
    if not isinstance(item, Item):
        raise TypeError(f"upsert takes Items, not {type(item).__name__}: {item!r}")
    encode_item(item)
    if not item.id or not clean_text(item.title):
        raise ValueError(f"an item needs an id and a title: {item!r}")
