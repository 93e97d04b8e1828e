"""Texas hold'em for two as a PettingZoo environment. One step is one action of one seat."""

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding

from lmgame_common import GameError, UsageError
from lmgame_games.core import Move
from lmgame_games.holdem import view
from lmgame_games.holdem.cards import card
from lmgame_games.holdem.hand import DECK, Hand
from lmgame_games.holdem.stakes import BIG_BLIND, HANDS, STACK
from lmgame_games.holdem.view import Table
from lmgame_games.shared import AGENTS, AlternatingGame, other

LAST_HANDS = 3
"""Hands before this one that a seat is told of."""
_NUMBERS = 9


class HoldemEnv(AlternatingGame):
    """Heads-up hold'em, `HANDS` hands a match; PettingZoo's AEC.

    Actions: `Discrete`, in the order of the card's controls. Observations: `observation`, int32 (113,): the seat's own
    cards and then the board as 52 flags each (deuce of clubs first, suits c, d, h, s within a rank), then pot, chips to
    call, own and other stack, own and other bet of this street, street, number of the hand, and 1 with the button;
    `action_mask`, int8 (actions,). Scores are big blinds won. Nothing that takes an agent shows or depends on cards
    that the seat can't see; `render()` is the spectators' view, which shows both hands.

    Args:
        preset: `standard` (no-limit) or `limit`.
        render_mode: `rgb_array` or None.

    Raises:
        UnknownNameError: For an unknown preset.
        UsageError: For an unknown render mode.
    """

    def __init__(self, preset: str = "standard", render_mode: str | None = None) -> None:
        super().__init__()
        self.card = card(preset)
        if render_mode not in (None, "rgb_array"):
            raise UsageError(f"Unknown render mode {render_mode!r}; hold'em renders 'rgb_array' or None.")
        self.render_mode = render_mode
        self.metadata = {**self.metadata, "name": f"holdem_{preset}_v{self.card.version}", "render_fps": 1}
        self.possible_agents = list(AGENTS)
        self._limit = preset == "limit"
        self._names = tuple(control.name for control in self.card.controls)
        self._actions = {name: action for action, name in enumerate(self._names)}
        self._space = spaces.Discrete(len(self._names))
        self._view_space = spaces.Dict(
            {
                "observation": spaces.Box(0, 2 * STACK, (2 * len(DECK) + _NUMBERS,), np.int32),
                "action_mask": spaces.Box(0, 1, (len(self._names),), np.int8),
            }
        )
        self._hand: Hand | None = None
        self._number = 0
        self._chips = [0, 0]
        self._before: list[tuple[int, Hand]] = []
        self._ending = ""
        self._lost_stack: int | None = None

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self._view_space

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return self._space

    @property
    def hand(self) -> Hand:
        """The hand in play, or the last one. Raises GameError before the first reset."""
        if self._hand is None:
            raise GameError("This match has not been started: call reset() first.")
        return self._hand

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        if seed is not None or not hasattr(self, "_random"):
            self._random, _ = seeding.np_random(seed)
        self._number, self._chips, self._before = 0, [0, 0], []
        self._ending, self._lost_stack = "", None
        self._deal()
        self._begin(AGENTS[self.hand.to_move or 0])

    def _deal(self) -> None:
        """The next hand, from a newly shuffled deck."""
        deck = list(DECK)
        for last in range(len(deck) - 1, 0, -1):
            # A raw draw: NumPy promises stable streams for bit generators, not for the distributions over them.
            chosen = int(self._random.bit_generator.random_raw()) % (last + 1)  # type: ignore[attr-defined]
            deck[last], deck[chosen] = deck[chosen], deck[last]
        self._hand = Hand(self._number % 2, deck, limit=self._limit)
        self._number += 1

    def _play(self, agent: str, action: Any) -> str:
        action = int(action)
        if not 0 <= action < len(self._names):
            raise GameError(f"{action} is no action of hold'em; expected 0 to {len(self._names) - 1}.")
        hand = self.hand
        hand.play(self._names[action])
        if hand.over:
            self._chips = [chips + hand.won(seat) for seat, chips in enumerate(self._chips)]
            self._before.insert(0, (self._number, hand))
            del self._before[LAST_HANDS:]
            if self._number == HANDS:
                self._end("all_hands_played")
                return other(agent)
            self._deal()
        to_move = self.hand.to_move
        assert to_move is not None
        return AGENTS[to_move]

    def _end(self, ending: str) -> None:
        self._ending = ending
        self._finish()

    @property
    def over(self) -> bool:
        return bool(self._ending)

    def scores(self) -> dict[str, float]:
        chips = list(self._chips)
        if self._lost_stack is not None:
            seat = self._lost_stack
            chips[seat] = min(chips[seat], 0) - STACK
            chips[1 - seat] = -chips[seat]
        return {agent: own / BIG_BLIND for agent, own in zip(AGENTS, chips, strict=True)}

    def outcome(self) -> str:
        """`all_hands_played`, `forfeit` or `adjudicated`."""
        return self._ending

    def forfeit(self, agent: str) -> None:
        self._stop("forfeit", AGENTS.index(agent))

    def adjudicate(self) -> None:
        self._stop("adjudicated", None)

    def _stop(self, ending: str, lost_stack: int | None) -> None:
        if not self.over:
            before = self.scores()
            self._lost_stack = lost_stack
            self._end(ending)
            self._reward(before)

    def idle(self, agent: str) -> Move | None:
        return Move("check") if "check" in self._options(agent) else Move("fold")

    def _options(self, agent: str) -> dict[str, int]:
        if self.over or self.hand.to_move != AGENTS.index(agent):
            return {}
        return self.hand.options()

    def view(self, agent: str) -> Table:
        seat, hand = AGENTS.index(agent), self.hand
        shown = None if self.over else hand.shown(1 - seat)
        return Table(
            hand=self._number,
            hands=HANDS,
            limit=self._limit,
            button=hand.button == seat,
            own_cards=tuple(hand.hole(seat)),
            other_cards=tuple(shown or ()),
            board=tuple(hand.board),
            street=hand.street,
            pot=hand.pot,
            own_stack=hand.stack(seat),
            other_stack=hand.stack(1 - seat),
            own_bet=hand.bet(seat),
            other_bet=hand.bet(1 - seat),
            to_call=hand.to_call(seat),
            options=self._options(agent),
            events=tuple(_told(event, hand, seat) for event in hand.events),
            last_hands=tuple(_summary(number, played, seat) for number, played in self._before),
            score=self.scores()[agent],
            over=self._ending,
        )

    def observe(self, agent: str) -> dict[str, np.ndarray]:
        table = self.view(agent)
        flags = [[card in cards for card in DECK] for cards in (table.own_cards, table.board)]
        numbers = [
            table.pot,
            table.to_call,
            table.own_stack,
            table.other_stack,
            table.own_bet,
            table.other_bet,
            table.street,
            table.hand,
            table.button,
        ]
        mask = [name in table.options for name in self._names]
        return {
            "observation": np.array([*flags[0], *flags[1], *numbers], np.int32),
            "action_mask": np.array(mask, np.int8),
        }

    def legal_moves(self, agent: str) -> tuple[str, ...] | None:
        return tuple(self._options(agent))

    def action(self, agent: str, move: Move) -> int:
        if problem := self.problem(agent, move):
            raise GameError(problem)
        return self._actions[move.name]

    def move(self, agent: str, action: Any) -> Move:
        return Move(self._names[int(action)])

    def text(self, agent: str) -> str:
        return view.text(self.view(agent))

    def frame(self, agent: str) -> np.ndarray:
        from lmgame_games.holdem.render import draw

        return draw(self.view(agent))

    def render(self) -> np.ndarray | None:
        """The spectators' frame, uint8 (height, width, 3), a fresh array, with both hands open; None where the render
        mode is None."""
        if self.render_mode is None:
            return None
        from lmgame_games.holdem.render import draw

        return draw(self.view(AGENTS[0]), spectators=tuple(self.hand.hole(1)), to_move=self.hand.to_move)

    def close(self) -> None:
        """Nothing is held."""


def _told(event: str, hand: Hand, seat: int) -> str:
    """An event as a seat says it."""
    who, _, what = event.partition(" ")
    if who not in ("B", "N"):
        return event
    if (who == "B") != (hand.button == seat):
        return f"other {what}"
    verb, space, rest = what.partition(" ")
    return f"you {verb.removesuffix('s')}{space}{rest}"


def _summary(number: int, hand: Hand, seat: int) -> str:
    """A finished hand as a seat remembers it: what was won, and the cards it saw."""
    won = hand.won(seat) / BIG_BLIND
    shown = hand.shown(1 - seat)
    theirs = f"the other showed {' '.join(shown)}" if shown else "the other's cards stayed hidden"
    board = f", board {' '.join(hand.board)}" if hand.board else ""
    return f"hand {number}: {won:+g} big blinds, you had {' '.join(hand.hole(seat))}, {theirs}{board}"
