"""Command-line arguments and environment variables of Dynamo's vLLM workers."""

from collections.abc import Sequence

from lmgame_serving.backend.plan import command
from lmgame_serving.backend.profile import Profile
from lmgame_serving.gateway.pool import Role

MODES = {Role.PREFILL: "prefill", Role.DECODE: "decode", Role.COLOCATED: "agg"}
"""Dynamo's names of what workers do."""
_OF_THE_SERVER = {"--host", "--port", "--api-server-count", "--disable-uvicorn-access-log", "--disable-fastapi-docs"}
"""What only `vllm serve` knows: under Dynamo its frontend is the server."""


def counts(profile: Profile) -> dict[Role, int]:
    """How many workers there are of which kind."""
    if profile.shape == "colocated":
        return {Role.COLOCATED: profile.replicas}
    return {Role.PREFILL: profile.prefill, Role.DECODE: profile.decode}


def arguments(
    profile: Profile, role: Role, *, model: str, served_name: str, takes_images: bool | None = None
) -> list[str]:
    """Arguments of `python -m dynamo.vllm`: Dynamo's own, then those that vLLM's engine has in `vllm serve`, too.

    Args:
        profile: The backend's.
        role: What the worker does.
        model: A folder or a name on the hub.
        served_name: What clients call it.
        takes_images: Whether the model does; None if that isn't known.
    """
    whole = command(profile, role, model=model, served_name=served_name, python="", port=0, takes_images=takes_images)
    model, *words = whole[whole.index("serve") + 1 :]
    own = ["--model", model]
    if role != Role.COLOCATED:
        own += ["--disaggregation-mode", MODES[role]]
    if takes_images is not False and profile.settings(role).images_per_prompt:
        own.append("--enable-multimodal")
        if role == Role.DECODE:  # it is told where in the prompt images were, and never sees them
            own.append("--enable-mm-embeds")
    return own + _without(words, _OF_THE_SERVER)


def _without(words: Sequence[str], options: set[str]) -> list[str]:
    """Command-line words without some options and their values."""
    kept, keep = [], True
    for word in words:
        if word.startswith("--"):
            keep = word.partition("=")[0] not in options
        if keep:
            kept.append(word)
    return kept
