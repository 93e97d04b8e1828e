"""Rewriting GGUF files in half precision."""

import gguf
import numpy as np
import pytest

from lmgame_serving.convert import to_f16


@pytest.fixture(scope="module")
def converted(tiny_gguf, tmp_path_factory):
    target = tmp_path_factory.mktemp("converted") / "f16.gguf"
    to_f16(tiny_gguf, target)
    return target


def test_weights_are_the_dequantised_ones_in_half_precision(tiny_gguf, converted):
    before = gguf.GGUFReader(tiny_gguf).tensors
    after = gguf.GGUFReader(converted).tensors
    assert [tensor.name for tensor in after] == [tensor.name for tensor in before]
    for old, new in zip(before, after, strict=True):
        vector = len(old.shape) == 1
        assert new.tensor_type.name == ("F32" if vector else "F16")
        assert new.shape.tolist() == old.shape.tolist()
        values = gguf.quants.dequantize(old.data, old.tensor_type)
        np.testing.assert_array_equal(new.data, values if vector else values.astype(np.float16))
    assert {tensor.tensor_type.name for tensor in before} == {"Q8_0", "Q4_1", "Q4_0", "F32"}


def test_metadata_is_carried_over(tiny_gguf, converted):
    def fields(path):
        reader = gguf.GGUFReader(path)
        return {f.name: (f.types, f.contents()) for f in reader.fields.values() if not f.name.startswith("GGUF.")}

    old, new = fields(tiny_gguf), fields(converted)
    assert new.pop("general.file_type")[1] == gguf.LlamaFileType.MOSTLY_F16
    old.pop("general.file_type")
    old.pop("general.quantization_version")  # says nothing about weights that aren't quantised
    assert new == old
    assert new["tokenizer.ggml.tokens"][1] == ["<s>", "é", "日"]


def test_the_same_file_gives_the_same_bytes_and_reports_progress(tiny_gguf, converted, tmp_path):
    seen = []
    to_f16(tiny_gguf, tmp_path / "again.gguf", lambda done, total: seen.append((done, total)))
    assert (tmp_path / "again.gguf").read_bytes() == converted.read_bytes()
    assert seen[-1][0] == seen[-1][1]
    assert seen == sorted(seen)


def test_something_else_is_refused(tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"PK\x03\x04" * 100)
    with pytest.raises(ValueError, match="GGUF"):
        to_f16(tmp_path / "x.gguf", tmp_path / "y.gguf")
