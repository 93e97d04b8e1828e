"""Films of episodes and matches, drawn anew from their records."""

from lmgame.film.raced import film_raced
from lmgame.film.single import film
from lmgame.film.writers import film_suffix

__all__ = ["film", "film_raced", "film_suffix"]
