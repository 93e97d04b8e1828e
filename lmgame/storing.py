"""From games that were played into the results store; a store that fails never costs a result."""

import logging
import os
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from lmgame_common import LmgameError
from lmgame_leaderboards import PlayedGame

logger = logging.getLogger(__name__)

NO_STORE = "none"
"""What `--db`, or its environment variable, says where results are to stay out of any store."""


def keep(games: Iterable[PlayedGame], db: str | None, folder: Path, warn: Callable[[str], None]) -> None:
    """Put finished games into the results store.

    Args:
        games: Those of a run or an arena; ones that the store has already change nothing.
        db: As `--db`: a URL, a path, `none`, or None for the environment's or the user's own store.
        folder: Where their records are.
        warn: Told in words if the store can't be used; the games stay in their folder, and nothing is raised.
    """
    from lmgame_leaderboards.store import ENVIRONMENT, Store  # only here, because it takes long to import

    if (db or os.environ.get(ENVIRONMENT)) == NO_STORE:
        return
    try:
        with Store.open(db) as store:
            store.put(games)
    except LmgameError as error:
        command = shlex.join(["lmgame", "results", "import", str(folder)])
        text = f"The results are in {folder}, but not in the results store. {error} To add them then: {command}"
        logger.warning("%s", text)
        warn(text)
