"""Training of the project's own person detector: mosaics, assignment, losses."""
