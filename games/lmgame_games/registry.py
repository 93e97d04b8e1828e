"""Names to games: the built-in ones, and other packages' through the entry point group `lmgame.games`."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, cast

import gymnasium

from lmgame_common import GameError, UnknownNameError, UsageError
from lmgame_games.core import Card, Game, GameEnv, Player
from lmgame_games.shared import Seat, SharedGame

BUILT_IN = {
    "tetris": "lmgame_games.tetris:GAME",
    "mario": "lmgame_games.mario:GAME",
    "tetris-versus": "lmgame_games.tetris_versus:GAME",
    "connect4": "lmgame_games.connect4:GAME",
    "tic-tac-toe": "lmgame_games.tic_tac_toe:GAME",
    "holdem": "lmgame_games.holdem:GAME",
}


def _load(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


@cache
def games() -> Mapping[str, Game]:
    """All registered games by name. A third-party entry point that isn't a `Game` raises GameError."""
    found: dict[str, Game] = {name: _load(reference) for name, reference in BUILT_IN.items()}
    for entry in entry_points(group="lmgame.games"):
        game = entry.load()
        if not isinstance(game, Game):
            raise GameError(f"The entry point {entry.name!r} of group lmgame.games must name a lmgame_games.Game.")
        found[game.name] = game
    return found


def game(name: str) -> Game:
    """The game of that name. Raises UnknownNameError with the closest name."""
    try:
        return games()[name]
    except KeyError:
        raise UnknownNameError("game", name, games()) from None


def card(name: str, preset: str | None = None) -> Card:
    """A game's card under a preset (the game's first one by default). Raises UnknownNameError."""
    found = game(name)
    preset = preset or found.presets[0]
    if preset not in found.presets:
        raise UnknownNameError(f"preset of {name}", preset, found.presets)
    return found.cards(preset)


def register() -> None:
    """Register the id of every game for one with Gymnasium (lazily: no game's module is loaded by it)."""
    for found in games().values():
        if found.seats == 1 and found.env_id not in gymnasium.registry:
            gymnasium.register(found.env_id, entry_point=found.entry_point, disable_env_checker=True)


def make(name: str, preset: str | None = None, *, render_mode: str | None = "rgb_array", **options: Any) -> GameEnv:
    """Make a game's environment, without wrappers.

    Args:
        name: The game's short name, such as `tetris`.
        preset: One of the game's presets; the first one by default.
        render_mode: Gymnasium's; `rgb_array` or None.
        options: The game's own options, such as `stage="1-2"` for mario; they override the preset's.

    Raises:
        UnknownNameError: For an unknown game or preset.
        UsageError: For an unknown option, and for a game that is shared.
        MissingDependencyError: If the game's extra is not installed.
    """
    found = _ready(name, options)
    if found.seats > 1:
        raise UsageError(
            f"{name} is for {found.seats} players: make it with make_shared, or play it with lmgame match."
        )
    preset = card(name, preset).preset
    register()
    env = gymnasium.make(found.env_id, preset=preset, render_mode=render_mode, **options)
    return cast(GameEnv, env.unwrapped)


def make_shared(
    name: str, preset: str | None = None, *, render_mode: str | None = "rgb_array", **options: Any
) -> SharedGame:
    """Make the PettingZoo environment of a shared game; arguments and errors as of `make`."""
    found = _ready(name, options)
    if found.seats == 1:
        raise UsageError(f"{name} is for one player: make it with make.")
    preset = card(name, preset).preset
    return _load(found.entry_point)(preset=preset, render_mode=render_mode, **options)


def _ready(name: str, options: Mapping[str, Any]) -> Game:
    """The game, if it knows the options and can run on this machine."""
    found = game(name)
    if unknown := sorted(set(options) - set(found.options)):
        known = ", ".join(found.options) or "none"
        raise UsageError(f"{name} has no option {unknown[0]!r}; its options are: {known}.")
    if found.check:
        found.check()
    return found


def scripted_player(env: GameEnv | Seat) -> Player:
    """The scripted player of an environment's game, or of a seat's. Raises GameError where the game has none."""
    reference = game(env.card.game).scripted
    if reference is None:
        raise GameError(f"{env.card.game} has no scripted player.")
    return _load(reference)(env)
