"""The receiver: POST /hooks/NAME. Anybody can reach it, so everything about a request is bounded."""

import asyncio
import hmac
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from hashlib import sha256

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channels.webhook.hooks import Hook, Hooks
from channels.webhook.templates import event_of, parsed_body
from core.errors import InvalidInput, NotFound, StoaError
from core.secrets.secrets import Secrets
from core.spaces.spaces import Spaces

MAX_BODY_BYTES = 1_000_000
BODY_SECONDS = 10.0
MAX_REQUESTS_A_MINUTE = 120
MAX_AGE_SECONDS = 300.0
"""The oldest time stamp, or the one furthest ahead, that is taken."""
SIGNATURE_HEADERS = ("x-hub-signature-256", "x-stoa-signature")
ID_HEADERS = ("x-github-delivery", "idempotency-key", "x-request-id")
KIND_HEADERS = ("x-github-event", "x-goog-resource-state", "x-event")

log = logging.getLogger(__name__)


class Refused(Exception):
    """The request is not taken, with a status and a sentence for who sent it."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Receiver:
    """Takes requests for all hooks."""

    def __init__(self, spaces: Spaces, secrets: Secrets, now: Callable[[], float] = time.time) -> None:
        self._spaces = spaces
        self._hooks = Hooks(spaces.store)
        self._secrets = secrets
        self._now = now
        self._recent: dict[str, deque[float]] = defaultdict(deque)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/hooks/{name}", self.post, methods=["POST"])])

    async def post(self, request: Request) -> Response:
        try:
            atom, new = await self._taken(request)
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, refused.status, {"Connection": "close"})
        except InvalidInput as error:
            return JSONResponse({"error": str(error)}, 400)
        except ClientDisconnect:
            return Response(status_code=400)
        except StoaError as error:
            log.warning("A webhook was not taken: %s", error)
            return JSONResponse({"error": "Not taken now; send it again."}, 503, {"Retry-After": "10"})
        return JSONResponse({"atom": atom, "new": new}, 202 if new else 200)

    async def _taken(self, request: Request) -> tuple[str, bool]:
        """The atom that holds what the request told, and whether it is new."""
        hook, key = await self._known(request.path_params["name"])
        if not hook.signed and not _same(_token(request), key):
            raise Refused(401, "Wrong or missing token. Send it as: Authorization: Bearer TOKEN")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _bounded_body(request)
        except TimeoutError:
            raise Refused(408, f"The body took more than {BODY_SECONDS:.0f} seconds.") from None
        if hook.signed:
            self._check_signature(request, body, key)
        self._check_rate(hook)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        event = event_of(hook.template, parsed_body(body, media_type), _header(request, KIND_HEADERS))
        space = self._spaces.open(hook.space, hook.principal)
        operation = _operation(request, hook, body)
        done = bool(operation) and await self._spaces.open(hook.space).find(operation) is not None
        atom = await space.put(
            event.content,
            comment=f"event: {event.summary}"[:300],
            metadata={"kind": "event", "hook": hook.id, **event.metadata},
            operation=operation,
        )
        return atom.ref, not done

    async def _known(self, name: str) -> tuple[Hook, str]:
        try:
            hook = await self._hooks.get(name)
            return hook, self._secrets.value(hook.secret)
        except (NotFound, InvalidInput):
            raise Refused(404, "There is no such webhook.") from None

    def _check_rate(self, hook: Hook) -> None:
        now, recent = self._now(), self._recent[hook.id]
        while recent and recent[0] < now - 60:
            recent.popleft()
        if len(recent) >= MAX_REQUESTS_A_MINUTE:
            raise Refused(429, f"More than {MAX_REQUESTS_A_MINUTE} requests a minute; wait a minute.")
        recent.append(now)

    def _check_signature(self, request: Request, body: bytes, key: str) -> None:
        """The signature is over the body, after the time stamp and a dot where there is one."""
        stamp = request.headers.get("x-stoa-timestamp", "")
        if stamp and not (stamp.isdecimal() and len(stamp) < 13 and abs(self._now() - int(stamp)) <= MAX_AGE_SECONDS):
            raise Refused(401, "The time stamp is more than five minutes away from now.")
        signed = stamp.encode() + b"." + body if stamp else body
        expected = hmac.new(key.encode(), signed, sha256).hexdigest()
        if not _same(_header(request, SIGNATURE_HEADERS).removeprefix("sha256="), expected):
            raise Refused(401, "Wrong or missing signature. Send X-Stoa-Signature: sha256=HMAC of the body.")


async def _bounded_body(request: Request) -> bytes:
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES or "content-encoding" in request.headers:
        raise Refused(413, f"The body has more than {MAX_BODY_BYTES:,} bytes, or is packed.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise Refused(413, f"The body has more than {MAX_BODY_BYTES:,} bytes.")
    return bytes(body)


def _operation(request: Request, hook: Hook, body: bytes) -> str:
    """The name of this delivery: what was told before under the same one is not told again.

    A signed request is known by what was signed, which nobody can change; one with a token by the sender's own id.
    """
    if hook.signed:
        stamp = request.headers.get("x-stoa-timestamp", "")
        return f"hook {hook.id} {sha256(stamp.encode() + b'.' + body).hexdigest()}"
    named = _header(request, ID_HEADERS)[:200]
    return f"hook {hook.id} {sha256(named.encode()).hexdigest()}" if named else ""


def _header(request: Request, names: tuple[str, ...]) -> str:
    found: Iterator[str] = (request.headers[name] for name in names if name in request.headers)
    return next(found, "")


def _token(request: Request) -> str:
    bearer = request.headers.get("authorization", "")
    if bearer.lower().startswith("bearer "):
        return bearer[7:].strip()
    return request.headers.get("x-goog-channel-token", "") or request.headers.get("x-stoa-token", "")


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
