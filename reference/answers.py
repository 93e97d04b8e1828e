"""Tetris answers as a tree of tokens, so that one pass of the decoder scores all placements at once.

A placement is a number of turns, then shifts to one side, then a hard drop. All 44 answers share prefixes; the nodes of
their tree stand behind the prompt in one sequence, each attending to the prompt and to its own ancestors only, at the
position that it has in an answer. What the decoder says at a node is then exactly what it says after that prefix when
it writes token by token.
"""

from dataclasses import dataclass

import torch

from reference.vocabulary import CLOSING, EOS, OPENING, SEPARATOR, token_id

TURNS = ((), ("rotate_cw",), ("rotate_cw", "rotate_cw"), ("rotate_ccw",))
FARTHEST = 5
SHIFTS = 2 * FARTHEST + 1
PLACEMENTS = len(TURNS) * SHIFTS
"""Placement `r * SHIFTS + s + FARTHEST`: the turns `TURNS[r]`, then s columns to the right (left if negative)."""


def moves(placement: int) -> tuple[str, ...]:
    """The moves of a placement."""
    turn, shift = divmod(placement, SHIFTS)
    shift -= FARTHEST
    return (*TURNS[turn], *["left" if shift < 0 else "right"] * abs(shift), "hard_drop")


def tokens(placement: int) -> tuple[int, ...]:
    """The token ids of a placement's answer, the end of the utterance included."""
    *ahead, last = moves(placement)
    words = [OPENING, *(move + SEPARATOR for move in ahead), last + CLOSING, EOS]
    return tuple(token_id(word) for word in words)


@dataclass(frozen=True)
class Tree:
    """The tree's nodes in an order in which parents come first; node 0 is the answer's opening.

    Leaves (the hard drop, the end) are no nodes: after a node only the next token is asked for. `ENDS` extra places
    hold hard drops after nodes chosen anew for each batch, where the decoder learns to end the answer.
    """

    token: torch.Tensor
    """(nodes,) token id of each node."""
    depth: torch.Tensor
    """(nodes,) position in the answer, from 0."""
    ancestors: torch.Tensor
    """(nodes, nodes) bool: whether the second is the first or an ancestor of it."""
    path: torch.Tensor
    """(placements, nodes) bool: the nodes that a placement's answer goes through."""
    following: torch.Tensor
    """(placements, nodes) token id that follows the node in the placement's answer; 0 off its path."""
    branch: torch.Tensor
    """(nodes, choices) token ids that can follow a node, padded with -1."""
    members: torch.Tensor
    """(nodes, choices, placements) bool: the placements whose answer goes that way."""

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.token)


def tree(device: torch.device | str) -> Tree:
    """The tree of all placements, on a device."""
    answers = [tokens(placement) for placement in range(PLACEMENTS)]
    prefixes = sorted(
        {answer[:end] for answer in answers for end in range(1, len(answer) - 1)}, key=lambda p: (len(p), p)
    )
    index = {prefix: number for number, prefix in enumerate(prefixes)}
    count = len(prefixes)
    ancestors = torch.zeros(count, count, dtype=torch.bool)
    for prefix, number in index.items():
        for end in range(1, len(prefix) + 1):
            ancestors[number, index[prefix[:end]]] = True
    path = torch.zeros(PLACEMENTS, count, dtype=torch.bool)
    following = torch.zeros(PLACEMENTS, count, dtype=torch.long)
    for placement, answer in enumerate(answers):
        for end in range(1, len(answer) - 1):
            path[placement, index[answer[:end]]] = True
            following[placement, index[answer[:end]]] = answer[end]
    choices = [sorted(set(following[path[:, node], node].tolist())) for node in range(count)]
    widest = max(map(len, choices))
    branch = torch.full((count, widest), -1, dtype=torch.long)
    members = torch.zeros(count, widest, PLACEMENTS, dtype=torch.bool)
    for node, options in enumerate(choices):
        for number, option in enumerate(options):
            branch[node, number] = option
            members[node, number] = path[:, node] & (following[:, node] == option)
    found = Tree(
        token=torch.tensor([prefix[-1] for prefix in prefixes]),
        depth=torch.tensor([len(prefix) - 1 for prefix in prefixes]),
        ancestors=ancestors,
        path=path,
        following=following,
        branch=branch,
        members=members,
    )
    return Tree(**{name: value.to(device) for name, value in vars(found).items()})


def loss(
    tree: Tree, logits: torch.Tensor, target: torch.Tensor, floor: float = 0.02
) -> tuple[torch.Tensor, torch.Tensor]:
    """How far the decoder's choices at the nodes are from a target distribution over placements.

    At each node the divergence of the decoder's choice (over the whole vocabulary) from the target's conditional
    distribution over next tokens, weighted by the target's probability of reaching the node, or by `floor` where that
    is less, so that the decoder knows the way on from where it should hardly be, too. With the true weights they add
    up to the divergence over placements.

    Args:
        tree: The tree.
        logits: (batch, nodes, vocabulary), float32.
        target: (batch, placements), rows sum to 1; exactly 0 where a placement can't be.
        floor: Least weight of a node that some placement with a target above 0 goes through.

    Returns:
        The loss to minimise, and the divergence KL(target || decoder) over placements; both means over the batch.
    """
    known = tree.branch >= 0
    said = logits.gather(2, tree.branch.clamp_min(0).expand(len(logits), -1, -1))  # batch, nodes, choices
    said = said - logits.logsumexp(-1, keepdim=True)
    mass = torch.einsum("bp,ncp->bnc", target, tree.members.to(target.dtype))
    reach = mass.sum(-1, keepdim=True)
    share = mass / reach.clamp_min(1e-9)
    gap = (share * (share.clamp_min(1e-9).log() - said)).masked_fill(~known, 0.0).sum(-1)
    reach = reach[..., 0]
    weight = torch.where(reach > 0, reach.clamp_min(floor), 0.0)
    return (gap * weight).sum(-1).mean(), (gap * reach).sum(-1).mean()


def placement_logits(tree: Tree, logits: torch.Tensor) -> torch.Tensor:
    """(batch, placements): the answers' log-probabilities, from the decoder's (batch, nodes, vocabulary)."""
    said = logits.log_softmax(-1)
    batch = said.shape[0]
    steps = said.gather(2, tree.following.T.expand(batch, -1, -1))  # batch, nodes, placements
    return (steps * tree.path.T).sum(1)


def greedy(tree: Tree, logits: torch.Tensor) -> torch.Tensor:
    """(batch,) placement that token-by-token greedy decoding writes; -1 where it leaves the tree.

    Leaving the tree (a token that follows in no answer) is an answer that can't be played.
    """
    best = logits.argmax(-1)  # batch, nodes
    follows = (best[:, None] == tree.following) | ~tree.path  # batch, placements, nodes
    whole = follows.all(-1)
    return torch.where(whole.any(-1), whole.to(torch.uint8).argmax(-1), -1)
