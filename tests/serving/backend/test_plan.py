"""Plans: what is started, with which words, in which environment."""

import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from lmgame_common import EndpointError, UsageError
from lmgame_serving.backend import ports
from lmgame_serving.backend.environment import engine_key
from lmgame_serving.backend.gpus import Gpu
from lmgame_serving.backend.plan import EngineSpec, command, plan
from lmgame_serving.backend.profile import Profile, load_profile, profiles
from lmgame_serving.gateway.pool import Role
from lmgame_serving.pico_engine import FOLDER

GIB = 2**30


def gpus(count: int, free: float = 79.0) -> list[Gpu]:
    return [Gpu(index, f"GPU-{index}", "H100", 80 * GIB, int(free * GIB)) for index in range(count)]


@pytest.fixture
def planned(tmp_path: Path) -> Any:
    def make(profile: Profile, model: str | Path = FOLDER, **more: Any) -> list[EngineSpec]:
        more = {"gpus": gpus(8), "env": {"PATH": "/bin"}} | more
        more |= {
            "served_name": "m",
            "python": "/opt/vllm/bin/python",
            "folder": tmp_path / "b",
            "api_key": "top-secret",
        }
        return plan(profile, model=str(model), **more)

    return make


def option(spec: EngineSpec, name: str) -> str | None:
    words = dict(zip(spec.argv, spec.argv[1:], strict=False))
    return words.get(f"--{name}")


def transfer(spec: EngineSpec) -> dict[str, Any]:
    return json.loads(option(spec, "kv-transfer-config") or "null")


def test_engines_of_pd_hand_over_through_nixl(planned: Any) -> None:
    specs = planned(load_profile("pd", ["decode=2", "kv_transfer.lease_seconds=12"]))
    assert [(spec.name, spec.role, spec.gpus) for spec in specs] == [
        ("prefill-0", Role.PREFILL, (0,)),
        ("decode-0", Role.DECODE, (1,)),
        ("decode-1", Role.DECODE, (2,)),
    ]
    assert [transfer(spec)["kv_role"] for spec in specs] == ["kv_producer", "kv_consumer", "kv_consumer"]
    assert transfer(specs[0])["kv_connector_extra_config"] == {"kv_lease_duration": 12}
    assert transfer(specs[0])["kv_load_failure_policy"] == "fail"
    assert [spec.env["CUDA_VISIBLE_DEVICES"] for spec in specs] == ["GPU-0", "GPU-1", "GPU-2"]
    used = [int(spec.env["VLLM_NIXL_SIDE_CHANNEL_PORT"]) for spec in specs]
    assert min(abs(a - b) for a in used for b in used if a != b) >= 8
    assert not set(used) & {spec.port for spec in specs} and len({spec.port for spec in specs}) == 3
    for spec in specs:
        assert spec.argv[:4] == ("/opt/vllm/bin/python", "-m", "vllm.entrypoints.cli.main", "serve")
        assert spec.argv[4] == str(FOLDER) and option(spec, "served-model-name") == "m"
        assert option(spec, "host") == "127.0.0.1" and option(spec, "port") == str(spec.port)
        assert option(spec, "block-size") == "64" and spec.block_size == 64
        assert json.loads(option(spec, "limit-mm-per-prompt") or "") == {"image": 1, "video": 0}
        assert spec.env["VLLM_NIXL_SIDE_CHANNEL_HOST"] == "127.0.0.1" and "cuda_ipc" in spec.env["UCX_TLS"]


def test_colocated_engines_hand_over_nothing(planned: Any) -> None:
    specs = planned(load_profile("colocated", ["replicas=2", "tensor_parallel_size=2"]))
    assert [spec.gpus for spec in specs] == [(0, 1), (2, 3)]
    assert specs[1].env["CUDA_VISIBLE_DEVICES"] == "GPU-2,GPU-3"
    assert option(specs[0], "tensor-parallel-size") == "2"
    assert option(specs[0], "kv-transfer-config") is None and "VLLM_NIXL_SIDE_CHANNEL_PORT" not in specs[0].env
    assert option(specs[0], "gpu-memory-utilization") is None


def test_every_setting_reaches_the_command(planned: Any) -> None:
    [spec] = planned(
        load_profile(
            "colocated",
            {
                "engine.dtype": "bfloat16",
                "engine.load_format": "dummy",
                "engine.max_model_len": 4096,
                "engine.gpu_memory_utilization": 0.5,
                "engine.max_num_seqs": 8,
                "engine.max_num_batched_tokens": 2048,
                "engine.mm_processor_cache_type": "shm",
                "engine.api_server_count": 2,
                "engine.async_scheduling": False,
                "engine.enable_prefix_caching": True,
                "engine.enforce_eager": True,
                "engine.cudagraph_capture_sizes": [1, 2],
                "engine.extra_args": ["--seed", "7"],
                "engine.env": {"X": "y"},
            },
        )
    )
    words = " ".join(spec.argv)
    for expected in (
        "--dtype bfloat16 --load-format dummy --max-model-len 4096",
        "--gpu-memory-utilization 0.5 --max-num-seqs 8 --max-num-batched-tokens 2048",
        "--mm-processor-cache-type shm",
        "--api-server-count 2",
        "--no-async-scheduling --enable-prefix-caching --enforce-eager",
        "--cudagraph-capture-sizes 1 2",
        "--seed 7",
    ):
        assert expected in words
    assert spec.env["X"] == "y"
    rust = planned(load_profile("colocated", ["engine.rust_frontend=true"]))[0]
    assert rust.env["VLLM_USE_RUST_FRONTEND"] == "1" and "rust" not in " ".join(rust.argv)


