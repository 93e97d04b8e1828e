"""From what the user calls a model to where it answers, without asking anybody yet."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lmgame_common import UnknownNameError, UsageError, is_loopback
from lmgame_serving.endpoint import Endpoint
from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.providers import PROVIDERS, Provider

if TYPE_CHECKING:
    from lmgame_serving.backend.profile import Profile

PICO, SMOLLM2 = "pico", "smollm2"
PICO_GAMES = ("tetris/standard", "mario/standard")
"""What `pico` was trained to play, as `GAME/PRESET`."""
VLLM = "vllm"
"""What stands before a model that lmgame is to serve on this machine's GPUs, and its provider in records."""
_LLAMACPP = "llamacpp"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_MAKERS = {
    "gpt": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "claude": "anthropic",
    "gemini": "gemini",
    "grok": "xai",
    "deepseek": "deepseek",
}
"""How the names of well-known models begin, and the provider that is their maker."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedModel:
    """A model that an engine in this process is to run."""

    name: str
    """The model's name as the user typed it."""
    model: str
    """Its name towards the engine, and in records."""
    path: Path | None
    """The GGUF file; None for the built-in models: `smollm2` is fetched when it is first opened, `pico` is there."""
    provider: str = _LLAMACPP
    """The engine."""
    structured_outputs: bool = True
    """Small models need to be held to a schema, and llama.cpp can."""
    vision: bool | None = False
    reads_text: bool = True
    """As in `Endpoint`."""
    trained_on: tuple[str, ...] = ()
    """As in `Endpoint`."""


_PICO = EmbeddedModel(
    name=PICO,
    model=PICO,
    path=None,
    provider=PICO,
    structured_outputs=False,
    vision=True,
    reads_text=False,
    trained_on=PICO_GAMES,
)


@dataclass(frozen=True, kw_only=True)
class BackendSettings:
    """How a model is to be served on this machine's GPUs."""

    profile: str = "colocated"
    """A profile's name, or the path of its TOML file."""
    overrides: tuple[str, ...] = ()
    """`KEY=VALUE` over what the profile says."""
    python: str | None = None
    """The interpreter that has vLLM; None: this one."""


@dataclass(frozen=True, kw_only=True)
class BackendModel:
    """A model that vLLM engines on this machine are to serve."""

    name: str
    """The model's name as the user typed it."""
    model: str
    """Its name towards the engines, and in records."""
    source: str
    """What vLLM loads: the path of a folder, or a name on the Hugging Face hub."""
    profile: "Profile"
    """The shape of the backend and the settings of its engines."""
    python: str | None = None
    """As in `BackendSettings`."""
    provider: str = VLLM
    structured_outputs: bool = False
    """As in `Endpoint`."""
    vision: bool | None = None
    """As in `Endpoint`."""
    reads_text: bool = True
    """As in `Endpoint`."""
    trained_on: tuple[str, ...] = ()
    """As in `Endpoint`."""


type Resolved = Endpoint | EmbeddedModel | BackendModel
"""What a name stands for. All kinds have `name`, `model`, `provider`, `structured_outputs`, `vision`, `reads_text` and
`trained_on`."""


def marked[Found: (Endpoint, BackendModel)](found: Found) -> Found:
    """The same, marked as a reference if the model that its server has is `pico` by name.

    The name's last part counts: vLLM calls a model by the path of its folder unless it is told another name.
    """
    if found.model.rstrip("/").rpartition("/")[2] != PICO:
        return found
    return replace(found, vision=_PICO.vision, reads_text=_PICO.reads_text, trained_on=_PICO.trained_on)


