"""From an image URI to the numbers that the vision encoder takes, as transformers' image processor makes them."""

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 4096 * 4096
"""Larger pictures are refused before they are decoded: a few kilobytes can stand for gigabytes of pixels."""


class PictureError(ValueError):
    """Raised inside this engine for a picture that can't be used; the message is for the client."""


def open_picture(uri: str) -> Image.Image:
    """The picture of a `data:` URI, in RGB. Nothing is ever fetched.

    Raises:
        PictureError: If it is no such URI, no picture of a known format, damaged, or too large.
    """
    scheme, _, rest = uri.partition(":")
    head, comma, data = rest.partition(",")
    if scheme.lower() != "data" or not comma or not head.lower().endswith(";base64"):
        raise PictureError("a picture must come as a data URI (data:image/png;base64,…); none is fetched")
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError as error:
        raise PictureError(f"the picture's base64 is broken ({error})") from None
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise PictureError(f"the picture has {width} x {height} pixels; at most {MAX_PIXELS:,} are taken")
            return ImageOps.exif_transpose(picture).convert("RGB")
    except PictureError:
        raise
    except Exception:  # a damaged file makes Pillow's decoders raise nearly anything
        raise PictureError(f"the picture can't be read; {', '.join(FORMATS)} are") from None


class Sight:
    """The image processor of a model's folder: resized to a square, stretched if need be, and normalised.

    Equal to transformers' `Idefics3ImageProcessorPil` bit for bit.

    Args:
        folder: Has `processor_config.json`.
    """

    def __init__(self, folder: Path) -> None:
        settings = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))["image_processor"]
        self.side = settings["max_image_size"]["longest_edge"]
        """Of the square, in pixels."""
        self._resample = Image.Resampling(settings["resample"])
        levels = (np.arange(256) * settings["rescale_factor"]).astype(np.float32)[:, None]
        mean, std = (np.array(settings[name], np.float32) for name in ("image_mean", "image_std"))
        self._levels: np.ndarray = (levels - mean) / std
        """The 256 values that each channel can have, float32 (256, 3)."""

    def pixels(self, picture: Image.Image) -> np.ndarray:
        """`pixel_values` of an RGB picture, float32 (1, 3, side, side)."""
        small = np.asarray(picture.resize((self.side, self.side), self._resample))
        return np.stack([self._levels[small[..., channel], channel] for channel in range(3)])[None]
