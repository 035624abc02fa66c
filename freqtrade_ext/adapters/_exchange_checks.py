"""Checks that ask the exchange. They only read: nothing here can place or change an order."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any, Final

import ccxt
from freqtrade.enums import RunMode
from freqtrade.exceptions import FreqtradeException
from freqtrade.resolvers import ExchangeResolver

from freqtrade_ext.adapters._ccxt_venue import unsupported_reason
from freqtrade_ext.adapters._check_result import Check

__all__ = ["exchange_checks", "guard_check"]

_CLOCK_WARN_MS: Final = 500
_CLOCK_FAIL_MS: Final = 1_000
_CLOCK_SAMPLES: Final = 3
_AFTER_REACHED: Final = ("clock", "markets")
_WITH_KEY: Final = ("balance", "positions", "position mode", "asset mode")
# ccxt's name of a credential, and the keys under which Freqtrade finds it.
_CREDENTIALS: Final = {
    "apiKey": ("apiKey", "api_key", "key"),
    "secret": ("secret",),
    "password": ("password",),
    "uid": ("uid",),
    "accountId": ("accountId", "account_id"),
    "walletAddress": ("walletAddress", "wallet_address"),
    "privateKey": ("privateKey", "private_key"),
}
_PERMISSIONS: Final = (
    "check key, secret and the address limit of the key; it needs reading and futures trading, "
    "never withdrawals"
)


def guard_check(config: dict[str, Any], *, is_wanted: bool) -> Check:
    """Whether the order guard can work on the exchange of a configuration."""
    reason = unsupported_reason(config["exchange"]["name"])
    if not is_wanted:
        return Check.warn(
            "order guard",
            "off (ext.execution.guard is false): an order whose answer is lost is lost",
            "set it to true" if reason is None else f"it cannot be on: {reason}",
        )
    if reason is None:
        return Check.ok("order guard", f"on, possible on {config['exchange']['name']}")
    advice = "choose another exchange, or set ext.execution.guard to false and live with the risk"
    return Check.fail("order guard", reason, advice)


def exchange_checks(
    config: dict[str, Any], markets: Sequence[str], clock_ms: Callable[[], float]
) -> Iterator[Check]:
    """
    Ask the exchange of a configuration.

    Parameters
    ----------
    config : dict
        Freqtrade's configuration; not changed.
    markets : sequence of str
        Legs of the spread book.
    clock_ms : callable
        This machine's time, ms since 1970.
    """
    try:
        exchange = ExchangeResolver.load_exchange(_for_reading(config), validate=False)
    except FreqtradeException as error:
        yield Check.fail("exchange", _line(error), "correct the section exchange of config.json")
        yield from _skipped((*_AFTER_REACHED, *_WITH_KEY), "the exchange could not be set up")
        return
    try:
        yield from _ask(exchange._api, config, markets, clock_ms)
    finally:
        exchange.close()


def _for_reading(config: dict[str, Any]) -> dict[str, Any]:
    """Copy a configuration for an exchange object that cannot send an order: always dry-run."""
    copy = deepcopy(config)
    copy["dry_run"] = True
    copy["runmode"] = RunMode.UTIL_EXCHANGE  # opens no web socket
    return copy


def _log_in(api: Any, section: dict[str, Any]) -> bool:
    """Give ccxt the credentials that Freqtrade drops in dry-run; False if there are none."""
    for name, keys in _CREDENTIALS.items():
        value = next((section[key] for key in keys if section.get(key)), None)
        if value:
            setattr(api, name, value)
    return bool(api.apiKey or api.walletAddress)


def _ask(
    api: Any, config: dict[str, Any], markets: Sequence[str], clock_ms: Callable[[], float]
) -> Iterator[Check]:
    try:
        listed = api.load_markets()
    except ccxt.BaseError as error:
        yield Check.fail(
            "exchange",
            f"{api.id} does not answer: {_line(error)}",
            "check the network, the exchange's status page, and exchange.ccxt_config (proxy)",
        )
        yield from _skipped((*_AFTER_REACHED, *_WITH_KEY), "the exchange does not answer")
        return
    yield Check.ok("exchange", f"{api.id} answers, {len(listed)} markets{_proxy(config)}")
    yield _clock(api, clock_ms)
    yield _markets(listed, markets)
    if not _log_in(api, config["exchange"]):
        why = "no API key" + (" (dry-run needs none)" if config.get("dry_run") else "")
        yield from _skipped(_WITH_KEY, why)
        return
    yield _balance(api, config["stake_currency"])
    yield _positions(api)
    yield _position_mode(api)
    yield _asset_mode(api)


def _skipped(names: Sequence[str], reason: str) -> Iterator[Check]:
    yield from (Check.skip(name, reason) for name in names)


def _proxy(config: dict[str, Any]) -> str:
    proxy = config["exchange"].get("ccxt_config", {}).get("httpsProxy")
    return f", through the proxy {proxy}" if proxy else ""


def _clock(api: Any, clock_ms: Callable[[], float]) -> Check:
    if not api.has.get("fetchTime"):
        return Check.skip("clock", f"{api.id} does not tell its time")
    samples = []
    try:
        for _ in range(_CLOCK_SAMPLES):
            before = clock_ms()
            told = api.fetch_time()
            after = clock_ms()
            samples.append((after - before, (before + after) / 2 - told))
    except ccxt.BaseError as error:
        return Check.fail("clock", f"the exchange's time: {_line(error)}", "try again")
    travel_ms, difference_ms = min(samples)  # the fastest answer is the most exact
    text = f"{difference_ms:+.0f} ms against the exchange (answer in {travel_ms:.0f} ms)"
    advice = "set the clock with NTP: timedatectl set-ntp true; signed requests fail at 1000 ms"
    if abs(difference_ms) > _CLOCK_FAIL_MS:
        return Check.fail("clock", text, advice)
    if abs(difference_ms) > _CLOCK_WARN_MS:
        return Check.warn("clock", text, advice)
    return Check.ok("clock", text)


def _markets(listed: dict[str, Any], markets: Sequence[str]) -> Check:
    if not markets:
        return Check.skip("markets", "the spread book has no legs that could be looked up")
    gone = [name for name in markets if not (listed.get(name) or {}).get("active")]
    if gone:
        advice = "take their spreads out of the book, or correct the names (ETH/USDT:USDT)"
        return Check.fail("markets", f"not traded on the exchange: {', '.join(gone)}", advice)
    return Check.ok("markets", f"all {len(markets)} legs are traded")


def _balance(api: Any, currency: str) -> Check:
    try:
        account = api.fetch_balance().get(currency) or {}
    except ccxt.BaseError as error:
        return Check.fail("balance", _line(error), _PERMISSIONS)
    total, free = float(account.get("total") or 0), float(account.get("free") or 0)
    text = f"{total:.2f} {currency}, {free:.2f} free"
    if total <= 0:
        advice = f"move {currency} into the futures wallet"
        return Check.warn("balance", text, advice)
    return Check.ok("balance", text)


def _positions(api: Any) -> Check:
    try:
        held = [each for each in api.fetch_positions() if each.get("contracts")]
    except ccxt.BaseError as error:
        return Check.fail("positions", _line(error), _PERMISSIONS)
    names = ", ".join(sorted(str(each["symbol"]) for each in held)) or "none"
    return Check.ok("positions", f"{len(held)} open: {names}" if held else "none open")


def _position_mode(api: Any) -> Check:
    name = "position mode"
    if not api.has.get("fetchPositionMode"):
        return Check.skip(name, f"ccxt cannot ask {api.id} for it; it must be one-way")
    try:
        hedged = api.fetch_position_mode().get("hedged")
    except ccxt.BaseError as error:
        return Check.fail(name, _line(error), _PERMISSIONS)
    if hedged:
        advice = "set the position mode to one-way, with no position open"
        return Check.fail(name, "hedge mode: Freqtrade cannot trade in it", advice)
    return Check.ok(name, "one-way")


def _asset_mode(api: Any) -> Check:
    name = "asset mode"
    if api.id != "binance":
        return Check.skip(name, f"known of Binance only, not of {api.id}")
    try:
        answer = api.fapiPrivateGetMultiAssetsMargin()
    except ccxt.BaseError as error:
        return Check.fail(name, _line(error), _PERMISSIONS)
    if answer.get("multiAssetsMargin") in (True, "true"):
        advice = "set the asset mode to single-asset: isolated margin needs it"
        return Check.fail(name, "multi-assets mode is on", advice)
    return Check.ok(name, "single-asset")


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300]
