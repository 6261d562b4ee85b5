"""The owner's page shows tasks as they were written."""

from bots.home_page import home_page
from channels.slack.formatting import home_view
from core.house import House


async def test_a_task_on_the_page_keeps_its_letters(house: House) -> None:
    await house.approvals.prepare()
    await house.spaces.create("timers")
    tasks = await house.spaces.create("tasks")
    await tasks.put("mail *all* of [this](a.b), then rm /var/*/log/*.gz", comment="added", metadata={"status": "open"})
    (section,) = [lines for heading, lines in (await home_page(house)()).sections if heading == "Tasks"]
    assert section == (r"mail \*all\* of \[this\](a.b), then rm /var/*/log/*.gz (open)",)
    shown = str(home_view(await home_page(house)()))
    assert "mail `*all*` of [this](a.b), then rm `/var/*/log/*.gz` (open)" in shown
