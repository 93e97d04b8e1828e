"""`lmgame games` and `lmgame models`: what there is to play, and who can play it."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lmgame.request import AGENTS
from lmgame_games import Card, Game, card, game
from lmgame_games import games as registered
from lmgame_serving import PICO_GAMES, PROVIDERS

ONE_PLAYER = ("random", "scripted", "pico")
TWO_PLAYERS = ("random", "scripted")
"""Players whose mean scores the lists of games show."""


def games(
    name: Annotated[str | None, typer.Argument(help="Show this game's card.", show_default=False)] = None,
    preset: Annotated[str | None, typer.Option(help="Of this preset.", show_default=False)] = None,
) -> None:
    """List the games, or show one game's card."""
    console = Console(highlight=False)
    if name:
        _card(console, name, preset)
        return
    one, two = ([found for found in registered().values() if (found.seats == 1) is alone] for alone in (True, False))
    console.print("For one player: mean scores of the baselines", style="bold")
    console.print(_table(one, ONE_PLAYER))
    console.print("pico is a reference: a small model trained on the game.\n", style="dim")
    console.print("For two players: mean scores against random, seats swapped on each seed", style="bold")
    console.print(_table(two, TWO_PLAYERS))
    console.print(
        "\nlmgame games GAME shows a card. Games for one: lmgame play (--model human lets you play), and lmgame match "
        "or arena, where both race on one seed. Games for two: lmgame match or arena."
    )


def _table(found: Sequence[Game], players: Sequence[str]) -> Table:
    """The games, a row a preset, with the mean scores of these players."""
    table = Table("game", "preset", "title", box=None, pad_edge=False)
    for player in players:
        table.add_column(player, justify="right", no_wrap=True)
    for column in table.columns[:2]:
        column.no_wrap = True  # these are names to be typed
    for listed in found:
        for preset in listed.presets:
            baselines = card(listed.name, preset).baselines
            scores = [_score(baselines[player].mean) if player in baselines else "–" for player in players]
            table.add_row(listed.name, preset, listed.title, *scores)
    return table


def _score(mean: float) -> str:
    """With about four digits that count."""
    return f"{mean:,.{0 if abs(mean) >= 1000 else 1 if abs(mean) >= 10 else 2}f}"


def _card(console: Console, name: str, preset: str | None) -> None:
    shown = card(name, preset)
    found = game(name)
    console.print(f"{shown.title} ({shown.game}, preset {shown.preset}, version {shown.version})", style="bold")
    console.print(f"{shown.env_id}; presets: {', '.join(found.presets)}\n", markup=False)
    console.print(shown.rules, markup=False)
    console.print("\nControls", style="bold")
    for control in shown.controls:
        console.print(f"  {control.name}: {control.does}", markup=False)
    facts = {
        "An answer": " or ".join(shown.answers),
        "Illegal": shown.illegal,
        "Score": shown.score,
        "Players": _players(shown),
        "An unusable answer": _unusable(shown),
        "Time": f"{shown.fps:g} frames a second; {shown.move_frames}" if shown.timed else shown.move_frames,
        "Decisions": f"at most {shown.max_decisions} {'an episode' if shown.seats == 1 else 'a seat'}, at most "
        f"{shown.max_moves} move{'s' if shown.max_moves > 1 else ''} each",
        "Seed": shown.seed,
        "Options": "; ".join(f"{option}: {meaning}" for option, meaning in found.options.items()) or "none",
        "Why so": shown.notes,
    }
    for title, fact in facts.items():
        if fact:
            console.print(f"\n{title}", style="bold")
            console.print(f"  {fact}", markup=False)
    against = "" if shown.seats == 1 else ", against random, seats swapped on each seed"
    console.print(f"\nBaselines{against}", style="bold")
    for player, measured in shown.baselines.items():
        low, high = measured.ci95
        label = f"{player} (reference: trained on the game)" if measured.reference else player
        console.print(f"  {label}: {measured.mean:,.2f} (95 % CI {low:,.2f} to {high:,.2f}, n = {measured.n})")


def _players(shown: Card) -> str:
    if shown.seats == 1:
        return "1; in a match both play the same seed, and the higher score wins"
    order = "both move at once" if shown.simultaneous else "they take turns"
    return f"{shown.seats}: {order}; a pair of matches swaps the seats on the same seed"


def _unusable(shown: Card) -> str:
    """What an answer that can't be used costs, and a row of them."""
    asked_again = shown.seats > 1 and not shown.simultaneous
    usual = "Nothing is played, and the seat is asked again." if asked_again else f"It costs a turn: {shown.idle}."
    ending = "end the game" if shown.seats == 1 else "lose the game"
    return f"{shown.unusable or usual} {shown.forfeit_after} in a row {ending}."


def models() -> None:
    """List what `--model` understands."""
    console = Console(highlight=False)
    table = Table("--model", "what it is", "key", box=None, pad_edge=False)
    for agent in AGENTS:
        table.add_row(agent, "a player of this machine: no model, no endpoint", "")
    table.add_row(
        "pico",
        f"a reference that comes with lmgame: 8 million parameters, trained on {' and '.join(PICO_GAMES)}, sees frames "
        "alone, on this machine's CPU; no evidence about general models, never ranked among them",
        "",
    )
    table.add_row("smollm2", "SmolLM2-135M-Instruct on this machine's CPU; fetched at first use (93 MB)", "")
    table.add_row("llamacpp/FILE.gguf", "any model that llama.cpp runs, on this machine's CPU", "")
    table.add_row(
        "vllm/MODEL",
        "a folder, a model of the Hugging Face hub, or pico, with vLLM on this machine's GPUs; started for the run and "
        "stopped after it (`lmgame serve` keeps it up for many)",
        "",
    )
    for provider in PROVIDERS.values():
        table.add_row(f"{provider.name}/MODEL", provider.title, " or ".join(provider.key_variables))
    table.add_row(
        "http://HOST:PORT/v1#MODEL",
        "any OpenAI-compatible server",
        "LMGAME_API_KEY, if it wants one; that of `lmgame serve` is found",
    )
    console.print(table)
