"""The pages: routes, forms, and the stream by which the chat grows."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, quote

from jinja2 import Environment, PackageLoader
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from channels.people.people import People
from channels.text import clean, one_line, prose
from channels.web.access import COOKIE, SESSION_SECONDS, Door, WebSessions
from channels.web.rendering import html, moment
from channels.web.views import CHAT, Views, shows
from core.agents.stopping import Stopping
from core.agents.unread import CONVERSATION_KEY
from core.atoms.atoms import OWNER
from core.errors import Conflict, InvalidInput, NotFound, PermissionDenied, StoaError
from core.house import House
from core.trust.approvals import APPROVALS_SPACE

HERE = "web/owner"
"""The conversation that the page is."""
MAX_FORM_BYTES = 2_000_000
MAX_STREAMS = 32
"""Open pages that are told of new messages at a time."""
STATUS = {NotFound: 404, InvalidInput: 400, PermissionDenied: 403, Conflict: 409}
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " + (
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PROBES = ("/health", "/ready")
"""They tell whoever watches over the process that it lives, and that it reaches Redis; nothing else."""
ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}

Handler = Callable[[Request], Awaitable[Response]]


class Guarded:
    """Refuses what does not come from the owner's own browser, and sets the headers that keep others' pages out."""

    def __init__(self, app: ASGIApp, door: Door, sessions: WebSessions) -> None:
        self._app, self._door, self._sessions = app, door, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def framed(message: Any) -> None:
            if message["type"] == "http.response.start":
                named = {name.lower() for name, _ in message["headers"]}
                more = [(key.lower().encode(), value.encode()) for key, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *(pair for pair in more if pair[0] not in named)]
            await send(message)

        request = Request(scope)
        if request.url.path in PROBES:
            return await self._app(scope, receive, send)
        return await (await self._refusal(request) or self._app)(scope, receive, framed)

    async def _refusal(self, request: Request) -> Response | None:
        if said := self._door.refusal(request.method, request.headers):
            return PlainTextResponse(said, 403)
        free = request.url.path.startswith(("/enter/", "/static/"))
        if free or await self._sessions.known(request.cookies.get(COOKIE, "")):
            return None
        return HTMLResponse(_template("closed.html").render(), 401)


class Pages:
    """The page of one house."""

    def __init__(self, house: House, door: Door) -> None:
        self._house, self._door = house, door
        self._sessions = WebSessions(house.store)
        self._views = Views(house, HERE)
        self._people = People(house.spaces, house.approvals)
        self._streams = 0

    def app(self) -> Starlette:
        gets: dict[str, Handler] = {
            "/": self._chat,
            "/events": self._events,
            "/spaces": self._spaces,
            "/spaces/{space}": self._space,
            "/spaces/{space}/{atom}": self._atom,
            "/why/{space}/{atom}": self._why,
            "/agents": self._agents,
            "/agents/{agent}": self._agent,
            "/timers": self._timers,
            "/people": self._people_page,
            "/log": self._log,
            "/health": self._health,
            "/ready": self._ready,
            "/enter/{code}": self._enter,
            "/static/{name}": self._static,
        }
        posts: dict[str, Handler] = {
            "/say": self._say,
            "/answer": self._answer,
            "/stop": self._stop,
            "/spaces/{space}/{atom}": self._save,
            "/timers/{timer}/cancel": self._cancel,
            "/agents/{agent}/end": self._end,
            "/leave": self._leave,
        }
        routes = [Route(path, _explained(handler), methods=["GET"]) for path, handler in gets.items()]
        routes += [Route(path, _explained(handler), methods=["POST"]) for path, handler in posts.items()]
        return Starlette(routes=routes, middleware=[Middleware(Guarded, door=self._door, sessions=self._sessions)])

    # The door ---------------------------------------------------------------------------------------------------------

    async def _enter(self, request: Request) -> Response:
        token = await self._sessions.redeem(request.path_params["code"])
        if token is None:
            return HTMLResponse(_template("closed.html").render(used=True), 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE, token, SESSION_SECONDS, httponly=True, samesite="strict", secure=self._door.secure, path="/"
        )
        return answer

    async def _leave(self, request: Request) -> Response:
        await self._sessions.sign_out(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(COOKIE)
        return answer

    async def _health(self, request: Request) -> Response:
        return PlainTextResponse("alive")

    async def _ready(self, request: Request) -> Response:
        await self._house.store.run("PING")
        return PlainTextResponse("ready")

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in ASSETS:
            raise NotFound("There is no such file.")
        return Response(_asset(name), media_type=ASSETS[name], headers={"Cache-Control": "max-age=3600"})

    # The chat ---------------------------------------------------------------------------------------------------------

    async def _chat(self, request: Request) -> Response:
        return _page("chat.html", **await self._views.chat(request.query_params.get("after", "")))

    async def _say(self, request: Request) -> Response:
        text = clean((await _form(request)).get("text", ""))
        if not text.strip():
            raise InvalidInput("There was nothing in that message. Write something first.")
        told = {"role": "user", CONVERSATION_KEY: HERE}
        await self._house.spaces.open(CHAT).put(text, comment=one_line(text, 200), metadata=told, at_once=True)
        return _done(request, "/")

    async def _answer(self, request: Request) -> Response:
        form = await _form(request)
        await self._house.approvals.answer(form.get("id", ""), form.get("choice", ""), OWNER)
        return _done(request, "/")

    async def _stop(self, request: Request) -> Response:
        """End what is under way for the chat, at its next step."""
        stopping = Stopping(self._house.store)
        for root in await stopping.under_way(CHAT):
            await stopping.ask(root)
        return _done(request, "/")

    async def _events(self, request: Request) -> Response:
        if self._streams >= MAX_STREAMS:
            return PlainTextResponse(f"{MAX_STREAMS} pages are open already. Close one and load this again.", 429)
        return EventSourceResponse(self._news(), ping=15)

    async def _news(self) -> AsyncIterator[ServerSentEvent]:
        """New and changed messages, the questions that wait, and what is being written, as HTML."""
        news: asyncio.Queue[ServerSentEvent] = asyncio.Queue()
        self._streams += 1
        tasks = [asyncio.create_task(part(news)) for part in (self._messages, self._questions, self._drafts)]
        try:
            while True:
                waiting = asyncio.ensure_future(news.get())
                done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
                if waiting not in done:
                    waiting.cancel()
                    await asyncio.gather(*done)
                    return
                yield waiting.result()
        finally:
            self._streams -= 1
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _messages(self, news: asyncio.Queue[ServerSentEvent]) -> None:
        chat = self._house.spaces.open(CHAT)
        async for change in chat.follow(await chat.newest()):
            with contextlib.suppress(NotFound):
                atom = await chat.get(change.atom)
                if shows(atom):
                    shown = _template("message.html").render(message=self._views.message(atom))
                    news.put_nowait(ServerSentEvent(shown, event="message-shown", id=str(change.seq)))

    async def _questions(self, news: asyncio.Queue[ServerSentEvent]) -> None:
        await self._house.approvals.prepare()
        space = self._house.spaces.open(APPROVALS_SPACE)
        async for _ in space.follow(await space.newest()):
            shown = _template("questions.html").render(questions=await self._views.questions())
            news.put_nowait(ServerSentEvent(shown, event="questions"))

    async def _drafts(self, news: asyncio.Queue[ServerSentEvent]) -> None:
        async for draft in self._house.notifications.drafts(CHAT):
            written = prose(draft.text or "")
            shown = "" if draft.text is None else html(written) if written.strip() else f"{draft.agent} is thinking…"
            news.put_nowait(ServerSentEvent(shown or "", event="draft"))

    # What is in the house ---------------------------------------------------------------------------------------------

    async def _spaces(self, request: Request) -> Response:
        return _page("spaces.html", **await self._views.spaces())

    async def _space(self, request: Request) -> Response:
        asked = request.query_params
        found = await self._views.space(request.path_params["space"], asked.get("q", ""), asked.get("after", ""))
        return self._shown("space.html", **found)

    async def _atom(self, request: Request) -> Response:
        old = request.query_params.get("since", "")
        path = request.path_params
        look = await self._views.look(path["space"], path["atom"], int(old) if old.isdecimal() else 0)
        return self._shown("atom.html", look=look, atom=look.atom)

    async def _save(self, request: Request) -> Response:
        form, path = await _form(request), request.path_params
        version = form.get("version", "")
        if not version.isdecimal():
            raise InvalidInput("That form has no version. Load the atom again.")
        text = form.get("content", "").replace("\r\n", "\n")
        comment = form.get("comment", "").strip() or "edited on the page"
        await self._views.save(path["space"], path["atom"], text, version=int(version), comment=comment)
        return _done(request, f"/spaces/{quote(path['space'])}/{quote(path['atom'])}")

    async def _why(self, request: Request) -> Response:
        ref = f"{request.path_params['space']}/{request.path_params['atom']}"
        return self._shown("why.html", ref=ref, steps=await self._views.why(ref))

    async def _agents(self, request: Request) -> Response:
        return self._shown("agents.html", branches=await self._views.agents())

    async def _agent(self, request: Request) -> Response:
        return self._shown("agent.html", **await self._views.agent(request.path_params["agent"]))

    async def _end(self, request: Request) -> Response:
        await self._house.lifecycle.end(request.path_params["agent"])
        return _done(request, "/agents")

    async def _timers(self, request: Request) -> Response:
        return self._shown("timers.html", timers=await self._house.timers.list_timers())

    async def _cancel(self, request: Request) -> Response:
        await self._house.timers.cancel_timer(request.path_params["timer"])
        return _done(request, "/timers")

    async def _people_page(self, request: Request) -> Response:
        rooms = await self._people.rooms.all()
        return self._shown("people.html", people=await self._people.all(), rooms=rooms)

    async def _log(self, request: Request) -> Response:
        return self._shown("log.html", changes=await self._views.log())

    def _shown(self, template: str, /, **parts: Any) -> Response:
        return _page(template, when=lambda at: moment(at, self._views.zone), **parts)


def _explained(handler: Handler) -> Handler:
    """The handler, with errors as a page that says what was wrong."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except StoaError as error:
            status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 503)
            if _scripted(request):
                return PlainTextResponse(str(error), status)
            return HTMLResponse(_template("trouble.html").render(said=str(error)), status)

    return handle


async def _form(request: Request) -> dict[str, str]:
    """The fields of an urlencoded form; raises `InvalidInput` if it is too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM_BYTES:
            raise InvalidInput(f"That is longer than {MAX_FORM_BYTES:,} bytes. Send it in parts, or as a file.")
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    return {name: values[-1] for name, values in fields.items()}


def _done(request: Request, place: str) -> Response:
    return Response(status_code=204) if _scripted(request) else RedirectResponse(place, 303)


def _scripted(request: Request) -> bool:
    """True if the page's own script asks, and shows the answer itself."""
    return request.headers.get("x-requested-with") == "page"


def _page(template: str, /, **parts: Any) -> Response:
    return HTMLResponse(_template(template).render(**parts))


def _template(name: str) -> Any:
    return _ENVIRONMENT.get_template(name)


def _asset(name: str) -> bytes:
    return files("channels.web").joinpath("static", name).read_bytes()


_ENVIRONMENT = Environment(loader=PackageLoader("channels.web"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
_ENVIRONMENT.filters["line"] = one_line
