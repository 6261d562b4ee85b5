"""Reading far beyond a context window: agents' code asks a model about slices of what the house holds."""

import asyncio
import contextlib
from collections.abc import Sequence

from core.atoms.values import Slice
from core.errors import InvalidInput, NotFound
from core.models.llm import LLM, Message, whole
from core.search.extraction import MAX_TEXT_CHARS, Texts
from core.spaces.attachments import attachment_named
from core.tools.registry import Tool, acting
from core.turns.agent_files import AgentFiles
from core.turns.context import Services, TurnContext

SLICE_CHARS = 20_000
MAX_SLICE_CHARS = 200_000
MAX_SLICES = 2_000
MAX_ASKED_AT_ONCE = 8
"""How many questions of one llm_many() are with the model at a time."""
PAGE_ATOMS = 200


class Reading:
    """The functions `llm`, `llm_many` and `slices` of one agent during one turn."""

    def __init__(self, services: Services, context: TurnContext, llm: LLM) -> None:
        self._services = services
        self._context = context
        self._llm = llm

    @property
    def functions(self) -> dict[str, Tool]:
        return {"llm": self.llm, "llm_many": self.llm_many, "slices": self.slices}

    async def llm(self, prompt: str, text: str = "") -> str:
        """Ask a model about a text, or about one of slices(), outside your own context."""
        return (await self._asked(prompt, [text]))[0]

    async def llm_many(self, prompt: str, texts: list[str]) -> list[str]:
        """Ask the same about each of many texts or slices, several at a time; the answers come in their order. This is
        how to read what is too long for you: `found = llm_many("List every price in it, or say none.",
        slices("library/k3v9"))`, then put the answers together in code."""
        if isinstance(texts, str | dict) or not isinstance(texts, Sequence) or len(texts) > MAX_SLICES:
            raise InvalidInput(f"texts: give a list of at most {MAX_SLICES:,} texts, such as slices(...)")
        return await self._asked(prompt, texts)

    async def slices(self, of: str, size: int = SLICE_CHARS, overlap: int = 200) -> list[Slice]:
        """Cut an atom ("library/k3v9"), a file of one ("library/k3v9/book.txt") or a whole space ("library") into
        slices of `size` characters for llm() and llm_many(). Each begins `overlap` characters before the last one ends,
        so that nothing is cut apart; .of, .start and .end say where it lies."""
        for name, number, most in (("size", size, MAX_SLICE_CHARS), ("overlap", overlap, size - 1)):
            if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= most:
                raise InvalidInput(f"{name}={number!r} must be a whole number from 0 to {most:,}")
        found = [
            Slice(ref, start, min(start + size, len(text)))
            for ref, text in (await self._texts(of)).items()
            for start in range(0, max(1, len(text) - overlap), max(1, size - overlap))
        ]
        if len(found) > MAX_SLICES:
            raise InvalidInput(
                f"{of!r} makes {len(found):,} slices and {MAX_SLICES:,} are the most; take a larger size"
            )
        return found

    async def _asked(self, prompt: str, texts: Sequence[object]) -> list[str]:
        call, allowance, gate = acting().call, self._context.allowance, asyncio.Semaphore(MAX_ASKED_AT_ONCE)
        whole_texts = await self._cut(texts)

        async def ask(number: int, text: str) -> str:
            question, name = Message("user", f"{prompt}\n\n{text}" if text else prompt), f"{call}.{number}"
            async with gate:
                await allowance.reserve(name, self._llm.name, [question])
                answer, usage = await whole(self._llm, [question])
                await allowance.settle(name, usage)
            return answer

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ask(number, text)) for number, text in enumerate(whole_texts)]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _cut(self, texts: Sequence[object]) -> list[str]:
        """The text of each slice; what is a text already stays."""
        known: dict[str, str] = {}
        found = []
        for one in texts:
            if isinstance(one, str):
                found.append(one)
                continue
            if not isinstance(one, dict) or not one.keys() >= {"of", "start", "end"}:
                raise InvalidInput(f"text: {one!r} is neither a text nor one of slices(...)")
            ref = str(one["of"])
            if ref not in known:
                known |= await self._texts(ref)
            found.append(self._services.secrets.piece(known[ref], int(one["start"]), int(one["end"])))
        return found

    async def _texts(self, of: str) -> dict[str, str]:
        """The texts that `of` names, each by its own name. They count as read."""
        space, _, rest = str(of).partition("/")
        handle = self._services.spaces.open(space, self._context.actor)
        if not rest:
            return await self._atoms_of(space)
        id, _, file = rest.partition("/")
        atom = await handle.get(id)
        if not file:
            return {of: atom.content}
        await AgentFiles(handle, self._services.attachments, self._services.secrets.piece).read(id, file)
        kept, files = attachment_named(atom, file), self._services.attachments.files
        text = await Texts(files).read(kept)
        if len(text) >= MAX_TEXT_CHARS:  # search needs no more of it than its beginning
            with contextlib.suppress(UnicodeDecodeError):
                text = (await files.get(kept.sha256)).decode("utf-8") if kept.media_type == "text/plain" else text
        return {of: text}

    async def _atoms_of(self, space: str) -> dict[str, str]:
        handle, found, after = self._services.spaces.open(space, self._context.actor), dict[str, str](), ""
        while page := await handle.search(limit=PAGE_ATOMS, after=after):
            found |= {atom.ref: atom.content for atom in page}
            if len(page) < PAGE_ATOMS:
                break
            after = page[-1].cursor
        if not found:
            raise NotFound(f"There is nothing in {space!r} to read.")
        return dict(reversed(found.items()))
