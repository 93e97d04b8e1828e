"""What pages are called: the same on a server and in an export, relative to the site's root."""

import hashlib
import re
from collections.abc import Callable, Iterable
from urllib.parse import quote

from lmgame_leaderboards.web.ledger import JOINT, Ledger

There = Callable[[str], bool]
"""Whether a page is there: a copy of the site may leave some out."""

REALTIME = "realtime-"
"""Before the names of pages on games of the real-time clock, which are never mixed with the others."""


def slug(label: str) -> str:
    """A label of conditions, or another of our own words, as a part of an address."""
    plain = re.sub(r"[^a-z0-9.]+", "-", label.lower()).strip("-.")
    clock = plain.startswith(REALTIME.rstrip("-"))
    # With a hyphen in the preset it could be another game's name as well.
    if plain == label.replace("/", "-") and "-" not in label.partition("/")[2] and not clock:
        return plain
    return f"{'game-' if clock else ''}{plain[:60]}-{hashlib.sha256(label.encode()).hexdigest()[:6]}"


def prefix(clock: str) -> str:
    """What pages of a clock begin with."""
    return "" if clock == "paused" else REALTIME


def board(clock: str, label: str) -> str:
    """A leaderboard: of all games together, or under some conditions."""
    if label == JOINT:
        return "index.html" if clock == "paused" else "boards/realtime.html"
    return f"boards/{prefix(clock)}{slug(label)}.html"


def player_slug(player: str) -> str:
    """An entrant's id as a part of an address."""
    return re.sub(r"[^A-Za-z0-9]", "-", player)


def model(clock: str, player: str) -> str:
    """A model's page."""
    return f"models/{prefix(clock)}{player_slug(player)}.html"


def versus(clock: str, player: str, opponent: str) -> str:
    """The matches of two, as the first one's."""
    return f"versus/{prefix(clock)}{player_slug(player)}--{player_slug(opponent)}.html"


def game(name: str) -> str:
    """A game's page, by `game/preset`."""
    return f"games/{slug(name)}.html"


def runs(page: int = 1) -> str:
    """The list of runs."""
    return "runs.html" if page == 1 else f"runs-{page}.html"


def folder(id_: str, page: int = 1) -> str:
    """A run's or an arena's page."""
    return f"runs/{quote(id_)}/{'index' if page == 1 else f'index-{page}'}.html"


def record(folder_id: str, record_id: str) -> str:
    """An episode's or a shared match's page."""
    return f"runs/{quote(folder_id)}/{quote(record_id)}.html"


def race(one: tuple[str, str], other: tuple[str, str]) -> str:
    """Two episodes side by side, each by the ids of its folder and its own."""
    return f"match.html#{'+'.join('/'.join(quote(part) for part in side) for side in (one, other))}"


def by_slug(labels: Iterable[str]) -> dict[str, str]:
    """Labels by their slugs."""
    return {slug(label): label for label in labels}


def players_by_slug(ledger: Ledger) -> dict[str, str]:
    """Entrants' ids by their slugs."""
    return {player_slug(player): player for player in ledger.players}
