"""The four permissions on a space, each implying the ones below it."""

from enum import IntEnum

from core.errors import InvalidInput


class Permission(IntEnum):
    """Rights in a space: read < append < write < grant."""

    NONE = 0
    READ = 1
    APPEND = 2
    WRITE = 3
    GRANT = 4

    @classmethod
    def parse(cls, name: "str | Permission") -> "Permission":
        if isinstance(name, Permission):
            return name
        try:
            return cls[str(name).upper()]
        except KeyError:
            raise InvalidInput(f"Unknown permission {name!r}. Use read, append, write or grant.") from None

    def __str__(self) -> str:
        return self.name.lower()
