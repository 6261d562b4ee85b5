"""What people say, with the moments that it means, alone and in sentences: `phrases.txt`."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from core.errors import InvalidInput
from core.times.parsing import FoundTime, find_time, read_time

NOW = datetime(2026, 11, 30, 10, 0, tzinfo=ZoneInfo("Europe/Berlin"))
"""A Monday."""
SENTENCES = {
    "en": ("remind me {} to call Bob", "remind me to call Bob {}", "{} remind me to call Bob"),
    "de": ("erinnere mich {} an Bob", "erinnere mich an Bob {}", "{} erinnere mich an Bob"),
}


def phrases(language: str) -> Iterator[tuple[str, str]]:
    for line in (Path(__file__).parent / "phrases.txt").read_text("utf-8").splitlines():
        if line.startswith(language):
            expected, _, said = line.removeprefix(f"{language} ").partition(": ")
            yield from ((phrase, expected) for phrase in said.split(" | "))


def understood(read: Callable[[str, datetime], FoundTime | None], text: str) -> str:
    try:
        found = read(text, NOW)
    except InvalidInput:
        return "asks"
    return f"{found.moment:%Y-%m-%d %H:%M}" if found else "asks"


def verdict(expected: str, answer: str) -> str:
    return "right" if answer == expected else "refused" if answer == "asks" else "wrong"


@pytest.mark.parametrize("language", SENTENCES)
def test_what_people_say_is_understood_or_asked_about(language: str) -> None:
    verdicts = {phrase: verdict(expected, understood(read_time, phrase)) for phrase, expected in phrases(language)}
    counts = Counter(verdicts.values())

    assert len(verdicts) > 140
    assert counts["wrong"] == 0, [phrase for phrase in verdicts if verdicts[phrase] == "wrong"]
    assert counts["right"] >= 0.98 * len(verdicts), [phrase for phrase in verdicts if verdicts[phrase] != "right"]


@pytest.mark.parametrize("language, sentence", [(language, s) for language in SENTENCES for s in SENTENCES[language]])
def test_what_people_say_is_understood_in_a_sentence(language: str, sentence: str) -> None:
    verdicts = {
        phrase: verdict(expected, understood(find_time, sentence.format(phrase)))
        for phrase, expected in phrases(language)
    }
    counts = Counter(verdicts.values())

    assert counts["wrong"] == 0, [phrase for phrase in verdicts if verdicts[phrase] == "wrong"]
    assert counts["right"] >= 0.98 * len(verdicts), [phrase for phrase in verdicts if verdicts[phrase] != "right"]


@pytest.mark.parametrize("language, sentence", [(language, s) for language in SENTENCES for s in SENTENCES[language]])
def test_nothing_of_a_time_is_left_in_what_is_to_be_done(language: str, sentence: str) -> None:
    before, after = sentence.split("{}")
    for phrase, expected in phrases(language):
        text = sentence.format(phrase)
        if expected != "asks" and (found := _found(text)):
            assert (text[: found.start] + text[found.end :]).split() == (before + after).split(), text


def _found(text: str) -> FoundTime | None:
    try:
        return find_time(text, NOW)
    except InvalidInput:
        return None


@pytest.mark.parametrize(
    "sentence",
    [
        "remind me at 5pm Gotham time to call Bob",
        "remind me at 9am London meeting",
        "remind me tomorrow to call Bob at 5",
        "remind me 15 minutes before my meeting",
        "remind me 3pm-4pm to rest",
        "remind me at 9am ET (3pm CET) tomorrow to join",
        "call at 9am ET / 3pm CET tomorrow",
        "remind me at 5pm server time to restart it",
        "remind me Friday/Saturday at 9 to work",
        "remind me at 9 tomorrow's standup",
        "remind me tomorrow and friday to call Bob",
        "remind me to call mum tomorrow at 5 and to buy milk on saturday",
        "remind me tomorrow from 3 to 4 to rest",
        "erinnere mich morgen oder übermorgen an Bob",
    ],
)
def test_words_of_time_beside_a_time_are_asked_about(sentence: str) -> None:
    with pytest.raises(InvalidInput):
        find_time(sentence, NOW)


@pytest.mark.parametrize(
    "sentence, moment",
    [
        ("remind me to fly to London tomorrow at 9", "2026-12-01 09:00"),
        ("remind me at 5 to buy 2 tickets for Friday", "2026-11-30 17:00"),
        ("remind me to read the 9 o'clock news at 8", "2026-11-30 20:00"),
        ("remind me to pay 5€ at 5pm", "2026-11-30 17:00"),
        ("flight BA123 at 9:30am on Friday", "2026-12-04 09:30"),
        ("remind me at 5 to march home", "2026-11-30 17:00"),
        ("so um 9 erinnere mich an Bob", "2026-11-30 21:00"),
        ("erinnere mich um 9 am Montag an Bob", "2026-12-07 09:00"),
        ("weck mich um 6", "2026-12-01 06:00"),
        ("erinnere mich in fünf Minuten an das Treffen um 6", "2026-11-30 10:05"),
    ],
)
def test_words_of_time_elsewhere_do_not_disturb(sentence: str, moment: str) -> None:
    assert understood(find_time, sentence) == moment
