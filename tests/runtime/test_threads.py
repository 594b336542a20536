"""How many cores a process may use, by the files of either cgroup version."""

import os

import pytest

from pocketrec.threads import available_cores, cgroup_cores


def second(root, text):
    (root / "cpu.max").write_text(text)


def first(root, quota, period):
    (root / "cpu").mkdir()
    (root / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (root / "cpu" / "cpu.cfs_period_us").write_text(period)


@pytest.mark.parametrize(
    ("text", "cores"), [("max 100000\n", None), ("200000 100000\n", 2), ("50000 100000\n", 0.5), ("150000 50000", 3)]
)
def test_the_quota_of_version_two_is_read(tmp_path, text, cores):
    second(tmp_path, text)
    assert cgroup_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1\n", None), ("300000\n", 3)])
def test_the_quota_of_version_one_is_read(tmp_path, quota, cores):
    first(tmp_path, quota, "100000\n")
    assert cgroup_cores(tmp_path) == cores


@pytest.mark.parametrize("text", ["", "many 100000", "100000 0"])
def test_what_is_no_quota_counts_as_none(tmp_path, text):
    assert cgroup_cores(tmp_path) is None
    second(tmp_path, text)
    assert cgroup_cores(tmp_path) is None


def test_there_is_always_a_core_and_never_more_than_the_machine_has():
    assert 1 <= available_cores() <= os.cpu_count()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_affinity_is_respected():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
