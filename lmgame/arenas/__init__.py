"""Models against each other: what is asked for, in which order it is played, and what came of it."""
