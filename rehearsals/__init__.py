"""Long rehearsals that are run by name (``make soak``), not by ``make test``."""
