"""Names of models: what each stands for, and what a wrong one answers."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmgame_common import LmgameError, UnknownNameError, UsageError
from lmgame_serving import (
    PICO_GAMES,
    PROVIDERS,
    BackendModel,
    BackendSettings,
    EmbeddedModel,
    Endpoint,
    known_names,
    resolve,
)
from lmgame_serving.backend import state
from lmgame_serving.pico_engine import FOLDER


def endpoint(*args, **kwargs) -> Endpoint:
    found = resolve(*args, **kwargs)
    assert isinstance(found, Endpoint)
    return found


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_resolves_with_each_of_its_key_variables(name):
    provider = PROVIDERS[name]
    for variable in provider.key_variables or [None]:
        found = endpoint(f"{name}/org/model:tag", env={variable: " sk-1 \n"} if variable else {})
        assert found.model == "org/model:tag"
        assert found.base_url == provider.base_url
        assert found.provider == name
        assert found.api_key == ("sk-1" if variable else None)
        assert found.name == f"{name}/org/model:tag"


@pytest.mark.parametrize("name", [name for name, provider in PROVIDERS.items() if provider.key_variables])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_key_names_the_variable_and_how_to_set_it(name, value):
    variable = PROVIDERS[name].key_variables[0]
    with pytest.raises(UsageError, match=f"export {variable}="):
        resolve(f"{name}/m", env={} if value is None else {variable: value})


def test_openai_limits_tokens_by_the_newer_name():
    assert endpoint("openai/o3", env={"OPENAI_API_KEY": "k"}).max_tokens_parameter == "max_completion_tokens"
    assert endpoint("xai/grok", env={"XAI_API_KEY": "k"}).max_tokens_parameter == "max_tokens"


def test_keys_are_never_shown():
    found = endpoint("openai/gpt", env={"OPENAI_API_KEY": "sk-secret"})
    assert "sk-secret" not in repr(found)
    assert found.redact("bad key sk-secret!") == "bad key [key]!"
    with pytest.raises(UsageError) as caught:
        resolve("openai/gpt", env={"OPENAI_API_KEY": "sk-sec\nret"})
    assert "sec" not in str(caught.value).replace("OPENAI_API_KEY", "")


def test_urls_with_a_model():
    found = endpoint("http://gpu:8000/v1#Qwen/Qwen3-VL", env={})
    assert (found.base_url, found.model, found.provider) == ("http://gpu:8000/v1", "Qwen/Qwen3-VL", "url")
    assert endpoint("http://gpu:8000/v1/", env={}).model == ""


def test_a_base_url_takes_the_name_as_it_is():
    found = endpoint("openai/gpt-oss-20b", base_url="https://host/v1/", env={"LMGAME_API_KEY": "k"})
    assert (found.base_url, found.model, found.api_key) == ("https://host/v1", "openai/gpt-oss-20b", "k")


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://host/v1", "open"),
        ("http://localhost:1/v1", "open"),
        ("http://127.0.0.1/v1", "open"),
        ("http://[::1]:8/v1", "open"),
        ("http://host/v1", None),
        ("http://10.0.0.1/v1", None),
    ],
)
def test_openais_key_is_not_sent_in_the_clear(url, key):
    assert endpoint("m", base_url=url, env={"OPENAI_API_KEY": "open"}).api_key == key
    assert endpoint("m", base_url=url, env={"OPENAI_API_KEY": "open", "LMGAME_API_KEY": "mine"}).api_key == "mine"


@pytest.mark.parametrize(
    "url", ["ftp://host/v1", "http://", "http://h:99999/v1", "http://[::1/v1", "file:///etc/passwd"]
)
def test_unusable_urls(url):
    with pytest.raises(UsageError, match="expected"):
        resolve(f"{url}#m", env={})


@pytest.mark.parametrize("url", ["http://me:hunter2@host/v1", "https://host/v1?key=hunter2"])
def test_secrets_in_urls_are_refused_without_repeating_them(url):
    with pytest.raises(UsageError, match="LMGAME_API_KEY") as caught:
        resolve(url, env={})
    assert "hunter2" not in str(caught.value)


def test_the_built_in_models():
    pico = resolve("pico", env={})
    assert isinstance(pico, EmbeddedModel)
    assert (pico.provider, pico.vision, pico.reads_text, pico.trained_on) == ("pico", True, False, PICO_GAMES)
    assert resolve("smollm2", env={}) == EmbeddedModel(name="smollm2", model="smollm2", path=None)


@pytest.mark.parametrize("model", ["pico", "/models/pico", "serving/lmgame_serving/pico/", "org/pico"])
def test_pico_behind_a_server_is_a_reference_too(model):
    for found in (
        endpoint(model, base_url="http://gpu:8000/v1", env={}),
        endpoint(f"http://gpu:8000/v1#{model}", env={}),
    ):
        assert (found.model, found.provider) == (model, "url")
        assert (found.vision, found.reads_text, found.trained_on) == (True, False, PICO_GAMES)


@pytest.mark.parametrize("model", ["", "pico-2", "my-pico", "pico/other", "PICO"])
def test_others_behind_a_server_are_not(model):
    found = endpoint(f"http://gpu:8000/v1#{model}", env={})
    assert (found.vision, found.reads_text, found.trained_on) == (None, True, ())


def backend(name: str, **settings) -> BackendModel:
    found = resolve(f"vllm/{name}", env={}, backend=BackendSettings(**settings))
    assert isinstance(found, BackendModel) and (found.name, found.provider) == (f"vllm/{name}", "vllm")
    return found


def test_models_for_gpus(tmp_path, monkeypatch):
    hub = backend("Qwen/Qwen2.5-VL-3B-Instruct", python="/opt/vllm/bin/python")
    assert (hub.source, hub.model, hub.trained_on) == (*["Qwen/Qwen2.5-VL-3B-Instruct"] * 2, ())
    assert (hub.profile.shape, hub.python, hub.vision) == ("colocated", "/opt/vllm/bin/python", None)
    pico = backend("pico", profile="pd", overrides=("decode=3",))
    assert (pico.source, pico.model, pico.trained_on, pico.reads_text) == (str(FOLDER), "pico", PICO_GAMES, False)
    assert (pico.profile.shape, pico.profile.decode) == ("pd", 3)
    (tmp_path / "org" / "mine").mkdir(parents=True)
    (tmp_path / "org" / "mine" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    for name in ("./org/mine", "org/mine", f"{tmp_path}/org/mine/", "../" + tmp_path.name + "/org/mine"):
        assert (backend(name).source, backend(name).model) == (str(tmp_path / "org" / "mine"), "mine")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("", "expected pico, a folder"),
        ("--host", "expected pico, a folder"),
        ("a/b/c", "expected pico, a folder"),
        ("org/--host", "expected pico, a folder"),
        ("./nowhere", "isn't there"),
        ("/", "has no config.json"),
        ("some.gguf", "llamacpp/some.gguf"),
    ],
)
def test_what_vllm_cannot_serve(name, complaint):
    with pytest.raises(UsageError, match=complaint):
        backend(name)


def test_the_key_of_a_backend_on_this_machine_goes_first(monkeypatch):
    monkeypatch.setattr(state, "key_for", {"http://127.0.0.1:8000/v1": "its own"}.get)
    env = {"LMGAME_API_KEY": "mine"}
    assert endpoint("http://127.0.0.1:8000/v1#m", env=env).api_key == "its own"
    assert endpoint("http://127.0.0.1:8001/v1#m", env=env).api_key == "mine"


def test_a_host_elsewhere_gets_no_backend_s_key(monkeypatch):
    monkeypatch.setattr(state, "key_for", lambda url: "its own")
    assert endpoint("http://gpu:8000/v1#m", env={}).api_key is None
    assert endpoint("https://127.0.0.1.example.org/v1#m", env={}).api_key is None


def test_files(tmp_path):
    file = tmp_path / "Qwen3-0.6B.gguf"
    file.write_bytes(b"GGUF....")
    found = resolve(f"llamacpp/{file}", env={})
    assert isinstance(found, EmbeddedModel)
    assert (found.path, found.model, found.provider) == (file, "Qwen3-0.6B", "llamacpp")
    with pytest.raises(UsageError, match=r"Did you mean llamacpp/.*Qwen3-0\.6B\.gguf\?"):
        resolve(f"llamacpp/{tmp_path}/Qwen3-0.7B.gguf", env={})
    file.write_bytes(b"PK\x03\x04")
    with pytest.raises(UsageError, match="no GGUF file"):
        resolve(f"llamacpp/{file}", env={})
    with pytest.raises(UsageError, match=r"llamacpp/some\.gguf"):
        resolve("some.gguf", env={})


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("pixo", "pico"),
        ("smolm2", "smollm2"),
        ("SmolLM2", "smollm2"),
        ("opnai/gpt-4o", "openai"),
        ("open-router/x", "openrouter"),
        ("lamacpp/x.ggf", "llamacpp"),
        ("randm", "random"),
    ],
)
def test_a_wrong_name_answers_with_the_closest(wrong, right):
    with pytest.raises(UnknownNameError, match=f"Did you mean '{right}'"):
        resolve(wrong, env={}, also_known=["random", "scripted", "human"])


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("gpt-4o", "openai/gpt-4o"), ("Claude-9", "anthropic/Claude-9"), ("qwen3-4b", "PROVIDER/qwen3-4b")],
)
def test_a_bare_name_is_told_that_a_provider_goes_before_it(name, wanted):
    with pytest.raises(UnknownNameError) as caught:
        resolve(name, env={}, also_known=["random"])
    for said in (f"{wanted};", f"URL#{name}", "--base-url", "smollm2", "random"):
        assert said in str(caught.value)


def test_an_organisation_is_no_mistyped_provider():
    with pytest.raises(UnknownNameError) as caught:
        resolve("meta-llama/Llama-3", env={})
    assert "Did you mean" not in str(caught.value)
    for said in ("openrouter/meta-llama/Llama-3", "URL#meta-llama/Llama-3", "--base-url", "ollama,"):
        assert said in str(caught.value)


@pytest.mark.parametrize("name", ["", "  ", "openai/", "llamacpp/", "/", "#"])
def test_names_with_nothing_in_them(name):
    with pytest.raises(UsageError):
        resolve(name, env={"OPENAI_API_KEY": "k"})


@given(st.one_of(st.text(), st.text(string.ascii_lowercase + "/:#.@?", max_size=30).map(lambda s: "http://" + s)))
def test_any_text_resolves_or_raises_an_error_of_ours(name):
    try:
        assert resolve(name, env={}).name == name
    except LmgameError as error:
        assert str(error)


def test_known_names_are_one_per_provider_and_the_engines():
    names = known_names()
    assert {"pico", "smollm2"} <= set(names)
    assert {f"{provider}/MODEL" for provider in PROVIDERS} <= set(names)
