"""Evaluate a model from Python: play, look at the intervals, compare with the baselines.

uv run python examples/evaluate_model.py --model scripted --episodes 5
"""

import argparse

import lmgame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="scripted", help="anything that `lmgame models` lists")
    parser.add_argument("--game", default="tetris")
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--max-decisions", type=int, default=50)
    arguments = parser.parse_args()

    result = lmgame.play(
        model=arguments.model,
        game=arguments.game,
        episodes=arguments.episodes,
        max_decisions=arguments.max_decisions,
    )
    for episode in result.episodes:
        print(f"{episode.id}: {episode.score:g} after {episode.decisions} decisions ({episode.outcome})")
    for row in result.summary:
        interval = "" if row.ci95 is None else f", 95 % CI {row.ci95[0]:.1f} to {row.ci95[1]:.1f}"
        print(f"{row.game}/{row.preset}: mean {row.mean:.1f}{interval}, n = {row.n}")
        for player, score in row.baselines.items():
            print(f"    {player}: {score.mean:.1f}")
    print(f"records: {result.folder}")


if __name__ == "__main__":
    main()
