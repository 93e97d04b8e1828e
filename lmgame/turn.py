"""What one answer does to a game. Playing, resuming and replaying all go through here, so they can't differ."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lmgame_games import GameEnv, Move, play_moves


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of one answer: how many of its moves were played, and whether the game is over."""

    played: int
    over: bool


def play_turn(
    env: GameEnv[Any, Any],
    moves: Sequence[Move],
    *,
    usable: bool,
    waited: int = 0,
    after_step: Callable[[dict[str, Any]], None] | None = None,
) -> Turn:
    """Play one answer's moves.

    First `waited` frames pass without input (the real-time clock). Then the moves are played until the game ends or
    what they were meant for is gone (`turn_over`). An answer that isn't `usable` costs one idle move on top of those
    legal moves that stood before its fault.

    Args:
        env: The game, somewhere in an episode.
        moves: Legal moves.
        usable: Whether the verdict was `ok`.
        waited: Frames that passed while the model thought.
        after_step: Called with `info` after each step and after the wait.
    """
    if waited:
        _, _, terminated, truncated, info = env.wait(waited)
        if after_step:
            after_step(info)
        if terminated or truncated:
            return Turn(0, over=True)
        if info["turn_over"]:
            moves = ()
    played, over, turn_over = play_moves(env, moves, after_step)
    if not (usable or over or turn_over):
        _, over, _ = play_moves(env, [env.card.idle], after_step)
    return Turn(played, over)
