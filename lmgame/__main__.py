"""`python -m lmgame` is the `lmgame` command."""

from lmgame.cli import main

if __name__ == "__main__":
    main()
