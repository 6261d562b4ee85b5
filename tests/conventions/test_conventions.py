"""What each convention teaches works: its recipes run, in the real sandbox, and people read sensible words."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from conventions.loading import OURS, instructions, load, names, text
from core.errors import NotFound
from core.models.recipes import Recipe
from core.models.templates import acts, recognise, slots
from tests.conventions.conftest import Person

OWN = ["chat", "coordinator-bus", "direct-message", "scratchpad", "task-list", "timers"]
OFFLINE = OURS.offline()
RECIPES = [recipe for name in OWN for recipe in OFFLINE[load(name).name].recipes]
REQUESTS = [recipe for recipe in RECIPES if recipe.speaker == "owner"]


def test_the_conventions_are_found_by_name() -> None:
    assert set(OWN) <= set(names())
    assert load("task-list").name == "Task list"
    with pytest.raises(NotFound, match="there are briefing, channel, chat"):
        text("nothing")


@pytest.mark.parametrize("name", ["guest", "room"])
def test_in_a_conversation_with_others_every_recipe_is_for_everybody_and_does_nothing_but_answer(name: str) -> None:
    recipes = OFFLINE[load(name).name].recipes
    assert {recipe.speaker for recipe in recipes} == {"owner", "guest"}
    assert not any(acts(recipe.code) or "spaces" in recipe.code for recipe in recipes)


@pytest.mark.parametrize("name", ["assistant", "scheduler", "agent", "host"])
def test_each_of_our_agents_has_instructions(name: str) -> None:
    assert len(instructions(name)) > 500


@pytest.mark.parametrize("recipe", REQUESTS, ids=lambda recipe: recipe.title)
def test_every_ask_is_best_explained_by_its_own_recipe(recipe: Recipe) -> None:
    for ask in recipe.asks:
        found = [
            (match.explained, other.title, match.values)
            for other in REQUESTS
            for theirs in other.asks
            if (match := recognise(theirs, other.code, ask, "owner"))
        ]
        _, title, values = max(found, key=lambda one: one[0])
        assert (title, ask) == (recipe.title, ask)
        assert values == {name: value for name, value in slots(recipe.code).items() if str(value) in ask}


@pytest.mark.parametrize(
    "recipe", [one for one in REQUESTS if "request(" not in one.code], ids=lambda recipe: recipe.title
)
async def test_every_request_is_answered_in_an_empty_house(recipe: Recipe, person: Person) -> None:
    answer = await person.says(recipe.asks[0])
    assert answer
    assert "I could not" not in answer
    assert "I did not understand" not in answer


async def test_tasks_are_added_listed_done_and_reopened(person: Person) -> None:
    assert await person.says("what are my tasks?") == "You have no open tasks."
    assert await person.says("what is free to work on?") == "You have no open tasks."
    assert await person.says("mark buy milk as done") == "I found no open task like “buy milk”."
    assert await person.says("add buy milk to my tasks") == "Added to your tasks: buy milk."
    assert await person.says("I need to call Ana") == "Added to your tasks: call Ana."
    assert await person.says("call Ana is urgent") == "High priority now: call Ana."
    assert await person.says("list my tasks") == "You have 2 open tasks:\n- buy milk\n- call Ana (high priority)"
    assert await person.says("I'm done with the milk") == "Done: buy milk."
    assert await person.says("what did I finish?") == "Done, the last one first:\n- buy milk"
    assert await person.says("reopen buy milk") == "Open again: buy milk."
    assert await person.says("remove buy milk from my tasks") == "Taken off your tasks: buy milk."
    assert await person.says("what do I have to do?") == "You have 1 open task:\n- call Ana (high priority)"
    (task,) = await person.finds("tasks", status="pending")
    assert task.content == "call Ana"


async def test_a_task_is_free_once_what_it_waits_for_is_done(person: Person) -> None:
    await person.says("add fix the roof to my tasks")
    assert (
        await person.says("fix the roof has to wait for get a ladder") == "“fix the roof” now waits for “get a ladder”."
    )
    assert await person.says("what can I work on?") == "Free to work on:\n- get a ladder"
    assert "- fix the roof (waits for another task)" in await person.says("show my tasks")
    await person.says("mark get a ladder as done")
    assert await person.says("what is free to work on?") == "Free to work on:\n- fix the roof"


async def test_tasks_are_sent_as_a_file(person: Person) -> None:
    await person.says('add call "Ana" to my tasks')
    assert await person.says("send me my tasks as a file") == "Here is a file with your 1 open task."
    answer, *_ = await person.finds("chat", role="assistant")
    (file,) = answer.attachments
    assert file.name == "tasks.csv"
    data = await person.house.attachments.files.get(file.sha256)
    assert data.decode() == '"task","status","priority"\n"call ""Ana""","pending",""\n'


