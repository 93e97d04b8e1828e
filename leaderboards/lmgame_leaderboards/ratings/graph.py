"""Who can be compared with whom: the graph of meetings, and that of points taken."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from lmgame_common import UsageError
from lmgame_leaderboards.ratings.matches import LOSS, WIN, Matches


class NotConnectedError(UsageError):
    """Raised when players fall into groups that never met, so that no scale is common to them.

    Attributes:
        missing: One pair of players a gap; matches between them connect all groups.
    """

    def __init__(self, missing: list[tuple[str, str]]) -> None:
        pairs = ", ".join(f"{first} against {second}" for first, second in missing)
        super().__init__(f"Ratings need matches that connect all players, and some are missing. Play: {pairs}.")
        self.missing = missing


def check_connected(matches: Matches) -> None:
    """Raise NotConnectedError, naming the missing pairs, unless matches connect all players."""
    count = len(matches.players)
    edges = np.zeros((count, count), bool)
    edges[matches.first, matches.second] = True
    groups, group = connected_components(csr_array(edges), directed=False)
    if groups <= 1:
        return
    # The busiest player of the largest group against the busiest of each other one.
    met = np.bincount(matches.first, minlength=count) + np.bincount(matches.second, minlength=count)
    sizes = np.bincount(group)
    speakers = [max(np.flatnonzero(group == g), key=lambda p: (met[p], -p)) for g in np.argsort(-sizes, kind="stable")]
    hub = matches.players[speakers[0]]
    raise NotConnectedError([(hub, matches.players[player]) for player in speakers[1:]])


def ahead(matches: Matches) -> NDArray[np.bool_]:
    """For each two players whether a chain of points taken leads from the first to the second, (players, players).

    `ahead[a, b]` without `ahead[b, a]` means that the strength of a over b has no upper limit by the results alone:
    nobody on b's side ever took half a point from anybody on a's (Ford, American Mathematical Monthly 64, 1957).
    """
    count = len(matches.players)
    took = np.zeros((count, count), bool)
    for winner, loser, chosen in (
        (matches.first, matches.second, matches.result != LOSS),
        (matches.second, matches.first, matches.result != WIN),
    ):
        took[winner[chosen], loser[chosen]] = True
    groups, group = connected_components(csr_array(took), directed=True, connection="strong")
    # Reachability among the strongly connected groups, of which there are few in all but the smallest arenas.
    reaches = np.eye(groups, dtype=bool)
    winners, losers = np.nonzero(took)
    reaches[group[winners], group[losers]] = True
    while True:
        further = reaches @ reaches
        if (further == reaches).all():
            return reaches[np.ix_(group, group)]
        reaches = further
