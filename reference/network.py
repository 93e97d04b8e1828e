"""The stock model's layers, called directly: without the data-dependent indexing of its own forward pass they compile.

What is computed is what `Idefics3ForConditionalGeneration.forward` computes for one view of 256 patches;
`python -m reference.check` compares the two.
"""

from typing import Any

import torch
import torch.nn.functional as nn_functional
from torch import nn
from transformers import Idefics3ForConditionalGeneration

from reference import answers
from reference.model import IMAGE_SIZE, IMAGE_TOKENS, PATCH, WIDTH
from reference.vocabulary import CLOSING, EOS, FAKE, GLOBAL, MARIO, OPENING, PAD, TETRIS, token_id

_SIDE = IMAGE_SIZE // PATCH
PROMPT = 3 + IMAGE_TOKENS + 1
"""Tokens of the prompt: fake, global, the picture's, fake, and the game's name, which comes last."""
ENDS = 4
"""Answers of a batch that are followed to their end."""
BOARD_ROWS = 22


class Network(nn.Module):
    """A model, with ways to run it that suit training.

    Args:
        model: The stock model, in any dtype, where it is to run.
        compiled: Whether to compile the layers.
    """

    def __init__(self, model: Idefics3ForConditionalGeneration, compiled: bool = False) -> None:
        super().__init__()
        self.model = model
        device = model.device
        layers: dict[str, list[Any]] = {
            "vision": list(model.model.vision_model.encoder.layers),
            "text": list(model.model.text_model.layers),
        }
        self._layers = {
            name: [torch.compile(each, dynamic=False) if compiled else each for each in group]
            for name, group in layers.items()
        }
        self.tree = answers.tree(device)
        self._before = torch.tensor([token_id(FAKE), token_id(GLOBAL)], device=device)
        self._after = {game: torch.tensor([token_id(FAKE), token_id(game)], device=device) for game in (TETRIS, MARIO)}
        nodes = self.tree.nodes
        self._length = -(-(PROMPT + nodes + ENDS) // 8) * 8
        mask = torch.zeros(self._length, self._length, dtype=torch.bool, device=device)
        mask[:PROMPT, :PROMPT] = torch.ones(PROMPT, PROMPT, device=device).tril().bool()
        mask[PROMPT:, :PROMPT] = True
        mask[PROMPT : PROMPT + nodes, PROMPT : PROMPT + nodes] = self.tree.ancestors
        mask.fill_diagonal_(True)
        self._mask = mask
        position = torch.arange(self._length, device=device)
        position[PROMPT : PROMPT + nodes] = PROMPT + self.tree.depth
        self._position = position
        spare = torch.full((self._length - PROMPT,), token_id(PAD), device=device)
        spare[:nodes] = self.tree.token
        spare[nodes : nodes + ENDS] = token_id("hard_drop" + CLOSING)
        self._tree_tokens = spare

    def see(self, pixels: torch.Tensor) -> torch.Tensor:
        """Image features (batch, 64, width) of pictures (batch, 3, 256, 256) in [-1, 1]."""
        vision = self.model.model.vision_model
        patches = pixels.unflatten(2, (_SIDE, PATCH)).unflatten(4, (_SIDE, PATCH)).permute(0, 2, 4, 1, 3, 5)
        weight = vision.embeddings.patch_embedding.weight
        hidden = nn_functional.linear(
            patches.reshape(len(pixels), _SIDE**2, -1).to(weight.dtype),
            weight.view(WIDTH, -1),
            vision.embeddings.patch_embedding.bias,
        )
        hidden = hidden + vision.embeddings.position_embedding.weight
        for layer in self._layers["vision"]:
            hidden = layer(hidden, None)
        return self.model.model.connector(vision.post_layernorm(hidden))

    def _prompt(self, features: torch.Tensor, game: str) -> torch.Tensor:
        table = self.model.model.text_model.embed_tokens
        batch = len(features)
        before, after = table(self._before), table(self._after[game])
        return torch.cat([before.expand(batch, -1, -1), features, after.expand(batch, -1, -1)], 1)

    def _decode(self, hidden: torch.Tensor, position: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        text = self.model.model.text_model
        position = position[None]
        rotary = text.rotary_emb(hidden, position)
        for layer in self._layers["text"]:
            hidden = layer(hidden, attention_mask=mask, position_embeddings=rotary, position_ids=position)
            if isinstance(hidden, tuple):
                hidden = hidden[0]
        return text.norm(hidden)

    def tetris(self, features: torch.Tensor, ends: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """One pass over the tree of Tetris answers.

        Args:
            features: What `see` returned.
            ends: (ENDS,) nodes after which a hard drop is tried, to see whether the answer ends there.

        Returns:
            float32 logits at the nodes (batch, nodes, vocabulary); and at the places where the next token is certain:
            (batch, 1 + ENDS, vocabulary), the answer's opening first, then its ends.
        """
        nodes = self.tree.nodes
        mask, position = self._mask, self._position
        if ends is not None:
            mask, position = mask.clone(), position.clone()
            mask[PROMPT + nodes : PROMPT + nodes + ENDS, PROMPT : PROMPT + nodes] = self.tree.ancestors[ends]
            position[PROMPT + nodes : PROMPT + nodes + ENDS] = PROMPT + self.tree.depth[ends] + 1
        table = self.model.model.text_model.embed_tokens
        branches = table(self._tree_tokens).expand(len(features), -1, -1)
        hidden = torch.cat([self._prompt(features, TETRIS), branches], 1)
        hidden = self._decode(hidden, position, mask[None, None])
        logits = self.model.lm_head(hidden[:, PROMPT - 1 : PROMPT + nodes + ENDS]).float()
        certain = torch.cat([logits[:, :1], logits[:, 1 + nodes :]], 1)
        return logits[:, 1 : 1 + nodes], certain

    def write(self, features: torch.Tensor, game: str, answer: torch.Tensor) -> torch.Tensor:
        """What follows the prompt and each token of answers (batch, length): float32 (batch, 1 + length, size)."""
        table = self.model.model.text_model.embed_tokens
        hidden = torch.cat([self._prompt(features, game), table(answer)], 1)
        hidden = self._decode(hidden, torch.arange(hidden.shape[1], device=hidden.device), None)
        return self.model.lm_head(hidden[:, PROMPT - 1 :]).float()

    def fixed(self) -> torch.Tensor:
        """(1 + ENDS,) the tokens that `tetris` is certain of."""
        return torch.tensor([answers.tokens(0)[0], *[token_id(EOS)] * ENDS], device=self._mask.device)


class Writer:
    """Greedy answers to a fixed number of pictures at a time.

    On a GPU all of it is captured as one graph: its many short steps take longer to launch than to run.

    Args:
        network: What answers; changes of its weights are followed. It must not be compiled.
        game: The game that the pictures show.
        count: Pictures at a time.
        length: Tokens to write behind the answer's opening.
    """

    def __init__(self, network: Network, game: str, count: int, length: int) -> None:
        self._network, self._game, self._length = network, game, length
        device = network.model.device
        self._pixels = torch.zeros(count, 3, IMAGE_SIZE, IMAGE_SIZE, device=device)
        self._opening = torch.full((count, 1), token_id(OPENING), device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._written = self._opening

    def _write(self) -> torch.Tensor:
        features = self._network.see(self._pixels)
        written = self._opening
        for _ in range(self._length):
            following = self._network.write(features, self._game, written)[:, -1].argmax(-1, keepdim=True)
            written = torch.cat([written, following], 1)
        return written[:, 1:]

    @torch.no_grad()
    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Token ids (count, length) for pictures (count, 3, 256, 256); overwritten by the next call."""
        self._pixels.copy_(pixels)
        if not self._pixels.is_cuda:
            return self._write()
        if self._graph is None:
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(2):
                    self._write()
            torch.cuda.current_stream().wait_stream(aside)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._written = self._write()
        self._graph.replay()
        return self._written


class Onlooker(nn.Module):
    """A helper of training, thrown away afterwards: reads the board back out of the image features.

    Rows of the board and the two pieces that matter ask the features by cross-attention. It tells the vision encoder
    densely what there is to see, where the answer alone says little.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(BOARD_ROWS + 2, WIDTH) * 0.5)
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.norm = nn.LayerNorm(WIDTH)
        self.hidden = nn.Linear(WIDTH, WIDTH)
        self.cells = nn.Linear(WIDTH, 10)
        self.kinds = nn.Linear(WIDTH, 7)

    def forward(self, features: torch.Tensor, board: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar.

        Args:
            features: (batch, 64, width).
            board: (batch, rows, 10) kinds of locked cells, row 0 the lowest.
            kinds: (batch, 2) kinds, 1 to 7, of the piece in play and the next.
        """
        asked = self.queries.expand(len(features), -1, -1)
        found = self.attention(asked, features, features, need_weights=False)[0]
        found = found + nn_functional.gelu(self.hidden(self.norm(found)))
        cells = self.cells(found[:, :BOARD_ROWS]).float()
        taken = (board[:, :BOARD_ROWS] > 0).float()
        kind = self.kinds(found[:, BOARD_ROWS:]).float().flatten(0, 1)
        return nn_functional.binary_cross_entropy_with_logits(cells, taken) * 4 + nn_functional.cross_entropy(
            kind, kinds.long().flatten() - 1
        )
