"""An agent puts something off: its program waits, over a power cut, and goes on with its variables."""

from pathlib import Path

from tests.core.fake_openai import Answer, fake_openai
from tests.stories.people import someone_at, stoa

PROGRAM = """Gladly.
```python
from datetime import datetime, timedelta, timezone
dish = "lasagne"
moment = datetime.now(timezone.utc) + timedelta(seconds=5)
wait_until(moment.isoformat())
print("It is time to cook", dish)
```"""


async def test_what_was_put_off_is_done_after_a_power_cut_by_the_same_program(tmp_path: Path) -> None:
    answers = [Answer((PROGRAM,)), Answer(("I will tell you.",)), Answer(("Cook the lasagne now!",))]
    async with fake_openai(*answers) as model:
        settings = {"STOA_MODEL": "openai/stand-in", "STOA_MODEL_URL": model.url}
        async with someone_at(tmp_path, **settings) as person:
            person.type("Tell me in a moment to cook")
            await person.until("I will tell you.")
            await person.pull_the_plug()
        assert "waits" in await stoa(tmp_path, "agent", "show", "assistant")
        async with someone_at(tmp_path, **settings) as person:
            await person.until("Cook the lasagne now!")
            await person.leave()
    assert "It is time to cook lasagne" in model.requests[-1]["messages"][-1]["content"]
    assert len(model.requests) == 3
