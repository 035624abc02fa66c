"""Log lines: one JSON object each on request, and never a secret in any of them."""

import base64
import json
import logging
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Literal
from urllib.parse import quote, quote_plus

from freqtrade.loggers.buffering_handler import FTBufferingHandler
from freqtrade.loggers.ft_rich_handler import FtRichHandler

__all__ = ["JsonLinesFormatter", "SecretRedactor", "install", "secret_keys"]

MASK: Final = "***"
_CATEGORY: Final = re.compile(r"\[(STRATEGY|EXECUTION|SAFETY)\]\s*")
_EXTRAS: Final = ("spread", "leg", "trade", "client_order_id")

# Last part of a configuration key, lower case, without underscores.
_SECRET_KEYS: Final = frozenset(
    {"key", "secret", "password", "passphrase", "token", "uid", "twofa"}
    | {"apikey", "apisecret", "privatekey", "walletaddress", "accountid"}
    | {"chatid", "wstoken", "jwtsecretkey", "webhookurl"}
)
_WEBHOOK_SECTIONS: Final = frozenset({"webhook", "discord"})  # whoever has the address may post
_SHORT: Final = 8  # a shorter value may be part of a word
# What a signed request, its header or its body shows, whether or not the value is in our
# configuration: an exchange repeats the request in its error messages.
_IN_REQUESTS: Final = re.compile(
    r"(?i)(\b(?:signature|api_?key|x-mbx-apikey|secret|password|passphrase|listenkey|token)"
    r"['\"]?\s*[=:]\s*['\"]?)[^\s&'\",;}]+"
)
_IN_ADDRESSES: Final = re.compile(r"(://[^\s/:@]*:)[^\s/@]+@")


class SecretRedactor:
    """
    Replaces secrets by ``***`` in a text.

    Parameters
    ----------
    config : mapping
        Freqtrade's configuration. Every key that names a secret counts, wherever it is; values of
        fewer than 8 characters are replaced only where they are a whole word.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._values: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self.learn(config)

    def learn(self, config: Mapping[str, Any]) -> None:
        """Know the secrets of one more configuration; those known before stay secret."""
        found = {form for _, value in _secrets(config) for form in _spellings(value)}
        found |= {form for login in _logins(config) for form in _spellings(login)}
        self._values |= found
        # Longest first: a secret that begins with another one is not left over in part.
        ordered = sorted(self._values, key=lambda value: (-len(value), value))
        self._pattern = re.compile("|".join(map(_alternative, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        text = _IN_REQUESTS.sub(rf"\g<1>{MASK}", text)
        return _IN_ADDRESSES.sub(rf"\g<1>{MASK}@", text)


def secret_keys(config: Mapping[str, Any]) -> list[str]:
    """Name the keys of a configuration that hold a secret, e.g. ``exchange.secret``."""
    return list(dict.fromkeys(".".join(path) for path, _ in _secrets(config)))


def _secrets(section: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(section, Mapping):
        for key, value in section.items():
            yield from _secrets(value, (*path, str(key)))
    elif isinstance(section, list | tuple):
        for value in section:
            yield from _secrets(value, path)
    elif path and _is_secret(path) and section not in (None, "") and not isinstance(section, bool):
        yield path, str(section)


def _is_secret(path: tuple[str, ...]) -> bool:
    *sections, name = (part.lower().replace("_", "") for part in path)
    return name in _SECRET_KEYS or (name == "url" and bool(_WEBHOOK_SECTIONS & set(sections)))


def _logins(config: Mapping[str, Any]) -> Iterator[str]:
    """Logins as HTTP's basic authentication sends them."""
    api = config.get("api_server") or {}
    if api.get("password"):
        login = f"{api.get('username', '')}:{api['password']}"
        yield base64.b64encode(login.encode()).decode()


def _spellings(value: str) -> set[str]:
    """Return a secret as it appears in a text, an address, JSON, and Python's own notation."""
    in_addresses = {quote(value, safe=""), quote_plus(value)}
    return {value, json.dumps(value)[1:-1], repr(value)[1:-1]} | in_addresses


