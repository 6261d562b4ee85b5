"""The watchdog: logs each time the event loop stands still, with the line of code that held it up."""

import asyncio
import logging
import sys
import threading
import time
import traceback

log = logging.getLogger("stoa.watchdog")

STALL_SECONDS = 0.1
BEAT_SECONDS = 0.05
SHOWN_FRAMES = 3


async def watch_the_loop() -> None:
    """Log stalls of the running event loop until cancelled."""
    watched = _Watched()
    thread = threading.Thread(target=watched.look, name="watchdog", daemon=True)
    thread.start()
    try:
        while True:
            asleep = watched.beat()
            await asyncio.sleep(BEAT_SECONDS)
            if (late := time.monotonic() - asleep - BEAT_SECONDS) > STALL_SECONDS:
                log.warning("The event loop stood still for %.2f s%s", late, watched.where)
    finally:
        watched.ended.set()
        await asyncio.to_thread(thread.join)


class _Watched:
    """The loop's thread, as seen from another one."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.where = ""
        self._thread = threading.get_ident()
        self._beaten = time.monotonic()

    def beat(self) -> float:
        self.where, self._beaten = "", time.monotonic()
        return self._beaten

    def look(self) -> None:
        """Remember where the loop's thread is as soon as its beat is overdue."""
        while not self.ended.wait(BEAT_SECONDS):
            if not self.where and time.monotonic() - self._beaten > BEAT_SECONDS + STALL_SECONDS:
                stack = traceback.extract_stack(sys._current_frames()[self._thread])[-SHOWN_FRAMES:]
                places = [f"{one.name} ({one.filename}:{one.lineno})" for one in reversed(stack)]
                self.where = f", in {' < '.join(places)}"
