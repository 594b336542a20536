"""What tower and items are trained for: the next item of every history, and what a query or context asks for."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from numpy.typing import NDArray
from torch import Tensor

from pocketrec.config import Config
from pocketrec_export.graphs.user import CONTEXT, ITEM, QUERY, UserTower
from pocketrec_export.title_fragments import FRAGMENTS
from pocketrec_training.arithmetic import Arithmetic, computed_in
from pocketrec_training.losses.bpr import bpr
from pocketrec_training.losses.negatives import Negatives, Source, in_batch_share, shares_of
from pocketrec_training.losses.softmax import full_softmax, sampled_softmax
from pocketrec_training.processes import Processes
from pocketrec_training.tower.item_table import ItemTable
from pocketrec_training.tower.request_texts import RequestVectors
from pocketrec_training.tower.sequences import Batch, pushed_right


class ObjectiveConfig(Config, frozen=True, kw_only=True):
    """Which loss, over which cases."""

    temperature: Annotated[float, Meta(gt=0)] = 0.05
    """Cosines are divided by it before the softmax: lower is surer."""
    loss: Literal["softmax", "sampled-softmax", "bpr"] = "softmax"
    """`softmax` over the whole catalogue, sampled where that is larger than `full_softmax_items`."""
    logits: Arithmetic = "float32"
    """Of the full softmax. bfloat16 is taken where this CPU multiplies it faster: on some in a third of the time."""
    full_softmax_items: Annotated[int, Meta(ge=0)] = 20_000
    """Larger catalogues take the sampled softmax."""
    negatives: Source = "uniform"
    """Where a sampled loss takes its negatives from."""
    sample: Annotated[int, Meta(ge=1)] = 1024
    """How many it takes."""
    margin: Annotated[float, Meta(ge=0)] = 0.1
    """Hard negatives within this of a target, by cosine, are left out: they may well be right."""
    correct_sampling: bool = True
    """Whether the sampled softmax takes off how often each negative was to be expected (logQ)."""
    slices: tuple[Annotated[int, Meta(ge=2)], ...] = ()
    """Shorter lengths at which inner products must rank too: the first components of user and item vectors as they are
    (Kusupati et al. 2022, "Matryoshka")."""
    cold_share: Annotated[float, Meta(ge=0, lt=1)] = 0.1
    """Share of items that lose their residual in each step."""
    request_weight: Annotated[float, Meta(ge=0)] = 0.1
    """Weight of the loss on short requests with a query or context, against that on histories."""


@dataclass(frozen=True, slots=True)
class Objective:
    """The loss of a batch.

    Several processes share a batch by users; each one's loss is its share of the mean over all of them, so that
    their gradients add up to those of one process.
    """

    config: ObjectiveConfig
    popularity: Tensor
    """Float [known], interactions that are learnt from."""
    known: Tensor
    """Int64 [known], rows of items that stand against each other."""
    place: Tensor
    """Int64 [items], each item's place in `known`; -1 for none."""
    processes: Processes

    @classmethod
    def of(cls, config: ObjectiveConfig, popularity: Tensor, known: Tensor, processes: Processes) -> "Objective":
        """Over the items that anybody wanted.

        Args:
            config: Which loss.
            popularity: Float [items], interactions with each.
            known: Bool [items], those that count.
            processes: Those that share the batches.
        """
        known = known.nonzero()[:, 0]
        place = torch.full((len(popularity),), -1)
        place[known] = torch.arange(len(known))
        return cls(config, popularity[known], known, place, processes)

    def rows_of(self, places: Tensor) -> NDArray[np.int64]:
        """From places of known items [known, n] to rows by item [items, n]; unknown items stand for themselves."""
        rows = torch.arange(len(self.place))[:, None].repeat(1, places.shape[1])
        if places.shape[1]:
            rows[self.known] = self.known[places]
        return rows.numpy()

    def loss(
        self,
        table: ItemTable,
        tower: UserTower,
        vectors: Tensor,
        requests: RequestVectors,
        near: Tensor,
        batch: Batch,
        random: np.random.Generator,
        fresh: Tensor | None = None,
    ) -> Tensor:
        """Loss of this process's part of a batch.

        Args:
            table: Reads requests.
            tower: The user tower.
            vectors: All items' [items, dim].
            requests: Text vectors of what is typed and said.
            near: Int64 [known, n], places of the nearest others of each known item, for hard negatives.
            batch: Histories.
            random: Draws alike in all processes.
            fresh: Int64 [n], rows of items whose texts were read anew. Where they are given, they alone are targets and
                negatives of histories: beside others, "just read" would betray the target.
        """
        drawing = torch.Generator().manual_seed(int(random.integers(2**62)))
        loss = vectors.new_zeros(())
        if batch.rows.shape[1] > 1:
            loss = loss + self._next_items(tower, vectors, near, batch, drawing, fresh)
        if self.config.request_weight > 0:
            # Requests teach the tower alone: a title gives its item away, and residuals would learn it by heart.
            asking = self._requests(table, requests, batch, vectors.detach(), random)
            loss = loss + self.config.request_weight * self._asked(
                tower, vectors.detach(), near, batch, asking, drawing
            )
        return loss

    def _next_items(
        self,
        tower: UserTower,
        vectors: Tensor,
        near: Tensor,
        batch: Batch,
        drawing: torch.Generator,
        fresh: Tensor | None,
    ) -> Tensor:
        """Loss at every place of the histories that another item follows."""
        own = self.processes.part(len(batch.rows))
        real, places = batch.mask[:, :-1] > 0, self.place[batch.rows]
        if fresh is None:
            drawn = self._negatives(places[:, 1:][real], near, drawing)
        else:
            drawn = self._among(self.place[fresh], places[batch.mask > 0])
            real &= torch.isin(batch.rows[:, 1:], fresh)
        # Where nothing of the past is shown, the softmax of attention has only the future to turn to.
        real &= batch.shown[:, :-1].cumsum(dim=1) > 0
        shown = batch.shown[own, :-1]
        inputs = F.embedding(batch.inputs[own, :-1], vectors) * shown[:, :, None]
        users = tower.every_position(inputs, torch.full_like(batch.inputs[own, :-1], ITEM), shown)
        kept, whose = real[own], torch.arange(len(real))[own, None].expand_as(real[own])
        targets, taken = places[own, 1:][kept], self._taken(batch)
        loss = self._ranking(users[kept], self._known(vectors), targets, drawn, taken, whose[kept])
        return loss * (kept.sum() / real.sum().clamp(min=1))

    def _asked(
        self,
        tower: UserTower,
        vectors: Tensor,
        near: Tensor,
        batch: Batch,
        asking: tuple[Tensor, Tensor, Tensor],
        drawing: torch.Generator,
    ) -> Tensor:
        """Loss of requests: tokens, kinds and mask of those for each last item, then of the queries."""
        wanted = self.place[torch.cat([batch.rows[:, -1], batch.answers])]
        own = self.processes.part(len(wanted))
        tokens, kinds, seen = (part[own] for part in asking)
        drawn = self._negatives(wanted, near, drawing)
        taken = F.pad(self._taken(batch), (0, 0, 0, len(batch.answers)), value=-1)
        whose = torch.arange(len(wanted))[own]
        loss = self._ranking(tower(tokens, kinds, seen), self._known(vectors), wanted[own], drawn, taken, whose)
        return loss * (len(tokens) / len(wanted))

    def _known(self, vectors: Tensor) -> Tensor:
        """Vectors of known items; adding up their gradients takes a fifth of the time that it takes for `[]`."""
        return vectors.index_select(0, self.known)

    def _taken(self, batch: Batch) -> Tensor:
        """Int64 [batch, length], places of the items of each history; -1 for padding."""
        return self.place[batch.rows].masked_fill(batch.mask == 0, -1)

    def _negatives(self, targets: Tensor, near: Tensor, drawing: torch.Generator) -> Negatives | None:
        """What stands against the targets; None for the whole catalogue."""
        config = self.config
        if config.loss == "softmax" and len(self.popularity) <= config.full_softmax_items:
            return None
        return Negatives.draw(config.negatives, config.sample, self.popularity, targets, near, drawing)

    def _among(self, fresh: Tensor, taken: Tensor) -> Negatives:
        """The places `fresh`, drawn from the distinct ones of all `taken` in a batch, as negatives."""
        expected = in_batch_share(shares_of(self.popularity)[fresh], len(taken)).clamp(min=1e-12)
        return Negatives(fresh, expected.log() + math.log(len(fresh) / len(torch.unique(taken))), True)

    def _ranking(
        self,
        users: Tensor,
        vectors: Tensor,
        targets: Tensor,
        drawn: Negatives | None,
        taken: Tensor,
        whose: Tensor,
    ) -> Tensor:
        """The loss that was asked for, at full length and at every shorter one.

        What is cut off isn't made up for: how much of an item lies in its first components says whether they know it.

        Args:
            users: Float [cases, dim].
            vectors: Of all known items [known, dim].
            targets: Int64 [cases], places among them.
            drawn: Negatives, unless the whole catalogue stands against the targets.
            taken: Int64 [users, length], places of the items of each user of the batch; -1 for padding.
            whose: Int64 [cases], the user of each case.
        """
        if not len(targets):
            return users.sum()  # nothing to learn, but a gradient for every weight
        left_out = None if drawn is None else self._left_out(drawn, vectors, targets, taken, whose)
        loss = self._ranking_loss(users, vectors, targets, drawn, left_out)
        for width in self.config.slices:
            loss = loss + self._ranking_loss(users[:, :width], vectors[:, :width], targets, drawn, left_out)
        return loss

    def _left_out(self, drawn: Negatives, vectors: Tensor, targets: Tensor, taken: Tensor, whose: Tensor) -> Tensor:
        """Negatives that are none for a case: bool [cases, sample]."""
        left_out = targets[:, None] == drawn.rows[None, :]
        if drawn.chosen:  # what the same user took is no negative of his
            left_out |= (taken[:, :, None] == drawn.rows).any(dim=1)[whose]
        if self.config.negatives == "hard":
            alike = vectors[targets].detach() @ vectors[drawn.rows].detach().T
            left_out |= alike > 1 - self.config.margin
        return left_out

    def _ranking_loss(
        self, users: Tensor, vectors: Tensor, targets: Tensor, drawn: Negatives | None, left_out: Tensor | None
    ) -> Tensor:
        config = self.config
        if drawn is None or left_out is None:
            return full_softmax(users, vectors, targets, config.temperature, computed_in(config.logits))
        right, wrong = vectors[targets], vectors[drawn.rows]
        if config.loss == "bpr":
            return bpr(users, right, wrong, left_out, config.temperature)
        expected = drawn.log_expected * config.correct_sampling
        return sampled_softmax(users, right, wrong, left_out, expected, config.temperature)

    def _requests(
        self, table: ItemTable, requests: RequestVectors, batch: Batch, vectors: Tensor, random: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """For each last item of the batch a request that asks for it, then the queries: [context], items, [query].

        Two in five of the former have no history; all have a query, a context or both, of those whose context is
        known. Queries that were typed stand alone.
        """
        count, said = len(batch.rows), (batch.contexts >= 0).numpy()
        past = min(10, batch.rows.shape[1] - 1)
        lengths = random.integers(1, max(past, 1) + 1, count) * (random.random(count) < 0.6)
        with_query = random.random(count) < 0.8
        with_context = said & ((random.random(count) < 0.3) | ~with_query)
        with_query |= ~said
        typed = requests.fragments[batch.rows[:, -1], torch.from_numpy(random.integers(0, FRAGMENTS, count))]
        query, context = (table.read(texts).detach() for texts in (typed, requests.contexts[batch.contexts]))
        history = batch.rows[:, -1 - past : -1]
        ages = torch.arange(past, 0, -1)[None, :]
        history_mask = batch.mask[:, -1 - past : -1] * (ages <= torch.from_numpy(lengths)[:, None])
        tokens = torch.cat([context[:, None], vectors[history], query[:, None]], dim=1)
        kinds = torch.full((count, past + 2), ITEM)
        kinds[:, 0], kinds[:, -1] = CONTEXT, QUERY
        ends = [torch.from_numpy(flags.astype(np.float32))[:, None] for flags in (with_context, with_query)]
        tokens, kinds, mask = pushed_right(tokens, kinds, torch.cat([ends[0], history_mask, ends[1]], dim=1))
        typed = table.read(requests.queries[batch.queries]).detach()[:, None]
        alone = (0, 0, past + 1, 0)  # at the right end, padding before it
        return (
            torch.cat([tokens, F.pad(typed, alone)]),
            torch.cat([kinds, torch.full((len(typed), past + 2), QUERY)]),
            torch.cat([mask, F.pad(torch.ones(len(typed), 1), alone[2:])]),
        )
