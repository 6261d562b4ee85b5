"""Files that only their owner can read and write."""

import os


def private(path: str, flags: int) -> int:
    """An opener for `open`: the file has mode 0600 whatever the umask."""
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor
