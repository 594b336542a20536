"""The folders that GroupLens publishes: MovieLens 100K, 1M, and the latest ones in CSV."""

from pathlib import Path

import polars as pl

from pocketrec_training.prepare.delimited import Delimited
from pocketrec_training.prepare.raw_table import LINE
from pocketrec_training.prepare.source import Source, TableFile

LICENCE = "GroupLens MovieLens terms of use: research; redistribution and commercial use need permission"
GENRES = [
    *("Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
]
_RATINGS = ("user_id", "item_id", "rating", "timestamp")
_MOVIES_100K = (
    "movie_id",
    "movie_title",
    "release_date",
    "video_release_date",
    "IMDb_URL",
    "unknown",
    *GENRES,
)
_NO_GENRES = "(no genres listed)"


def movielens_source(folder: Path, location: str) -> Source | None:
    """The source in a MovieLens folder, or nothing if it isn't one."""
    files = {path.name for path in folder.iterdir()}
    if {"u.data", "u.item"} <= files:
        latin = Delimited("|", quoted=False, encoding="latin-1")
        tables = {
            "items": TableFile(folder / "u.item", _headed(latin, _MOVIES_100K), genres_from_flags),
            "interactions": TableFile(folder / "u.data", Delimited("\t", _RATINGS, quoted=False)),
        }
        if "u.user" in files:
            header = ("user_id", "age", "gender", "occupation", "zip_code")
            tables["users"] = TableFile(folder / "u.user", _headed(latin, header))
        return Source(folder.name, location, "MovieLens 100K", tables, LICENCE, columns_known=True)
    if {"ratings.dat", "movies.dat"} <= files:
        latin = Delimited("::", quoted=False, encoding="latin-1")
        tables = {
            "items": TableFile(folder / "movies.dat", _headed(latin, ("movie_id", "title", "genres")), with_year),
            "interactions": TableFile(folder / "ratings.dat", _headed(latin, _RATINGS)),
        }
        if "users.dat" in files:
            header = ("user_id", "gender", "age", "occupation", "zip_code")
            tables["users"] = TableFile(folder / "users.dat", _headed(latin, header))
        return Source(folder.name, location, "MovieLens 1M", tables, LICENCE, columns_known=True)
    if {"ratings.csv", "movies.csv"} <= files:
        tables = {
            "items": TableFile(folder / "movies.csv", shape=with_year),
            "interactions": TableFile(folder / "ratings.csv"),
        }
        return Source(folder.name, location, "MovieLens latest", tables, LICENCE, columns_known=True)
    return None


def genres_from_flags(movies: pl.LazyFrame) -> pl.LazyFrame:
    """One column of genres instead of a column of 0 and 1 for each; the year of release as an attribute."""
    flags = [pl.when(pl.col(genre).cast(pl.String) == "1").then(pl.lit(genre)) for genre in GENRES]
    return movies.select(
        LINE,
        "movie_id",
        "movie_title",
        pl.concat_list(flags).list.drop_nulls().alias("genres"),
        pl.col("release_date").str.extract(r"(\d{4})$").cast(pl.Int64).alias("year"),
    )


def with_year(movies: pl.LazyFrame) -> pl.LazyFrame:
    """The year of release, which ends the title, as an attribute too; "no genres" is no genre."""
    return movies.with_columns(
        pl.col("genres").replace(_NO_GENRES, None),
        pl.col("title").str.extract(r"\((\d{4})\)\s*$").cast(pl.Int64).alias("year"),
    )


def _headed(layout: Delimited, header: tuple[str, ...]) -> Delimited:
    return Delimited(layout.separator, header, layout.quoted, layout.encoding)
