"""A visit in progress: a history that grows while the person clicks."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pocketrec.items import Recommendation
from pocketrec.rules import Condition

if TYPE_CHECKING:
    from pocketrec.recommender import Recommender


class Session:
    """Remembers what a person does, so that each recommendation takes it into account.

    A session holds ids alone; it costs nothing to keep thousands of them.
    """

    def __init__(self, recommender: "Recommender", history: Iterable[str] = ()) -> None:
        self._recommender = recommender
        self._history = list(history)

    @property
    def history(self) -> tuple[str, ...]:
        """Ids of everything observed, oldest first."""
        return tuple(self._history)

    def observe(self, id: str) -> None:
        """Add an interaction that just happened."""
        if not isinstance(id, str) or not id:
            raise ValueError(f"an item's id must be non-empty text, not {id!r}")
        self._history.append(id)

    def recommend(
        self,
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
        """As `Recommender.recommend`, with this session's history."""
        return self._recommender.recommend(
            self._history,
            query=query,
            context=context,
            k=k,
            where=where,
            exclude=exclude,
            among=among,
            allow_seen=allow_seen,
            diversity=diversity,
            explain=explain,
        )
