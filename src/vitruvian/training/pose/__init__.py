"""Training of pose nets: augmentation, targets, losses, distillation."""