def _alternative(value: str) -> str:
    literal = re.escape(value)
    return literal if len(value) >= _SHORT else rf"(?<!\w){literal}(?!\w)"


class _SafeRecord(logging.LogRecord):
    """A log record that no handler can get a secret out of by the usual ways."""

    def __init__(self, redact: SecretRedactor, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._redact = redact
        # Not a message that arguments are put into: "token=%s" would lose its place for one.
        if isinstance(self.msg, str) and not self.args:
            self.msg = redact(self.msg)
        if isinstance(self.args, tuple):  # logging prints them if they do not fit the message
            self.args = tuple(redact(each) if isinstance(each, str) else each for each in self.args)
        if self.exc_info and self.exc_info[1] is not None:
            text = logging.Formatter().formatException(self.exc_info)
            self.exc_text = redact(text)
            if self.exc_text != text:
                self.exc_info = None  # a handler that formats it anew would show the secret
        if self.stack_info:
            self.stack_info = redact(self.stack_info)

    def getMessage(self) -> str:  # noqa: N802 - logging's name
        """Return the message with its arguments, redacted."""
        return self._redact(super().getMessage())


class JsonLinesFormatter(logging.Formatter):
    """
    Formats a record as one JSON object on one line.

    Keys: ``timestamp`` (UTC, ISO 8601, milliseconds), ``level``, ``logger``, ``category``
    (STRATEGY, EXECUTION or SAFETY, from the message's prefix; null without one), ``message``
    (without the prefix); where the record has them ``spread``, ``leg``, ``trade``,
    ``client_order_id``, ``exception``, ``stack``.
    """

    def __init__(self, redact: SecretRedactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        record.message = record.getMessage()  # Freqtrade's log page reads it
        prefix = _CATEGORY.match(record.message)
        line: dict[str, Any] = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "category": prefix[1] if prefix else None,
            "message": self._redact(record.message[prefix.end() :] if prefix else record.message),
        }
        for name in _EXTRAS:
            value = getattr(record, name, None)
            if value is not None:
                line[name] = value if isinstance(value, int) else self._redact(str(value))
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exception"] = self._redact(record.exc_text)
        if record.stack_info:
            line["stack"] = self._redact(record.stack_info)
        return json.dumps(line)


def _timestamp(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def install(config: Mapping[str, Any], log_format: Literal["text", "json"]) -> None:
    """
    Keep the configuration's secrets out of every log line; write JSON lines if asked to.

    To be called when Freqtrade has set its logging up: at the start of the bot, and again after it
    has read its configuration anew. ``text`` leaves the handlers as they are.

    Parameters
    ----------
    config : mapping
        Freqtrade's configuration, secrets included.
    log_format : {"text", "json"}
        ``json`` sets the format of all handlers of the root logger. Freqtrade's console handler,
        which writes a prefix of its own and wraps long lines, is replaced by a plain one; the
        buffer behind FreqUI's log page keeps records, not lines, and stays.
    """
    redact = _redact_everything(config)
    if log_format == "text":
        return
    formatter = JsonLinesFormatter(redact)
    for handler in list(logging.root.handlers):
        if isinstance(handler, FTBufferingHandler):
            continue
        target = _plain_twin(handler) if isinstance(handler, FtRichHandler) else handler
        target.setFormatter(formatter)


def _redact_everything(config: Mapping[str, Any]) -> SecretRedactor:
    """Redact at the source, so that handlers added later are covered as well."""
    factory = logging.getLogRecordFactory()
    if isinstance(factory, partial) and factory.func is _SafeRecord:
        known: SecretRedactor = factory.args[0]
        known.learn(config)
        return known
    redact = SecretRedactor(config)
    logging.setLogRecordFactory(partial(_SafeRecord, redact))
    return redact


def _plain_twin(handler: FtRichHandler) -> logging.Handler:
    """Replace Freqtrade's console handler by one that writes a line as it is."""
    twin = logging.StreamHandler(handler._console.file)
    twin.setLevel(handler.level)
    for each in handler.filters:
        twin.addFilter(each)
    position = logging.root.handlers.index(handler)
    logging.root.handlers[position] = twin
    return twin
