"""Errors of the package, named by their consequence for the operator."""

__all__ = [
    "ConfigError",
    "CorruptStateError",
    "ExtensionError",
    "IllegalRequest",
    "InfeasibleError",
    "StoreError",
    "VenueError",
]


class ExtensionError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(ExtensionError):
    """A setting or a file that a person wrote is wrong; nothing has been started or traded."""


class InfeasibleError(ExtensionError):
    """The data does not allow the requested computation (too short, constant, not finite)."""


class IllegalRequest(ExtensionError):  # noqa: N818 - a request, named by its consequence
    """Our own code asked for something that the current state forbids: a bug, not an event."""


class VenueError(ExtensionError):
    """The exchange refused or did something that needs a person or a repair."""


class StoreError(ExtensionError):
    """What must survive a restart could not be written (disk full, database locked)."""


class CorruptStateError(ExtensionError):
    """What was saved for a restart cannot be read back; a person chooses how to go on."""
