"""Profiles: what ships, what a user sets, and what a mistake is answered with."""

import re
import tomllib
from pathlib import Path

import pytest

from lmgame_common import UnknownNameError, UsageError
from lmgame_serving.backend.profile import EngineSettings, Profile, load_profile, profile_text, profiles
from lmgame_serving.gateway.pool import Role


def test_the_profiles_that_ship_can_be_read() -> None:
    shapes = {name: (load_profile(name).shape, load_profile(name).gpus_needed) for name in profiles()}
    assert shapes == {
        "colocated": ("colocated", 1),
        "pd": ("pd", 2),
        "pd-shared": ("pd", 1),
        "pd-cpu": ("pd", 0),
    }


@pytest.mark.parametrize("name", profiles())
def test_each_option_of_a_profile_has_a_sentence(name: str) -> None:
    before = ""
    for line in profile_text(name).splitlines():
        if re.match(r"(# )?\w+ = ", line):
            assert before.startswith("# ") and not re.match(r"# \w+ = ", before), line
        before = line


@pytest.mark.parametrize("name", profiles())
def test_what_a_profile_offers_to_try_can_be_tried(name: str) -> None:
    text = re.sub(r"^# (\w+ = |\[\w)", r"\1", profile_text(name), flags=re.MULTILINE)
    text = text.replace("rust_frontend = true", "")  # not with api_server_count, as its comment says
    assert len(tomllib.loads(text)["engine"]) > 4
    Profile.model_validate(tomllib.loads(text))


def test_overrides_are_read_as_toml_and_words_need_no_quotes() -> None:
    profile = load_profile(
        "pd",
        [
            "engine.max_num_seqs=256",
            "engine.kv_cache_memory_bytes=8G",
            "engine.extra_args = ['--seed', '1']",
            "prefill_engine.enforce_eager=true",
            "engine.stream_interval=",
            "gpus=[3, 2]",
        ],
    )
    assert profile.engine.max_num_seqs == 256
    assert profile.engine.kv_cache_memory_bytes == "8G"
    assert profile.engine.extra_args == ["--seed", "1"]
    assert profile.engine.stream_interval is None
    assert profile.gpus == [3, 2]
    assert profile.settings(Role.PREFILL).enforce_eager and not profile.settings(Role.DECODE).enforce_eager
    assert profile.settings(Role.DECODE).max_num_seqs == 256


def test_overrides_may_come_as_a_mapping() -> None:
    profile = load_profile("colocated", {"replicas": 4, "gateway.port": 0, "engine.stream_interval": None})
    assert (profile.engines, profile.gpus_needed, profile.gateway.port) == (4, 4, 0)
    assert profile.engine.stream_interval is None


def test_a_file_is_read_and_named_in_messages(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("shape = 'pd'\ntensor_parallel_size = 2\nshare_gpu = true\n")
    assert load_profile(path).gpus_needed == 2
    path.write_text("[engine]\nmax_num_seq = 3\n")
    with pytest.raises(UsageError, match=r"mine.toml.*no option 'engine.max_num_seq' \(did you mean 'max_num_seqs'"):
        load_profile(str(path))
    path.write_text("shape = \n")
    with pytest.raises(UsageError, match=r"is no TOML: .*line 1"):
        load_profile(path)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("shape=pdd", r"shape: should be 'colocated' or 'pd' \(found 'pdd'\)"),
        ("engine.max_num_seqs=0", "engine.max_num_seqs: should be greater than or equal to 1"),
        ("engine.kv_cache_memory_bytes=8.5G", "engine.kv_cache_memory_bytes: should be a number of bytes such as 8G"),
        ("engine.kv_cache_memory_bytes=0", "should be a number of bytes"),
        ("engin.max_num_seqs=3", r"no option 'engin' \(did you mean 'engine'\?\)"),
        ("prefill_engine.max_seqs=3", r"no option 'prefill_engine.max_seqs' \(did you mean 'max_num_seqs'\?\)"),
        ("gateway.zzz=3", r"no option 'gateway.zzz' \(known there: answer_seconds, attempts, host, "),
        ("prefill_engine.block_size=32", "need the same block_size"),
        ("decode_engine={rust_frontend=true, api_server_count=2}", "leave api_server_count out"),
        ("engine=3", "engine: should be a valid dictionary"),
        ("shape.x=1", "'shape' has no options of its own"),
        ("nonsense", "sets nothing; expected OPTION=VALUE"),
        ("gpus=[0", "The value of 'gpus=\\[0' can't be read"),
    ],
)
def test_a_mistake_is_told_in_words(override: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        load_profile("pd", [override])


def test_an_unknown_profile_is_answered_with_the_closest_one() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'pd-shared'.*Or give the path of a TOML file"):
        load_profile("pd-share")
    with pytest.raises(UsageError, match=r"absent.toml' can't be read: No such file"):
        load_profile("absent.toml")
    with pytest.raises(UnknownNameError, match="Did you mean 'pd'"):
        profile_text("pdd")


def test_a_profile_survives_the_way_through_json() -> None:
    profile = load_profile("pd", ["prefill_engine.max_num_seqs=3", "engine.kv_cache_memory_bytes=8G"])
    again = Profile.model_validate_json(profile.model_dump_json())
    assert again == profile and again.settings(Role.PREFILL) == profile.settings(Role.PREFILL)
    assert EngineSettings().model_dump()["images_per_prompt"] == 1
