"""Reading engines' logs: how far a start is, and why one failed."""

from datetime import UTC, datetime

import pytest

from lmgame_serving.backend.roots import MOST_LINES, header, last_start, root_cause, stage


def logged(process: str, text: str, level: str = "ERROR", place: str = "core.py:1330") -> str:
    """Lines as vLLM logs them."""
    return "".join(f"({process}) {level} 11-28 00:58:19 [{place}] {line}\n" for line in text.strip("\n").split("\n"))


def printed(process: str, text: str) -> str:
    """Lines as a process of vLLM prints them."""
    return "".join(f"({process}) {line}\n" for line in text.strip("\n").split("\n"))


def traceback(*lines: str, frame: str = "load_model") -> str:
    places = f'  File "/x/vllm/v1/worker.py", line 42, in {frame}\n    self.{frame}()\n    ^^^^^^^^^^^^^^\n'
    return "Traceback (most recent call last):\n" + places + "\n".join(lines)


GREETING = logged("APIServer pid=10", "non-default args: {'model_tag': 'm'}", "INFO", "api_utils.py:273")
OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 594.00 MiB. GPU 0 has a total capacity of 79.11 GiB"
)
GAVE_UP = printed(
    "APIServer pid=10",
    traceback("RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"),
)


def test_the_process_where_it_happened_is_told_and_not_those_who_waited() -> None:
    log = GREETING
    log += logged("EngineCore pid=11", "EngineCore failed to start.\n" + traceback(OOM))
    log += printed("EngineCore pid=11", "Process EngineCore:\n" + traceback(OOM))
    log += "[rank0]:[W1128 00:58:19] Warning: destroy_process_group() was not called\n" + GAVE_UP
    assert root_cause(log) == [OOM]


def test_of_several_workers_the_first_that_failed_is_told() -> None:
    log = logged("Worker_TP1 pid=13", "WorkerProc failed to start.\n" + traceback("ValueError: bad rank"), "ERROR")
    log += logged("Worker_TP0 pid=12", "WorkerProc failed to start.\n" + traceback("ConnectionError: peer is gone"))
    waited = "Exception: WorkerProc initialization failed due to an exception in a background process."
    log += logged("EngineCore pid=11", "EngineCore failed to start.\n" + traceback(waited)) + GAVE_UP
    assert root_cause(log) == ["ValueError: bad rank"]


def test_a_taken_port_is_told() -> None:
    log = GREETING + printed("APIServer pid=10", traceback("OSError: [Errno 98] Address already in use"))
    assert root_cause(log) == ["OSError: [Errno 98] Address already in use"]


def test_an_architecture_that_vllm_does_not_know_is_told_without_noise() -> None:
    error = [
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig",
        "  Value error, Model architectures ['FooForCausalLM'] are not supported for now. [type=value_error]",
        "    For further information visit https://errors.pydantic.dev/2.12/v/value_error",
    ]
    log = GREETING + printed("APIServer pid=10", traceback(*error))
    assert root_cause(log) == [error[0], error[1].strip()]


def test_a_missing_file_is_told_with_what_it_led_to() -> None:
    first = traceback("FileNotFoundError: [Errno 2] No such file or directory: '/m/tokenizer.json'")
    second = traceback("OSError: Can't load tokenizer for '/m'.", "Make sure it is there.")
    between = "\n\nThe above exception was the direct cause of the following exception:\n\n"
    assert root_cause(GREETING + printed("APIServer pid=10", first + between + second)) == [
        "FileNotFoundError: [Errno 2] No such file or directory: '/m/tokenizer.json'",
        "OSError: Can't load tokenizer for '/m'.",
        "Make sure it is there.",
    ]


def test_a_wrong_flag_is_told_without_the_usage() -> None:
    log = "usage: vllm serve [model_tag] [options]\nvllm serve: error: unrecognized arguments: --speed 9\n"
    assert root_cause(log) == ["vllm serve: error: unrecognized arguments: --speed 9"]


