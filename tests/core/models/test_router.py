"""Several models stand in for one another, a local one is reached by its address, and what was said can be replayed."""

import stat
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from core.errors import InvalidInput, ModelUnavailable
from core.models.litellm import Provider, _turns
from core.models.llm import LLM, Message, Usage, whole
from core.models.offline import OfflineLLM
from core.models.recording import Recorder, Replay
from core.models.router import Fallbacks, connect, model_names, named_model
from core.secrets.secrets import Secrets
from core.settings import load
from tests.core.fake_openai import Answer, fake_openai
from tests.core.mortal_worker import Flat

HELLO = [Message("system", "Be kind."), Message("user", "hello")]


class Model:
    """A model that fails while it is told to."""

    def __init__(self, name: str, error: ModelUnavailable | None = None) -> None:
        self.name = name
        self.error = error
        self.asked = 0

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str | Usage]:
        self.asked += 1
        if self.error and self.error.begun:
            yield "half"
        if self.error:
            raise self.error
        yield f"I am {self.name}."
        yield Usage(self.name, 3, 2)


class Seconds:
    """A clock of seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_the_next_model_answers_while_the_first_cannot_and_the_first_again_after_its_rest() -> None:
    first, second, seconds = Model("a", ModelUnavailable("a is away.", "unreachable")), Model("b"), Seconds()
    both = Fallbacks([first, second], 60, seconds)
    assert await whole(both, HELLO) == ("I am b.", Usage("b", 3, 2))
    first.error = None
    seconds.now = 59
    assert (await whole(both, HELLO))[0] == "I am b."
    assert first.asked == 1
    seconds.now = 61
    assert (await whole(both, HELLO))[0] == "I am a."
    assert (await whole(both, HELLO))[0] == "I am a."


async def test_a_model_rests_as_long_as_its_provider_says() -> None:
    first, seconds = Model("a", ModelUnavailable("a is busy.", "busy", 300)), Seconds()
    both = Fallbacks([first, Model("b")], 60, seconds)
    await whole(both, HELLO)
    seconds.now = 299
    await whole(both, HELLO)
    assert first.asked == 1


async def test_a_request_that_one_model_refuses_is_put_to_the_next_and_the_first_is_asked_the_next_one() -> None:
    first = Model("a", ModelUnavailable("That is too long.", "refused"))
    both = Fallbacks([first, Model("b")])
    await whole(both, HELLO)
    await whole(both, HELLO)
    assert first.asked == 2


async def test_where_none_answers_each_says_why_and_all_are_asked_again() -> None:
    both = Fallbacks(
        [Model("a", ModelUnavailable("a is away.")), Model("b", ModelUnavailable("b is busy.", "busy", 9))]
    )
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match=r"No model answers\. a is away\. b is busy\."):
            await whole(both, HELLO)


async def test_an_answer_that_breaks_off_is_not_continued_by_another_model() -> None:
    first = Model("a", ModelUnavailable("a broke off.", "silent", begun=True))
    both = Fallbacks([first, Model("b")])
    with pytest.raises(ModelUnavailable, match="broke off"):
        await whole(both, HELLO)
    assert (await whole(both, HELLO))[0] == "I am b."


async def test_models_are_named_with_commas_and_may_have_addresses_of_their_own() -> None:
    async with fake_openai(Answer(status=503)) as broken, fake_openai(Answer(("from home",))) as home:
        settings = load(model=f"openai/big, small@{home.url}", model_url=broken.url)
        assert model_names(settings) == ["openai/big", f"small@{home.url}"]
        model = connect(settings, Flat())
        assert model.name == "openai/big"
        assert [(await whole(model, HELLO))[0] for _ in range(2)] == ["from home", "from home"]
    assert [len(broken.requests), len(home.requests)] == [2, 2]
    assert home.requests[0]["model"] == "small"


async def test_the_built_in_model_may_be_the_last_resort() -> None:
    async with fake_openai(Answer(status=401)) as fake:
        model = connect(load(model="openai/x,offline", model_url=fake.url), Flat())
        assert isinstance(model, Fallbacks)
        text, usage = await whole(model, HELLO)
        assert (text, usage.model) == ("", "offline")
    assert isinstance(connect(load(model="offline"), Flat()), OfflineLLM)


def test_an_empty_place_in_the_list_of_models_is_named() -> None:
    with pytest.raises(InvalidInput, match="first,second,third"):
        connect(load(model="a,,b"), Flat())


async def test_ollama_is_asked_where_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    async with fake_openai(Answer(("local",), usage={"prompt_tokens": 5, "completion_tokens": 1})) as fake:
        monkeypatch.setenv("OLLAMA_HOST", fake.url.removeprefix("http://").removesuffix("/v1"))
        pieces = [piece async for piece in named_model("ollama/qwen3").reply(HELLO)]
    assert pieces == ["local", Usage("ollama/qwen3", 5, 1)]
    assert fake.requests[0]["model"] == "qwen3"
    assert fake.requests[0]["stream"] is True


async def test_a_provider_that_says_when_to_come_back_is_asked_then() -> None:
    async with fake_openai(Answer(status=429, retry_after="0.01"), Answer(("here",))) as fake:
        assert (await whole(Provider("openai/x", fake.url, pause=0.001), HELLO))[0] == "here"


@pytest.mark.parametrize("when", ["3600", "Wed, 21 Oct 2099 07:28:00 GMT"])
async def test_a_provider_that_says_much_later_is_not_waited_for(when: str) -> None:
    async with fake_openai(Answer(status=429, retry_after=when)) as fake:
        with pytest.raises(ModelUnavailable) as refused:
            await whole(Provider("openai/x", fake.url), HELLO)
    assert len(fake.requests) == 1
    assert refused.value.kind == "busy"
    assert refused.value.retry_after >= 3600


@pytest.mark.parametrize(
    "status, kind", [(401, "key"), (402, "unpaid"), (404, "unknown"), (400, "refused"), (500, "broken")]
)
async def test_an_error_says_of_what_kind_it_is(status: int, kind: str) -> None:
    async with fake_openai(Answer(status=status)) as fake:
        with pytest.raises(ModelUnavailable) as refused:
            await whole(Provider("openai/x", fake.url, pause=0.001), HELLO)
    assert (refused.value.kind, refused.value.begun) == (kind, False)


def test_what_is_read_again_is_marked_for_providers_that_want_to_be_told() -> None:
    past = [Message("user", "before"), Message("assistant", "yes")]
    example = [Message("user", "ask", example=True), Message("assistant", "code", example=True)]
    turns = _turns([HELLO[0], *past, *example, HELLO[1]], marked=True)
    assert [isinstance(turn["content"], list) for turn in turns] == [True, False, True, False, False, True]
    assert turns[0]["content"] == [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]


async def test_what_models_said_is_recorded_without_secrets_and_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANK_API_KEY", "swordfish-4711")
    file = tmp_path / "tapes" / "one.jsonl"
    told = [
        HELLO[0],
        Message("user", "Now: 2026-11-22T14:30:00+01:00 (Sunday, Europe/Paris)\n\nswordfish-4711, hush-hush"),
    ]
    recorder: LLM = Recorder(Model("a"), file, Secrets({"STOA_SECRET_PIN": "hush-hush"}))
    assert await whole(recorder, told) == ("I am a.", Usage("a", 3, 2))
    recorder = Recorder(Model("b", ModelUnavailable("b is away.")), file, Secrets({}))
    with pytest.raises(ModelUnavailable):
        await whole(recorder, HELLO)
    text = file.read_text()
    assert "swordfish" not in text
    assert "hush" not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    later = [HELLO[0], Message("user", "Now: 2027-01-01T09:00:00+01:00 (Friday, Europe/Paris)\n\n..., [secret PIN]")]
    replay = connect(load(model=f"replay:{file}"), Flat())
    for _ in range(2):
        assert await whole(replay, later) == ("I am a.", Usage("a", 3, 2))
    with pytest.raises(ModelUnavailable, match="b is away"):
        await whole(replay, HELLO)
    with pytest.raises(ModelUnavailable, match="recorded with other words"):
        await whole(replay, [HELLO[0], Message("user", "something else")])


async def test_the_same_question_is_answered_in_the_order_it_was(tmp_path: Path) -> None:
    file = tmp_path / "tape"
    for name in ("a", "b"):
        await whole(Recorder(Model(name), file, Secrets({})), HELLO)
    replay = Replay.read(str(file))
    assert [(await whole(replay, HELLO))[0] for _ in range(3)] == ["I am a.", "I am b.", "I am b."]


@pytest.mark.parametrize("content", [None, "no json", "{}"])
def test_a_file_that_is_no_recording_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "tape").write_text(content)
    with pytest.raises(InvalidInput, match="STOA_RECORD makes one"):
        connect(load(model=f"replay:{tmp_path / 'tape'}"), Flat())
