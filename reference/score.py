"""Put pico's scores on a card: `python -m reference.score RUN`, a finished run of `lmgame play --model pico`.

The run has to be played as the baselines are: seeds from 0, the preset as it stands, the card's own number of
decisions, the paused clock. Needs the package alone, not what training needs.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from lmgame_games import Baseline, baselines, card
from lmgame_leaderboards import RunRecord, RunResults, load_run
from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.pico_engine.model import WEIGHTS, read_sums

PLAYER = "pico"


def refusal(record: RunRecord) -> str | None:
    """Why a run of these terms doesn't belong on a card; None where it does."""
    request = record.request
    if request.model != PLAYER or request.base_url is not None or not record.reference:
        return f"{request.model!r} is not {PLAYER} as it comes with lmgame: play with --model {PLAYER}."
    if request.clock != "paused":
        return f"it was played under the clock {request.clock!r}, baselines under the paused one."
    if request.max_decisions is not None:
        return f"it was played with at most {request.max_decisions} decisions, not the card's own number."
    if sampling := {name: value for name, value in request.sampling.items() if value and name != "request_timeout"}:
        return f"it was played with settings of its own, {sampling}."
    if (weights := getattr(record.versions, "weights", None)) and weights != read_sums(FOLDER)[WEIGHTS]:
        return "it was played with other weights than those that lmgame comes with now."
    for game in request.games:
        if game.options:
            return f"{game.game} was played with options of its own, {game.options}, not the preset as it stands."
        if game.version != card(game.game, game.preset).version:
            return f"it was played in version {game.version} of {game.game}/{game.preset}, which has changed since."
    return None


def baseline_of(run: RunResults, game: str, preset: str) -> Baseline:
    """The baseline of one game of a run that `refusal` lets pass.

    Raises:
        SystemExit: If it isn't finished, or its seeds aren't 0 to n - 1.
    """
    rows = [row for row in run.episodes if (row.game, row.preset) == (game, preset) and row.outcome]
    if sorted(row.seed for row in rows) != list(range(len(run.record.request.seeds))):
        raise SystemExit(f"{game}/{preset}: seeds must be 0 to n - 1, and every episode finished.")
    return replace(baselines.summary([row.score for row in rows]), reference=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m reference.score", description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    path = parser.parse_args().run
    run = load_run(path)
    if why := refusal(run.record):
        raise SystemExit(f"{path}: {why}")
    found = {(game.game, game.preset): baseline_of(run, game.game, game.preset) for game in run.record.request.games}
    for (game, preset), baseline in found.items():
        baselines.store(game, preset, PLAYER, baseline)


if __name__ == "__main__":
    main()
