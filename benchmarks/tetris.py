"""Speed of Tetris against Gymnasium's CartPole-v1 in the same process: `python benchmarks/tetris.py`.

Both environments are made and stepped as users do, by `gymnasium.make` and uniformly random actions drawn beforehand.
Rounds alternate and the best of each counts, because other work on the machine can only slow a round down.
"""

import time
from collections.abc import Callable
from typing import Any

import gymnasium

STEPS, ROUNDS = 50_000, 5


def steps_per_second(env: gymnasium.Env[Any, Any], each: Callable[[], object] | None = None) -> float:
    """Steps a second over `STEPS` random ones, resets included; `each` is called after every step."""
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(STEPS)]
    env.reset(seed=0)
    start = time.perf_counter()
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if each:
            each()
        if terminated or truncated:
            env.reset()
    return STEPS / (time.perf_counter() - start)


def main() -> None:
    """Print steps and frames a second, and their ratios."""
    cartpole = gymnasium.make("CartPole-v1")
    tetris = {preset: gymnasium.make("lmgame_games:lmgame/Tetris-v1", preset=preset) for preset in PRESETS}
    drawn = gymnasium.make("lmgame_games:lmgame/Tetris-v1", render_mode="rgb_array")
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        rates = {"CartPole-v1": steps_per_second(cartpole)}
        rates |= {f"Tetris {preset}": steps_per_second(env) for preset, env in tetris.items()}
        rates["Tetris standard, render() every step"] = steps_per_second(drawn, drawn.render)
        best = {name: max(rate, best.get(name, 0.0)) for name, rate in rates.items()}
    for name, rate in best.items():
        print(f"{name:38} {rate:9,.0f} /s   {rate / best['CartPole-v1']:.2f} x CartPole-v1")


PRESETS = ("standard", "lmgame-bench-2025")

if __name__ == "__main__":
    main()
