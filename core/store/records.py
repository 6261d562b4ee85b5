"""Registry records as redis-om models: kept as JSON documents over the link, found by their key."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hiredis import ReplyError
from pydantic import BaseModel
from redis.asyncio import Redis

from core.redis.link import Argument
from core.store.errors import translated
from core.store.store import Store

if TYPE_CHECKING:
    from aredis_om import JsonModel

Kept = TypeVar("Kept", bound=BaseModel)


class Records(Generic[Kept]):
    """The records of one kind, each a pydantic model of ours with a text `id`, at a key of core/store/keys.py.

    redis-om is loaded at the first use.
    """

    def __init__(self, store: Store, kind: type[Kept], key: Callable[[str], str]) -> None:
        self._store = store
        self._kind = kind
        self._key = key
        self._model: type[JsonModel] | None = None

    async def get(self, id: str) -> Kept | None:
        from aredis_om import NotFoundError

        with _in_our_words():
            try:
                found = await self._modelled().get(id)
            except NotFoundError:
                return None
        return self._kind.model_validate(found.model_dump(exclude={"pk"}))

    async def save(self, record: Kept) -> None:
        """Keep the whole record, in place of the one before."""
        made = self._modelled()(**record.model_dump(mode="json"))
        with _in_our_words():
            await made.save()

    def _modelled(self) -> "type[JsonModel]":
        """redis-om's model of the kind. Its fields are as in JSON, since redis-om makes bare numbers of times."""
        if self._model is None:
            from aredis_om import Field, JsonModel

            key, plain = self._key, _plain_fields(self._kind)

            class Record(JsonModel, index=True):
                """One record."""

                __annotations__ = {"id": str, **dict.fromkeys(plain, Any)}
                id = Field(primary_key=True)
                locals().update(plain)

                class Meta:
                    database = _Through(self._store)

                def __init__(self, **fields: Any) -> None:
                    super(JsonModel, self).__init__(
                        **fields
                    )  # JsonModel's asks the server something, and awaits nothing

                @classmethod
                def make_key(cls, part: str) -> str:
                    return key(part)

            self._model = Record
        return self._model


async def documents(store: Store, keys: Sequence[str]) -> list[bytes | None]:
    return await store.together(*(["JSON.GET", key] for key in keys))


async def listed(store: Store, ids: str, key: Callable[[str], str], kind: type[Kept]) -> list[Kept]:
    """The records whose ids are in the set `ids`, ordered by id."""
    names = sorted(id.decode() for id in await store.run("SMEMBERS", ids))
    found = await documents(store, [key(name) for name in names])
    return [kind.model_validate_json(record) for record in found if record]


@contextlib.contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except (ReplyError, OSError) as error:
        raise translated(error) from error


class _Through(Redis):
    """redis-py's commands, said over the link, for redis-om's sake."""

    def __init__(self, store: Store) -> None:
        super().__init__(protocol=2)
        self._link = store.link

    async def execute_command(self, *command: Argument, **options: Any) -> Any:
        (answer,) = await self._link.ask(command)
        if isinstance(answer, ReplyError):
            raise answer
        shaped = self.response_callbacks.get(str(command[0]))
        return shaped(answer) if shaped else answer


def _plain_fields(kind: type[BaseModel]) -> dict[str, Any]:
    made = kind.model_validate({name: "" for name, field in kind.model_fields.items() if field.is_required()})
    return {name: value for name, value in made.model_dump(mode="json").items() if name != "id"}
