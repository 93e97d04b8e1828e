"""Makes a ledger in a process of its own: `python -m lmgame_leaderboards.web.work PARENT`, the order on standard input.

`PARENT` is the number of the process that waits for it; once that is gone, so is this one.

The order is a JSON object: `db` (a store's URL), `clock`, `cards`, `rounds`, `first`. Standard output gets the ledger.
"""

import json
import os
import sys
import threading
import time

from lmgame_common import LmgameError
from lmgame_leaderboards.store import Store
from lmgame_leaderboards.web.ledger import ledger_document

NICENESS = 10
"""How far the process stands back: those who look at pages go first."""

LOOK_EVERY = 1.0
"""Seconds between two looks whether somebody still waits."""


def _end_with(parent: int) -> None:
    """End this process once its parent has, however that came about: nobody waits any more."""
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    os._exit(1)


def main() -> int:
    """Work an order off."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    order = json.load(sys.stdin)
    try:
        with Store.open(order["db"]) as store:
            state = store.state()  # before the games: one that comes in between is seen at the next look
            games = store.games(clock=order["clock"])
            published = store.published() if order["clock"] == "paused" else []
        document = ledger_document(
            games,
            clock=order["clock"],
            state=state,
            cards=order["cards"],
            published=published,
            rounds=order["rounds"],
            first=order["first"],
        )
    except LmgameError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    json.dump(document, sys.stdout, separators=(",", ":"))
    return 0


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    sys.exit(main())
