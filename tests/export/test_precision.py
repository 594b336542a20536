"""Parts that pass the gate alone and not together: which of them stays float32."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from pocketrec_export.int8.precision import _Candidate, _together


class Judge:
    """A gate that lets some mixtures through; a part whose operators were spared is named with a + behind it."""

    def __init__(self, passing):
        self.passing, self.asked = [frozenset(mixture.split()) for mixture in passing], []

    def mixture(self, chosen):
        self.asked.append(named(chosen))
        passed = any(named(chosen) <= mixture for mixture in self.passing)
        return "form", "answers", SimpleNamespace(passed=passed)

    def sparing(self, role, beside):
        candidate = replace(CANDIDATES[role], spared=("an operator",))
        return candidate if self.mixture({**beside, role: candidate})[2].passed else None


CANDIDATES = {
    name: _Candidate(put=None, verdict=SimpleNamespace(upper=upper), saved=saved, spared=())
    for name, upper, saved in (("encoder", 0.006, 67), ("user", 0.002, 1), ("scorer", 0.001, 0), ("weights", 0.005, 8))
}


def named(chosen):
    return frozenset(name + "+" * len(candidate.spared) for name, candidate in chosen.items())


@pytest.mark.parametrize(
    ("passing", "ships"),
    [
        (["encoder user scorer weights"], "encoder user scorer weights"),
        (["encoder user scorer"], "encoder user scorer"),  # not the encoder, though it loses most
        (["user scorer weights"], "user scorer weights"),
        (["user scorer weights encoder+"], "encoder+ scorer user weights"),  # some of the encoder, not all of it
        (["encoder scorer weights user+", "encoder user scorer"], "encoder scorer user+ weights"),
        (["encoder user scorer", "encoder weights scorer"], "encoder scorer weights"),  # what saves least goes
        (["user scorer"], "user scorer"),
        (["scorer weights"], "scorer weights"),
        (["user scorer encoder+"], "encoder+ scorer user"),  # two parts too many, and some of one comes back
        ([""], ""),
    ],
)
def test_as_much_ships_as_passes_together(passing, ships):
    judge = Judge(passing)
    chosen, _, _, verdict = _together(judge, CANDIDATES)
    assert named(chosen) == frozenset(ships.split())
    assert verdict.passed
    assert named(chosen) in judge.asked


def test_where_nothing_passes_all_stays_float32():
    judge = Judge([])
    chosen, _, _, verdict = _together(judge, CANDIDATES)
    assert not chosen
    assert not verdict.passed
