"""Training of the project's own person detector: mosaics, assignment, losses, and boxes from a teacher."""
