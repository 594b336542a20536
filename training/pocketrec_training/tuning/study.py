"""The study: all trials so far, in one SQLite file that outlives the process."""

import fcntl
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import optuna
from optuna.pruners import BasePruner
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pocketrec.errors import DataError

REASON = "reason"
"""Attribute of a trial whose settings can't be trained: why not. To the sampler it is pruned before its first epoch."""

_NAME = "pocketrec tune"
_TERMS = "terms"


@contextmanager
def open_study(path: Path, terms: Mapping[str, str], pruner: BasePruner) -> Iterator[Study]:
    """Open a study, or begin it; what a killed process was training is marked as failed.

    Args:
        path: The file.
        terms: What must be the same for trials to be comparable, in words by name.
        pruner: Says which trials to give up.

    Raises:
        DataError: The file is no study, has other terms, or another process is at it.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system lets it go however the process ends
        except BlockingIOError:
            raise DataError(f"another process is at the study {path}: wait for it, or name another --study") from None
        _check_kind(path)
        storage = RDBStorage(f"sqlite:///{path.as_uri()}?uri=true")
        try:
            study = optuna.create_study(
                storage=storage, study_name=_NAME, direction="maximize", load_if_exists=True, pruner=pruner
            )
            _claim(path, study, terms)
            for left in study.get_trials(states=(TrialState.RUNNING,)):
                study.tell(left.number, state=TrialState.FAIL)
            yield study
        finally:
            storage.engine.dispose()


def finished(study: Study) -> list[FrozenTrial]:
    """Trials that came to their end; not those that were killed."""
    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def completed(study: Study) -> list[FrozenTrial]:
    """Trials with a value, best first; of equals the first."""
    return sorted(study.get_trials(states=(TrialState.COMPLETE,)), key=lambda trial: -(trial.value or 0))


def not_completed(study: Study) -> list[FrozenTrial]:
    """The others, as they came."""
    return [trial for trial in study.get_trials() if trial.state != TrialState.COMPLETE]


def _check_kind(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        raise DataError(f"{path} is not a study ({error}); name another --study") from None
    if tables and not {"studies", "trials"} <= tables:
        raise DataError(f"{path} is another program's database, not a study; name another --study")


def _claim(path: Path, study: Study, terms: Mapping[str, str]) -> None:
    """Make it the study of these terms."""
    known: Mapping[str, str] = study.user_attrs.get(_TERMS, {})
    for name, said in terms.items():
        if known and known.get(name) != said:
            raise DataError(
                f"{path} holds trials with another {name} ({known.get(name)}, not {said}), which can't be compared: "
                "name another --study"
            )
    if not known:
        study.set_user_attr(_TERMS, dict(terms))
