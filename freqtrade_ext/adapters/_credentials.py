"""A running bot's configuration with the credentials that Freqtrade has taken out of it."""

from collections.abc import Mapping
from typing import Any

__all__ = ["with_credentials"]

# Our name of each, in the configuration, and ccxt's, on its object.
_NAMES = {
    "key": "apiKey",
    "secret": "secret",
    "password": "password",
    "uid": "uid",
    "account_id": "accountId",
    "wallet_address": "walletAddress",
    "private_key": "privateKey",
}


def with_credentials(config: Mapping[str, Any], api: Any) -> dict[str, Any]:
    """Put them back into a copy, from the ccxt object that uses them."""
    known = {ours: getattr(api, theirs, None) for ours, theirs in _NAMES.items()}
    exchange = {**config["exchange"], **{name: value for name, value in known.items() if value}}
    return {**config, "exchange": exchange}
