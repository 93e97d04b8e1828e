"""Games in which two players put stones on a grid and want so many in a line: what they have in common."""
