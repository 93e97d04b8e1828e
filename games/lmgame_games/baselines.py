"""Reference scores of a game: measured by `python -m lmgame_games.baselines GAME`, kept beside its card.

Two players are measured here: `random` draws uniformly from the action space, one move a decision, from a generator
seeded with (seed, number of the decision); `scripted` is the game's own. Episode k has seed k, so that all players see
the same games. In a shared game the player meets `random`, on each seed once at either seat. A third, `pico`, is a
model, which this room knows nothing of: `store` takes its scores.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from lmgame_common import GameError, UsageError
from lmgame_games import registry
from lmgame_games.core import Baseline, GameEnv, Move, play_moves
from lmgame_games.shared import AGENTS, AlternatingGame, Seat, SharedGame, SimultaneousGame

FILE = "baselines.json"
PLAYERS = ("random", "scripted")


def load(game: str) -> dict[str, dict[str, Baseline]]:
    """Measured baselines of a game, by preset and player; empty where none have been measured."""
    source = files(_package(game)).joinpath(FILE)
    if not source.is_file():
        return {}
    stored = json.loads(source.read_text())
    return {
        preset: {name: Baseline(**(row | {"ci95": (row["ci95"][0], row["ci95"][1])})) for name, row in players.items()}
        for preset, players in stored.items()
    }


def summary(scores: list[float]) -> Baseline:
    """Mean, sample standard deviation and Student's 95 % interval of at least two scores, to four decimals."""
    from scipy.special import stdtrit  # slow to import, and cards, which only read baselines, import this module

    if len(scores) < 2:
        raise UsageError("A baseline needs at least two episodes, or there is no interval to give.")
    values = np.asarray(scores, dtype=float)
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    half = float(stdtrit(len(scores) - 1, 0.975)) * sd / len(scores) ** 0.5
    return Baseline(len(scores), round(mean, 4), round(sd, 4), (round(mean - half, 4), round(mean + half, 4)))


def random_action(space: spaces.Space, seed: int, decision: int, seat: int = 0) -> Any:
    """The `random` player's action: uniform over a Discrete or MultiDiscrete space. Raises GameError for another."""
    rng = _generator(seed, decision, seat)
    if isinstance(space, spaces.Discrete):
        return int(space.start + rng.integers(space.n))
    if isinstance(space, spaces.MultiDiscrete):
        return (space.start + rng.integers(space.nvec)).astype(space.dtype)
    raise GameError(f"The random player knows Discrete and MultiDiscrete action spaces, not {space}.")


def random_move(env: GameEnv[Any, Any] | Seat, seed: int, decision: int) -> Move:
    """The `random` player's move: a `random_action`, or, where the state decides what is legal, uniform over that. The
    two seats of a shared game draw apart."""
    seat = env.number if isinstance(env, Seat) else 0
    if (legal := env.legal_moves()) is None:
        return env.move(random_action(env.action_space, seed, decision, seat))
    return Move(legal[int(_generator(seed, decision, seat).integers(len(legal)))])


def _generator(seed: int, decision: int, seat: int) -> np.random.Generator:
    return np.random.default_rng([seed, decision, seat] if seat else [seed, decision])


def play(env: GameEnv, player: str, seed: int) -> float:
    """Play one game to its end, or to the card's last decision; the final score."""
    env.reset(seed=seed)
    scripted = registry.scripted_player(env) if player == "scripted" else None
    for decision in range(env.card.max_decisions):
        moves = scripted.act() if scripted else [random_move(env, seed, decision)]
        _, over, _ = play_moves(env, moves)
        if over:
            break
    return env.score


