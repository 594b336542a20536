"""What a person can choose about preparing a data set."""

from typing import Annotated, Literal

import msgspec

from pocketrec.config import Config

OnError = Literal["fail", "skip"]


class PrepareConfig(Config, frozen=True, kw_only=True):
    """How a source becomes a data set; the defaults change nothing that is sound."""

    columns: dict[str, str] = msgspec.field(default_factory=dict)
    """Source column by `TABLE.COLUMN` of the data set, such as `interactions.user_id`; others are guessed."""
    missing: dict[str, str] = msgspec.field(default_factory=dict)
    """Policy by `TABLE.COLUMN`: drop, keep, constant:VALUE, median, mode or interpolate."""
    on_error: OnError = "fail"
    """Whether the first broken row ends the work, or broken rows are counted and left out."""
    duplicates: Literal["drop", "keep"] = "drop"
    """`keep` if equal rows are repeated events, as in a log of songs without times."""
    min_weight: float | None = None
    """Interactions of a smaller weight, such as poor ratings, leave; those that stay all count alike."""
    min_user_count: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Users with fewer interactions leave; repeated with `min_item_count` until both hold (k-core)."""
    min_item_count: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Items with fewer interactions leave the catalogue; 1 keeps also those without any."""
    users_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    """Of the users who are left so many are kept, always the same ones; items stay, and minimum counts are of all."""
    encoding: str = "utf-8"
    """Character encoding of CSV and TSV files."""
    time_format: str = ""
    """Of times that are neither numbers nor ISO 8601, as in strptime: `%d/%m/%Y %H:%M`."""
    name: str = ""
    """Name of the data set; that of the source by default."""
    licence: str = ""
    """Licence of the data; what the source's layout implies by default."""