async def test_notes_are_kept_found_and_thrown_away(person: Person) -> None:
    assert await person.says("show my notes") == "You have no notes yet."
    assert await person.says("note that the door code is 4711.") == "Noted: the door code is 4711"
    await person.says("note that Tom is allergic to nuts")
    assert "the door code is 4711" in (await person.says("what did I note about the door?")).splitlines()[1]
    assert await person.says("show my notes") == (
        "Your notes, the newest first:\n- Tom is allergic to nuts\n- the door code is 4711"
    )
    assert await person.says("delete the note about the door code") == "Thrown away: the door code is 4711"
    assert await person.says("my notes") == "Your notes, the newest first:\n- Tom is allergic to nuts"


async def test_a_reminder_goes_over_the_bus_and_comes_back_when_it_is_due(person: Person) -> None:
    answer = await person.says("remind me in 2 minutes to review the Q3 report")
    assert answer == "I'll remind you today at 14:32: review the Q3 report."
    assert await person.says("show my reminders") == "Your reminders:\n- today at 14:32: review the Q3 report"
    person.clock.move(minutes=2)
    assert await person.hears() == "Reminder: it is time to review the Q3 report."
    asked = await person.finds("chat", role="user")
    bus = {atom.metadata["kind"]: atom for atom in await person.finds("bus")}
    assert list(reversed(bus)) == ["reminder wanted", "reminder set", "reminder due"]
    assert bus["reminder due"].references["about"] == [asked[-1].ref]
    assert bus["reminder set"].references["answers"] == [bus["reminder wanted"].ref]
    assert await person.says("do I have any reminders?") == "You have no reminders waiting."


@pytest.mark.parametrize(
    "words, answer",
    [
        ("remind me tomorrow at 8 to", "Of what? For example: remind me tomorrow at 8 to call the bank."),
        ("remind me tomorrow of", "Of what? For example: remind me tomorrow to call the bank."),
        ("add to my tasks", "What should I add? For example: add buy milk to my tasks."),
        ("new task", "What should I add? For example: add buy milk to my tasks."),
        ("note that", "What should I note? For example: note that the door code is 4711."),
    ],
)
async def test_whoever_leaves_out_what_is_meant_is_asked_for_it(words: str, answer: str, person: Person) -> None:
    assert await person.says(words) == answer


async def test_what_is_not_understood_is_answered_with_requests_that_can_be_carried_out(person: Person) -> None:
    answer = await person.says("asdf qwer zxcv")
    assert "or try:" in answer
    for example in [line for line in answer.splitlines() if line.startswith("- ")]:
        assert "For example:" not in await person.says(example.removeprefix("- "))
        assert "When should I" not in await person.says(example.removeprefix("- "))


async def test_what_is_due_is_told_with_its_time(person: Person) -> None:
    await person.says("remind me in 2 hours to water the plants")
    assert await person.says("what is due?") == "Your reminders:\n- today at 16:30: water the plants"
    assert await person.says("what is due this week?") == "Due this week:\n- today at 16:30: water the plants"


async def test_what_is_due_on_a_day_is_told_of_that_day_alone(person: Person) -> None:
    await person.says("remind me in 2 hours to water the plants")
    await person.says("remind me tomorrow at 18:00 to call Ana")
    assert await person.says("what is due tomorrow?") == "Due tomorrow:\n- tomorrow at 18:00: call Ana"
    assert await person.says("do I have any reminders for tomorrow?") == "Due tomorrow:\n- tomorrow at 18:00: call Ana"
    assert await person.says("What's due on Friday?") == "No reminder is due on Friday."
    assert await person.says("what is due today?") == "Due today:\n- today at 16:30: water the plants"
    assert await person.says("my reminders for today") == "Due today:\n- today at 16:30: water the plants"


async def test_a_reminder_about_something_reads_well(person: Person) -> None:
    assert await person.says("remind me tomorrow at 9 about the dentist") == (
        "I'll remind you tomorrow at 09:00 about the dentist."
    )
    person.clock.move(hours=18, minutes=30)
    assert await person.hears() == "Reminder about the dentist."


