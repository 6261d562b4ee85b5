"""Workers die all the time: every task is done once, in order, and everybody who asked has one answer."""

from benchmarks.chaos import Plan, run


async def test_tasks_and_answers_survive_workers_that_are_killed_at_random() -> None:
    outcome = await run(Plan(agents=20, tasks=40, messages=20, workers=2, every=2.0, patience=90))
    assert outcome.kills > 0
    assert outcome.kept, outcome
