"""Times and people in words, as training says them."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from pocketrec.text import time_words, user_words


@given(st.datetimes(datetime(1971, 1, 2), datetime(2100, 1, 1)))
def test_words_agree_with_the_calendar(moment):
    month, weekday, part = time_words(moment).split(", ")
    assert (month, weekday) == (moment.strftime("%B").lower(), moment.strftime("%A").lower())  # the C locale is English
    starts = {"night": 0, "morning": 6, "afternoon": 12, "evening": 18}
    assert starts[part] <= moment.hour < starts[part] + 6


def test_there_are_as_many_texts_as_months_weekdays_and_parts_of_the_day():
    hours = (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(24 * 366))
    assert len({time_words(hour) for hour in hours}) == 12 * 7 * 4


def test_a_moment_with_a_zone_is_said_in_the_time_of_data_sets():
    late = datetime(2026, 12, 31, 23, 0, tzinfo=timezone(timedelta(hours=-5)))
    assert time_words(late) == time_words(datetime(2027, 1, 1, 4, 0)) == "january, friday, night"


def test_a_person_is_said_by_text_and_attributes_in_their_order():
    assert user_words("likes\n tea", {"zip_code": "85711", "age": 24}) == "likes tea, zip code 85711, age 24"
    assert user_words() == ""
