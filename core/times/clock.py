"""The clock, as a part that a test can replace and move."""

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


class Clock:
    """The machine's clock in the owner's time zone."""

    day_first: bool | None = None
    """The owner's 3/4 is 3 April (true) or 4 March (false); None where nobody has said so."""

    def __init__(self, zone: ZoneInfo, day_first: bool | None = None) -> None:
        self.zone = zone
        self.day_first = day_first

    def now(self) -> datetime:
        """The present moment, aware, in the owner's zone."""
        return datetime.now(UTC).astimezone(self.zone)

    async def sleep_until(self, moment: datetime) -> None:
        """Return once `now()` has reached `moment`."""
        while (rest := (moment - self.now()) / timedelta(seconds=1)) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(rest, 60))  # a suspended laptop wakes up late: look again

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.now() + timedelta(seconds=seconds))
