"""A model is reached through one contract, streams, is asked again when that helps, and fails in plain words."""

import subprocess
import sys

import pytest

from core.errors import ModelUnavailable
from core.models.litellm import Provider
from core.models.llm import Message, Usage, whole
from core.models.router import connect
from core.settings import load
from tests.core.fake_openai import Answer, FakeOpenAI, fake_openai

HELLO = [Message("system", "Be kind."), Message("user", "hello")]
KEY = "sk-verysecretkey123456"


def provider(fake: FakeOpenAI, **options: float) -> Provider:
    return Provider("openai/fake", fake.url, patience=options.get("patience", 120), pause=0.001)


async def said(model: Provider) -> list[str]:
    return [piece async for piece in model.reply(HELLO) if isinstance(piece, str)]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_importing_the_contract_does_not_import_litellm() -> None:
    code = (
        "import sys\nfrom core.models.litellm import Provider\nProvider('x')\n"
        "print('litellm' in sys.modules, 'numpy' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]


async def test_a_reply_comes_in_pieces_and_the_messages_arrive_as_they_are() -> None:
    async with fake_openai(Answer(("Good ", "morning", "."))) as fake:
        assert await said(provider(fake)) == ["Good ", "morning", "."]
    assert fake.requests[0]["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hello"},
    ]


async def test_an_empty_reply_says_nothing_and_is_no_error() -> None:
    async with fake_openai(Answer(())) as fake:
        assert await said(provider(fake)) == []


async def test_the_last_word_is_what_the_reply_took_and_what_that_costs() -> None:
    taken = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    taken_cached = {**taken, "prompt_tokens_details": {"cached_tokens": 400}}
    async with fake_openai(Answer(("Good.",), usage=taken_cached)) as fake:
        known, unknown = Provider("openai/gpt-4o-mini", fake.url), provider(fake)
        text, usage = await whole(known, HELLO)
        *_, last = [piece async for piece in unknown.reply(HELLO)]
    assert text == "Good."
    assert (usage.model, usage.prompt, usage.completion, usage.cached) == ("openai/gpt-4o-mini", 1000, 100, 400)
    assert usage.dollars == pytest.approx(0.00018)
    assert last == Usage("openai/fake", 1000, 100, 400, 0.0)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_refusal_that_passes_is_waited_for(status: int) -> None:
    async with fake_openai(Answer(status=status, message="slow down"), Answer(("here",))) as fake:
        assert await said(provider(fake)) == ["here"]
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    "status, words",
    [(429, "too many requests"), (500, "error of its own"), (401, "refused the key"), (404, "is not known at")],
)
async def test_a_refusal_that_stays_is_told_in_words_without_the_key(
    status: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    async with fake_openai(Answer(status=status, message=f"Incorrect API key provided: {KEY}")) as fake:
        with pytest.raises(ModelUnavailable, match=words) as refused:
            await said(provider(fake))
    assert KEY not in str(refused.value)
    assert len(fake.requests) == (4 if status in (429, 500) else 1)
    assert KEY in fake.keys[0]


async def test_the_provider_s_own_reason_is_passed_on_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "topsecretvalue")
    reason = f"prompt is too long for {KEY} and topsecretvalue"
    async with fake_openai(Answer(status=400, message=reason)) as fake:
        with pytest.raises(ModelUnavailable, match="prompt is too long") as refused:
            await said(provider(fake))
    assert KEY not in str(refused.value)
    assert "topsecretvalue" not in str(refused.value)


async def test_a_model_that_falls_silent_is_given_up() -> None:
    async with fake_openai(Answer(hangs=True)) as fake:
        with pytest.raises(ModelUnavailable, match=r"said nothing for 0\.2 seconds"):
            await said(provider(fake, patience=0.2))


async def test_what_was_already_said_is_never_said_twice() -> None:
    async with fake_openai(Answer(("half ",), hangs=True), Answer(("again",))) as fake:
        reply = provider(fake, patience=0.5).reply(HELLO)
        assert await anext(reply) == "half "
        with pytest.raises(ModelUnavailable):
            await anext(reply)
    assert len(fake.requests) == 1


async def test_a_server_that_is_not_there_is_named() -> None:
    async with fake_openai(Answer()) as fake:
        pass
    with pytest.raises(ModelUnavailable, match=r"cannot be reached at http://127\.0\.0\.1"):
        await said(provider(fake))


async def test_a_missing_key_names_the_variable_to_set() -> None:
    with pytest.raises(ModelUnavailable, match="set ANTHROPIC_API_KEY"):
        await said(Provider("anthropic/claude-sonnet-4-5"))


async def test_an_unknown_provider_is_told_how_names_look() -> None:
    with pytest.raises(ModelUnavailable, match="ollama/qwen3"):
        await said(Provider("nonsense"))


async def test_a_server_of_one_s_own_needs_neither_prefix_nor_key() -> None:
    async with fake_openai(Answer(("yes",))) as fake:
        assert await said(Provider("my-own-model", fake.url)) == ["yes"]
    assert fake.requests[0]["model"] == "my-own-model"


def test_the_settings_choose_the_model() -> None:
    class NoEmbedder:
        id = "none"
        dimensions = 2

        async def embed(self, texts: object) -> list[bytes]:
            raise AssertionError("nothing is embedded before a model is asked")

    assert connect(load(model="offline"), NoEmbedder()).name == "offline"
    assert connect(load(model="ollama/qwen3"), NoEmbedder()).name == "ollama/qwen3"
