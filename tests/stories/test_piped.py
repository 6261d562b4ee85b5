"""You pipe a line into Stoa: it ends when all that the line set going is done and told, and not before."""

from pathlib import Path

from tests.stories.people import someone_at


async def test_background_work_that_was_promised_is_told_before_it_ends(tmp_path: Path) -> None:
    async with someone_at(tmp_path) as person:
        person.type("keep an eye on my tasks for 3 seconds and tell me what changed")
        said = await person.leave()
    assert len(said) >= 2, said
    assert any("3 seconds" in line for line in said)
    assert any("changed" in line.lower() for line in said[1:]), said


async def test_what_goes_round_by_the_bus_is_told_before_it_ends(tmp_path: Path) -> None:
    async with someone_at(tmp_path) as person:
        person.type("remind me tomorrow at 9am to stretch")
        person.type("remind me tomorrow at 10am to call Ann")
        said = await person.leave()
    assert any("stretch" in line for line in said), said
    assert any("call Ann" in line for line in said), said
