"""Runs a function in a process of its own, with limits, to read data that anybody may have written."""

import asyncio
import resource
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended."""

    status: int
    output: bytes
    complaint: str


async def run_confined(function: str, *arguments: str, data: bytes, seconds: float) -> Finished:
    """Call `module:function` with these arguments and with `data` on standard input, in an empty environment.

    Raises `TimeoutError`, and ends the process, after so many seconds.
    """
    module, _, name = function.partition(":")
    program = f"import sys; sys.path[:] = {sys.path!r}; from {module} import {name}; {name}(*sys.argv[1:])"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", program, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={},
    )
    try:
        async with asyncio.timeout(seconds):
            output, complaint = await process.communicate(data)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Finished(process.returncode or 0, output, complaint.decode("utf-8", "replace"))


def confine(seconds: int, memory_bytes: int) -> None:
    """Bound the CPU seconds and, on Linux, the address space of the process this runs in."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
