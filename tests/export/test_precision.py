"""Parts that pass the gate alone and not together: which of them stays float32."""

from types import SimpleNamespace

import pytest

from pocketrec_export.int8.precision import _Candidate, _together


class Judge:
    """A gate that lets some mixtures through."""

    def __init__(self, passing):
        self.passing, self.asked = [frozenset(mixture.split()) for mixture in passing], []

    def mixture(self, chosen):
        self.asked.append(frozenset(chosen))
        passed = any(frozenset(chosen) <= mixture for mixture in self.passing)
        return "form", "answers", SimpleNamespace(passed=passed)


CANDIDATES = {
    name: _Candidate(put=None, verdict=SimpleNamespace(upper=upper), saved=saved, spared=())
    for name, upper, saved in (("encoder", 0.006, 67), ("user", 0.002, 1), ("scorer", 0.001, 0), ("weights", 0.005, 8))
}


@pytest.mark.parametrize(
    ("passing", "ships"),
    [
        (["encoder user scorer weights"], "encoder user scorer weights"),
        (["encoder user scorer"], "encoder user scorer"),  # not the encoder, though it loses most
        (["user scorer weights"], "user scorer weights"),
        (["encoder user scorer", "encoder weights scorer"], "encoder scorer weights"),  # what saves least goes
        (["user scorer"], "user scorer"),
        (["scorer weights"], "scorer weights"),
        ([""], ""),
    ],
)
def test_as_much_ships_as_passes_together(passing, ships):
    judge = Judge(passing)
    chosen, _, _, verdict = _together(judge, CANDIDATES)
    assert sorted(chosen) == sorted(ships.split())
    assert verdict.passed
    assert judge.asked[-1] == frozenset(chosen)


def test_where_nothing_passes_all_stays_float32():
    judge = Judge([])
    chosen, _, _, verdict = _together(judge, CANDIDATES)
    assert not chosen
    assert not verdict.passed
