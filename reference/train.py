"""Train pico from nothing on one GPU: `python -m reference.train --out FOLDER`.

Tetris: imitation of the two-piece search in `tetris_rules.h` with DAgger (Ross et al., "A Reduction of Imitation
Learning and Structured Prediction to No-Regret Online Learning", 2011): half of the games are played by the teacher
with some random moves, from a twelfth of the training on the other half by the model; the teacher's value of every
placement is the target at each state, softened by a temperature that falls. Super Mario Bros: see `mario`. Games,
teacher, the states gone through, pictures and model stay in the GPU's memory.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as nn_functional

from reference import answers, model
from reference.draw import Artist
from reference.evaluate import play, robustness
from reference.network import ENDS, Network, Onlooker
from reference.optimiser import Optimiser
from reference.replay import Moment, Replay
from reference.tetris_games import POSSIBLE, Games

BATCH, GAMES = 2048, 2048
MARIO_BATCH = 224
"""Pictures of Super Mario Bros beside each batch of Tetris."""
SUITE_SHARES = {0.0: 0.75, 0.15: 0.5}
"""Share of the suite's own look among the pictures of Tetris, from each progress on. Few values, because what draws
them is compiled for each number of pictures."""
MARIO_SHARES = {0.0: 0.0, 0.05: 0.6, 0.8: 0.8}
"""Share of the games of Super Mario Bros that the model plays, from each progress on."""
EVERY = 4
"""Steps of training to a move of all games."""
PREFILL = 150
"""Moves of the teacher's games before training starts."""
CAPACITY = 1_500_000
"""States kept."""
DAGGER_FROM = 0.08
"""Share of the training after which the model plays half of the games."""
TEMPERATURE = (6.0, 1.5)
"""Of the target, at first and at last, in units of the teacher's values."""
LONGEST_GAME = 600
"""Pieces after which a game starts over."""
MUON_RATE, ADAM_RATE = 3e-3, 2e-3


