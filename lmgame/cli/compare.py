"""`lmgame compare`."""

import json
import shlex
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lmgame.cli.leaderboard import Clock, Game, Preset, check_clock
from lmgame.cli.results import Database
from lmgame.standings import compare as compared
from lmgame_common import UsageError, printable

if TYPE_CHECKING:
    from lmgame_leaderboards.standings import Versus


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
        console.print(printable(f"The two have no seed in common yet. Play: {command}"), markup=False, soft_wrap=True)
    for one in found:
        for line in lines_of(one, first, second):
            console.print(printable(line), markup=False, soft_wrap=True)


def lines_of(found: "Versus", first: str, second: str) -> list[str]:
    """How two players compare under some conditions, in words."""
    compared = found.comparison
    pairs = f"{compared.n} pair{'s' if compared.n > 1 else ''}"
    told = f"{found.conditions}: {first} – {second}: {compared.mean:+,.4g}"
    if compared.interval is not None:
        low, high = compared.interval
        told += f" [{low:+,.4g}, {high:+,.4g}]"
    lines = [f"{told} ({pairs}: {compared.wins} won, {compared.draws} drawn, {compared.losses} lost)"]
    if compared.interval is None:
        lines.append("  One pair tells nothing of the spread: play more.")
    elif compared.constant and compared.mean:
        apart = "told apart" if compared.told_apart else f"too few to tell: {compared.more_pairs} more would do"
        lines.append(f"  All differences are the same; by the sign test p = {compared.p_value:.2g}, {apart}.")
    elif compared.told_apart:
        better = first if compared.mean > 0 else second
        lines.append(f"  {better} scores higher: the 95 % interval of the paired difference leaves 0 out.")
    elif compared.mean == 0:
        lines.append("  No difference was seen; how many more pairs would tell can't be said from that.")
    elif compared.more_pairs is not None:
        more = f"{compared.more_pairs:,} more pair{'s' if compared.more_pairs > 1 else ''}"
        lines.append(f"  Not told apart. If the difference is what was seen, about {more} would do (power 80 %).")
    if (decided := found.decided) is not None:
        rates = f"alpha {decided.rates.alpha:g}, beta {decided.rates.beta:g}, margin {decided.rates.margin:g}"
        words = {
            "first": f"{first} takes more points",
            "second": f"{second} takes more points",
            "equal": f"equal, within {100 * decided.rates.margin:g} % of the points",
            "undecided": "not decided; lmgame match … --until-decided plays on",
        }[decided.verdict]
        low, high = decided.interval
        share = f"{first} takes {100 * low:.0f} to {100 * high:.0f} % of the points"
        lines.append(f"  Sequential test ({rates}), after {decided.pairs} pairs: {words}; {share}.")
    return lines
