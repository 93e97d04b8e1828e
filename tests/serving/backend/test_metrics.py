"""Reading what engines count, and the watch on transfers."""

import pytest

from lmgame_serving.backend.metrics import Counters, TransferWatch, read_counters

TEXT = """\
# HELP vllm:prompt_tokens_by_source_total Number of prompt tokens by source.
# TYPE vllm:prompt_tokens_by_source_total counter
vllm:prompt_tokens_by_source_total{engine="0",model_name="m",source="local_compute"} 5.0
vllm:prompt_tokens_by_source_total{engine="1",model_name="m",source="local_compute"} 2.0
vllm:prompt_tokens_by_source_total{engine="0",model_name="m",source="local_cache_hit"} 7.0
vllm:prompt_tokens_by_source_total{engine="0",model_name="m",source="external_kv_transfer"} 1700.0
vllm:prompt_tokens_by_source_created{engine="0",model_name="m",source="external_kv_transfer"} 1.7e9
# TYPE vllm:nixl_bytes_transferred histogram
vllm:nixl_bytes_transferred_bucket{engine="0",le="2048.0",model_name="m"} 0.0
vllm:nixl_bytes_transferred_count{engine="0",model_name="m"} 3.0
vllm:nixl_bytes_transferred_sum{engine="0",model_name="m"} 4.1e+07
# TYPE vllm:nixl_num_failed_transfers_total counter
vllm:nixl_num_failed_transfers_total{engine="0",model_name="m"} 1.0
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 3.0
vllm:prompt_tokens_total{engine="0",model_name="m"} 1714.0
vllm:generation_tokens_total{engine="0",model_name="m"} 64.0
python_gc_objects_collected_total{generation="0"} 10.0
"""


def test_counters_are_summed_over_an_engines_processes():
    assert read_counters(TEXT) == Counters(
        local_tokens=7,
        external_tokens=1700,
        moved_bytes=4.1e7,
        failed_transfers=1,
        prompts=3,
        prompt_tokens=1714,
        generated_tokens=64,
        counts_nixl=True,
    )


def test_what_is_not_counted_is_zero():
    assert read_counters("") == Counters()
    assert read_counters("<html>no metrics</html>") == Counters()
    assert not read_counters("\n".join(line for line in TEXT.splitlines() if "nixl" not in line)).counts_nixl


def test_broken_text_is_refused():
    with pytest.raises(ValueError):
        read_counters('vllm:prompt_tokens_total{engine="0"} many')


def test_prompts_computed_anew_are_noticed_and_so_is_the_end_of_it():
    watch = TransferWatch(most_local=65)
    assert watch.look(Counters(prompts=10, local_tokens=9000))["local_prefill"] is None  # nothing to compare with yet
    assert watch.look(Counters(prompts=20, local_tokens=9010))["local_prefill"] is None
    assert watch.local_per_prompt == 1
    wrong = watch.look(Counters(prompts=40, local_tokens=13030))["local_prefill"]
    assert wrong is not None and "201 tokens" in wrong
    assert watch.look(Counters(prompts=40, local_tokens=13030))["local_prefill"] == wrong  # nobody asked it anything
    assert watch.look(Counters(prompts=50, local_tokens=13040))["local_prefill"] is None


def test_failed_transfers_are_noticed_and_so_is_the_end_of_it():
    watch = TransferWatch(most_local=65)
    watch.look(Counters())
    wrong = watch.look(Counters(failed_transfers=2))["failed_transfers"]
    assert wrong is not None and wrong.startswith("2 transfers")
    assert watch.look(Counters(failed_transfers=2))["failed_transfers"] == wrong
    assert watch.look(Counters(failed_transfers=2, prompts=5))["failed_transfers"] is None
