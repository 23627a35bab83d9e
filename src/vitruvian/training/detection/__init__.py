"""Training of person detectors: mosaics, label assignment, losses, distillation."""