def served(text: str) -> tuple[str, str]:
    """What vLLM loads, and what it then calls the model, for the MODEL of `vllm/MODEL`.

    Args:
        text: `pico`, the path of a folder with a model, or a name on the Hugging Face hub. An existing folder goes
            before a name on the hub, as it does for vLLM.

    Raises:
        UsageError: If it is neither.
    """
    if text == PICO:
        return str(FOLDER), PICO
    folder = Path(text).expanduser()
    is_path = text.startswith(("/", "./", "../", "~")) or text in (".", "..")
    if is_path or (text and not text.startswith("-") and folder.is_dir()):
        if not (folder / "config.json").is_file():
            what = "has no config.json" if folder.is_dir() else "isn't there"
            raise UsageError(f"The model's folder {text!r} {what}; expected a folder as `save_pretrained` writes it.")
        return str(folder.resolve()), folder.resolve().name
    if text.endswith(".gguf"):
        raise UsageError(f"{text!r} is a file for llama.cpp: write {_LLAMACPP}/{text}. vLLM takes folders.")
    if not _HUB_NAME.fullmatch(text):
        raise UsageError(
            f"{text!r} is no model for vLLM; expected pico, a folder's path such as ./models/mine, or a name on the "
            "Hugging Face hub such as Qwen/Qwen2.5-VL-3B-Instruct."
        )
    return text, text


def known_names() -> list[str]:
    """The names and forms of names that `resolve` takes, for help texts; capitals stand for what the user fills in."""
    return [
        PICO,
        SMOLLM2,
        f"{_LLAMACPP}/FILE.gguf",
        f"{VLLM}/MODEL",
        *(f"{name}/MODEL" for name in PROVIDERS),
        "http://HOST:PORT/v1#MODEL",
    ]


def resolve(
    name: str,
    *,
    base_url: str | None = None,
    env: Mapping[str, str] | None = None,
    also_known: Iterable[str] = (),
    backend: BackendSettings | None = None,
) -> Resolved:
    """Find out what a model's name stands for.

    Args:
        name: `pico`, `smollm2`, `llamacpp/FILE.gguf`, `vllm/MODEL`, `PROVIDER/MODEL` or `URL#MODEL`. With `base_url`,
            the name that the server there has for the model, whatever it looks like.
        base_url: An OpenAI-compatible server's URL.
        env: Where keys are looked up; the process's environment by default.
        also_known: Names that the caller handles itself, such as `random`, to offer them too when a name is wrong.
        backend: How a `vllm/MODEL` is to be served.

    Raises:
        UnknownNameError: For an unknown name, provider or profile; names the closest one.
        UsageError: For a missing key, a missing or unsuitable file, an unusable URL, or a profile that makes no sense.
    """
    env = os.environ if env is None else env
    if not name.strip():
        raise UsageError(f"The model's name is empty; expected one of: {', '.join(known_names())}.")
    if base_url is not None:
        return _at_url(name, base_url, name, env)
    if "://" in name:
        url, _, model = name.partition("#")
        return _at_url(name, url, model, env)
    if name == PICO:
        return _PICO
    if name == SMOLLM2:
        return EmbeddedModel(name=name, model=SMOLLM2, path=None)
    prefix, slash, rest = name.partition("/")
    if prefix == _LLAMACPP and slash:
        return _in_file(name, rest)
    if prefix == VLLM and slash:
        return _on_gpus(name, rest, backend or BackendSettings())
    if prefix in PROVIDERS and slash:
        if not rest:
            raise UsageError(f"{name!r} names no model; expected {prefix}/MODEL.")
        return _at_provider(name, PROVIDERS[prefix], rest, env)
    if name.endswith(".gguf"):
        raise UsageError(f"Unknown model {name!r}. For a model in a file, write: {_LLAMACPP}/{name}")
    if slash:
        raise _unknown_provider(name, prefix)
    raise _unknown_model(name, [*known_names(), *also_known])


def _unknown_model(name: str, known: list[str]) -> UnknownNameError:
    error = UnknownNameError("model", name, known)
    provider = next((maker for start, maker in _MAKERS.items() if name.lower().startswith(start)), "PROVIDER")
    advice = f"A provider goes before its model: {provider}/{name}; for another server: URL#{name}, or --base-url URL."
    error.args = (f"{error} {advice}",)
    return error


