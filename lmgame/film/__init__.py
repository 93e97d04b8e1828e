"""Films of episodes and matches, drawn anew from their records."""

from collections.abc import Sequence
from pathlib import Path

from lmgame.film.raced import film_raced
from lmgame.film.shared import film_shared
from lmgame.film.single import film
from lmgame.film.writers import film_suffix
from lmgame.replay import is_shared
from lmgame_common import UsageError
from lmgame_leaderboards import read_episode

__all__ = ["film", "film_of", "film_raced", "film_shared", "film_suffix"]


def film_of(records: Sequence[Path], out: Path, speed: float | None = None) -> float:
    """Write the film of whatever the records hold: an episode, a shared game, or the two sides of a raced match.

    Args:
        records: One record, or the two of a raced match.
        out: Where to; the suffix `.mp4` or `.gif` says what.
        speed: Game seconds a film second; None: 1, or more where a match would take over two minutes.

    Returns:
        The film's length in seconds.

    Raises:
        UsageError: For another number of records, another suffix or a speed that isn't positive.
        MissingDependencyError: For `.mp4` without the extra `video`.
        RecordError: If a record can't be replayed.
    """
    if len(records) == 2:
        return film_raced(records, out, speed)
    if len(records) != 1:
        raise UsageError(f"A film shows one record or the two of a match; {len(records)} were given.")
    (record,) = records
    if is_shared(read_episode(record)):
        return film_shared(record, out, speed)
    return film(record, out, 1.0 if speed is None else speed)
