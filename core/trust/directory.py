"""The directory: the addresses that the owner has put there, towards which agents may always act."""

from collections.abc import Iterable

from core.atoms.atoms import Atom, Origin
from core.errors import InvalidInput, NotFound
from core.search.filters import Filter
from core.spaces.spaces import Spaces, first_words
from core.trust.egress import host, normal

DIRECTORY_SPACE = "directory"
MAX_ADDRESS_CHARS = 500
DIRECTORY_DESCRIPTION = """# Directory
Addresses that the owner trusts: mailboxes, hosts, pages, accounts, names. Agents may send there even after they have \
read text from outside. Only what the owner wrote counts."""


class Directory:
    """The owner's addresses: mailboxes, accounts, names, pages, and hosts, each of which stands for all its pages."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces

    async def add(self, address: str) -> Atom:
        """Put an address there; one that is there already stays as it is."""
        address = " ".join(address.split())
        if not normal(address) or len(address) > MAX_ADDRESS_CHARS:
            raise InvalidInput(
                f"{address[:80]!r} is no address; give 1 to {MAX_ADDRESS_CHARS} characters, such as ana@example.com"
            )
        space = await self._spaces.create(DIRECTORY_SPACE, description=DIRECTORY_DESCRIPTION)
        if known := await self._find(normal(address)):
            return known
        comment = f"trusts {first_words(address)}"
        return await space.put(address, comment=comment, metadata={"address": normal(address)})

    async def remove(self, address: str) -> None:
        """Take an address away; raises `NotFound` where it is not there."""
        known = await self._find(normal(address))
        if known is None:
            raise NotFound(f"{address!r} is not in the directory. `stoa directory list` shows what is.")
        comment = f"trusts {first_words(known.content)} no more"
        await self._spaces.open(DIRECTORY_SPACE).deprecate(known.id, comment=comment)

    async def all(self) -> list[Atom]:
        """The addresses, in alphabetical order; the newest 1,000 of more."""
        return sorted(await self._search({}), key=lambda atom: atom.content.casefold())

    async def among(self, addresses: Iterable[str]) -> set[str]:
        """Those of the addresses that are there, themselves or by their host."""
        short = (address for address in addresses if len(address) <= MAX_ADDRESS_CHARS)
        wanted = {address: {normal(address), host(address)} - {""} for address in short}
        spellings = sorted(set().union(*wanted.values()))
        found = await self._search({"address": spellings}) if spellings else []
        there = {normal(atom.content) for atom in found}
        return {address for address, spelled in wanted.items() if spelled & there}

    async def _find(self, address: str) -> Atom | None:
        return next(
            (atom for atom in await self._search({"address": address}) if normal(atom.content) == address), None
        )

    async def _search(self, metadata: Filter) -> list[Atom]:
        """What the owner wrote there: an agent that was let in may write, too, and changes nothing by it."""
        try:
            found = await self._spaces.open(DIRECTORY_SPACE).search(metadata=metadata, limit=1000)
        except NotFound:  # nothing was ever put there
            return []
        return [atom for atom in found if atom.origin is Origin.OWNER]