def test_nixl_that_is_not_there_is_told() -> None:
    log = logged("EngineCore pid=11", "NIXL is not available", place="base_worker.py:247")
    log += logged(
        "EngineCore pid=11", "EngineCore failed to start.\n" + traceback("RuntimeError: NIXL is not available")
    )
    assert root_cause(log + GAVE_UP) == ["RuntimeError: NIXL is not available"]


def test_vllm_that_is_not_there_is_told() -> None:
    error = "/bin/python: Error while finding module specification (ModuleNotFoundError: No module named 'vllm')"
    assert root_cause(error + "\n") == [error]


def test_an_exception_without_words_is_told_with_its_place() -> None:
    log = logged("EngineCore pid=11", "EngineCore failed to start.\n" + traceback("AssertionError", frame="check"))
    assert root_cause(log + GAVE_UP) == [
        'File "/x/vllm/v1/worker.py", line 42, in check',
        "self.check()",
        "AssertionError",
    ]


def test_a_warning_with_a_traceback_is_no_cause() -> None:
    harmless = logged("APIServer pid=10", "No such kernel\n" + traceback("ImportError: no deep_gemm"), "WARNING")
    log = harmless + printed("APIServer pid=10", traceback("ValueError: no chat template"))
    assert root_cause(log) == ["ValueError: no chat template"]


def test_of_an_engine_that_ran_the_end_counts_and_not_requests_that_failed_before() -> None:
    log = printed("APIServer pid=10", "INFO:     Application startup complete.")
    log += logged("APIServer pid=10", "Error in preprocessing\n" + traceback("ValueError: prompt too long"))
    fatal = "EngineCore encountered a fatal error.\n" + traceback("nixl_cu13._bindings.nixlBackendError: loadRemoteMD")
    log += logged("EngineCore pid=11", fatal)
    dead = "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above)."
    log += logged("APIServer pid=10", "AsyncLLM output_handler failed.\n" + traceback(dead))
    assert root_cause(log) == ["nixl_cu13._bindings.nixlBackendError: loadRemoteMD"]


def test_a_process_that_was_killed_leaves_what_the_others_say() -> None:
    dead = "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above)."
    log = logged("APIServer pid=10", "Engine core proc EngineCore died unexpectedly, shutting down client.")
    log += logged("APIServer pid=10", traceback(dead))
    assert root_cause(log) == ["Engine core proc EngineCore died unexpectedly, shutting down client."]


def test_lines_of_processes_that_speak_at_once_are_told_apart() -> None:
    one = logged("EngineCore pid=11", "EngineCore failed to start.\n" + traceback(OOM)).splitlines(keepends=True)
    other = logged("ApiServer_1 pid=12", "\n".join(f"line {n}" for n in range(len(one))), "INFO").splitlines(True)
    assert root_cause("".join(line for pair in zip(one, other, strict=True) for line in pair)) == [OOM]


def test_colours_and_what_a_terminal_would_obey_are_taken_out() -> None:
    log = f"\x1b[36m(EngineCore pid=11)\x1b[0m {traceback('ValueError: \x1b]0;title\x07')}".replace(
        "\n", "\n\x1b[36m(EngineCore pid=11)\x1b[0m "
    )
    assert root_cause(log) == [r"ValueError: \x1b]0;title\x07"]


def test_without_a_failure_the_last_lines_are_told_and_never_too_many() -> None:
    assert root_cause("") == []
    assert root_cause("\n".join(f"line {n}" for n in range(100))) == [f"line {n}" for n in range(95, 100)]
    endless = traceback("ValueError: " + "x" * 10_000, *(f"more {n}" for n in range(100)))
    told = root_cause(endless)
    assert len(told) == MOST_LINES and len(told[0]) < 500


def test_only_the_last_start_of_a_log_counts() -> None:
    starts = [header("decode-0", f"vllm serve {n}", datetime(2026, 11, 28, tzinfo=UTC)).decode() for n in range(2)]
    log = starts[0] + traceback("ValueError: then") + "\n" + starts[1] + traceback("ValueError: now") + "\n"
    assert root_cause(log) == ["ValueError: now"]
    assert last_start(log).startswith("==== lmgame starts decode-0 at 2026-11-28T00:00:00+00:00: vllm serve 1\n")
    assert stage(starts[0] + "GPU KV cache size: 1\n" + starts[1]) == "starting"


