"""Settings: environment variables, or `stoa.toml` in the data directory."""

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from core.errors import InvalidInput

SEARCH_ENGINES = ("brave", "tavily", "ddgs")
ShortName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,19}$")]
"""What the owner calls a folder or a server."""


class Folder(BaseModel):
    """A folder of the owner's; a path alone may be read and not written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    write: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, given: object) -> object:
        return {"path": given} if isinstance(given, str) else given


class McpServer(BaseModel):
    """An MCP server: a command to start, or an address. `${NAME}` in a value is the secret of that name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: tuple[str, ...] = ()
    env: dict[str, str] = {}
    url: str = Field(default="", pattern=r"^(https?://.+)?$")
    headers: dict[str, str] = {}
    tools: tuple[str, ...] = ()
    """The tools that may be used, by the server's own names; none named means all."""
    reads: tuple[str, ...] = ()
    """Those that only read, by your own judgement: they may be called after outside text without asking you."""

    @model_validator(mode="after")
    def _reachable(self) -> "McpServer":
        if bool(self.command) == bool(self.url):
            raise ValueError("an MCP server has either a command, such as ['uvx', 'mcp-server-git'], or a url")
        return self


class Settings(BaseSettings):
    """Every setting, its default and its meaning. The environment (`STOA_...`) wins over `stoa.toml`."""

    model_config = SettingsConfigDict(env_prefix="STOA_", extra="forbid", frozen=True)

    home: Path = Path("~/.stoa")
    """The data directory: Redis' files, the log, the terminal's history, `stoa.toml`."""
    model: str = "offline"
    """`offline`, or any model litellm knows, such as `anthropic/claude-sonnet-4-5` or `ollama/qwen3`; more than one,
    with commas between, where each is asked when those before it do not answer; or `replay:` and a recorded file."""
    model_url: str = ""
    """The address of an OpenAI-compatible server, instead of the first model's provider."""
    model_sees: bool | None = None
    """Set it where litellm does not know whether the models see images, as for a server of your own."""
    record: Path | None = None
    """A file to which everything that models are asked and answer is added, without secrets, to be played again."""
    redis_url: str = Field("", validation_alias="REDIS_URL")
    """A Redis with search to use instead of the embedded one."""
    embedder: str = "local"
    """`local`, or any embedding model litellm knows, such as `openai/text-embedding-3-small`."""
    embedder_url: str = ""
    """The address of an OpenAI-compatible server for it, instead of the provider's own."""
    transcriber: str = ""
    """Writes down voice notes: any transcription model litellm knows, such as `openai/whisper-1`; empty means none."""
    transcriber_url: str = ""
    """The address of an OpenAI-compatible server for it, instead of the provider's own."""
    files: str = ""
    """Keeps attached files: an object store such as `s3://bucket/stoa`; empty means the data directory."""
    web_search: str = ""
    """Searches the web: `brave` or `tavily` (with the secret BRAVE_KEY or TAVILY_KEY), the address of a SearXNG server,
    or empty for engines that need no key."""
    calendars: dict[str, str] = {}
    """Calendars by name: an iCal address or the path of a file each."""
    folders: dict[ShortName, Folder] = {}
    """Folders that tools may read, by name: a path each, or `{path = "~/Drafts", write = true}`."""
    log: Literal["file", "stderr"] = "file"
    """Where the log goes: a file in the data directory, or standard error, for a container or a service manager."""
    web_port: int = Field(8484, ge=0, le=65_535)
    """The port of the page; 0 switches it off."""
    web_host: str = "127.0.0.1"
    """The address that the page listens at: this machine only, unless something in front of it protects it."""
    web_url: str = ""
    """The address at which a proxy of yours shows the page, such as `https://stoa.example.org`; empty means none."""
    webhook_port: int = Field(8485, ge=0, le=65_535)
    """The port at which webhooks are taken; 0 switches them off."""
    webhook_host: str = "127.0.0.1"
    """The address that webhooks listen at: this machine, unless other machines are to reach them without a proxy."""
    webhook_url: str = ""
    """The address at which a proxy or tunnel of yours shows them, such as `https://hooks.example.org`."""
    mcp: dict[ShortName, McpServer] = {}
    """MCP servers whose tools agents may be given, by name: a `command` to start or a `url` each."""
    timezone: str = ""
    """An IANA name such as `Europe/Paris`; empty means the machine's own."""
    day_first: bool | None = None
    """`true` if 3/4 is 3 April, `false` if it is 4 March; not set, Stoa asks."""
    namespace: str = Field("stoa", pattern=r"^[a-z0-9-]{1,40}$")
    """The beginning of every Redis key, so that several Stoas can share one Redis."""
    root_turns: int = Field(200, ge=1)
    """Turns of all agents together that may follow from one cause (a message, a timer) before they are parked."""
    root_spawns: int = Field(50, ge=0)
    """Agents that may be spawned in what follows from one cause."""
    root_tokens: int = Field(3_000_000, ge=0)
    """Tokens that models may read and write in what follows from one cause."""
    root_dollars: float = Field(5.0, ge=0)
    """Dollars that all that follows from one cause may cost."""
    root_seconds: float = Field(86_400, ge=0)
    """Seconds that agents may work, all together, on what follows from one cause."""
    root_bytes: int = Field(200_000_000, ge=0)
    """Bytes that agents may store in what follows from one cause: text, files and history."""
    agent_bytes: int = Field(2_000_000_000, ge=0)
    """Bytes that one agent may store in its life."""
    day_tokens: int = Field(30_000_000, ge=0)
    """Tokens that all models may read and write in a day."""
    day_dollars: float = Field(20.0, ge=0)
    """Dollars that a day may cost."""
    guests_tokens: int = Field(5_000_000, ge=0)
    """Tokens of a day that may be used for all people together who are not the owner."""
    guests_dollars: float = Field(5.0, ge=0)
    """Dollars of a day that may be spent for them."""
    month_tokens: int = Field(300_000_000, ge=0)
    """Tokens that all models may read and write in a month."""
    month_dollars: float = Field(200.0, ge=0)
    """Dollars that a month may cost."""
    idle_days: float = Field(7, gt=0)
    """Days without a turn after which a spawned agent ends, if only its spawner could wake it."""
    stall_seconds: float = Field(60, gt=0)
    """Seconds after which the spawner of an agent is told that it has had no turn yet."""
    steps: int = Field(12, ge=1)
    """Model calls that one turn may make."""
    linger: float = Field(120, ge=0)
    """Seconds that the work under way is given when piped input ends: answers, messages on the bus, and the work of
    agents in the background."""
    session_characters: int = Field(60_000, ge=2_000)
    """Characters of its own past that an agent sees; older turns become notes, and their atoms stay."""
    injected_tokens: int = Field(2_000, ge=0)
    """Tokens that all injected spaces of an agent may fill in its prompt; the rest can be searched."""

    contents_kept: int = Field(0, ge=0)
    """Contents of an atom that are kept, the present one included; 0 keeps all. Comments are kept for ever."""

    redis_bytes: int = Field(0, ge=0)
    """The most memory the embedded Redis may use; 0 means half of the machine's."""
    space_text_bytes: int = Field(1 << 30, ge=1 << 20)
    """The most bytes of text that one space may hold, the history of its atoms included."""
    space_file_bytes: int = Field(20 << 30, ge=1 << 20)
    """The most bytes of files that may be attached in one space."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        assert isinstance(env_settings, EnvSettingsSource)
        given = {name: (value or "").strip() for name, value in env_settings.env_vars.items()}
        env_settings.env_vars = {name: value for name, value in given.items() if value}  # blank is unset
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, home_directory() / "stoa.toml")

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("web_search")
    @classmethod
    def _engine(cls, name: str) -> str:
        if name not in ("", *SEARCH_ENGINES) and not name.startswith(("http://", "https://")):
            raise ValueError(
                f"{name!r} is neither {', '.join(SEARCH_ENGINES)} nor the http address of a SearXNG server"
            )
        return name

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        if name:
            try:
                ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError(f"{name!r} is not a time zone; use an IANA name such as Europe/Paris") from error
        return name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone) if self.timezone else _machine_zone()


def load(**given: object) -> Settings:
    """The settings in force; raises `InvalidInput` naming each one that is wrong and where it may come from."""
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(_plain(".".join(map(str, e["loc"])) or "settings", e["msg"]) for e in error.errors())
        file = home_directory() / "stoa.toml"
        raise InvalidInput(
            f"A setting is wrong ({wrong}). Settings come from STOA_... variables and from {file}."
        ) from None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"stoa.toml cannot be read: {error}. Fix or remove the file.") from None


def home_directory() -> Path:
    """The data directory: STOA_HOME, or ~/.stoa if that is unset or blank."""
    return Path(os.environ.get("STOA_HOME", "").strip() or "~/.stoa").expanduser()


def nearest_setting(name: str) -> str:
    """The setting whose name is most like this variable's or this name in `stoa.toml`; empty if none is."""
    bare = name.lower().removeprefix("stoa_")
    found = next(iter(get_close_matches(bare, Settings.model_fields, 1)), "")
    if not found or not name.isupper():
        return found
    return "REDIS_URL" if found == "redis_url" else f"STOA_{found.upper()}"


def _plain(name: str, message: str) -> str:
    if message == "Extra inputs are not permitted":
        near = nearest_setting(name)
        return f"there is no setting {name}" + (f"; did you mean {near}?" if near else "")
    return f"{name}: {message.removeprefix('Value error, ')}"


def _machine_zone() -> ZoneInfo:
    named = os.environ.get("TZ", "").lstrip(":")
    linked = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    for name in filter(None, (named, linked)):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            continue
    return ZoneInfo("UTC")
