"""`lmgame` as a process of its own that knows the toy games: `python -m tests.lmgame.toy_command arena …`."""

from lmgame.cli import main
from lmgame_games import registry

from .shared_toys import GAMES

if __name__ == "__main__":
    known = {**registry.games(), **GAMES}
    registry.games = lambda: known
    main()
