"""The model itself, untrained, and the folder that transformers, vLLM and the CPU engine load.

It is a stock `Idefics3ForConditionalGeneration` (the architecture of SmolVLM: a SigLIP-like vision encoder, pixel
shuffle, a Llama decoder), small enough that its bfloat16 weights stay under 16 MiB.
"""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    PreTrainedTokenizerFast,
)

from reference.vocabulary import EOS, IMAGE, PAD, SIZE, SPECIAL, WORDS, token_id

IMAGE_SIZE, PATCH, SHUFFLE = 256, 16, 2
"""Sides of the picture and of a patch in pixels; sides of the square of patches that become one token."""
IMAGE_TOKENS = (IMAGE_SIZE // PATCH // SHUFFLE) ** 2
WIDTH, HEADS = 256, 4
VISION_LAYERS, VISION_MLP = 5, 768
TEXT_LAYERS, TEXT_MLP = 5, 704
CONTEXT = 2048
"""Tokens of prompt and answer together. An answer takes a dozen; but servers refuse a `max_tokens` that wouldn't fit,
and 1,024 is usual."""

CHAT_TEMPLATE = (
    "{%- set ns = namespace(game='tetris') -%}"
    "{%- for message in messages -%}"
    "{%- if message['content'] is string -%}"
    "{%- if 'Super Mario' in message['content'] -%}{%- set ns.game = 'mario' -%}{%- endif -%}"
    "{%- else -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' or part['type'] == 'image_url' -%}{{- '<image>' -}}"
    "{%- elif part['type'] == 'text' and 'Super Mario' in part['text'] -%}{%- set ns.game = 'mario' -%}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{{- ns.game + '\\n' -}}"
)
"""Of a conversation the pictures and the game's name remain."""


def tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer: bytes, and the words of `vocabulary`."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate((*SPECIAL, *alphabet))}
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    bpe.add_tokens([AddedToken(word, normalized=False, special=False) for word in WORDS])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=EOS,
        pad_token=PAD,
        additional_special_tokens=[token for token in SPECIAL if token not in (EOS, PAD)],
        clean_up_tokenization_spaces=False,
        model_max_length=CONTEXT,
    )


def processor() -> Idefics3Processor:
    """The processor: one view of the picture, stretched to the vision encoder's square."""
    edge = {"longest_edge": IMAGE_SIZE}
    images = Idefics3ImageProcessorPil(
        do_resize=False,  # what this means here: no resize before the one to the square
        do_image_splitting=False,
        size=edge,
        max_image_size=edge,
        resample=2,  # bilinear, antialiased
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return Idefics3Processor(images, tokenizer(), image_seq_len=IMAGE_TOKENS, chat_template=CHAT_TEMPLATE)


def config() -> Idefics3Config:
    """The shape of the model."""
    ends: dict[str, Any] = {"pad_token_id": token_id(PAD), "bos_token_id": None, "eos_token_id": token_id(EOS)}
    return Idefics3Config(
        image_token_id=token_id(IMAGE),
        scale_factor=SHUFFLE,
        tie_word_embeddings=False,
        vision_config={
            "hidden_size": WIDTH,
            "intermediate_size": VISION_MLP,
            "num_hidden_layers": VISION_LAYERS,
            "num_attention_heads": HEADS,
            "image_size": IMAGE_SIZE,
            "patch_size": PATCH,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": -(-SIZE // 64) * 64,
            "hidden_size": WIDTH,
            "intermediate_size": TEXT_MLP,
            "num_hidden_layers": TEXT_LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": HEADS,
            "head_dim": WIDTH // HEADS,
            "max_position_embeddings": CONTEXT,
            "rms_norm_eps": 1e-5,
            "tie_word_embeddings": False,
            **ends,
        },
        **ends,
    )


def untrained() -> Idefics3ForConditionalGeneration:
    """A model with random weights, float32, on the CPU."""
    model = Idefics3ForConditionalGeneration(config())
    # Position embeddings start as small as the other weights; seen beside patch embeddings that is next to nothing.
    model.model.vision_model.embeddings.position_embedding.weight.data.normal_(0, 0.1)
    return model


def save(model: Idefics3ForConditionalGeneration, folder: Path) -> None:
    """Write the folder: weights in the model's present dtype, configuration, tokenizer, processor, chat template."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.text_config.use_cache = True
    model.generation_config = GenerationConfig(
        do_sample=False, pad_token_id=token_id(PAD), eos_token_id=token_id(EOS), max_new_tokens=64
    )
    model.save_pretrained(folder)
    processor().save_pretrained(folder)
    # vLLM goes by the temperature alone; transformers takes none of 0 when it saves, though it does when it loads.
    generation = folder / "generation_config.json"
    settings = json.loads(generation.read_text()) | {"temperature": 0.0}
    generation.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
