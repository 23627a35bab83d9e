"""Errors that Vitruvian raises on purpose: each message names the fault, the file or argument, and the remedy."""


class VitruvianError(Exception):
    """Base of every error raised on purpose; ``exit_code`` is what the command line ends with."""

    exit_code = 1


class InputError(VitruvianError):
    """An argument or an input (file, image, camera, annotation) that can't be used as it is."""

    exit_code = 2


class ModelError(InputError):
    """A model file that can't be read, is not what it is used as, or asks for an engine that isn't there."""


class OutputError(VitruvianError):
    """A result that could not be written: no permission, no space, no display."""