def play_shared(game: SharedGame, players: Sequence[str], seed: int) -> list[float]:
    """Play one shared game to its end, or until a seat has used up the card's decisions; the scores, by seat."""
    game.reset(seed=seed)  # type: ignore[attr-defined]
    seats = [game.seat(agent) for agent in AGENTS]
    scripted = [
        registry.scripted_player(seat) if player == "scripted" else None
        for seat, player in zip(seats, players, strict=True)
    ]
    decisions = [0, 0]

    def decide(seat: int) -> list[Move]:
        found = scripted[seat]
        moves = found.act() if found else [random_move(seats[seat], seed, decisions[seat])]
        decisions[seat] += 1
        return moves

    turns = [0, 1]
    while not game.over and max(decisions[seat] for seat in turns) < game.card.max_decisions:
        if isinstance(game, SimultaneousGame):
            done = _play_round(game, {seats[seat]: decide(seat) for seat in turns})
            turns = [seat for seat in turns if seat not in done] if game.card.rounds else []
            turns = turns or [0, 1]
        elif isinstance(game, AlternatingGame):
            seat = AGENTS.index(game.agent_selection)
            for move in decide(seat):
                game.step(seats[seat].action(move))
    game.adjudicate()
    return list(game.scores().values())


def _play_round(game: SimultaneousGame, moves: Mapping[Seat, Sequence[Move]]) -> set[int]:
    """Seats' moves side by side, each until its list is out or its turn is over; the seats whose turn is."""
    left = {seat: list(own) for seat, own in moves.items()}
    done: set[int] = set()
    while any(left.values()) and not game.over:
        actions = {seat.agent: seat.action(own.pop(0)) for seat, own in left.items() if own}
        infos = game.step(actions)[-1]
        for seat in left:
            if seat.agent in actions and infos[seat.agent]["turn_over"]:
                left[seat] = []
                done.add(seat.number)
    return done


def measure(game: str, preset: str, player: str, episodes: int) -> Baseline:
    """The baseline of one player under one preset, over seeds 0 to `episodes` - 1; of a shared game both seats of each
    seed count."""
    if registry.game(game).seats > 1:
        shared = registry.make_shared(game, preset, render_mode=None)
        scores = [
            play_shared(shared, (player, "random") if seat == 0 else ("random", player), seed)[seat]
            for seed in range(episodes)
            for seat in (0, 1)
        ]
        return summary(scores)
    env = registry.make(game, preset, render_mode=None)
    try:
        return summary([play(env, player, seed) for seed in range(episodes)])
    finally:
        env.close()


def _package(game: str) -> str:
    return registry.game(game).entry_point.partition(":")[0].rpartition(".")[0]


def _measured(game: str, presets: list[str], players: list[str], episodes: int) -> Iterator[tuple[str, str, Baseline]]:
    for preset in presets:
        for player in players:
            if player == "scripted" and registry.game(game).scripted is None:
                continue
            yield preset, player, measure(game, preset, player, episodes)


def store(game: str, preset: str, player: str, baseline: Baseline) -> None:
    """Print a baseline and keep it beside the card, with what is there of other presets and players."""
    target = Path(str(files(_package(game)).joinpath(FILE)))
    low, high = baseline.ci95
    print(f"{preset} {player}: {baseline.mean:.2f} [{low:.2f}, {high:.2f}], sd {baseline.sd:.2f}, n {baseline.n}")
    stored = json.loads(target.read_text()) if target.exists() else {}
    stored.setdefault(preset, {})[player] = asdict(baseline)
    target.write_text(json.dumps(stored, indent=2) + "\n")


def main(arguments: list[str] | None = None) -> None:
    """Measure and store the baselines of a game."""
    parser = argparse.ArgumentParser(prog="python -m lmgame_games.baselines", description=main.__doc__)
    parser.add_argument("game")
    parser.add_argument("--preset", action="append", help="only this preset; may be given several times")
    parser.add_argument("--player", action="append", choices=PLAYERS, help="only this player")
    parser.add_argument("--episodes", type=int, required=True)
    options = parser.parse_args(arguments)
    presets = options.preset or list(registry.game(options.game).presets)
    for preset, player, baseline in _measured(options.game, presets, options.player or list(PLAYERS), options.episodes):
        store(options.game, preset, player, baseline)


if __name__ == "__main__":
    main()
