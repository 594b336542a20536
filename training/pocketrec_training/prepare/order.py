"""Order of events in time, and how much of it is known."""

import polars as pl

from pocketrec_training.dataset import Ties
from pocketrec_training.prepare.raw_table import LINE


def in_order(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Sort by user, then time, then place in the file; without times the place alone decides.

    Returns:
        The sorted rows, and for each whether the file had a later event of the user before it.
    """
    rows = rows.sort("user_id", "timestamp", LINE, nulls_last=False)
    same_user = pl.col("user_id") == pl.col("user_id").shift(1)
    moved = rows.select((same_user & (pl.col(LINE) < pl.col(LINE).shift(1))).fill_null(False)).to_series()
    return rows, moved


def ties(rows: pl.DataFrame) -> Ties:
    """Count users whose last event shares its time with the one before.

    Args:
        rows: Sorted by user and time.

    Example:
        >>> log = pl.DataFrame({"user_id": ["a", "a", "b", "b"], "timestamp": [1, 1, 1, 2]})
        >>> ties(log).tied_last_two
        1
    """
    same_user = pl.col("user_id") == pl.col("user_id").shift(1)
    last = (pl.col("user_id") != pl.col("user_id").shift(-1)).fill_null(True)
    tied = pl.col("timestamp") == pl.col("timestamp").shift(1)
    users, tied_users = rows.select(users=(last & same_user).sum(), tied=(last & same_user & tied).sum()).row(0)
    return Ties(timestamps=rows["timestamp"].null_count() < len(rows), users=users, tied_last_two=tied_users)
