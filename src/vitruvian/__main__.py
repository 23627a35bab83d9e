"""`python -m vitruvian` is the console script `vitruvian`."""

from .cli import main

main()
