"""Measures how long a function computes by itself."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Measured:
    """CPU seconds of this thread."""

    seconds: float = 0.0


@contextmanager
def computing() -> Iterator[Measured]:
    """Measure what this thread computes in here: other threads and the garbage of earlier tests do not count."""
    measured = Measured()
    collecting = gc.isenabled()
    gc.disable()
    began = time.thread_time()
    try:
        yield measured
    finally:
        measured.seconds = time.thread_time() - began
        if collecting:
            gc.enable()
