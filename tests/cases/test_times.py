"""A time in a sentence is read whole, or asked about."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from core.errors import InvalidInput
from core.times.parsing import find_time

NOW = datetime(2026, 11, 30, 10, 0, tzinfo=ZoneInfo("Europe/London"))
"""A Monday."""
READ = """
a zone        | remind me at 5pm UTC to join                        | 2026-11-30 17:00
a zone        | remind me at 5pm New York time to join              | 2026-11-30 22:00
a zone        | remind me on Thursday at 8:00 PST to call Ann       | 2026-12-03 16:00
a zone        | remind me at 9am Tokyo time tomorrow to call Kenji  | 2026-12-01 00:00
a zone        | remind me to join at 17:00 CET tomorrow             | 2026-12-01 16:00
a zone        | erinnere mich um 9 Uhr New Yorker Zeit an den Anruf | 2026-11-30 14:00
a weekday     | remind me to call Ann Thu at 8am                    | 2026-12-03 08:00
a weekday     | remind me to pay Bob Fri at noon                    | 2026-12-04 12:00
a weekday     | remind me Wed 9am to water the plants               | 2026-12-02 09:00
a weekday     | Thu at 8am                                          | 2026-12-03 08:00
a weekday     | erinnere mich Do um 8 an Anna                       | 2026-12-03 08:00
a weekday     | erinnere mich an den Müll Fr abend                  | 2026-12-04 19:00
am in words   | remind me at three am to check the oven             | 2026-12-01 03:00
am in words   | remind me at 3 oclock am to check the oven          | 2026-12-01 03:00
am in words   | remind me at 10 minutes to noon to leave            | 2026-11-30 11:50
am in words   | remind me to leave at a quarter to noon             | 2026-11-30 11:45
a date        | remind me on 12/21/2026 at 8pm to light the fire    | 2026-12-21 20:00
a date        | remind me October 14 around 8:00am to go            | 2027-10-14 08:00
a date        | remind me tonight around 7 to feed the cat          | 2026-11-30 19:00
"""
ASKED = """
remind me to pay Bob on 3/4 at 9am
remind me mondays at 9 to report
remind me on weekdays at 9 to report
erinnere mich montags um 9 an den Bericht
"""


@pytest.mark.parametrize("row", READ.strip().splitlines())
def test_what_belongs_to_a_time_is_read_with_it(row: str) -> None:
    _, sentence, moment = map(str.strip, row.split("|"))

    found = find_time(sentence, NOW)

    assert found
    assert f"{found.moment:%Y-%m-%d %H:%M}" == moment


@pytest.mark.parametrize("sentence", ASKED.strip().splitlines())
def test_what_could_be_two_times_or_many_is_asked_about(sentence: str) -> None:
    with pytest.raises(InvalidInput):
        find_time(sentence, NOW)
