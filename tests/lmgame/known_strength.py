"""Models of known strength behind an OpenAI-compatible server: `python -m tests.lmgame.known_strength`.

`expert` plays as well as it can from the text view, `club` does so in 60 % of its answers and `novice` in 20 %, else
they answer with any legal move. Answers are a function of the model and the newest message alone.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import re
from typing import Any

from lmgame_games import card
from lmgame_games.connect4.env import GRID as CONNECT4
from lmgame_games.connect4.player import best_column
from lmgame_games.holdem.strength import equity
from lmgame_games.line_game.grid import Grid
from lmgame_games.tic_tac_toe.env import GRID as TIC_TAC_TOE
from lmgame_games.tic_tac_toe.player import ACTIONS, best_action
from lmgame_serving.testing import StubServer

STRENGTH = {"expert": 1.0, "club": 0.6, "novice": 0.2}
"""Share of its answers for which a model thinks."""

TITLES = {card(name).title: name for name in ("tetris", "tetris-versus", "connect4", "tic-tac-toe")}
TITLES |= {card("holdem", preset).title: "holdem" for preset in ("standard", "limit")}


def answer(request: dict[str, Any], number: int = 0) -> str:
    """What the model of a request answers to it."""
    system, newest = request["messages"][0]["content"], request["messages"][-1]["content"]
    text = newest if isinstance(newest, str) else "\n".join(p["text"] for p in newest if p["type"] == "text")
    title = re.search(r"You are playing (.*)\.", system)
    model = request["model"]
    if title is None:
        return "ready"  # the preflight's question
    chance = random.Random(hashlib.sha256(f"{model}\n{text}".encode()).digest())
    moves = MOVES[TITLES[title[1]]](text, chance, chance.random() < STRENGTH[model])
    return json.dumps({"moves": moves})


def _legal(text: str) -> list[str]:
    found = re.search(r"^Possible now: (.*)$", text, re.MULTILINE)
    assert found is not None
    return found[1].split(", ")


def _stones(text: str, grid: Grid, signs: str) -> tuple[int, int]:
    """The own stones and the other's, from a text view's last rows."""
    own_sign = re.search(r"You are (.)", text)
    assert own_sign is not None
    rows = [row for row in text.splitlines() if len(cells := row.split()[-grid.columns :]) == grid.columns
            and all(cell in f"{signs}." for cell in cells)]  # fmt: skip
    own = other = 0
    for row, line in enumerate(rows):
        for column, cell in enumerate(line.split()[-grid.columns :]):
            bit = grid.bit(column, grid.rows - 1 - row)
            own |= bit if cell == own_sign[1] else 0
            other |= bit if cell not in (own_sign[1], ".") else 0
    return own, other


def connect4(text: str, chance: random.Random, thinks: bool) -> list[str]:
    if not thinks:
        return [chance.choice(_legal(text))]
    return [f"column_{best_column(*_stones(text, CONNECT4, 'RY'), depth=3) + 1}"]


def tic_tac_toe(text: str, chance: random.Random, thinks: bool) -> list[str]:
    return [ACTIONS[best_action(*_stones(text, TIC_TAC_TOE, "XO"))] if thinks else chance.choice(_legal(text))]


def holdem(text: str, chance: random.Random, thinks: bool) -> list[str]:
    legal = _legal(text)
    if not thinks:
        return [chance.choice(legal)]
    cards, board, pot = _found(text, r"Your cards: (.*)\nBoard: (.*) \(.*\)\nPot: (\d+)\.")
    ahead = equity(tuple(cards.split()), () if board == "none yet" else tuple(board.split()), 100)
    bets = [name for name in ("raise_pot", "raise_half_pot", "raise_min") if name in legal]
    if ahead > 0.6 and bets:
        return [bets[0]]
    if "check" in legal:
        return ["check"]
    call = int(_found(text, r"; call (\d+)")[0])
    return ["call" if ahead > call / (int(pot) + call) + 0.05 else "fold"]


def tetris(text: str, chance: random.Random, thinks: bool) -> list[str]:
    """Where the piece as it is turned lies lowest; or anywhere."""
    low, _, high = _found(text, r"columns (\d)(?: to (\d))?()")[0], None, _found(text, r"columns \d(?: to (\d))?")[0]
    left, width = int(low), int(high or low) - int(low) + 1
    target = chance.randrange(11 - width)
    if thinks:
        rows = re.findall(r"^ *-?\d+ ([.#@+x%g]{10})$", text.partition("Other player")[0], re.MULTILINE)
        heights = [next((len(rows) - y for y, row in enumerate(rows) if row[x] not in ".@+"), 0) for x in range(10)]

        def cost(column: int) -> tuple[int, int]:
            under = heights[column : column + width]
            return max(under), sum(max(under) - height for height in under)

        target = min(range(11 - width), key=cost)
    return ["left" if target < left else "right"] * abs(target - left) + ["hard_drop"]


def _found(text: str, pattern: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    assert match is not None, text
    return match.groups()


MOVES = {
    "tetris": tetris,
    "tetris-versus": tetris,
    "connect4": connect4,
    "tic-tac-toe": tic_tac_toe,
    "holdem": holdem,
}


async def serve(port: int) -> None:
    """Serve all of them until cancelled; prints the port."""
    async with StubServer(answer, port=port, record=False, models=list(STRENGTH), vision=False) as server:
        print(server.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args().port))
