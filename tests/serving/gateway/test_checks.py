"""What of a request's body is let in, and in which words the rest is refused."""

import base64
import hashlib
import json
import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from lmgame_agents.sampling import Dialect, Sampling, request_body
from lmgame_serving.gateway.checks import Asked, checked, request_id_of, session_of
from lmgame_serving.gateway.errors import RefusedError
from lmgame_serving.gateway.settings import GatewaySettings


def picture(width: int = 8, height: int = 8, kind: str = "PNG") -> str:
    data = BytesIO()
    Image.new("RGB", (width, height)).save(data, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data.getvalue()).decode()}"


def image(uri: Any, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": uri}, **more}


def user(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def check(fields: dict[str, Any] | bytes, **settings: Any) -> Asked:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    data = fields if isinstance(fields, bytes) else json.dumps(body | fields).encode()
    return checked(data, model="m", settings=GatewaySettings(**settings))


def sent(asked: Asked) -> dict[str, Any]:
    return json.loads(asked.body(asked.own))


def test_what_the_runner_sends_reaches_the_engine_as_it_is():
    sampling = Sampling(
        temperature=0.7,
        top_p=0.9,
        seed=3,
        reasoning_effort="low",
        structured=True,
        extra_body={"top_k": 5, "chat_template_kwargs": {"enable_thinking": False}},
    )
    messages = [
        {"role": "system", "content": "Räuber und Gendarm 🎮"},
        {"role": "user", "content": [{"type": "text", "text": "look"}, image(picture())]},
        {"role": "assistant", "content": None},
    ]
    for limit in ("max_tokens", "max_completion_tokens"):
        dialect = Dialect(token_limit=limit)
        body = request_body("m", messages, sampling, dialect=dialect, schema={"type": "object"})
        asked = checked(json.dumps(body).encode(), model="m", settings=GatewaySettings())
        assert sent(asked) == body
        assert asked.stream


def test_kv_transfer_params_of_clients_are_dropped():
    assert "kv_transfer_params" not in sent(check({"kv_transfer_params": {"do_remote_prefill": True}}))


@pytest.mark.parametrize(
    ("fields", "status", "word"),
    [
        (b"{", 400, "JSON"),
        (b"[]", 400, "object"),
        (b"\xff\xfe", 400, "JSON"),
        (b'{"model": "m", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "JSON"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "a"}], "seed": ' + b"9" * 5000 + b"}", 400, "JSON"),
        ({"model": "other"}, 404, "`other` does not exist"),
        ({"model": None}, 404, "does not exist"),
        ({"model": ["m"]}, 404, "does not exist"),
        ({"messages": None}, 400, "messages"),
        ({"messages": []}, 400, "messages"),
        ({"messages": ["hi"]}, 400, "message"),
        ({"messages": [{"role": "user", "content": {"text": "hi"}}]}, 400, "content"),
        ({"messages": [{"role": "user", "content": "hi", "audio": {"id": "1"}}]}, 400, "message"),
        ({"n": 2}, 400, "`n`"),
        ({"n": "2"}, 400, "`n`"),
        ({"n": 0}, 400, "`n`"),
        ({"best_of": 4}, 400, "best_of"),
        ({"use_beam_search": True}, 400, "use_beam_search"),
        ({"stream": "yes"}, 400, "stream"),
        ({"max_tokens": 101}, 400, "100"),
        ({"max_completion_tokens": 101}, 400, "100"),
        ({"max_tokens": "5"}, 400, "max_tokens"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": True}, 400, "max_tokens"),
        ({"max_tokens": 1e9}, 400, "max_tokens"),
        ({"priority": -100}, 400, "priority"),
        ({"request_id": "x"}, 400, "request_id"),
        ({"cache_salt": "x"}, 400, "cache_salt"),
        ({"chat_template": "{{ 1 }}"}, 400, "chat_template"),
        ({"mm_processor_kwargs": {"max_pixels": 10**9}}, 400, "mm_processor_kwargs"),
        ({"media_io_kwargs": {}}, 400, "media_io_kwargs"),
        ({"vllm_xargs": {}}, 400, "vllm_xargs"),
        ({"ec_transfer_params": {}}, 400, "ec_transfer_params"),
        ({"prompt_logprobs": 5}, 400, "prompt_logprobs"),
        ({"x\x1b[31m": 1}, 400, "\\x1b"),
        ({"temperature": float("nan")}, 400, "number"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "a"}], "top_p": 1e999}', 400, "number"),
        ({"user": "\ud800"}, 400, "surrogate"),
    ],
)
def test_bodies_that_are_no_request_for_one_answer_are_refused(fields, status, word):
    with pytest.raises(RefusedError) as refused:
        check(fields, max_tokens=100)
    assert refused.value.status == status
    assert word in refused.value.message


@pytest.mark.parametrize(
    "part",
    [
        "text",
        {"type": "text"},
        {"type": "text", "text": 5},
        {"type": "text", "text": "a", "image_url": "http://127.0.0.1/"},
        {"image_url": {"url": picture()}},
        {"image_url": picture(), "uuid": "x"},
        image(picture(), uuid="somebody-else's"),
        image(None, uuid="somebody-else's"),
        {"type": "image_url", "image_url": picture()},
        image("https://example.com/a.png"),
        image("file:///etc/passwd"),
        image("data:image/svg+xml;base64,PHN2Zy8+"),
        image("data:image/png;base64,"),
        image("data:image/png;base64,AAAA"),
        image("data:image/png;base64,%%%%"),
        image(picture() + '"'),
        image(picture() + "\n\n\n\n"),
        image(picture() + "ééé="),
        image(picture(9, 9).rstrip("=") + "===="),
        image(picture(9, 9).rstrip("=") + "=" + picture().partition(",")[2]),
        image(picture(kind="GIF").replace("image/gif", "image/png")),
        image(picture(kind="TIFF").replace("image/tiff", "image/png")),
        {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "1"}},
        {"type": "image_embeds", "image_embeds": "AAAA"},
        {"type": "prompt_embeds", "data": "AAAA"},
    ],
)
@pytest.mark.parametrize("role", ["user", "tool"])
def test_parts_other_than_text_and_images_in_the_request_are_refused(part, role):
    with pytest.raises(RefusedError) as refused:
        check({"messages": [{"role": role, "content": [part]}]})
    assert refused.value.status == 400


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_images_are_counted_and_measured_by_their_headers(kind):
    fitting = image(picture(20, 10, kind))
    assert check(user(fitting, fitting), max_images=2, max_image_pixels=200)
    with pytest.raises(RefusedError, match="more than 2 images") as refused:
        check(user(fitting, fitting, fitting), max_images=2)
    assert refused.value.status == 413
    with pytest.raises(RefusedError, match="20 x 10 pixels"):
        check(user(fitting), max_image_pixels=199)


