"""Nobody but the owner's own browser reads or changes anything, whatever it sends."""

import asyncio

import pytest

from channels.web.access import LINK_SECONDS, SESSION_SECONDS, Door, WebSessions
from channels.web.pages import ASSETS
from core.house import House
from core.testing import MovableClock
from tests.channels.web.browser import browsing

READS = ["/", "/events", "/spaces", "/spaces/chat", "/agents", "/timers", "/people", "/log", "/why/chat/x"]
CHANGES = ["/say", "/answer", "/spaces/chat/x", "/timers/x/cancel", "/agents/assistant/end"]


@pytest.mark.parametrize("path", READS)
async def test_a_browser_that_is_not_signed_in_reads_nothing(house: House, path: str) -> None:
    chat = await house.spaces.create("chat")
    await chat.put("the secret plan", metadata={"role": "user"})
    async with browsing(house, signed_in=False) as browser:
        for cookie in ("", "stoa=", "stoa=x", f"stoa={'a' * 43}", "stoa=*", "other=1"):
            answer = await browser.get(path, Cookie=cookie)
            assert answer.status == 401
            assert "secret" not in answer.text


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "http://127.0.0.1", "http://127.0.0.1:1", "file://"]
)
async def test_another_sites_page_changes_nothing(house: House, path: str, origin: str) -> None:
    chat = await house.spaces.create("chat")
    async with browsing(house) as browser:
        answer = await browser.post(path, {"text": "give me everything"}, Origin=origin)
    assert answer.status == 403
    assert await chat.search() == []


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8484", "127.0.0.1", "127.0.0.1.evil.example", "localhost", "[::1]", "0.0.0.0"],
)
async def test_a_name_that_leads_here_reads_nothing(house: House, host: str) -> None:
    async with browsing(house) as browser:
        answer = await browser.get("/", Host=host)
    assert answer.status == 403


async def test_a_link_opens_the_page_once(house: House) -> None:
    await house.spaces.create("chat")
    async with browsing(house, signed_in=False) as browser:
        code = await WebSessions(house.store).invite()
        first = await browser.get(f"/enter/{code}")
        assert first.status == 303
        assert {"HttpOnly", "SameSite=strict"} <= set(first.headers["set-cookie"].replace("; ", ";").split(";"))
        again = await browser.get(f"/enter/{code}", Cookie="")
        assert again.status == 401
        assert (await browser.get("/enter/guessed")).status == 401


async def test_of_two_browsers_with_one_link_one_gets_in(house: House) -> None:
    sessions = WebSessions(house.store)
    code = await sessions.invite()
    tokens = await asyncio.gather(*(sessions.redeem(code) for _ in range(5)))
    assert len([token for token in tokens if token]) == 1


async def test_a_link_works_for_ten_minutes(house: House) -> None:
    sessions = WebSessions(house.store)
    await sessions.invite()
    (key,) = await _keys(house, "web-code")
    assert 0 < await house.store.run("TTL", key) <= LINK_SECONDS


async def test_a_browser_is_signed_out_by_itself_by_all_and_after_a_month(house: House, clock: MovableClock) -> None:
    sessions = WebSessions(house.store)
    tokens = [str(await sessions.redeem(await sessions.invite())) for _ in range(3)]
    await sessions.sign_out(tokens[0])
    assert [await sessions.known(token) for token in tokens] == [False, True, True]
    clock.move(seconds=SESSION_SECONDS)
    assert not await sessions.known(tokens[1])
    token = str(await sessions.redeem(await sessions.invite()))
    await sessions.sign_out_all()
    assert not await sessions.known(token)


async def test_neither_links_nor_tokens_are_kept_as_they_are(house: House) -> None:
    sessions = WebSessions(house.store)
    code = await sessions.invite()
    token = str(await sessions.redeem(await sessions.invite()))
    kept = await _keys(house, "web")
    kept += list(await house.store.run("HKEYS", f"{house.settings.namespace}:web-sessions"))
    assert not any(code.encode() in one or token.encode() in one for one in kept)


async def test_every_answer_forbids_scripts_frames_and_guessing(house: House) -> None:
    await house.spaces.create("chat")
    async with browsing(house) as browser:
        for path in ("/", "/spaces", "/nowhere", "/static/page.js", "/enter/x"):
            headers = (await browser.get(path)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"


async def test_the_first_view_is_small(house: House) -> None:
    chat = await house.spaces.create("chat")
    for number in range(50):
        await chat.put(f"message {number} " + "word " * 60, metadata={"role": "user"}, at_once=True)
    async with browsing(house) as browser:
        paths = ["/", *(f"/static/{name}" for name in ASSETS)]
        size = sum([len((await browser.get(path)).text.encode()) for path in paths])
    assert size <= 150_000


def test_a_proxy_is_let_in_by_its_name_only() -> None:
    from starlette.datastructures import Headers

    door = Door(8484, "https://stoa.example.org")
    assert door.secure
    assert door.refusal("GET", Headers({"host": "stoa.example.org"})) == ""
    assert door.refusal("POST", Headers({"host": "stoa.example.org", "origin": "https://stoa.example.org"})) == ""
    assert door.refusal("GET", Headers({"host": "evil.stoa.example.org"}))
    assert door.refusal("GET", Headers({}))


async def _keys(house: House, kind: str) -> list[bytes]:
    return list(await house.store.run("KEYS", f"{house.settings.namespace}:{kind}*"))


async def test_a_probe_of_any_name_learns_that_it_lives_and_reaches_redis_and_nothing_else(house: House) -> None:
    async with browsing(house, signed_in=False) as browser:
        probes = [await browser.get(path, Host="10.1.2.3:8484") for path in ("/health", "/ready")]
    assert [(probe.status, probe.text) for probe in probes] == [(200, "alive"), (200, "ready")]
