"""Where the next pairs tell most: between players whose order is least certain, or through whom it becomes certain."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from lmgame_leaderboards.ratings.bradley_terry import Cells, fit, prior_sd
from lmgame_leaderboards.ratings.matches import Matches

type Candidate = tuple[str, str, str]
"""Game, and the two players."""


def next_pairs(matches: Matches, candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """Choose pairs one after the other, each where it is expected to tell most given those before.

    What a pair tells is the sum, over all pairs of players, of how much it takes off the variance of their difference
    (one step of sequential A-optimal design: Chaloner and Verdinelli, Statistical Science 10, 1995), each weighed by
    the probability that the present order of the two is wrong. Draws and seats are left out of this reckoning.

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
        ties = np.flatnonzero(gain >= gain.max() * (1 - 1e-9))
        best = int(ties[np.argmin(played[ties])])
        direction, weight = moved[:, best], information[best]
        covariance = covariance - np.outer(direction, direction) * (
            weight / (1 + weight * spread[first[best], second[best]])
        )
        played[best] += 1
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


def _played(matches: Matches, candidates: Sequence[Candidate]) -> np.ndarray:
    counts: dict[tuple[str, frozenset[str]], int] = {}
    for game, one, other in zip(matches.game, matches.first, matches.second, strict=True):
        key = matches.games[game], frozenset((matches.players[one], matches.players[other]))
        counts[key] = counts.get(key, 0) + 1
    return np.array([counts.get((game, frozenset((one, other))), 0) for game, one, other in candidates])
