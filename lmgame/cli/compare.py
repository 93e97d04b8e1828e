"""`lmgame compare`."""

import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lmgame.cli.leaderboard import Clock, Game, Preset, check_clock, shown
from lmgame.cli.results import Database
from lmgame.request import Request
from lmgame.standings import compare as compared
from lmgame_common import UsageError

if TYPE_CHECKING:
    # Slow to load, and other commands don't need them.
    from lmgame_leaderboards.ratings import Comparison
    from lmgame_leaderboards.standings import Decided, Versus

SAMPLING = ("temperature", "top_p", "max_tokens", "reasoning_effort")
"""Settings of players that are options of `lmgame match`."""


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A model, or a player as the leaderboard names it.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    game: Game = None,
    preset: Preset = None,
    clock: Clock = "paused",
    db: Database = None,
    until_decided: Annotated[
        bool, typer.Option("--until-decided", help="Also ask a sequential test, which may stop after any pair.")
    ] = False,
    alpha: Annotated[float, typer.Option(help="Its risk of calling equal players different.")] = 0.05,
    beta: Annotated[float, typer.Option(help="Its risk of calling players equal that differ by the margin.")] = 0.05,
    margin: Annotated[
        float, typer.Option(help="Share of points about one half within which players are equal.")
    ] = 0.05,
    as_json: Annotated[
        bool, typer.Option("--json", envvar="LMGAME_COMPARE_JSON", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """How two models compare, game by game, on the seeds that both have played."""
    from lmgame_leaderboards.ratings import ErrorRates

    check_clock(clock)
    for name, value, most in (("--alpha", alpha, 1), ("--beta", beta, 1), ("--margin", margin, 0.5)):
        if not 0 < value < most:
            raise UsageError(f"{name} lies between 0 and {most}; {value} was given.")
    rates = ErrorRates(alpha, beta, margin) if until_decided else None
    found = compared(first, second, game, preset=preset, clock=clock, db=db, rates=rates)
    if as_json:
        document = {"first": first, "second": second, "clock": clock, "games": [one.document() for one in found]}
        print(json.dumps(document, ensure_ascii=False, indent=1))
        return
    console = Console(highlight=False)
    if not found:
        command = shlex.join(["lmgame", "match", "--model", first, "--model", second, "--game", game or "tetris"])
        told = f"The two have no pair of games in common yet. Play: {command}"
        console.print(shown(told), markup=False, soft_wrap=True)
    for one in found:
        for line in lines_of(one, clock):
            console.print(line, markup=False, soft_wrap=True)


def lines_of(found: "Versus", clock: str = "paused") -> list[str]:
    """How two players compare under some conditions, in words."""
    compared = found.comparison
    first, second = shown(found.first.name), shown(found.second.name)
    told = f"{shown(found.conditions)}: {first} – {second}: {compared.mean:+,.4g}"
    if compared.interval is not None:
        low, high = compared.interval
        told += f" [{low:+,.4g}, {high:+,.4g}]"
    pairs = counted(compared.n, "pair")
    lines = [f"{told} ({pairs}: {compared.wins} won, {compared.draws} drawn, {compared.losses} lost)"]
    lines.append(f"  {_verdict(compared, first, second)}")
    if found.decided is not None:
        lines.append(f"  {_sequential(found.decided, first, second)}")
        if found.decided.verdict == "undecided":
            lines.append(f"  More pairs are needed: {shown(_more(found, found.decided, clock))}")
    if found.unpaired:
        lines.append(f"  {counted(found.unpaired, 'match')} without the one with swapped seats not counted.")
    if found.left_out:
        lines.append(
            f"  {counted(found.left_out, 'game')} not counted: the player has been asked in other words since."
        )
    return lines


def counted(count: int, what: str) -> str:
    """Such as `1 pair`, `12 pairs`, `2 matches`."""
    return f"{count:,} {what}" + ("" if count == 1 else "es" if what.endswith("ch") else "s")


def _verdict(compared: "Comparison", first: str, second: str) -> str:
    if compared.interval is None:
        return "One pair tells nothing of the spread: play more."
    if compared.constant and compared.mean:
        more = f"too few to tell: {compared.more_pairs} more would do"
        apart = "told apart" if compared.told_apart else more
        return f"All differences are the same; by the sign test p = {compared.p_value:.2g}, {apart}."
    if compared.told_apart:
        better = first if compared.mean > 0 else second
        return f"{better} scores higher: the 95 % interval of the paired difference leaves 0 out."
    if compared.more_pairs is None:
        return "Not told apart. No difference was seen; how many more pairs would tell can't be said from that."
    more = counted(compared.more_pairs, "more pair")
    return f"Not told apart. If the difference is what was seen, about {more} would do (power 80 %)."


def _sequential(decided: "Decided", first: str, second: str) -> str:
    rates = f"alpha {decided.rates.alpha:g}, beta {decided.rates.beta:g}, margin {decided.rates.margin:g}"
    words = {
        "first": f"{first} takes more points",
        "second": f"{second} takes more points",
        "equal": f"equal, within {100 * decided.rates.margin:g} % of the points",
        "undecided": "not decided",
    }[decided.verdict]
    low, high = decided.interval
    share = f"{first} takes {100 * low:.0f} to {100 * high:.0f} % of the points"
    return f"Sequential test ({rates}), after {counted(decided.pairs, 'pair')}: {words}; {share}."


def _more(found: "Versus", decided: "Decided", clock: str) -> str:
    """The command that plays two players until they are told apart."""
    from lmgame_leaderboards.ratings import ErrorRates

    one, other = found.first.player, found.second.player
    copies = one.model_copy(update={"copy_number": other.copy_number}).key == other.key
    alike = one.model_copy(update={"model": other.model, "weights": other.weights}).key == other.key
    if not (copies or alike or found.first.local or found.second.local):
        return "play both on further seeds, each with its own settings (lmgame play)."
    words = ["lmgame", "match", "--model", one.model, *(["--mirror"] if copies else ["--model", other.model])]
    words += ["--game", found.conditions.partition(" (")[0]]
    asked = other if found.first.local else one
    settings = {name: asked.sampling.get(name) for name in SAMPLING} | {"history": asked.history or None}
    timeout = asked.sampling.get("request_timeout")
    settings["request_timeout"] = None if timeout == Request.request_timeout else timeout
    settings["clock"] = None if clock == "paused" else clock
    usual = asdict(ErrorRates())
    settings |= {name: value for name, value in asdict(decided.rates).items() if value != usual[name]}
    for name, value in settings.items():
        if value is not None:
            words += [f"--{name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join([*words, "--until-decided"])
