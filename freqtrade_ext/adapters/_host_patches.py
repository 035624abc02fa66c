"""What is changed in Freqtrade itself, one by one, each with its reason and its contract test."""

from freqtrade.resolvers.protection_resolver import ProtectionResolver

__all__ = ["load_protections_of_users"]


def load_protections_of_users() -> None:
    """
    Let Freqtrade look for protections in ``user_data/protections`` too.

    Its resolver has no folder of the user for them (Freqtrade #4477), unlike every other one; the
    attribute that the others set is enough. Contract:
    `test_protections_can_be_given_a_folder_of_the_user`.
    """
    ProtectionResolver.user_subdir = "protections"