def test_settings_of_a_role_are_for_that_role(planned: Any) -> None:
    prefill, decode = planned(load_profile("pd", ["engine.max_num_seqs=8", "decode_engine.max_num_seqs=64"]))
    assert (option(prefill, "max-num-seqs"), option(decode, "max-num-seqs")) == ("8", "64")


def test_engines_on_cpus_share_a_folder(planned: Any, tmp_path: Path) -> None:
    (tmp_path / "b/kv/old").mkdir(parents=True)
    specs = planned(load_profile("pd-cpu"), gpus=[])
    for spec in specs:
        assert transfer(spec)["kv_connector"] == "ExampleConnector"
        assert transfer(spec)["kv_connector_extra_config"] == {"shared_storage_path": str(tmp_path / "b/kv")}
        assert spec.gpus == () and spec.block_size == 32
        assert spec.argv[2:5] == ("vllm.entrypoints.openai.api_server", "--model", str(FOLDER))
        assert not {"CUDA_VISIBLE_DEVICES", "UCX_TLS", "VLLM_NIXL_SIDE_CHANNEL_PORT"} & set(spec.env)
    assert list((tmp_path / "b/kv").iterdir()) == []
    assert (tmp_path / "b/kv").stat().st_mode & 0o777 == 0o700


def test_a_model_that_takes_no_images_gets_no_limit_for_them(planned: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama", "num_attention_heads": 4}')
    assert option(planned(load_profile("colocated"), tmp_path)[0], "limit-mm-per-prompt") is None
    # Nothing is known of a model that isn't here yet.
    assert option(planned(load_profile("colocated"), "some/model")[0], "limit-mm-per-prompt") is not None


def test_a_models_folder_is_given_as_an_absolute_path(planned: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER.parent)
    assert planned(load_profile("colocated"), FOLDER.name)[0].argv[4] == str(FOLDER)
    assert planned(load_profile("colocated"), "some/model")[0].argv[4] == "some/model"


def test_secrets_reach_engines_neither_by_words_nor_by_inheritance(planned: Any) -> None:
    env = {
        "PATH": "/bin",
        "HOME": "/home/x",
        "OPENAI_API_KEY": "sk-1",
        "LMGAME_API_KEY": "sk-2",
        "GITHUB_TOKEN": "sk-3",
        "AWS_SECRET_ACCESS_KEY": "sk-4",
        "HF_TOKEN": "hf-1",
        "VLLM_API_KEY": "old",
        "VLLM_PORT": "tcp://10.0.0.1:80",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": "/mine",
    }
    for spec in planned(load_profile("pd"), env=env):
        assert not [value for value in spec.env.values() if value.startswith("sk-")]
        assert spec.env["VLLM_API_KEY"] == "top-secret" and "VLLM_PORT" not in spec.env
        assert spec.env["HF_TOKEN"] == "hf-1" and spec.env["TOKENIZERS_PARALLELISM"] == "false"
        assert "top-secret" not in " ".join(spec.argv) + repr(spec)
        assert spec.env["PYTHONPATH"].endswith("/plugins:/mine")
        assert spec.env["PATH"] == "/opt/vllm/bin:/bin"
        assert spec.env["VLLM_NO_USAGE_STATS"] == spec.env["DO_NOT_TRACK"] == "1"
        assert spec.env["VLLM_USE_FLASHINFER_SAMPLER"] == "0"
    assert len({spec.env["VLLM_CACHE_ROOT"] for spec in planned(load_profile("pd"), env=env)}) == 2
    assert "VLLM_USE_FLASHINFER_SAMPLER" not in planned(load_profile("pd"), flashinfer=True)[0].env


def test_the_engines_key_stays_the_same_and_is_its_owners_alone(tmp_path: Path) -> None:
    env = {"VLLM_CACHE_ROOT": str(tmp_path / "cache")}
    key = engine_key(env)
    assert len(key) > 30 and engine_key(env) == key
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["engine.key"]
    assert (tmp_path / "cache/engine.key").stat().st_mode & 0o777 == 0o600


# Memory of shared GPUs.


def shape(folder: Path, **config: Any) -> Path:
    text = {"hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16}
    text |= {"num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True}
    vision = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16}
    (folder / "config.json").write_text(json.dumps({"text_config": text, "vision_config": vision} | config))
    return folder


def cache_gib(spec: EngineSpec) -> float:
    return int(option(spec, "kv-cache-memory-bytes") or 0) / GIB


def test_engines_on_one_gpu_divide_its_memory(planned: Any) -> None:
    specs = planned(load_profile("pd-shared"), gpus=gpus(1))
    assert [spec.gpus for spec in specs] == [(0,), (0,)]
    # pico's weights are of no weight; 3 GiB are set aside for each engine.
    assert [cache_gib(spec) for spec in specs] == pytest.approx([36.5, 36.5], abs=0.1)
    assert {option(spec, "gpu-memory-utilization") for spec in specs} == {"0.1"}


def test_weights_that_are_made_up_are_estimated(planned: Any, tmp_path: Path) -> None:
    profile = load_profile("pd-shared", ["engine.load_format=dummy"])
    # Qwen2.5-VL-3B has 3.75 thousand million parameters of two bytes each.
    expected = (79 - 2 * (3.75e9 * 2 / GIB + 3)) / 2
    assert cache_gib(planned(profile, shape(tmp_path), gpus=gpus(1))[0]) == pytest.approx(expected, abs=0.5)


def test_sizes_that_are_given_are_taken_off_first(planned: Any) -> None:
    prefill, decode = planned(load_profile("pd-shared", ["prefill_engine.kv_cache_memory_bytes=4G"]), gpus=gpus(1))
    assert option(prefill, "kv-cache-memory-bytes") == "4G" and option(prefill, "gpu-memory-utilization") == "0.1"
    assert cache_gib(decode) == pytest.approx(79 - 4 - 6, abs=0.1)


def test_a_gpu_too_small_is_told_in_numbers(planned: Any) -> None:
    with pytest.raises(EndpointError, match=r"2 engines don't fit on one GPU: 6.2 GiB are free"):
        planned(load_profile("pd-shared"), gpus=gpus(1, free=6.2))


def test_unknown_weights_want_the_size_said(planned: Any) -> None:
    with pytest.raises(UsageError, match=r"weights isn't known.*--set engine.kv_cache_memory_bytes"):
        planned(load_profile("pd-shared"), "some/model", gpus=gpus(1))
    specs = planned(load_profile("pd-shared", ["engine.kv_cache_memory_bytes=8G"]), "some/model", gpus=gpus(1))
    assert {option(spec, "kv-cache-memory-bytes") for spec in specs} == {"8G"}


def test_a_model_of_the_hubs_cache_is_found(planned: Any, tmp_path: Path) -> None:
    repository = tmp_path / "hub/models--some--model"
    snapshot = repository / "snapshots/abc"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("abc")
    shape(snapshot)
    (snapshot / "model.safetensors").write_bytes(b"")
    os.truncate(snapshot / "model.safetensors", 10 * GIB)
    (snapshot / "consolidated.safetensors").write_bytes(b"the same again")
    (snapshot / "lost.safetensors").symlink_to("nowhere")
    specs = planned(load_profile("pd-shared"), "some/model", gpus=gpus(1), env={"HF_HOME": str(tmp_path)})
    assert cache_gib(specs[0]) == pytest.approx((79 - 26) / 2, abs=0.1)


# Ports.


def test_reserved_ports_are_the_engines_and_nobody_elses() -> None:
    first, sockets = ports.reserve((0, 8))
    other, more = ports.reserve((0, 8))
    assert other - first >= ports.STEP
    with socket.socket() as anybody, pytest.raises(OSError, match="in use"):
        anybody.bind(("127.0.0.1", first + 8))
    for _ in range(2):  # an engine that is started again finds its port as before
        with socket.create_server(("127.0.0.1", first + 8)) as server, socket.create_connection(server.getsockname()):
            pass
    for each in (*sockets, *more):
        each.close()


def test_a_port_in_use_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        first = server.getsockname()[1] - 8
        monkeypatch.setattr(ports, "FIRST", first)
        monkeypatch.setattr(ports, "LAST", first + 20 * ports.STEP)
        other, sockets = ports.reserve((0, 8))
        assert other > first
        for each in sockets:
            each.close()


def test_no_ports_at_all_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LAST", ports.FIRST)
    with pytest.raises(EndpointError, match="No ports are free"):
        ports.reserve((0,))


@pytest.mark.parametrize("name", profiles())
def test_commands_can_be_shown_without_gpus_or_ports(name: str) -> None:
    profile = load_profile(name)
    role = Role.COLOCATED if profile.shape == "colocated" else Role.DECODE
    words = command(profile, role, model="some/model", served_name="m", python="python3", port=8001)
    assert all(isinstance(word, str) for word in words)
    assert [word for word in words if re.fullmatch(r"--[a-z-]+", word)]
