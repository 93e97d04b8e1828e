"""Agents: from an observation to a decision, by a model behind a chat API or by a baseline player.

The agent for people is `lmgame_agents.human`; it needs a window, so it is not imported here. `ChatClient` is imported
when it is first asked for: its HTTP stack takes half a second to load, which only models behind an API need.
"""

from typing import TYPE_CHECKING, Any

from lmgame_agents.baselines import RandomAgent, ReplayAgent, ScriptedAgent
from lmgame_agents.chat import ChatAgent
from lmgame_agents.core import Agent, Decision, InfrastructureError, Latency, Observation, Usage, Verdict
from lmgame_agents.parser import Parsed, parse_answer
from lmgame_agents.preflight import Capabilities, preflight
from lmgame_agents.prompt import answer_schema, prompt_hash, system_prompt, turn
from lmgame_agents.sampling import Dialect, Sampling

if TYPE_CHECKING:
    from lmgame_agents.client import ChatClient

__all__ = [
    "Agent",
    "Capabilities",
    "ChatAgent",
    "ChatClient",
    "Decision",
    "Dialect",
    "InfrastructureError",
    "Latency",
    "Observation",
    "Parsed",
    "RandomAgent",
    "ReplayAgent",
    "Sampling",
    "ScriptedAgent",
    "Usage",
    "Verdict",
    "answer_schema",
    "parse_answer",
    "preflight",
    "prompt_hash",
    "system_prompt",
    "turn",
]


def __getattr__(name: str) -> Any:
    if name == "ChatClient":
        from lmgame_agents.client import ChatClient

        return ChatClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
