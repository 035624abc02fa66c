"""One bug: which rule it takes out, where, and which test has to notice."""

from dataclasses import dataclass

__all__ = ["Change", "PlantedBug", "planted_in"]


@dataclass(frozen=True, slots=True)
class PlantedBug:
    """
    One bug.

    Attributes
    ----------
    rule : str
        The rule that is taken out, in words.
    file : str
        Where, from the root of the repository.
    text : str
        What stands there, exactly once.
    replacement : str
        What is put in its place.
    test : str
        The test that has to fail, as pytest names it: ``tests/…/test_x.py::test_y``.
    """

    rule: str
    file: str
    text: str
    replacement: str
    test: str


Change = tuple[str, str, str, str]  # rule, text, replacement, name of the test


def planted_in(file: str, test_file: str, *changes: Change) -> tuple[PlantedBug, ...]:
    """Plant bugs in one file of the package that one file of tests is about."""
    return tuple(
        PlantedBug(rule, f"freqtrade_ext/{file}", text, replacement, f"tests/{test_file}::{test}")
        for rule, text, replacement, test in changes
    )
