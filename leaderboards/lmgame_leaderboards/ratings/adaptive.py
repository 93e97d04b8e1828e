"""Where the next pairs tell most: between players whose order is least certain, or through whom it becomes certain."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import ndtr

from lmgame_leaderboards.ratings.bradley_terry import Cells, fit, prior_sd
from lmgame_leaderboards.ratings.matches import Matches

type Candidate = tuple[str, str, str]
"""Game, and the two players."""


def next_pairs(matches: Matches, candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """Choose pairs one after the other, each where it is expected to tell most given those before.

    What a pair tells is the sum, over all pairs of players, of how much it takes off the variance of their difference
    (one step of sequential A-optimal design: Chaloner and Verdinelli, Statistical Science 10, 1995), each weighed by
    the probability that the present order of the two is wrong. Players that no chain of matches connects yet are
    connected before anything else. Draws and seats are left out of this reckoning.

    Args:
        matches: So far; may be none, and lack players and games that candidates name.
        candidates: What can be played. One that can be played several times stands in it once; it may be chosen again.
        count: How many to choose.

    Returns:
        The pairs, in the order chosen. Equal ones are taken by fewest played, then as in `candidates`.
    """
    if not candidates or count < 1:
        return []
    names = tuple(dict.fromkeys([*matches.players, *(name for _, *pair in candidates for name in pair)]))
    at = {name: number for number, name in enumerate(names)}
    strengths, covariance = _state(matches, len(names))
    first = np.array([at[one] for _, one, _ in candidates])
    second = np.array([at[other] for _, _, other in candidates])
    played = _played(matches, candidates)
    lead = np.abs(strengths[:, None] - strengths[None, :])
    share = 1 / (1 + np.exp(-(strengths[first] - strengths[second])))
    information = share * (1 - share)
    group = _groups(matches, len(names))
    chosen: list[Candidate] = []
    for _ in range(count):
        variances = np.diag(covariance)
        spread = variances[:, None] + variances[None, :] - 2 * covariance
        wrong = ndtr(-lead / np.sqrt(np.maximum(spread, 1e-12)))
        np.fill_diagonal(wrong, 0.0)
        laplacian = np.diag(wrong.sum(axis=1)) - wrong
        moved = covariance[:, first] - covariance[:, second]
        told = (moved * (laplacian @ moved)).sum(axis=0)
        gain = told * information / (1 + information * spread[first, second])
        # What connects players that no chain of matches connects comes first: without it there is no scale.
        bridges = group[first] != group[second]
        if bridges.any():
            gain = np.where(bridges, gain, -1.0)
        ties = np.flatnonzero(gain >= gain.max() * (1 - 1e-9))
        best = int(ties[np.argmin(played[ties])])
        direction, weight = moved[:, best], information[best]
        covariance = covariance - np.outer(direction, direction) * (
            weight / (1 + weight * spread[first[best], second[best]])
        )
        played[best] += 1
        group[group == group[second[best]]] = group[first[best]]
        chosen.append(candidates[best])
    return chosen


def _state(matches: Matches, players: int) -> tuple[np.ndarray, np.ndarray]:
    """Strengths and their covariance; players without a match stand where the prior puts them."""
    known = len(matches.players)
    strengths, covariance = np.zeros(players), np.diag(prior_sd(players, 0) ** 2)
    if len(matches.game):
        cells = Cells.of(matches)
        found = fit(cells, cells.counts())
        strengths[:known] = found.strengths
        covariance[:known, :known] = np.linalg.inv(found.information)[:known, :known]
    return strengths, covariance


def _groups(matches: Matches, players: int) -> np.ndarray:
    """By player, the number of the group of those that matches connect."""
    ones = np.ones(len(matches.first), np.int8)
    meetings = coo_array((ones, (matches.first, matches.second)), shape=(players, players))
    return connected_components(meetings, directed=False)[1]


def _played(matches: Matches, candidates: Sequence[Candidate]) -> np.ndarray:
    """How many matches of each candidate there are."""
    count = len(matches.players)
    low, high = np.minimum(matches.first, matches.second), np.maximum(matches.first, matches.second)
    numbers = (matches.game.astype(np.int64) * count + low) * count + high
    counts = dict(zip(*(column.tolist() for column in np.unique(numbers, return_counts=True)), strict=True))
    game = {name: number for number, name in enumerate(matches.games)}
    player = {name: number for number, name in enumerate(matches.players)}

    def played(candidate: Candidate) -> int:
        name, *pair = candidate
        if name not in game or not all(one in player for one in pair):
            return 0
        one, other = sorted(player[name] for name in pair)
        return counts.get((game[name] * count + one) * count + other, 0)

    return np.array([played(candidate) for candidate in candidates])
