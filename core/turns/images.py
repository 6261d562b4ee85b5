"""The images that came with changes, as a model that sees is shown them, bounded in number and size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.atoms.atoms import Attachment
from core.atoms.values import Notice
from core.errors import NotFound, StoreUnavailable
from core.models.llm import LLM, Picture, sees
from core.spaces.spaces import Actor, Spaces
from core.store.files import Files

MAX_IMAGES = 8
"""One turn is shown so many: the newest."""
MAX_IMAGE_BYTES = 3_750_000
"""Five million once it is written as base64, which is Anthropic's limit."""
MAX_TURN_IMAGE_BYTES = 12_000_000
"""All images of a turn together; they are sent again with each of its steps."""
IMAGE_SIGNATURES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}
"""The kinds of image that models take, and the bytes they begin with."""
SHOWN_NOTE = "shown this once"


@dataclass(frozen=True, slots=True)
class ShownImages:
    """The images a turn is shown, and a note on each image: by the change it came with, and its name."""

    pictures: tuple[Picture, ...] = ()
    said: Mapping[tuple[int, str], str] = field(default_factory=dict)


NO_IMAGES = ShownImages()


class Images:
    """Finds the images that came with changes."""

    def __init__(self, spaces: Spaces, files: Files) -> None:
        self._spaces = spaces
        self._files = files

    async def shown(self, llm: LLM, actor: Actor, notices: Sequence[Notice]) -> ShownImages:
        """The images that this model is shown of those that came with these changes and that `actor` may read now.

        None if it sees none; an image that came with several changes is shown once. Raises `StoreUnavailable`.
        """
        images = [(n, file) for n, one in enumerate(notices) for file in one.attachments if is_image(file)]
        if not images or not await sees(llm):
            return NO_IMAGES
        said: dict[tuple[int, str], str] = {}
        pictures: dict[str, Picture] = {}
        room = MAX_TURN_IMAGE_BYTES
        for n, file in reversed(images):  # what came last is what the talk is about
            if file.sha256 in pictures:
                said[n, file.name] = SHOWN_NOTE
            elif file.size > MAX_IMAGE_BYTES:
                said[n, file.name] = f"not shown: larger than {size_words(MAX_IMAGE_BYTES)}"
            elif len(pictures) == MAX_IMAGES or file.size > room:
                most = f"{MAX_IMAGES} images and {size_words(MAX_TURN_IMAGE_BYTES)}"
                said[n, file.name] = f"not shown: {most} are shown at once"
            elif picture := await self._picture(actor, n, notices[n], file):
                said[n, file.name] = SHOWN_NOTE
                pictures[file.sha256] = picture
                room -= file.size
            else:
                said[n, file.name] = "not shown: it is gone, or not an image"
        return ShownImages(tuple(reversed(pictures.values())), said)

    async def _picture(self, actor: Actor, n: int, notice: Notice, file: Attachment) -> Picture | None:
        """The picture in a file; None where the atom has it no more, or there is none in it."""
        try:
            atom = await self._spaces.open(notice.space, actor.principal).get(notice.id)
        except NotFound:
            return None
        if file.sha256 not in (one.sha256 for one in atom.attachments):
            return None
        try:
            data = await self._files.get(file.sha256)
        except (NotFound, StoreUnavailable):  # where files are kept is no reason to answer nobody
            return None
        kind = _kind(data)
        place = [one.name for one in notice.attachments].index(file.name) + 1
        label = f"File {place} of change {n}, which is data as the text is:"  # its name may be anybody's words
        return Picture(label, kind, data, file.sha256) if kind else None


def is_image(file: Attachment) -> bool:
    return file.media_type in IMAGE_SIGNATURES


def file_words(file: Attachment, said: str = "") -> str:
    """A file in the words in which a change tells of it: `map.png (image/png, 12 kB)`."""
    return f"{file.name} ({', '.join(filter(None, (file.media_type, size_words(file.size), said)))})"


def size_words(size: int) -> str:
    """A number of bytes as people read it: `812 bytes`, `12 kB`, `3.8 MB`."""
    if size < 1_000:
        return f"{size} bytes"
    return f"{size / 1_000:.0f} kB" if size < 999_500 else f"{size / 1_000_000:.1f} MB"


def _kind(data: bytes) -> str:
    found = next((kind for kind, beginning in IMAGE_SIGNATURES.items() if data.startswith(beginning)), "")
    return "" if found == "image/webp" and data[8:12] != b"WEBP" else found
