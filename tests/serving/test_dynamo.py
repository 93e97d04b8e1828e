"""A profile as a Dynamo deployment: what is written, and what the scripts would start."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lmgame_common import UsageError
from lmgame_serving.backend.profile import Profile, load_profile
from lmgame_serving.dynamo import export
from lmgame_serving.dynamo.export import slug

RECIPES = Path(__file__).parents[2] / "serving/recipes/dynamo"
PD = Profile.model_validate({"shape": "pd", "prefill": 2, "decode": 3})
HOSTILE = 'org/it\'s a "model"; $(touch ran) `touch ran` ${HOME} *\n--flag'
ALL_OVER_THE_NETWORK = {"ETCD_ENDPOINTS": "http://etcd:2379", "NODE_ADDRESS": "10.0.0.7"}


def _exported(out: Path, profile: Profile, model: str = "org/model", name: str = "model") -> Path:
    written = export(profile, model=model, served_name=name, out=out)
    assert {path.name for path in written} == {path.name for path in out.iterdir()}
    return out


def _array(folder: Path, name: str) -> list[str]:
    """An array of engines.sh as bash reads it."""
    words = f'source ./engines.sh; for word in "${{{name}[@]}}"; do printf "%s\\0" "$word"; done'
    done = subprocess.run(["bash", "-euc", words], cwd=folder, capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.split("\0")[:-1]


def _run(folder: Path, script: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "DRY_RUN": "1"} | variables
    command = [str(folder / script), *words]
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=20)


def _dry(folder: Path, script: str, *words: str, **variables: str) -> list[str]:
    done = _run(folder, script, *words, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _setting(line: str, name: str) -> str:
    found = re.search(rf"\b{name}=(\S+)", line)
    assert found, line
    return found[1].replace("\\", "")


def _services(folder: Path) -> dict[str, Any]:
    deployment = yaml.safe_load((folder / "kubernetes.yaml").read_text())
    assert (deployment["apiVersion"], deployment["kind"]) == ("nvidia.com/v1alpha1", "DynamoGraphDeployment")
    assert deployment["spec"]["backendFramework"] == "vllm"
    return deployment["spec"]["services"]


def test_prefill_and_decode_become_workers_of_their_own(tmp_path: Path) -> None:
    frontend, *workers = _dry(_exported(tmp_path, PD), "local.sh")
    assert "-m dynamo.frontend --http-host 127.0.0.1 --http-port 8000 --router-mode kv" in frontend
    assert [re.findall(r"--disaggregation-mode (\w+)", line) for line in workers] == [["prefill"]] * 2 + [
        ["decode"]
    ] * 3
    assert all("-m dynamo.vllm --model org/model" in line for line in workers)
    for name in ("DYN_SYSTEM_PORT", "VLLM_NIXL_SIDE_CHANNEL_PORT", "CUDA_VISIBLE_DEVICES", "VLLM_CACHE_ROOT"):
        assert len({_setting(line, name) for line in workers}) == 5
    roles = [re.findall(r'kv_role\\":\\"(\w+)', line) for line in workers]
    assert roles == [["kv_producer"]] * 2 + [["kv_consumer"]] * 3


def test_colocated_workers_have_no_mode_and_no_transfer(tmp_path: Path) -> None:
    workers = _dry(_exported(tmp_path, Profile(replicas=2)), "local.sh")[1:]
    assert len(workers) == 2
    assert not [line for line in workers if "--disaggregation-mode" in line or "--kv-transfer-config" in line]
    mocked = _dry(tmp_path, "local.sh", MOCK="1")[1:]
    assert all(re.search(r"-m dynamo\.mocker .*--disaggregation-mode agg", line) for line in mocked)


def test_each_worker_has_gpus_of_its_own(tmp_path: Path) -> None:
    profile = Profile(replicas=2, tensor_parallel_size=2, gpus=[4, 5, 6, 7])
    workers = _dry(_exported(tmp_path, profile), "local.sh")[1:]
    assert [_setting(line, "CUDA_VISIBLE_DEVICES") for line in workers] == ["4,5", "6,7"]
    assert all("--tensor-parallel-size 2" in line for line in workers)
    assert _services(tmp_path)["Worker"]["resources"] == {"limits": {"gpu": "2"}}


def test_a_shared_gpu_needs_the_size_of_the_caches(tmp_path: Path) -> None:
    shared = {"shape": "pd", "share_gpu": True, "gpus": [3]}
    with pytest.raises(UsageError, match="kv_cache_memory_bytes"):
        _exported(tmp_path, Profile.model_validate(shared))
    assert not list(tmp_path.iterdir())
    sized = Profile.model_validate(shared | {"engine": {"kv_cache_memory_bytes": "8G"}})
    workers = _dry(_exported(tmp_path, sized), "local.sh")[1:]
    assert [_setting(line, "CUDA_VISIBLE_DEVICES") for line in workers] == ["3", "3"]
    assert all("--kv-cache-memory-bytes 8G" in line for line in workers)
    assert "each engine has its own" in (tmp_path / "kubernetes.yaml").read_text()


@pytest.mark.parametrize(
    "fields", [{"device": "cpu"}, {"shape": "pd", "kv_transfer": {"connector": "ExampleConnector"}}]
)
def test_what_dynamo_cannot_be_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        export(Profile.model_validate(fields), model="m", served_name="m", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_flags_of_vllm_serve_alone_stay_out(tmp_path: Path) -> None:
    engine = {"api_server_count": 4, "max_num_seqs": 96, "extra_args": ["--port=1", "--host", "0.0.0.0", "--seed", "7"]}
    _exported(tmp_path, Profile.model_validate({"engine": engine}))
    words = _array(tmp_path, "ARGS_agg")
    assert words[words.index("--max-num-seqs") :][:2] == ["--max-num-seqs", "96"]
    assert words[-2:] == ["--seed", "7"]
    assert not {"--api-server-count", "4", "--port", "--port=1", "--host", "0.0.0.0", "127.0.0.1"} & set(words)
    assert not [word for word in words if "uvicorn" in word or "fastapi" in word]


def test_images_are_switched_on_where_they_may_come(tmp_path: Path) -> None:
    _exported(tmp_path, PD)
    assert {"--enable-multimodal", "--enable-mm-embeds"} <= set(_array(tmp_path, "ARGS_decode"))
    assert "--enable-multimodal" in _array(tmp_path, "ARGS_prefill")
    (tmp_path / "text").mkdir()
    (tmp_path / "text/config.json").write_text('{"model_type": "llama"}')
    for model, images in (("org/model", 0), (str(tmp_path / "text"), 1)):
        profile = Profile.model_validate({"engine": {"images_per_prompt": images}})
        _exported(tmp_path / f"out{images}", profile, model)
        assert not [word for word in _array(tmp_path / f"out{images}", "ARGS_agg") if word.startswith("--enable-m")]


def test_nothing_in_a_profile_is_run(tmp_path: Path) -> None:
    profile = Profile.model_validate(
        {
            "shape": "pd",
            "engine": {"env": {"WORDS": HOSTILE}, "extra_args": ["--chat-template", HOSTILE]},
            "decode_engine": {"env": {}, "extra_args": []},
        }
    )
    folder = _exported(tmp_path / "out", profile, HOSTILE, HOSTILE)
    words = _array(folder, "ARGS_prefill")
    assert (words[0], words[1], words[-1]) == ("--model", HOSTILE, HOSTILE)
    assert _array(folder, "ENV_prefill") == [f"WORDS={HOSTILE}"] and _array(folder, "ENV_decode") == []
    _dry(folder, "local.sh")
    _dry(folder, "local.sh", MOCK="1")
    assert not list(tmp_path.rglob("ran"))
    prefill = _services(folder)["Prefill"]
    assert prefill["extraPodSpec"]["mainContainer"]["args"] == [word.replace("$(", "$$(") for word in words]
    assert prefill["envs"] == [{"name": "WORDS", "value": HOSTILE.replace("$(", "$$(")}]


def test_the_manifest_has_the_profiles_workers(tmp_path: Path) -> None:
    services = _services(_exported(tmp_path, PD))
    assert {name: service["replicas"] for name, service in services.items()} == {
        "Frontend": 1,
        "Prefill": 2,
        "Decode": 3,
    }
    types = {name: (service["componentType"], service.get("subComponentType")) for name, service in services.items()}
    assert types == {
        "Frontend": ("frontend", None),
        "Prefill": ("worker", "prefill"),
        "Decode": ("worker", "decode"),
    }
    for name, array in (("Prefill", "ARGS_prefill"), ("Decode", "ARGS_decode"), ("Frontend", "FRONTEND_ARGS")):
        container = services[name]["extraPodSpec"]["mainContainer"]
        assert container["args"] == _array(tmp_path, array)
        assert container["command"] == ["python3", "-m", "dynamo.frontend" if name == "Frontend" else "dynamo.vllm"]
        assert container["image"] == "${IMAGE}"


@pytest.mark.parametrize(
    ("name", "made"),
    [("Qwen/Qwen2.5-VL-3B", "lmgame-qwen2-5-vl-3b"), ("../..", "lmgame"), ("x" * 99, "lmgame-" + "x" * 33)],
)
def test_names_fit_kubernetes(name: str, made: str) -> None:
    assert slug(name) == made


def test_one_role_a_machine(tmp_path: Path) -> None:
    folder = _exported(tmp_path, PD)
    about, *workers = _dry(folder, "multinode.sh", "decode", "2", FIRST="1", **ALL_OVER_THE_NETWORK)
    assert "DYN_DISCOVERY_BACKEND=etcd ETCD_ENDPOINTS=http://etcd:2379 DYN_TCP_RPC_HOST=10.0.0.7" in about
    assert [_setting(line, "CUDA_VISIBLE_DEVICES") for line in workers] == ["1", "2"]
    assert all("--disaggregation-mode decode" in line for line in workers)
    (_, frontend) = _dry(folder, "multinode.sh", "frontend", **ALL_OVER_THE_NETWORK)
    assert "-m dynamo.frontend --http-host 127.0.0.1" in frontend


def test_a_machine_has_the_gpus_that_are_named_or_all(tmp_path: Path) -> None:
    folder = _exported(tmp_path, Profile(tensor_parallel_size=2))
    workers = _dry(folder, "multinode.sh", "agg", "3", **ALL_OVER_THE_NETWORK)[1:]
    assert [_setting(line, "CUDA_VISIBLE_DEVICES") for line in workers] == ["0,1", "2,3", "4,5"]
    folder = _exported(tmp_path, Profile(tensor_parallel_size=2, gpus=[6, 7]))
    done = _run(folder, "multinode.sh", "agg", "2", **ALL_OVER_THE_NETWORK)
    assert done.returncode == 1 and "Worker 1 has no GPU: the profile names 2" in done.stderr


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        ([], {}, "Expected a role, one of: frontend prefill decode"),
        (["agg"], {}, "Expected a role"),
        (["decode", "many"], {}, "must be numbers"),
        (["decode"], {"ETCD_ENDPOINTS": ""}, "Set ETCD_ENDPOINTS"),
        (["decode"], {"NODE_ADDRESS": ""}, "Set NODE_ADDRESS"),
        (["frontend"], {"HTTP_HOST": "0.0.0.0"}, "asks for no key"),
        (["frontend"], {"HTTP_HOST": "127.evil.example"}, "asks for no key"),
    ],
)
def test_what_a_machine_cannot_do_is_said(
    tmp_path: Path, words: list[str], variables: dict[str, str], said: str
) -> None:
    done = _run(_exported(tmp_path, PD), "multinode.sh", *words, **(ALL_OVER_THE_NETWORK | variables))
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith("Error: ") and said in done.stderr


def test_without_dynamo_it_is_said_what_to_install(tmp_path: Path) -> None:
    done = _run(_exported(tmp_path, PD), "local.sh", DRY_RUN="0")
    assert done.returncode == 1 and "ai-dynamo" in done.stderr
    assert not (tmp_path / ".local").exists()


def test_an_export_replaces_an_earlier_one(tmp_path: Path) -> None:
    _exported(tmp_path, PD)
    _exported(tmp_path, Profile())
    assert _array(tmp_path, "ROLES") == ["agg"]
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="can't be written"):
        export(PD, model="m", served_name="m", out=tmp_path / "file")


def test_the_recipes_are_what_is_exported(tmp_path: Path) -> None:
    model = "Qwen/Qwen2.5-VL-3B-Instruct"
    written = export(load_profile("pd"), model=model, served_name=model, out=tmp_path)
    for path in written:
        assert path.read_bytes() == (RECIPES / path.name).read_bytes()
        assert os.access(path, os.X_OK) == os.access(RECIPES / path.name, os.X_OK)