async def test_a_time_in_another_zone_is_answered_in_both(person: Person) -> None:
    assert await person.says("remind me tomorrow at 9am New York time to join the call") == (
        "I'll remind you tomorrow at 15:00 (09:00 UTC-5): join the call."
    )


async def test_who_wants_to_be_woken_is_woken_in_the_morning(person: Person) -> None:
    assert "tomorrow at 06:00" in await person.says("wake me at 6")


async def test_a_reminder_can_be_asked_for_with_a_german_time(person: Person) -> None:
    assert await person.says("remind me übermorgen um halb acht to call Ana") == (
        "I'll remind you on Tuesday at 07:30: call Ana."
    )


async def test_what_repeats_is_set_told_each_time_moved_and_taken_back(person: Person) -> None:
    assert await person.says("remind me mondays at 9 to write the report") == (
        "I'll remind you every Monday at 09:00: write the report. The first time is tomorrow at 09:00."
    )
    assert await person.says("show my reminders") == (
        "Your reminders:\n- tomorrow at 09:00: write the report (every Monday at 09:00)"
    )
    for _ in range(2):
        person.clock.move(days=7)
        assert (await person.hears()).startswith("Reminder: it is time to write the report.")
    assert await person.says("move the report reminder to every Friday at 10") == (
        "I'll remind you every Friday at 10:00: write the report. The first time is on Friday at 10:00."
    )
    assert "every Monday at 09:00" in await person.says("undo")
    assert await person.says("cancel the reminder to write the report") == (
        "Cancelled, I will not remind you: write the report."
    )


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ("remind me every 0 seconds to blink", "never stop"),
        ("remind me every year on 31 February to laugh", "no such day"),
        ("remind me yesterday to buy milk", "past"),
        ("remind me every Monday at 8 and Friday at 9 to stretch", "can't tell when it repeats"),
        ("erinnere mich alle 10 Sekunden an das Wasser", "once a minute|Wann soll ich"),
    ],
)
async def test_what_cannot_be_is_answered_with_a_sentence_and_sets_nothing(
    person: Person, request_: str, said: str
) -> None:
    assert re.search(said, await person.says(request_))
    assert await person.finds("timers") == []


async def test_a_reminder_that_came_can_be_put_off_asked_about_and_done(person: Person) -> None:
    await person.says("remind me in 2 minutes to review the Q3 report")
    person.clock.move(minutes=2)
    await person.hears()
    assert "remind me in 2 minutes to review the Q3 report" in await person.says("what was in it?")
    assert await person.says("push it to Friday") == "I'll remind you on Friday at 09:00: review the Q3 report."
    person.clock.move(days=5)
    await person.hears()
    assert await person.says("snooze for 10 minutes") == "I'll remind you today at 14:42: review the Q3 report."
    person.clock.move(minutes=10)
    assert (await person.hears()).startswith("Reminder: it is time to review the Q3 report.")
    assert await person.says("done") == "Done: review the Q3 report."


async def test_about_this_means_the_message_it_answers_or_the_one_before(person: Person) -> None:
    await person.says("note that the landlord wants the meter reading")
    assert "the meter reading" in await person.says("remind me about this in an hour")
    (timer,) = await person.finds("timers")
    said = await person.house.spaces.open("chat").get(timer.references["about"][0].removeprefix("chat/"))
    assert said.content == "note that the landlord wants the meter reading"
    person.clock.move(hours=1)
    assert "meter reading" in await person.hears()


async def test_a_late_reminder_says_so(person: Person) -> None:
    await person.says("hello")
    late = person.clock.now() - timedelta(hours=2)
    await person.house.spaces.open("timers").put(
        "feed the cat",
        metadata={"kind": "timer", "status": "pending", "due": late.astimezone(UTC), "zone": "Europe/Paris"},
    )
    assert await person.hears() == (
        "Reminder: it is time to feed the cat. It was due today at 12:30, I was not running then."
    )


async def test_a_reminder_can_be_cancelled_and_what_is_not_there_cannot(person: Person) -> None:
    await person.says("remind me in 2 hours to water the plants")
    assert await person.says("cancel the reminder about the dentist") == (
        "There is no reminder waiting like “the dentist”."
    )
    assert (
        await person.says("don't remind me to water the plants")
        == "Cancelled, I will not remind you: water the plants."
    )
    assert await person.says("what reminders do I have?") == "You have no reminders waiting."
    assert await person.says("cancel all my reminders") == "There are no reminders waiting."


