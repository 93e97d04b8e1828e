"""The real built-in model, fetched once into the user's cache and shared by all tests and workers."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from lmgame_serving import smollm2


@pytest.fixture(scope="session")
def smollm2_file() -> Path:
    return smollm2.ensure()


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF file with metadata of several kinds and one tensor of each quantisation that matters; no real model."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.name", "Tiny")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_1)
    writer.add_quantization_version(2)
    writer.add_uint32("llama.block_count", 1)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_bool("tokenizer.ggml.add_bos_token", False)
    writer.add_array("tokenizer.ggml.tokens", ["<s>", "é", "日"])
    writer.add_array("tokenizer.ggml.scores", [0.0, -1.5, -2.0])
    writer.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")
    kinds = {
        "token_embd.weight": gguf.GGMLQuantizationType.Q8_0,
        "blk.0.attn_q.weight": gguf.GGMLQuantizationType.Q4_1,
        "blk.0.ffn_up.weight": gguf.GGMLQuantizationType.Q4_0,
        "output.weight": gguf.GGMLQuantizationType.F32,
    }
    for number, (name, kind) in enumerate(kinds.items()):
        weights = rng.normal(size=(3 + number, 64)).astype(np.float32)
        writer.add_tensor(name, gguf.quants.quantize(weights, kind), raw_dtype=kind)
    writer.add_tensor("output_norm.weight", rng.normal(size=64).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
