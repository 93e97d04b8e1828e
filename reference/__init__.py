"""How `pico`, the reference player, is made: teacher, pictures, training, export. Not part of the installed package."""