class Log:
    """Lines of JSON, in a file and on standard output; `seconds` counts from the start."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w")
        self.start = time.time()

    def __call__(self, **fields: Any) -> None:
        line = json.dumps({"seconds": round(time.time() - self.start, 1), **fields})
        print(line, flush=True)
        self._file.write(line + "\n")
        self._file.flush()


class Players:
    """Both halves of the games, and the states they went through.

    Args:
        device: Where everything is.
        network: The model that plays its half.
        artist: Draws what the model sees.
        count: Games in each half.
        capacity: States kept.
    """

    def __init__(self, device: torch.device, network: Network, artist: Artist, count: int, capacity: int) -> None:
        self.network, self.artist, self.device = network, artist, device
        self.taught, self.own = Games(count, 1, device), Games(count, 2, device)
        self.replay = Replay(capacity, device)
        lane = torch.arange(count, device=device) % 4
        self.taught_noise = torch.tensor([0.0, 0.03, 0.1, 0.3], device=device)[lane]
        self.own_noise = torch.tensor([0.0, 0.0, 0.02, 0.1], device=device)[lane]
        self.stats = {name: torch.zeros((), device=device) for name in ("agree", "regret", "deaths", "moves")}
        for games in (self.taught, self.own):
            self._shuffle_levels(games, torch.ones(count, dtype=torch.bool, device=device))

    def _shuffle_levels(self, games: Games, fresh: torch.Tensor) -> None:
        """Games begin at any level, half of them at the top, where most of a long game is played."""
        level = torch.randint(1, 20, (games.n,), device=self.device).clamp_max(10)
        state = games.state
        state.lines.copy_(torch.where(fresh, 10 * (level - 1), state.lines))
        state.level.copy_(torch.where(fresh, level, state.level))

    @torch.no_grad()
    def teacher_moves(self) -> None:
        """A move of the teacher's half."""
        values = self.taught.teach().view(self.taught.n, -1)
        self.replay.add(self.taught, values)
        self._advance(self.taught, values.argmax(1), values, self.taught_noise, 150)

    @torch.no_grad()
    def model_moves(self, augment: float, share: float) -> None:
        """A move of the model's half."""
        values = self.own.teach().view(self.own.n, -1)
        self.replay.add(self.own, values)
        features = self.network.see(self.artist.draw(Moment.of(self.own), look="mixed", augment=augment, share=share))
        said = answers.placement_logits(self.network.tree, self.network.tetris(features)[0])
        action = said.masked_fill(values < POSSIBLE, -1e9).argmax(1)
        best = values.argmax(1)
        clean = self.own_noise == 0
        regret = (values.amax(1) - values.gather(1, action[:, None])[:, 0]).clamp_max(100)
        self.stats["agree"] += ((action == best) & clean).sum()
        self.stats["regret"] += (regret * clean).sum()
        self.stats["moves"] += clean.sum()
        over = self._advance(self.own, action, values, self.own_noise, LONGEST_GAME)
        self.stats["deaths"] += (over & clean).sum()

    def _advance(
        self, games: Games, action: torch.Tensor, values: torch.Tensor, noise: torch.Tensor, longest: int
    ) -> torch.Tensor:
        weight = torch.where(values > POSSIBLE, torch.rand_like(values), -1.0)
        stray = torch.rand(games.n, device=self.device) < noise
        # A copy: what `step` returns is the games' own, which `reset` clears.
        over = games.step(torch.where(stray, weight.argmax(1), action)).clone()
        done = over | (games.state.pieces >= longest)
        games.reset(done)
        self._shuffle_levels(games, done)
        return over

    def report(self) -> dict[str, float]:
        """What the model did in its games since the last report."""
        agree, regret, deaths, moves = (self.stats[name].item() for name in ("agree", "regret", "deaths", "moves"))
        for value in self.stats.values():
            value.zero_()
        if not moves:
            return {}
        return {
            "agree": round(agree / moves, 4),
            "regret": round(regret / moves, 3),
            "pieces_per_death": round(moves / max(1.0, deaths)),
        }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the model, the log and the results")
    parser.add_argument("--minutes", type=float, default=15.0, help="length of the training, start-up not counted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="tiny batches, nothing compiled: to try it on a CPU")
    parser.add_argument("--steps", type=int, help="stop after so many steps, whatever the time")
    parser.add_argument(
        "--mario",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="FOLDER",
        help="Super Mario Bros, too; FOLDER has its emulator where this Python has none",
    )
    parser.add_argument("--pieces", type=int, default=1000, help="pieces in each game of the final evaluation")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    log = Log(options.out / "log.jsonl")
    batch, count, capacity = (32, 64, 2000) if options.small else (BATCH, GAMES, CAPACITY)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch._dynamo.config.recompile_limit = 32  # the layers run at a handful of shapes each
    log(event="start", torch=torch.__version__, device=torch.cuda.get_device_name() if device.type == "cuda" else "cpu")

    stock = model.untrained().to(device, torch.bfloat16)
    network = Network(stock, compiled=not options.small)
    onlooker = Onlooker().to(device, torch.bfloat16)
    optimiser = Optimiser([*stock.named_parameters(), *onlooker.named_parameters()], MUON_RATE, ADAM_RATE)
    log(event="model", parameters=sum(p.numel() for p in stock.parameters()))
    mario = None
    if options.mario:  # first, since its players need a while to see something
        from reference.mario import Source

        mario = Source(options.mario, device, network, count=8 if options.small else MARIO_BATCH)
    artist = Artist(device, torch.bfloat16, options.seed)
    players = Players(device, network, artist, count, capacity)
    for _ in range(PREFILL):
        players.teacher_moves()
    _synchronise(device)
    log(event="prefilled", states=players.replay.filled)

    fixed = network.fixed()
    losses, watch = answers.loss, onlooker
    if not options.small:
        losses, watch = torch.compile(losses, dynamic=False), torch.compile(onlooker, dynamic=False)
    begin = last = time.time()
    step = logged = 0
    sums = torch.zeros(5, device=device)
    saved = begin
    while options.steps is None or step < options.steps:
        progress = (time.time() - begin) / (60 * options.minutes)
        if options.steps is not None:
            progress = max(progress, step / options.steps)
        if progress >= 1:
            break
        augment, share = 0.2 + 0.8 * min(1.0, progress / 0.3), _piecewise(SUITE_SHARES, progress)
        if step % EVERY == 0:
            players.teacher_moves()
            if progress > DAGGER_FROM:
                players.model_moves(augment, share)
        state, values = players.replay.sample(batch)
        temperature = TEMPERATURE[0] + (TEMPERATURE[1] - TEMPERATURE[0]) * min(1.0, progress / 0.8)
        target = (values.float() / temperature).softmax(1)
        target = torch.where(values > POSSIBLE, target, 0.0)
        pixels = artist.draw(state, look="mixed", augment=augment, share=share)
        answered = None
        if mario is not None:
            answered = mario.batch(share=_piecewise(MARIO_SHARES, progress))
            pixels = torch.cat([pixels, answered.pixels.to(pixels.dtype)])
        features = network.see(pixels)
        ends = torch.randint(0, network.tree.nodes, (ENDS,), device=device)
        logits, certain = network.tetris(features[:batch], ends)
        choice, divergence = losses(network.tree, logits, target)
        sure = nn_functional.cross_entropy(certain.flatten(0, 1), fixed.repeat(batch))
        seen = watch(features[:batch], state.boards, torch.stack([state.kind, state.queue[:, 0]], 1))
        loss = choice + 0.3 * sure + 0.3 * seen
        other = torch.zeros((), device=device)
        if answered is not None:
            other = mario.loss(network, features[batch:], answered)
            loss = loss + mario.weight * other
        loss.backward()
        warm = min(1.0, (step + 1) / 200)
        optimiser.step(warm * min(1.0, max(0.01, (1 - progress) / 0.7)), min(0.95, 0.85 + 0.1 * step / 300))
        sums += torch.stack([x.detach().float() for x in (choice, divergence, sure, seen, other)])
        step += 1
        if step in (1, 5):
            _synchronise(device)
            log(step=step, losses=[round(x, 4) for x in (sums / step).tolist()])
            last, logged = time.time(), step
            sums.zero_()
        elif time.time() - last > 10:
            mean = (sums / (step - logged)).tolist()
            log(
                step=step,
                progress=round(progress, 3),
                samples_per_second=round((step - logged) * batch / (time.time() - last)),
                **dict(
                    zip(("choice", "divergence", "sure", "seen", "mario"), (round(x, 4) for x in mean), strict=True)
                ),
                **players.report(),
                **(mario.report() if mario is not None else {}),
            )
            last, logged = time.time(), step
            sums.zero_()
        if time.time() - saved > 90:
            saved = time.time()
            model.save(stock, options.out / "model")
    _synchronise(device)
    log(event="trained", steps=step, samples=step * batch, seconds_of_training=round(time.time() - begin, 1))
    model.save(stock, options.out / "model")
    plain = Network(stock)
    results: dict[str, Any] = {"robustness": robustness(plain, artist, device, count)}
    log(event="robustness", **results["robustness"])
    for look, games, pieces in (
        ("suite", count // 10, options.pieces),
        ("held_out", count // 20, min(options.pieces, 500)),
    ):
        results[look] = play(plain, artist, device, look=look, games=games, pieces=pieces)
        log(event="games", look=look, **results[look])
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    if mario is not None:
        offsets = range(0, 120, 120 if options.small else 10)
        found = mario.examine([("1-1", idle) for idle in offsets])
        reached = sorted(result.x for result in found)
        results["mario"] = {
            "games": len(found),
            "x_median": reached[len(reached) // 2],
            "x": [result.x for result in found],
            "finished": sum(result.finished for result in found),
        }
        log(event="mario", **results["mario"])
        mario.close()
        (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")


def _piecewise(steps: dict[float, float], at: float) -> float:
    """The value of the last step that begins no later than `at`."""
    return [value for begin, value in steps.items() if begin <= at][-1]


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
