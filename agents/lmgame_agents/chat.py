"""The chat agent: plays one episode through a model behind a chat API."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lmgame_agents.core import Decision, InfrastructureError, Observation, Verdict
from lmgame_agents.parser import parse_answer
from lmgame_agents.prompt import answer_schema, system_prompt, turn, turn_content
from lmgame_agents.sampling import MAX_TOKENS, Sampling
from lmgame_agents.stream import Reply
from lmgame_games import Card, ObservationKind

if TYPE_CHECKING:
    from lmgame_agents.client import ChatClient

_LIMIT = re.compile(r"max_(completion_)?tokens")
_LONGEST_ANSWER = 2_000
"""Most characters of an earlier answer that stay in the conversation, the last ones."""


class ChatAgent:
    """Asks a model for each decision.

    A prompt is the rules, then at most `history` earlier turns as text, then this turn, which alone carries a frame.
    When the history is full it is cut to half in one go, so that in between a server's prefix cache keeps hitting. So
    it is where the prompt has grown beyond the model's context.

    Without `sampling.max_tokens`, a model gets the limit for models that think from its first thought on.

    Args:
        client: The connection to the model, shared by all episodes.
        card: The game under its preset.
        observation_kind: What the model is shown.
        session_id: The episode's, sent as `X-Session-ID`.
        sampling: Settings of every request.
        history: Most earlier turns in a prompt; 0 for the bare model.
        realtime: Whether the game runs on while the model thinks, which the prompt then says.
        reasoning: Whether the model is known to think before it answers.
    """

    def __init__(
        self,
        client: "ChatClient",
        card: Card,
        *,
        observation_kind: ObservationKind,
        session_id: str | None = None,
        sampling: Sampling = Sampling(),
        history: int = 0,
        realtime: bool = False,
        reasoning: bool = False,
    ) -> None:
        self._client, self._card, self._session_id, self._sampling = client, card, session_id, sampling
        self._kind: ObservationKind = observation_kind
        rules = system_prompt(card, observation_kind, structured=sampling.structured, realtime=realtime)
        self._rules = {"role": "system", "content": rules}
        self._schema = answer_schema(card) if sampling.structured else None
        self._most = history
        self._turns: list[tuple[str, str]] = []
        self._reasoning = reasoning
        self._limit = sampling.resolve(reasoning=reasoning)

    def messages(self, observation: Observation) -> list[dict[str, Any]]:
        """The exact messages that `act` would send now."""
        messages: list[dict[str, Any]] = [self._rules]
        for asked, answered in self._turns:
            messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
        seen = _seen(observation, self._kind)
        messages.append({"role": "user", "content": turn_content(seen, self._card)})
        return messages

    def body(self, observation: Observation) -> dict[str, Any]:
        """The exact request body that `act` would send now."""
        return self._client.body(self.messages(observation), self._limited(), schema=self._schema)

    async def act(self, observation: Observation) -> Decision:
        """Ask for one decision. Raises InfrastructureError when no answer came through no fault of the model."""
        while True:
            try:
                reply = await self._client.ask(
                    self.messages(observation), self._limited(), session_id=self._session_id, schema=self._schema
                )
                break
            except InfrastructureError as fault:
                if not self._shrunk(fault):
                    raise
        decision = decide(reply, self._card, observation, max_tokens=self._limit)
        self.recall(observation, decision)
        return decision

    def _limited(self) -> Sampling:
        return replace(self._sampling, max_tokens=self._limit)

    def _shrunk(self, fault: InfrastructureError) -> bool:
        """Make the next request smaller if that may help: by half of the turns, then half of a limit nobody set."""
        too_long = fault.kind == "context_length"
        if too_long and self._turns:
            self._turns = self._turns[(len(self._turns) + 1) // 2 :]
            return True
        # Servers that count the limit on the answer against the context, and models with a lower limit of their own.
        limited = too_long or (fault.kind == "bad_request" and _LIMIT.search(str(fault)))
        if limited and self._sampling.max_tokens is None and self._limit > MAX_TOKENS:
            self._limit //= 2
            return True
        return False

    def recall(self, observation: Observation, decision: Decision) -> None:
        """Take a turn into memory: into the conversation, if there is a history, and whether the model thinks."""
        if not self._reasoning and (decision.thought or decision.usage.reasoning_tokens):
            self._reasoning = True
            self._limit = self._sampling.resolve(reasoning=True)
        if not self._most:
            return
        asked = turn(_seen(observation, self._kind), self._card)
        self._turns.append((asked, decision.raw[-_LONGEST_ANSWER:] or "(no answer)"))
        if len(self._turns) > self._most:
            self._turns = self._turns[-max(1, self._most // 2) :]


def decide(reply: Reply, card: Card, observation: Observation, *, max_tokens: int) -> Decision:
    """The decision that a reply stands for: its moves, its verdict, and what to tell the model about it."""
    parsed = parse_answer(reply.text, card, legal_moves=observation.legal_moves)
    moves, verdict, problem = parsed.moves, parsed.verdict, parsed.problem
    unreadable = verdict in (Verdict.UNPARSABLE, Verdict.TRUNCATED)
    if reply.timed_out:
        moves, verdict, problem = (), Verdict.TIMEOUT, "Your answer took too long and was not waited for."
    elif reply.finish_reason == "content_filter" or (unreadable and reply.refusal):
        moves, verdict, problem = (), Verdict.REFUSED, "The answer was refused."
    elif unreadable and reply.finish_reason == "length":
        verdict = Verdict.TRUNCATED
        problem = f"Your answer was cut off after {max_tokens} tokens, before it came to moves. Be shorter."
    return Decision(
        moves=moves,
        verdict=verdict,
        raw=parsed.answer or reply.refusal or "",
        thought="\n".join(thought for thought in (reply.thought, parsed.thought) if thought) or None,
        problem=problem,
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        latency=reply.latency,
    )


def _seen(observation: Observation, kind: ObservationKind) -> Observation:
    """The observation without what this kind of agent isn't shown."""
    if kind == "text" and observation.frame is not None:
        return replace(observation, frame=None)
    if kind == "image" and observation.text is not None:
        return replace(observation, text=None)
    return observation
