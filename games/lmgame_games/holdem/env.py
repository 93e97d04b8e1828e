"""Texas hold'em as a PettingZoo environment. One step is one act of one seat."""

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding

from lmgame_common import GameError, UsageError
from lmgame_games.core import Move
from lmgame_games.holdem.cards import STAKES, card
from lmgame_games.holdem.deck import Deal, draw_deals
from lmgame_games.holdem.hand import Hand
from lmgame_games.holdem.observation import NUMBERS, observation
from lmgame_games.holdem.render import draw
from lmgame_games.holdem.text import text
from lmgame_games.holdem.view import PAST, SeatView, seat_view
from lmgame_games.shared import AGENTS, AlternatingGame


class HoldemEnv(AlternatingGame):
    """Heads-up hold'em over several hands; PettingZoo's AEC.

    The seed draws the cards of all hands. On one seed a seat gets the same cards whoever sits there, so that a match
    and its twin with the seats swapped are duplicate poker. `player_0` has the button in the first hand, from then on
    it alternates.

    Actions: `Discrete`, in the order of the card's controls. Observations: `observation`, float32, as
    `observation.observation` says; `action_mask`, int8 (actions,). Scores are big blinds won or lost over the hands
    that are over; both seats' sum to 0. Rewards: what a seat gained on the other by the step, twice what it won.

    Args:
        preset: `standard` (no limit) or `limit`.
        render_mode: `rgb_array` or None.

    Raises:
        UnknownNameError: For an unknown preset.
        UsageError: For an unknown render mode.
    """

    def __init__(self, preset: str = "standard", render_mode: str | None = None) -> None:
        super().__init__()
        self.card = card(preset)
        if render_mode not in (None, "rgb_array"):
            raise UsageError(
                f"Unknown render mode {render_mode!r}; {self.card.title} renders 'rgb_array' or nothing (None)."
            )
        self.render_mode = render_mode
        self.metadata = {
            **self.metadata,
            "name": f"{self.card.game}_v{self.card.version}",
            "render_fps": int(self.card.fps),
        }
        self.stakes = STAKES[preset]
        self._names = tuple(control.name for control in self.card.controls)
        self._space = spaces.Discrete(len(self._names))
        self._view_space = spaces.Dict(
            {
                "observation": spaces.Box(-np.inf, np.inf, (NUMBERS,), np.float32),
                "action_mask": spaces.Box(0, 1, (len(self._names),), np.int8),
            }
        )
        self._deals: tuple[Deal, ...] = ()
        self._hand: Hand | None = None
        self._past: list[tuple[int, Hand]] = []
        self._number = 0
        self._net = 0
        self._ending = ""

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self._view_space

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return self._space

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        if seed is not None or not hasattr(self, "_random"):
            self._random, _ = seeding.np_random(seed)
        self._deal_match(draw_deals(self._random, self.stakes.hands))

    def _deal_match(self, deals: tuple[Deal, ...]) -> None:
        """Begin the match with these cards."""
        self._deals, self._past, self._number, self._net, self._ending = deals, [], 0, 0, ""
        self._begin(AGENTS[self._next_hand()])

    def _next_hand(self) -> int:
        """Begin the next hand; who acts first."""
        button = self._number % 2
        self._hand = Hand(self._deals[self._number], button, self.stakes)
        self._number += 1
        return button

    def _play(self, agent: str, action: Any) -> str:
        action, hand = int(action), self._hand
        if not 0 <= action < len(self._names):
            raise GameError(f"{action} is no action of {self.card.title}; expected 0 to {len(self._names) - 1}.")
        assert hand is not None
        hand.play(self._names[action])
        if hand.over:
            self._net += hand.net[0]
            self._past = [(self._number, hand), *self._past[: PAST - 1]]
            if self._number == self.stakes.hands:
                self._end("all_hands_played")
                return agent
            return AGENTS[self._next_hand()]
        assert hand.to_act is not None
        return AGENTS[hand.to_act]

    def _end(self, ending: str) -> None:
        self._ending, self._hand = ending, None
        self._finish()

    @property
    def over(self) -> bool:
        return bool(self._ending)

    def scores(self) -> dict[str, float]:
        won = self._net / self.stakes.big_blind
        return {AGENTS[0]: won, AGENTS[1]: 0.0 - won}

    def outcome(self) -> str:
        """`all_hands_played`, `forfeit` or `adjudicated`."""
        return self._ending

    def forfeit(self, agent: str) -> None:
        """The hand under way is void; the seat gives up all it has won, and a full stack more."""
        if not self.over:
            before, sign = self.scores(), 1 if agent == AGENTS[0] else -1
            self._net = sign * (min(sign * self._net, 0) - self.stakes.stack)
            self._end("forfeit")
            self._reward(before)

    def adjudicate(self) -> None:
        """The hand under way is void: both take their bets back."""
        if not self.over:
            before = self.scores()
            self._end("adjudicated")
            self._reward(before)

    def idle(self, agent: str) -> Move | None:
        """Check where that is possible, else fold."""
        return Move("check" if "check" in self.view(agent).choices else "fold")

    def view(self, agent: str) -> SeatView:
        return self._view(AGENTS.index(agent))

    def _view(self, seat: int, *, spectator: bool = False) -> SeatView:
        if not self._number:
            raise GameError(f"This match of {self.card.title} was never started: call reset() first.")
        return seat_view(
            self._hand,
            self._past,
            seat,
            number=self._number,
            stakes=self.stakes,
            score=self.scores()[AGENTS[seat]],
            ending=self._ending,
            spectator=spectator,
        )

    def observe(self, agent: str) -> dict[str, np.ndarray]:
        view = self.view(agent)
        mask = np.array([name in view.choices for name in self._names], np.int8)
        return {"observation": observation(view), "action_mask": mask}

    def legal_moves(self, agent: str) -> tuple[str, ...] | None:
        return tuple(self.view(agent).choices)

    def action(self, agent: str, move: Move) -> int:
        if problem := self.problem(agent, move):
            raise GameError(problem)
        return self._names.index(move.name)

    def move(self, agent: str, action: Any) -> Move:
        return Move(self._names[int(action)])

    def text(self, agent: str) -> str:
        return text(self.view(agent))

    def frame(self, agent: str) -> np.ndarray:
        return draw(self.view(agent))

    def render(self) -> np.ndarray | None:
        """The spectators' frame, which shows both seats' cards, uint8 (height, width, 3), a fresh array; None where the
        render mode is None."""
        return None if self.render_mode is None else draw(self._view(0, spectator=True), spectator=True)

    def close(self) -> None:
        """Nothing is held."""
