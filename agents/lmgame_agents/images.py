"""Frames as PNG data URIs."""

import base64
import struct
import zlib

import numpy as np


def png(frame: np.ndarray) -> bytes:
    """A frame, uint8 of shape (height, width, 3), as a PNG file; lossless.

    Rows are stored unfiltered (https://www.w3.org/TR/png-3/): frames of games are large areas of few colours, where
    filters gain little. Measured on frames of Tetris and Super Mario Bros: a third of the time that Pillow takes, for
    1.1 to 1.3 times the size.
    """
    height, width, _ = frame.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each begins with its filter's number: none
    rows[:, 1:] = frame.reshape(height, 3 * width)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB, not interlaced
    image = zlib.compress(rows.tobytes(), 1)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", image) + _chunk(b"IEND", b"")


def data_uri(frame: np.ndarray) -> str:
    """A frame as a `data:image/png;base64,…` URI, at its own size."""
    return "data:image/png;base64," + base64.b64encode(png(frame)).decode("ascii")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