async def test_a_reminder_comes_again_when_it_is_snoozed(person: Person) -> None:
    await person.says("remind me in 1 minute to stretch")
    person.clock.move(minutes=1)
    await person.hears()
    assert await person.says("remind me again in 10 minutes") == "I'll remind you today at 14:41: stretch."


async def test_a_time_that_has_passed_is_refused_in_words(person: Person) -> None:
    assert "is in the past" in await person.says("remind me on 5 March 2020 to pay the rent")


async def test_a_time_too_far_away_is_refused_and_made_no_part_of_what_is_to_be_done(person: Person) -> None:
    assert "'in 999999999 years' cannot be: it is too far away" in await person.says(
        "remind me in 999999999 years to live"
    )


async def test_what_somebody_wanted_is_found_in_their_own_words(person: Person) -> None:
    assert await person.says("what did I want to review?") == "I found nothing about that in your spaces."
    await person.says("remind me in 2 minutes to review the Q3 report")
    await person.says("add buy milk to my tasks")
    person.clock.move(minutes=2)
    await person.hears()
    answer = await person.says("what did I want to review?")
    assert answer == "You wrote today at 14:30: remind me in 2 minutes to review the Q3 report"
    assert "buy milk" in await person.says("what did I want to buy?")


async def test_what_is_known_is_found_where_it_is_kept(person: Person) -> None:
    await person.says("note that the door code is 4711")
    answer = await person.says("what do you know about the door code?")
    assert "the door code is 4711" in answer
    assert "Q3" not in answer
    assert await person.says("what do you know about Lisbon?") == "I found nothing about that in your spaces."


async def test_an_agent_looks_into_something_in_the_background_and_its_report_is_passed_on(person: Person) -> None:
    await person.says("note that the Q3 report is in the blue folder")
    answer = await person.says("look into the Q3 report in the background")
    assert answer.startswith("agent-")
    assert await person.hears() == "About the Q3 report I found:\n- in notes: the Q3 report is in the blue folder"


async def test_tasks_are_watched_in_the_background_while_the_talk_goes_on(person: Person) -> None:
    await person.says("add buy milk to my tasks")
    await person.says("watch my tasks for 30 seconds and tell me what changed")
    await person.watched()
    assert await person.says("mark buy milk as done") == "Done: buy milk."
    await person.says("add call Ana to my tasks")
    person.clock.move(seconds=30)
    assert await person.hears() == "In 30 seconds your tasks changed:\n- new: call Ana\n- done: buy milk"


async def test_the_time_is_told(person: Person) -> None:
    now = datetime(2026, 11, 22, 14, 30)
    assert await person.says("what time is it?") == f"It is {now:%H:%M} on {now:%A %d %B %Y}."


async def test_all_reminders_can_be_cancelled_at_once(person: Person) -> None:
    await person.says("remind me tomorrow at 9 to call Ana")
    await person.says("remind me on Friday at 10 to pay the rent")
    asked = await person.says("cancel all my reminders")
    assert asked == "That deletes 2 reminders: pay the rent, call Ana. Say yes to do it, or no."
    answer = await person.says("yes")
    assert "call Ana" in answer
    assert "pay the rent" in answer
    assert await person.finds("timers", status="pending") == []


async def test_what_is_named_and_not_there_changes_nothing_else(person: Person) -> None:
    await person.says("add buy eggs to my tasks")
    await person.says("remind me tomorrow at 9 to call mum")
    await person.says("note that the door code is 4711")
    assert "no open task" in await person.says("mark buy butter as done")
    assert "no reminder waiting" in await person.says("cancel the reminder to call the bank")
    assert "no note" in await person.says("cancel the note about the gate code")
    assert await person.says("what is on my list?") == "You have 1 open task:\n- buy eggs"
    assert len(await person.finds("timers", status="pending")) == 1
    assert len(await person.finds("notes")) == 1


async def test_a_report_on_something_unknown_says_that_nothing_was_found(person: Person) -> None:
    await person.says("add buy eggs to my tasks")
    await person.says("look into the submarine in the background")
    assert "nothing about the submarine" in await person.hears()
    assert "no reminder waiting" in await person.says("cancel the reminder about the submarine")
