"""A Kubernetes `DynamoGraphDeployment` (nvidia.com/v1alpha1)."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from lmgame_serving.backend.profile import Profile
from lmgame_serving.dynamo.flags import MODES, counts
from lmgame_serving.gateway.pool import Role

_HEADER = """\
# An NVIDIA Dynamo deployment for Kubernetes. Written by `lmgame serve export --to dynamo`.
# The frontend asks for no key: reach it through `kubectl port-forward`, or put an ingress that checks keys before it.
"""
_SHARED = "# The profile's engines share one GPU. Pods can't, so each engine has its own here.\n"
_SERVICES = {Role.PREFILL: "Prefill", Role.DECODE: "Decode", Role.COLOCATED: "Worker"}


def manifest(
    profile: Profile, arguments: Mapping[Role, Sequence[str]], frontend: Sequence[str], *, name: str, image: str
) -> str:
    """The manifest as YAML.

    Args:
        profile: Says how many workers there are, with how many GPUs and which variables.
        arguments: Of `dynamo.vllm`, by role.
        frontend: Arguments of `dynamo.frontend`.
        name: Of the deployment, as Kubernetes takes it.
        image: The container image.
    """
    workers = counts(profile)
    services: dict[str, Any] = {
        "Frontend": {
            "componentType": "frontend",
            "replicas": 1,
            "envs": _variables({"DYN_HTTP_BODY_LIMIT_MB": str(body_limit_mb(profile))}),
            "extraPodSpec": {"mainContainer": _container(image, "dynamo.frontend", frontend)},
        }
    }
    for role, words in arguments.items():
        service: dict[str, Any] = {"componentType": "worker"}
        if role != Role.COLOCATED:
            service["subComponentType"] = MODES[role]
        service["replicas"] = workers[role]
        service["resources"] = {"limits": {"gpu": str(profile.tensor_parallel_size)}}
        if environment := profile.settings(role).env:
            service["envs"] = _variables(environment)
        service["extraPodSpec"] = {"mainContainer": _container(image, "dynamo.vllm", words)}
        services[_SERVICES[role]] = service
    deployment = {
        "apiVersion": "nvidia.com/v1alpha1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": name},
        "spec": {"backendFramework": "vllm", "services": services},
    }
    return _HEADER + (_SHARED if profile.share_gpu else "") + "\n".join(_yaml(deployment)) + "\n"


def body_limit_mb(profile: Profile) -> int:
    """Mebibytes that a request may have."""
    return math.ceil(profile.gateway.max_body_bytes / 2**20)


def _variables(environment: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": key, "value": _literal(value)} for key, value in environment.items()]


def _literal(word: str) -> str:
    """A word in which Kubernetes finds no reference to a variable."""
    return word.replace("$(", "$$(")


def _container(image: str, module: str, words: Sequence[str]) -> dict[str, Any]:
    return {"image": image, "command": ["python3", "-m", module], "args": [_literal(word) for word in words]}


def _yaml(value: Any) -> list[str]:
    """Lines of YAML. Scalars are written as JSON, for YAML's double-quoted strings and numbers include JSON's."""
    if isinstance(value, dict):
        lines = []
        for key, inner in value.items():
            if isinstance(inner, dict | list) and inner:
                lines += [f"{key}:", *(f"  {line}" for line in _yaml(inner))]
            else:
                lines.append(f"{key}: {json.dumps(inner)}")
        return lines
    lines = []
    for item in value:
        if isinstance(item, dict | list):
            first, *rest = _yaml(item)
            lines += [f"- {first}", *(f"  {line}" for line in rest)]
        else:
            lines.append(f"- {json.dumps(item)}")
    return lines
