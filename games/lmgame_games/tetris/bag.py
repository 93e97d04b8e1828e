"""The 7-bag: pieces come in shuffled sets of all seven (Tetris guideline, "Random Generator")."""

from random import Random


class Bag:
    """An endless sequence of kinds, a function of its seed alone; sharing one between copies of a game is harmless."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._kinds = bytearray()

    def __getitem__(self, index: int) -> int:
        """The kind of piece number `index`, from 0."""
        while index >= len(self._kinds):
            self._deal()
        return self._kinds[index]

    def window(self, index: int, count: int) -> bytearray:
        """The kinds of pieces `index` to `index + count - 1`."""
        while index + count > len(self._kinds):
            self._deal()
        return self._kinds[index : index + count]

    def _deal(self) -> None:
        # Fisher-Yates over random(), the one method whose sequence Python promises to keep from version to version.
        bag = list(range(1, 8))
        for last in range(6, 0, -1):
            other = int(self._random.random() * (last + 1))
            bag[last], bag[other] = bag[other], bag[last]
        self._kinds += bytes(bag)
