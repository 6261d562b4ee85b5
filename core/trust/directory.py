"""The directory: the addresses that the owner has put there, towards which agents may always act."""

from collections.abc import Iterable

from core.atoms.atoms import Atom, Origin
from core.errors import InvalidInput, NotFound
from core.search.filters import Filter
from core.spaces.spaces import Spaces, first_words
from core.trust.addresses import MAX_ADDRESS_CHARS, parse, parse_loosely

DIRECTORY_SPACE = "directory"
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
        if not address or len(address) > MAX_ADDRESS_CHARS:
            raise InvalidInput(
                f"{address[:80]!r} is no address. Give 1 to {MAX_ADDRESS_CHARS} characters, such as ana@example.com."
            )
        keys = sorted(parse(address).keys)
        space = await self._spaces.create(DIRECTORY_SPACE, description=DIRECTORY_DESCRIPTION)
        if known := await self._find(address):
            return known
        return await space.put(address, comment=f"trusts {first_words(address)}", metadata={"address": keys})

    async def remove(self, address: str) -> None:
        """Take an address away; raises `NotFound` where it is not there."""
        known = await self._find(address)
        if known is None:
            raise NotFound(f"{address!r} is not in the directory. `stoa directory list` shows what is.")
        comment = f"no longer trusts {first_words(known.content)}"
        await self._spaces.open(DIRECTORY_SPACE).deprecate(known.id, comment=comment)

    async def all(self) -> list[Atom]:
        """The addresses, in alphabetical order; the newest 1,000 of more."""
        return sorted(await self._search({}), key=lambda atom: atom.content.casefold())

    async def among(self, addresses: Iterable[str]) -> set[str]:
        """Those of the addresses that are there, themselves or by their host."""
        wanted = {}
        for given in addresses:
            address = parse_loosely(given)
            if address.key and len(address.key) <= MAX_ADDRESS_CHARS:
                wanted[given] = {address.key, address.host} - {""}
        spellings = sorted(set().union(*wanted.values()))
        found = await self._search({"address": spellings}) if spellings else []
        there = set().union(*(parse_loosely(atom.content).keys for atom in found))
        return {given for given, spelled in wanted.items() if spelled & there}

    async def _find(self, address: str) -> Atom | None:
        key = parse_loosely(address).key
        found = await self._search({"address": key}) if key else []
        return next((atom for atom in found if parse_loosely(atom.content).key == key), None)

    async def _search(self, metadata: Filter) -> list[Atom]:
        try:
            found = await self._spaces.open(DIRECTORY_SPACE).search(metadata=metadata, limit=1000)
        except NotFound:  # nothing was ever put there
            return []
        return [atom for atom in found if atom.origin is Origin.OWNER]
