"""Does the training compute what it says? `python -m reference.check`, on the CPU, in less than a minute.

With random weights: the layers as `network` runs them against the stock model's own forward pass; the tree of answers
against decoding token by token; the loss against the divergence between distributions over placements. Prints the
largest difference of each and ends with exit code 1 if one is too large.
"""

import sys
from collections.abc import Callable

import torch
from torch import Tensor

from reference import answers, model
from reference.mario_answers import LENGTH
from reference.network import Network, Writer
from reference.vocabulary import CLOSING, EOS, FAKE, GLOBAL, IMAGE, MARIO, OPENING, TETRIS, token_id

TOLERANCE = 1e-4
"""Of logits of about 10, log-probabilities and losses in float32."""
PICTURES = 2
SHARPER = 3.0
"""Factor of the random matrices: as they are, every answer would be about as likely as any other."""
FOLLOWED = (0, 5, 17, 37, 43)
"""Placements whose answers are written out."""
PREFIXES = (0, 5, 20, 43)
"""Nodes after which an answer is ended."""


class Checks:
    """The parts that are compared, and the comparisons; each returns a largest difference."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.stock = model.untrained().eval()
        for weight in self.stock.parameters():
            if weight.ndim >= 2:
                weight.data.mul_(SHARPER)
        self.network = Network(self.stock)
        self.tree = self.network.tree
        self.pixels = torch.rand(PICTURES, 3, model.IMAGE_SIZE, model.IMAGE_SIZE) * 2 - 1
        self.features = self.network.see(self.pixels)
        self.ends = torch.tensor(PREFIXES)
        self.logits, self.certain = self.network.tetris(self.features, self.ends)

    def forward(self, game: str, written: Tensor) -> Tensor:
        """The stock model's logits after the prompt and each token of (n,), (PICTURES, 1 + n, vocabulary)."""
        picture = [FAKE, GLOBAL, *[IMAGE] * model.IMAGE_TOKENS, FAKE]
        prompt = torch.tensor([token_id(token) for token in (*picture, game)])
        ids = torch.cat([prompt, written]).expand(PICTURES, -1)
        return self.stock(input_ids=ids, pixel_values=self.pixels[:, None]).logits[:, len(prompt) - 1 :]

    def see(self) -> float:
        """Image features."""
        return _gap(
            self.network.see(self.pixels), self.stock.model.get_image_features(self.pixels[:, None]).pooler_output
        )

    def write(self) -> float:
        """Answers to both games, written out."""
        mario = torch.tensor([token_id(token) for token in (OPENING, "right+b:", f"12{CLOSING}", EOS)])
        gaps = [_gap(self.network.write(self.features, MARIO, mario.expand(PICTURES, -1)), self.forward(MARIO, mario))]
        for placement in FOLLOWED:
            ids = torch.tensor(answers.tokens(placement))
            found = self.network.write(self.features, TETRIS, ids.expand(PICTURES, -1))
            gaps.append(_gap(found, self.forward(TETRIS, ids)))
        return max(gaps)

    def tetris(self) -> float:
        """Logits at the tree's nodes, of the opening, and after hard drops."""
        gaps = []
        for placement in FOLLOWED:
            nodes = self._nodes(placement)
            expected = self.forward(TETRIS, torch.tensor(answers.tokens(placement)))
            gaps += [
                _gap(self.certain[:, 0], expected[:, 0]),
                _gap(self.logits[:, nodes], expected[:, 1 : 1 + len(nodes)]),
            ]
        for number, node in enumerate(PREFIXES):
            prefix = [*self._prefix(node), token_id("hard_drop" + CLOSING)]
            gaps.append(_gap(self.certain[:, 1 + number], self.forward(TETRIS, torch.tensor(prefix))[:, -1]))
        return max(gaps)

    def placements(self) -> float:
        """Log-probabilities of answers, their opening and end apart."""
        said = answers.placement_logits(self.tree, self.logits)
        gaps = []
        for placement in FOLLOWED:
            ids = torch.tensor(answers.tokens(placement))
            steps = self.forward(TETRIS, ids).log_softmax(-1)[:, :-1].gather(2, ids[None, :, None].expand(2, -1, 1))
            gaps.append(_gap(said[:, placement], steps[:, 1:-1, 0].sum(1)))
        return max(gaps)

    def greedy(self) -> float:
        """Share of answers that token-by-token decoding of the tree writes otherwise, for many random trees."""
        tokens = [answers.tokens(placement) for placement in range(answers.PLACEMENTS)]
        of = {ids: placement for placement, ids in enumerate(tokens)}
        following = {self._prefix(node): node for node in range(self.tree.nodes)}
        many = torch.randn(500, self.tree.nodes, self.logits.shape[-1])
        # Else hardly any answer would stay in the tree.
        branch = self.tree.branch.expand(len(many), -1, -1)
        many.scatter_add_(2, branch.clamp_min(0), 4.0 * (branch >= 0))
        wrong = 0
        for logits, found in zip(many, answers.greedy(self.tree, many).tolist(), strict=True):
            prefix: tuple[int, ...] = (tokens[0][0],)
            while prefix in following:
                prefix = (*prefix, int(logits[following[prefix]].argmax()))
            wrong += of.get((*prefix, token_id(EOS)), -1) != found
        return wrong / len(many)

    def loss(self) -> float:
        """The loss with no floor, and the divergence it reports, against the divergence over placements.

        The decoder's chances of all placements needn't sum to 1: it could write something else.
        """
        target = (torch.randn(PICTURES, answers.PLACEMENTS) * 3).masked_fill(
            torch.rand(PICTURES, answers.PLACEMENTS) < 0.3, float("-inf")
        )
        target = target.softmax(-1)
        said = answers.placement_logits(self.tree, self.logits)
        expected = (torch.xlogy(target, target) - target * said).sum(1).mean()
        found = answers.loss(self.tree, self.logits, target, 0.0)
        return max(_gap(value, expected) for value in found)

    def writer(self) -> float:
        """Share of tokens that `Writer` writes otherwise than the stock model token by token."""
        wrong = torch.zeros(())
        for game in (TETRIS, MARIO):
            found = Writer(self.network, game, PICTURES, LENGTH - 1)(self.pixels)
            for row, ids in enumerate(found):
                expected = self.forward(game, torch.cat([torch.tensor([token_id(OPENING)]), ids[:-1]]))[row, 1:]
                wrong += (expected.argmax(-1) != ids).float().mean()
        return wrong.item()

    def _nodes(self, placement: int) -> list[int]:
        return self.tree.path[placement].nonzero()[:, 0].tolist()

    def _prefix(self, node: int) -> tuple[int, ...]:
        """The tokens that lead to a node, its own included."""
        return tuple(self.tree.token[self.tree.ancestors[node]].tolist())


def _gap(found: Tensor, expected: Tensor) -> float:
    if found.shape != expected.shape:
        return float("inf")
    return (found - expected).abs().max().item()


@torch.no_grad()
def main() -> None:
    """The command."""
    checks = Checks()
    compared: tuple[Callable[[], float], ...] = (
        checks.see,
        checks.write,
        checks.tetris,
        checks.placements,
        checks.greedy,
        checks.loss,
        checks.writer,
    )
    good = True
    for compare in compared:
        gap = compare()
        good &= gap < TOLERANCE
        about = (compare.__doc__ or "").split("\n")[0]
        print(f"{'ok' if gap < TOLERANCE else 'DIFFERS':<8}{compare.__name__:<11} {gap:.1e}  {about}")
    sys.exit(not good)


if __name__ == "__main__":
    main()