@pytest.mark.parametrize("side", [3_000, 60_000, 2**31 - 1])
def test_a_picture_is_believed_to_be_as_large_as_it_says_and_never_unpacked(side):
    data = base64.b64decode(picture().partition(",")[2])
    header = b"IHDR" + struct.pack(">II", side, side) + data[24:29]
    data = data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    with pytest.raises(RefusedError):
        check(user(image("data:image/png;base64," + base64.b64encode(data).decode())))


def test_a_size_that_comes_late_in_a_picture_is_found():
    data = BytesIO()
    Image.new("RGB", (20, 10)).save(data, "JPEG", exif=b"Exif\0\0" + b"x" * 60_000)
    uri = "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
    with pytest.raises(RefusedError, match="20 x 10 pixels"):
        check(user(image(uri)), max_image_pixels=100)


def test_images_keep_their_places():
    small, large, text = picture(), picture(64, 64), {"type": "text", "text": "then"}
    messages = [*user(image(small), text, image(large, image_url={"url": large, "detail": "low"}))["messages"]] * 2
    assert sent(check({"messages": messages}))["messages"] == messages


def test_images_get_the_sum_of_their_uri_for_a_name_where_that_is_asked_for():
    uri = picture()
    (part,) = sent(check(user(image(uri)), image_uuids=True))["messages"][0]["content"]
    assert part["uuid"] == hashlib.sha256(uri.encode()).hexdigest()


def test_session_and_request_ids_are_bounded():
    assert session_of("episode-1") == "episode-1"
    assert session_of(None) is None
    assert session_of("") is None
    with pytest.raises(RefusedError):
        session_of("s" * 257)
    assert request_id_of("a-1.b:c") == "a-1.b:c"
    for bad in (None, "", "a b", "a\nb", "é", "x" * 129):
        made = request_id_of(bad)
        assert made != bad
        assert made != request_id_of(bad)