def _unknown_provider(name: str, prefix: str) -> UnknownNameError:
    known = [*PROVIDERS, _LLAMACPP, VLLM]
    error = UnknownNameError("model provider", prefix, known)
    # Many models are called ORGANISATION/MODEL, so a prefix that is merely somewhat like a provider isn't one mistyped.
    close = get_close_matches(prefix.lower(), known, n=1, cutoff=0.75)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    error.args = (
        f"Unknown model provider {prefix!r}.{hint} Known: {', '.join(sorted(known))}. If {prefix!r} belongs to the "
        f"model's name, say where it answers: openrouter/{name}; for another server: URL#{name}, or --base-url URL; "
        f"on this machine's GPUs: {VLLM}/{name}.",
    )
    return error


def _at_provider(name: str, provider: Provider, model: str, env: Mapping[str, str]) -> Endpoint:
    key = _key(provider.key_variables, env)
    if key is None and provider.key_variables:
        variables = " or ".join(provider.key_variables)
        raise UsageError(
            f"{provider.title} needs an API key, and {variables} is not set. "
            f"Set it first: export {provider.key_variables[0]}=YOUR_KEY"
        )
    return Endpoint(
        name=name,
        base_url=provider.base_url,
        model=model,
        provider=provider.name,
        api_key=key,
        max_tokens_parameter=provider.max_tokens_parameter,
        request_defaults=provider.request_defaults,
    )


def _at_url(name: str, url: str, model: str, env: Mapping[str, str]) -> Endpoint:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
    except ValueError as error:
        raise UsageError(
            f"The model's URL can't be read ({error}); expected such as http://127.0.0.1:8000/v1."
        ) from None
    if parts.username is not None or parts.query:
        # Not repeated in the message: what stands there is most likely a secret.
        raise UsageError("A model's URL can't carry a password or a query. Put the key in the variable LMGAME_API_KEY.")
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"The model's URL {url!r} can't be used; expected http://HOST:PORT/v1 or https://HOST/v1.")
    # A key meant for one company must not travel in the clear to just any machine.
    private = parts.scheme == "https" or is_loopback(host)
    variables = ("LMGAME_API_KEY", "OPENAI_API_KEY") if private else ("LMGAME_API_KEY",)
    key = (_key_of_backend(url) if is_loopback(host) else None) or _key(variables, env)
    return marked(Endpoint(name=name, base_url=url.rstrip("/"), model=model, provider="url", api_key=key))


def _key_of_backend(url: str) -> str | None:
    """The key of the backend that `lmgame serve` keeps running at that URL, if one does."""
    from lmgame_serving.backend.state import key_for  # not needed by most, and takes a while to load

    return key_for(url)


def _on_gpus(name: str, model: str, settings: BackendSettings) -> BackendModel:
    from lmgame_serving.backend.profile import load_profile  # as above

    source, called = served(model)
    profile = load_profile(settings.profile, settings.overrides)
    return marked(BackendModel(name=name, model=called, source=source, profile=profile, python=settings.python))


def _in_file(name: str, file: str) -> EmbeddedModel:
    path = Path(file).expanduser()
    if not path.is_file():
        siblings = [each.name for each in path.parent.glob("*.gguf")] if path.parent.is_dir() else []
        close = get_close_matches(path.name, siblings, n=1)
        hint = f" Did you mean {_LLAMACPP}/{path.parent / close[0]}?" if close else ""
        raise UsageError(f"There is no file {str(path)!r}; expected {_LLAMACPP}/ and the path of a GGUF file.{hint}")
    try:
        with path.open("rb") as opened:
            magic = opened.read(4)
    except OSError as error:
        raise UsageError(f"The model file {str(path)!r} can't be read: {error.strerror}.") from error
    if magic != b"GGUF":
        raise UsageError(f"{str(path)!r} is no GGUF file; other formats need converting for llama.cpp first.")
    return EmbeddedModel(name=name, model=path.stem, path=path)


def _key(variables: Iterable[str], env: Mapping[str, str]) -> str | None:
    for variable in variables:
        if key := env.get(variable, "").strip():
            if not (key.isascii() and key.isprintable()) or " " in key:
                raise UsageError(f"{variable} holds no usable key: one has printable ASCII characters only, no spaces.")
            return key
    return None
