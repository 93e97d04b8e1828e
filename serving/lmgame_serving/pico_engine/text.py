"""Between conversations, text and tokens, as transformers has it for the same folder."""

import codecs
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

IMAGE = "<image>"
"""Where a picture goes in a rendered conversation."""
_PICTURE = "<fake_token_around_image><global-img>{}<fake_token_around_image>"
"""What transformers' Idefics3Processor makes of it for a picture that is shown in one piece."""


class Text:
    """Tokenizer and chat template of a model's folder.

    Of the tokenizers there are, it knows the one that pico has: whole words as added tokens, all else byte by byte.

    Args:
        folder: Has `tokenizer.json`, `chat_template.jinja` and `processor_config.json`.
    """

    def __init__(self, folder: Path) -> None:
        tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        processor = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))
        added = tokenizer["added_tokens"]
        self._words: dict[str, int] = {token["content"]: token["id"] for token in added}
        self._special = {token["id"] for token in added if token["special"]}
        # The longest word wins wherever several begin.
        self._split = re.compile("|".join(re.escape(word) for word in sorted(self._words, key=len, reverse=True)))
        vocabulary: Mapping[str, int] = tokenizer["model"]["vocab"]
        self._bytes = [vocabulary[character] for character in _alphabet()]
        self._spelled = {token: bytes([value]) for value, token in enumerate(self._bytes)}
        self._spelled |= {token: word.encode() for word, token in self._words.items()}
        self._picture = _PICTURE.format(IMAGE * processor["image_seq_len"])
        # The environment that transformers renders chat templates in.
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self._template = environment.from_string((folder / "chat_template.jinja").read_text(encoding="utf-8"))

    def render(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """The conversation as the model reads it, `<image>` standing for each picture.

        Args:
            messages: Each with `role` and `content`, a text or a list of parts of `type` `text` (with `text`) and
                `image`.
        """
        return self._template.render(messages=messages, add_generation_prompt=True)

    def prompt(self, rendered: str) -> list[int]:
        """The tokens of a rendered conversation, a picture's place filled with as many image tokens as it takes."""
        return self.encode(rendered.replace(IMAGE, self._picture))

    def encode(self, text: str) -> list[int]:
        """The tokens of a text."""
        tokens: list[int] = []
        end = 0
        for match in self._split.finditer(text):
            tokens += self._spell(text[end : match.start()])
            tokens.append(self._words[match[0]])
            end = match.end()
        return tokens + self._spell(text[end:])

    def decoder(self) -> "Decoder":
        """A decoder for one answer."""
        return Decoder({token: b"" if token in self._special else text for token, text in self._spelled.items()})

    def _spell(self, text: str) -> list[int]:
        return [self._bytes[value] for value in text.encode("utf-8", "replace")]


class Decoder:
    """Makes text of tokens, one after the other; a character whose bytes are still to come waits for them."""

    def __init__(self, spelled: Mapping[int, bytes]) -> None:
        self._spelled = spelled
        self._characters = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, token: int) -> str:
        """The text that this token adds. Special tokens add none."""
        return self._characters.decode(self._spelled.get(token, b""))

    def finish(self) -> str:
        """What is left of an unfinished character."""
        return self._characters.decode(b"", final=True)


def _alphabet() -> list[str]:
    """The characters that stand for the 256 bytes in byte-level vocabularies.

    Source: `bytes_to_unicode` of https://github.com/openai/gpt-2/blob/master/src/encoder.py.
    """
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return [chr(value if value in printable else next(others)) for value in range(256)]
