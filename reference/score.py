"""Put pico's scores on a card: `python -m reference.score RUN`, a finished run of `lmgame play --model pico`.

Seeds must begin at 0, as those of all baselines do. Needs the package alone, not what training needs.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from lmgame_games import baselines
from lmgame_leaderboards import load_run


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    run = load_run(parser.parse_args().run)
    for game in run.summaries:
        rows = [row for row in run.episodes if (row.game, row.preset) == (game.game, game.preset)]
        if sorted(row.seed for row in rows) != list(range(game.n)):
            raise SystemExit(f"{game.game}/{game.preset}: seeds must be 0 to n - 1, and every episode finished.")
        scores = [row.score for row in rows]
        baselines.store(game.game, game.preset, "pico", replace(baselines.summary(scores), reference=True))


if __name__ == "__main__":
    main()
