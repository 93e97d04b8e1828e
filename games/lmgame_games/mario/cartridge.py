"""The game's cartridge image: the one a package ships, or a person's own."""

from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from lmgame_common import MissingDependencyError, UsageError


@dataclass(frozen=True, slots=True)
class Cartridge:
    """A cartridge image on disk."""

    path: str
    sha256: str
    """Hex digest of the file; two images of one game may play differently."""


def find(rom: str | Path | None = None) -> Cartridge:
    """The cartridge to play.

    Args:
        rom: Path of an image in iNES format; None for the one that gym-super-mario-bros ships.

    Raises:
        UsageError: If there is no such file, or it is no iNES image.
        MissingDependencyError: If no path is given and gym-super-mario-bros is not installed.
    """
    path = _packaged() if rom is None else Path(rom).expanduser()
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"The cartridge image {str(path)!r} can't be read: {reason}. Give the path of a .nes file."
        ) from None
    if data[:4] != b"NES\x1a":
        raise UsageError(f"{str(path)!r} is no NES cartridge image in iNES format. Give the path of a .nes file.")
    return Cartridge(str(path), sha256(data).hexdigest())


def _packaged() -> Path:
    # Only the package's folder is looked up; importing it would load its environments.
    spec = find_spec("gym_super_mario_bros")
    if spec is None or spec.origin is None:
        raise MissingDependencyError("Super Mario Bros", "mario")
    return Path(spec.origin).parent / "_roms" / "super-mario-bros.nes"
