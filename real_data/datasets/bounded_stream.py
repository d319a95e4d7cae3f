"""Decompression that knows how much to expect: a small file that unpacks to more than twice that is refused.

The sizes of published data sets are known beforehand, so a file that would fill the memory (a decompression bomb, or a
damaged header) is noticed once it has given ``MOST`` times the expected size.
"""

from __future__ import annotations

import io

__all__ = ["MOST", "BoundedStream"]

MOST = 2
"""Times the expected size that is read at the most."""


class BoundedStream(io.RawIOBase):
    """A stream of bytes that ends with an error after ``MOST`` times what is expected.

    Args:
        stream: the stream, for example a ``gzip.GzipFile``.
        expected: bytes that it should give.
        name: what the error calls it.
    """

    def __init__(self, stream: io.BufferedIOBase, expected: int, name: str):
        self._stream, self._left, self._name, self._expected = stream, MOST * expected, name, expected

    def readable(self) -> bool:  # noqa: D102
        return True

    def read(self, size: int | None = -1) -> bytes:
        """As of any stream.

        Raises:
            ValueError: there is more than ``MOST`` times what is expected.
        """
        wanted = self._left + 1 if size is None or size < 0 else min(size, self._left + 1)
        content = self._stream.read(wanted)
        self._left -= len(content)
        if self._left < 0:
            raise ValueError(
                f"{self._name} unpacks to more than {MOST} times the {self._expected:,} bytes that it should have"
            )
        return content
