"""The parts of pico's engine: pictures from anybody, text and tokens, files that must be the ones that were shipped."""

import base64
import hashlib
import io
import json
import re
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from lmgame_common import EndpointError
from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.pico_engine.loaded import Loaded
from lmgame_serving.pico_engine.model import (
    FILES,
    SUMS,
    WEIGHTS,
    Pico,
    check_files,
    read_sums,
    read_weights,
    write_sums,
)
from lmgame_serving.pico_engine.picture import PictureError, Sight, open_picture
from lmgame_serving.pico_engine.text import IMAGE, Text


def uri_of(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def png(width: int, height: int) -> bytes:
    """A black PNG that claims this size, whatever is behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (320, 400), (256, 240)])
def test_pictures_of_every_kind_become_a_square_of_numbers(mode: str, size: tuple[int, int]):
    content = io.BytesIO()
    Image.new(mode, size).save(content, "PNG")
    pixels = Sight(FOLDER).pixels(open_picture(uri_of(content.getvalue())))
    assert (pixels.shape, pixels.dtype) == ((1, 3, 256, 256), np.float32)
    assert pixels.min() == pixels.max() == -1


def test_a_picture_is_resized_as_transformers_does_it():
    frame = np.random.default_rng(0).integers(0, 256, (400, 320, 3), dtype=np.uint8)
    small = np.asarray(Image.fromarray(frame).resize((256, 256), Image.Resampling.BILINEAR)).astype(np.float64)
    expected = ((small * (1 / 255)).astype(np.float32) - np.float32(0.5)) / np.float32(0.5)
    pixels = Sight(FOLDER).pixels(Image.fromarray(frame))
    assert np.array_equal(pixels[0], expected.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("https://example.org/frame.png", "data URI"),
        ("file:///etc/passwd", "data URI"),
        ("/etc/passwd", "data URI"),
        ("", "data URI"),
        ("data:image/png,abc", "data URI"),
        ("data:image/png;base64,***", "base64"),
        ("data:image/png;base64,é", "base64"),
        (uri_of(b""), "can't be read"),
        (uri_of(b"GIF89a"), "can't be read"),
        (uri_of(b"%!PS-Adobe-3.0 EPSF-3.0"), "can't be read"),
        (uri_of(png(320, 400)), "can't be read"),  # cut off
        (uri_of(png(100_000, 100_000)), "can't be read|pixels"),
        (uri_of(png(5_000, 5_000)), "pixels"),
        (uri_of(png(2**31 - 1, 2**31 - 1)), "can't be read|pixels"),
    ],
)
def test_pictures_that_are_refused(uri: str, complaint: str):
    with pytest.raises(PictureError, match=complaint):
        open_picture(uri)


@given(st.binary(max_size=300))
def test_no_bytes_break_it(content: bytes):
    for start in (b"", png(8, 8)[:33], b"\xff\xd8\xff\xe0", b"RIFF\x00\x00\x00\x00WEBPVP8 "):
        with pytest.raises(PictureError):
            open_picture(uri_of(start + content))


TEXT = Text(FOLDER)
SPECIAL = "<pad>|<end_of_utterance>|<fake_token_around_image>|<global-img>|<image>"


@given(st.text())
@example("<pa<pad>d>")
def test_any_text_goes_to_tokens_and_back(text: str):
    text = text.encode("utf-8", "replace").decode()
    decoder = TEXT.decoder()
    # Special tokens stand for no text.
    assert "".join(map(decoder.feed, TEXT.encode(text))) + decoder.finish() == re.sub(SPECIAL, "", text)


def test_an_answer_takes_a_token_a_move():
    assert len(TEXT.encode('{"moves": ["rotate_cw", "left", "hard_drop"]}')) == 4
    assert len(TEXT.encode('{"moves": ["right+b:8", "right+a+b:18"]}')) == 5


def test_a_character_waits_for_its_bytes():
    decoder = TEXT.decoder()
    first, second = TEXT.encode("é")
    assert (decoder.feed(first), decoder.feed(second), decoder.finish()) == ("", "é", "")
    assert (decoder.feed(first), decoder.finish()) == ("", "\ufffd")


@pytest.mark.parametrize(("title", "game"), [("Tetris", "tetris"), ("Super Mario Bros", "mario"), ("Chess", "tetris")])
def test_of_a_conversation_the_picture_and_the_game_remain(title: str, game: str):
    system = {"role": "system", "content": f"You are playing {title}."}
    turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Your moves?"}]}
    rendered = TEXT.render([system, {"role": "assistant", "content": "<image>"}, turn])
    assert rendered == f"<image>{game}\n"
    prompt = TEXT.prompt(rendered)
    assert len(prompt) == 68
    assert [prompt.count(TEXT.encode(IMAGE)[0]), prompt[-1]] == [64, TEXT.encode(f"{game}\n")[0]]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "pico"))


def test_the_shipped_files_are_whole_and_small():
    check_files(FOLDER)
    assert set(FILES) == {file.name for file in FOLDER.iterdir()} - {"README.md", SUMS}
    assert (FOLDER / WEIGHTS).stat().st_size < 16 * 1024 * 1024
    weights = read_weights(FOLDER / WEIGHTS)
    assert sum(value.size for value in weights.values()) <= 8_300_000
    assert all(np.isfinite(value).all() for value in weights.values())


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named(copied: Path, name: str):
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(EndpointError, match=rf"{name} is damaged.*Reinstall"):
        Loaded.of(copied, 1)


@pytest.mark.parametrize("name", [*FILES, SUMS])
def test_a_missing_file_is_named(copied: Path, name: str):
    (copied / name).unlink()
    with pytest.raises(EndpointError, match=rf"{name}.*Reinstall"):
        Loaded.of(copied, 1)


@pytest.mark.parametrize("change", ["emptied", "a line less", "a line twice", "a file more", "no list", "no text"])
def test_the_list_of_sums_must_be_about_all_files(copied: Path, change: str):
    lines = (copied / SUMS).read_text().splitlines()
    changed = {
        "emptied": [],
        "a line less": lines[1:],
        "a line twice": [*lines, lines[0]],
        "a file more": [*lines, f"{'0' * 64}  ../README.md"],
        "no list": ["<html>", *lines],
        "no text": ["é", *lines],
    }
    (copied / SUMS).write_text("\n".join(changed[change]), encoding="utf-8")
    with pytest.raises(EndpointError, match=rf"{SUMS} (is damaged|can't be read).*Reinstall"):
        check_files(copied)


def test_sums_are_written_as_they_are_read(copied: Path):
    (copied / "config.json").write_text("{}")
    write_sums(copied)
    check_files(copied)
    assert read_sums(copied).keys() == set(FILES)
    assert read_sums(copied)["config.json"] == hashlib.sha256(b"{}").hexdigest()


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "tokenizer.json", "processor_config.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"text_config": {}}'])
def test_a_broken_configuration_is_said_so(copied: Path, name: str, content: str):
    (copied / name).write_text(content)
    write_sums(copied)
    with pytest.raises(EndpointError, match=r"can't be loaded.*Reinstall"):
        Loaded.of(copied, 1)


def test_weights_are_what_bfloat16_says(tmp_path: Path):
    header = json.dumps({"__metadata__": {}, "w": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
    halves = np.array([0x3F80, 0xC000, 0x0000, 0x3EAB], "<u2")
    (tmp_path / "w").write_bytes(len(header).to_bytes(8, "little") + header + halves.tobytes())
    assert read_weights(tmp_path / "w")["w"].tolist() == [[1.0, -2.0], [0.0, 0.333984375]]


def test_threads_change_nothing():
    pixels = np.random.default_rng(0).normal(size=(1, 3, 256, 256)).astype(np.float32)
    prompt = TEXT.prompt(f"{IMAGE}tetris\n")
    answers = [Pico(FOLDER, threads).read(prompt, pixels) for threads in (1, 2)]
    for token in TEXT.encode('{"moves": ["left", "hard_drop"]}'):
        assert np.abs(answers[0].logits - answers[1].logits).max() < 1e-4
        for answer in answers:
            answer.go_on(token)


def test_what_is_taken_in_at_once_and_token_by_token_is_the_same():
    pixels = np.random.default_rng(1).normal(size=(1, 3, 256, 256)).astype(np.float32)
    pico, tokens = Pico(FOLDER, 1), TEXT.encode('{"moves": ["left", "hard_drop"]}')
    prompt = TEXT.prompt(f"{IMAGE}mario\n")
    step_by_step = pico.read(prompt, pixels)
    for token in tokens:
        step_by_step.go_on(token)
    at_once = pico.read([*prompt, *tokens], pixels)
    assert np.abs(at_once.logits - step_by_step.logits).max() < 1e-4
