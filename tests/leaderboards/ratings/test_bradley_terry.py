"""Strengths against choix, and draws and seats against a generic optimizer on a likelihood written down again."""

import math

import choix
import numpy as np
import pytest
from scipy.optimize import minimize

from lmgame_leaderboards.ratings import DRAW, LOSS, WIN, Match, Matches
from lmgame_leaderboards.ratings.bradley_terry import ELO, Cells, Fit, fit, prior_sd

PLAYERS = "abcde"


def played(seed: int, *, draws: bool, seated: bool, games: dict[str, int]) -> list[Match]:
    rng = np.random.default_rng(seed)
    strengths = dict(zip(PLAYERS, rng.normal(0, 1, len(PLAYERS)), strict=True))
    found = []
    for game, count in games.items():
        for number in range(count):
            one, other = rng.permutation(list(PLAYERS))[:2]
            up = math.exp((strengths[one] - strengths[other] + 0.5 * seated) / 2)
            even = 0.8 * draws
            share = np.array([up, even, 1 / up]) / (up + even + 1 / up)
            found.append(Match(game, one, other, rng.choice([WIN, DRAW, LOSS], p=share), number, seated))
    return found


def fitted(matches: list[Match], sd: np.ndarray | None = None) -> Fit:
    cells = Cells.of(Matches.of(matches))
    return fit(cells, cells.counts(), sd=sd)


@pytest.mark.parametrize("seed", range(3))
def test_strengths_are_those_of_choix(seed: int) -> None:
    matches = played(seed, draws=False, seated=False, games={"g": 200})
    at = {name: number for number, name in enumerate(PLAYERS)}
    pairs = [
        (at[match.first], at[match.second]) if match.result == WIN else (at[match.second], at[match.first])
        for match in matches
    ]
    ridge = 1e-3
    peer = choix.opt_pairwise(len(PLAYERS), pairs, alpha=ridge, method="BFGS", tol=1e-12)
    # choix subtracts ridge · |θ|², we |θ|² / (2 sd²); no draws: ν is held at 0.
    sd = np.array([(2 * ridge) ** -0.5] * len(PLAYERS) + [1e-9, 1e-9])
    cells = Cells.of(Matches.of(matches))
    centre = np.array([0.0] * len(PLAYERS) + [0.0, -40.0])
    own = fit(cells, cells.counts(), sd=sd, prior_mean=centre).strengths
    assert own - own.mean() == pytest.approx(peer - peer.mean(), abs=1e-4)


def minus_log_posterior(
    parameters: np.ndarray, matches: list[Match], games: list[str], weights: dict[str, float]
) -> float:
    count = len(PLAYERS)
    sd = prior_sd(count, len(games))
    total = float(((parameters / sd) ** 2).sum() / 2)
    for match in matches:
        game = games.index(match.game)
        seat = parameters[count + game] if match.seated else 0.0
        lead = parameters[PLAYERS.index(match.first)] - parameters[PLAYERS.index(match.second)] + seat
        nu = math.exp(parameters[count + len(games) + game])
        # Davidson's form: π₁ : ν √(π₁ π₂) : π₂.
        odds = {WIN: math.exp(lead), DRAW: nu * math.sqrt(math.exp(lead)), LOSS: 1.0}
        total -= weights[match.game] * math.log(odds[match.result] / sum(odds.values()))
    return total


@pytest.mark.parametrize(
    ("seated", "games"),
    [(True, {"g": 80}), (False, {"g": 80}), (True, {"g": 90, "h": 20})],
)
def test_draws_seats_and_weights_are_those_of_a_generic_optimizer(seated: bool, games: dict[str, int]) -> None:
    matches = played(7, draws=True, seated=seated, games=games)
    total = sum(games.values())
    # Weights proportional to 1 / n, scaled to Kish's effective number.
    plain = {game: total / len(games) / count for game, count in games.items()}
    kish = total**2 / sum(count * plain[game] ** 2 for game, count in games.items())
    weights = {game: weight * kish / total for game, weight in plain.items()}
    start = np.zeros(len(PLAYERS) + 2 * len(games))
    peer = minimize(minus_log_posterior, start, args=(matches, list(games), weights), method="BFGS", tol=1e-8)
    assert fitted(matches).parameters == pytest.approx(peer.x, abs=2e-4)


def test_information_is_the_second_derivative_of_the_posterior() -> None:
    matches = played(3, draws=True, seated=True, games={"g": 60, "h": 60})
    own = fitted(matches)
    weights = {"g": 1.0, "h": 1.0}
    size, step = len(own.parameters), 1e-4

    def at(*moves: tuple[int, float]) -> float:
        moved = own.parameters.copy()
        for index, by in moves:
            moved[index] += by
        return minus_log_posterior(moved, matches, ["g", "h"], weights)

    for i, j in [(0, 0), (0, 1), (2, size - 1), (1, size - 3), (size - 4, size - 4), (size - 2, size - 2), (5, 7)]:
        corners = ((step, step, 1), (step, -step, -1), (-step, step, -1), (-step, -step, 1))
        second = sum(sign * at((i, a), (j, b)) for a, b, sign in corners) / (4 * step**2)
        assert own.information[i, j] == pytest.approx(second, abs=1e-3)


def test_equal_weights_change_nothing_and_a_long_game_does_not_drown_a_short_one() -> None:
    def race(game: str, winner: str, loser: str, count: int) -> list[Match]:
        return [Match(game, winner, loser, WIN, number, False) for number in range(count)]

    once = race("g", "a", "b", 6) + race("g", "b", "a", 2)
    again = [Match("h", m.first, m.second, m.result, m.unit, m.seated) for m in once]
    joint = fitted(once + again)
    # Two equal games tell as much as one of twice the length.
    double = fitted(once + [Match("g", m.first, m.second, m.result, (m.unit, 100), m.seated) for m in once])
    assert joint.strengths[:2] == pytest.approx(double.strengths[:2], abs=0.02)
    # Opposite results weigh each other out, however much longer one of the games is.
    opposed = fitted(
        race("g", "a", "b", 60) + race("g", "b", "a", 20) + race("h", "b", "a", 6) + race("h", "a", "b", 2)
    )
    assert opposed.strengths[0] == pytest.approx(opposed.strengths[1], abs=1e-6)
    # And no weight makes more of a game than it is.
    counts = Cells.of(Matches.of(race("g", "a", "b", 60) + race("h", "b", "a", 6))).counts()
    assert counts.sum() == pytest.approx(2**2 / (1 / 60 + 1 / 6))
    assert counts.sum() < 66


def test_total_winners_stay_finite_and_in_order() -> None:
    matches = [Match("g", PLAYERS[i], PLAYERS[j], WIN, i, False) for i in range(5) for j in range(i + 1, 5)] * 50
    strengths = fitted(matches).strengths
    assert np.isfinite(strengths).all()
    assert (np.diff(strengths) < 0).all()
    assert ELO * (strengths[0] - strengths[-1]) < 5000