STAGES = (
    ("", "starting"),
    (GREETING, "reading the model's configuration"),
    ("(EngineCore pid=9) INFO 11-28 00:58:48 [core.py:116] Initializing a V1 LLM engine (v0.26.0) with config: m\n",
     "starting the engine's processes"),
    ("(EngineCore pid=9) INFO 11-28 00:58:49 [model_runner.py:284] Loading model from scratch...\n", "loading weights"),
    ("(EngineCore pid=9) Loading safetensors checkpoint shards:  50% Completed | 1/2 [00:00<00:00, 61.39it/s]\n",
     "loading weights 50%"),
    ("(EngineCore pid=9) INFO 11-28 00:58:50 [model_runner.py:305] Model loading took 0.02 GiB and 1.67 seconds\n",
     "measuring memory"),
    ("(EngineCore pid=9) INFO 11-28 00:58:53 [backends.py:1155] Dynamo bytecode transform time: 2.29 s\n", "compiling"),
    ("(EngineCore pid=9) INFO 11-28 00:59:02 [kv_cache_utils.py:2177] GPU KV cache size: 419,424 tokens\n",
     "warming up"),
    ("(EngineCore pid=9) Capturing CUDA graphs (PIECEWISE):   0%|          | 0/13 [00:00<?, ?it/s]\r"
     "Capturing CUDA graphs (PIECEWISE):  77%|███████▋  | 10/13 [00:00<00:00, 90.42it/s]\r",
     "capturing CUDA graphs 77%"),
    ("(EngineCore pid=9) INFO 11-28 00:59:02 [model_runner.py:747] Graph capturing finished in 1 secs\n", "warming up"),
    ("(EngineCore pid=9) INFO 11-28 00:59:17 [core.py:340] init engine (profile, create kv cache) took 27.15 s\n",
     "starting the HTTP server"),
    ("(ApiServer_0 pid=10) INFO:     Application startup complete.\n", "up"),
)  # fmt: skip


@pytest.mark.parametrize("count", range(1, len(STAGES) + 1))
def test_a_start_is_followed_stage_by_stage(count: int) -> None:
    assert stage("".join(text for text, _ in STAGES[:count])) == STAGES[count - 1][1]


def test_a_log_that_never_ends_is_read_in_time() -> None:
    noise = logged("EngineCore pid=11", "Avg prompt throughput: 1.0 tokens/s", "INFO") * 8_000
    assert root_cause(noise + printed("EngineCore pid=11", traceback(OOM))) == [OOM]
    assert stage(noise) == "starting"


def test_an_engine_whose_core_was_killed_says_so() -> None:
    log = """==== lmgame starts decode-0 at 2026-11-28T01:58:58+00:00: python -m vllm
(APIServer pid=753) INFO:     Application startup complete.
(APIServer pid=753) WARNING 11-28 02:03:00 [core_client.py:702] MPClient: engine core exited unexpectedly; starting
(APIServer pid=753) ERROR 11-28 02:03:00 [async_llm.py:704] AsyncLLM output_handler failed.
(APIServer pid=753) ERROR 11-28 02:03:00 [async_llm.py:704] Traceback (most recent call last):
(APIServer pid=753) ERROR 11-28 02:03:00 [async_llm.py:704]   File "vllm/v1/engine/async_llm.py", line 660, in run
(APIServer pid=753) ERROR 11-28 02:03:00 [async_llm.py:704] vllm.v1.engine.exceptions.EngineDeadError: EngineCore
(APIServer pid=753) INFO:     Finished server process [753]
"""
    assert root_cause(log) == ["Its EngineCore ended without a word: killed, or out of memory?"]
    assert root_cause(log + "(EngineCore pid=9) Fatal Python error: Segmentation fault\n") == [
        "Fatal Python error: Segmentation fault"
    ]
