"""Frames as PNG data URIs."""

import base64
import struct
import zlib

import numpy as np


def png(frame: np.ndarray) -> bytes:
    """A frame, uint8 of shape (height, width, 3), as a PNG file; lossless.

    Each row is stored as its difference to the row above (https://www.w3.org/TR/png-3/): frames of games are large
    areas of few colours. Measured on frames of Tetris and Super Mario Bros: a quarter of the time that Pillow takes,
    for 1.0 to 1.2 times the size. A palette would make zlib's work a third, but finding each pixel's colour in it
    takes NumPy longer than that saves.
    """
    height, width, _ = frame.shape
    pixels = frame.reshape(height, 3 * width)
    rows = np.full((height, 1 + 3 * width), 2, np.uint8)  # each begins with its filter's number: "up"
    rows[0, 1:] = pixels[0]
    np.subtract(pixels[1:], pixels[:-1], out=rows[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB, not interlaced
    # A hash table smaller than zlib's default is faster by a fifth: it is cleared, and moved along every 32 KiB.
    deflate = zlib.compressobj(1, memLevel=5)
    image = deflate.compress(rows) + deflate.flush()
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", image) + _chunk(b"IEND", b"")


def data_uri(frame: np.ndarray) -> str:
    """A frame as a `data:image/png;base64,…` URI, at its own size."""
    return "data:image/png;base64," + base64.b64encode(png(frame)).decode("ascii")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
