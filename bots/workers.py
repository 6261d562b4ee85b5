"""The worker of this house, with what its agents are taught."""

from conventions.loading import Library, instructions, text
from core.house import House
from core.models.llm import LLM
from core.worker import Worker


def worker_of(house: House, llm: LLM | None = None) -> Worker:
    """A worker; `llm` answers for all agents instead of the models they name."""
    library = Library(house.settings.home)
    return Worker(house, instructions("agent"), text("direct-message"), library=library, llm=llm)
