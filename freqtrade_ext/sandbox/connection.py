"""What a client's configuration must say to reach a sandbox instead of the exchange."""

from typing import Any, Literal

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox.server import SandboxServer

__all__ = ["Way", "connection_settings"]

Way = Literal["http", "proxy"]

_VERSIONED = {
    "fapiPublic": "/fapi/v1",
    "fapiPublicV2": "/fapi/v2",
    "fapiPublicV3": "/fapi/v3",
    "fapiPrivate": "/fapi/v1",
    "fapiPrivateV2": "/fapi/v2",
    "fapiPrivateV3": "/fapi/v3",
    "fapiData": "/futures/data",
    "public": "/api/v3",
    "private": "/api/v3",
    "sapi": "/sapi/v1",
}


def connection_settings(server: SandboxServer, way: Way = "http") -> dict[str, Any]:
    """
    Write the ``exchange`` section of a Freqtrade configuration that leads to a sandbox.

    Parameters
    ----------
    server : SandboxServer
        A running one.
    way : {"http", "proxy"}
        ``http`` replaces the exchange's addresses; ccxt then knows only its general table of
        errors. ``proxy`` keeps the addresses and goes through the sandbox's HTTPS proxy, so that
        errors are mapped as in reality. It trusts the sandbox's certificate only: even without
        the proxy, such a client could not talk to the real exchange.

    Returns
    -------
    dict
        Name, key, secret and ``ccxt_config``; pair lists are left to the caller. The value of
        ``ccxt_config`` together with ``apiKey`` and ``secret`` also configures a plain
        ``ccxt.binance``, beside ``{"options": {"defaultType": "swap"}}``.

    Raises
    ------
    ConfigError
        For another way, or if the server is not running.
    """
    return {
        "name": "binance",
        "key": server.credentials.key,
        "secret": server.credentials.secret,
        "only_from_ccxt": True,
        "ccxt_config": _ccxt_config(server, way),
    }


def _ccxt_config(server: SandboxServer, way: Way) -> dict[str, Any]:
    options = {"fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False}
    if way == "http":
        api = {name: server.url + path for name, path in _VERSIONED.items()}
        return {"options": options, "urls": {"api": api}}
    if way == "proxy":
        # ccxt takes the certificate to trust under one name for requests, another for aiohttp.
        trusted = str(server.certificate)
        return {
            "options": options,
            "httpsProxy": server.proxy_url,
            "validateServerSsl": trusted,
            "cafile": trusted,
        }
    raise ConfigError(f"unknown way {way!r}; valid ways: http, proxy")
