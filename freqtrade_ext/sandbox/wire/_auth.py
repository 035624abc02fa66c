"""Who may call: API key, HMAC-SHA256 signature and time window."""

import hashlib
import hmac
import re
from dataclasses import dataclass

from freqtrade_ext.sandbox.wire._errors import (
    BAD_KEY_FORMAT,
    BAD_SIGNATURE,
    TIMESTAMP_AHEAD,
    TIMESTAMP_TOO_OLD,
    UNKNOWN_KEY,
    ApiFailure,
)
from freqtrade_ext.sandbox.wire._messages import Request

DEFAULT_RECV_WINDOW_MS = 5_000
LEAD_MS = 1_000  # how far a client's clock may run ahead
KEY_FORMAT = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one API key that the sandbox knows. It opens nothing but a rehearsal."""

    key: str = "sandbox-key"
    secret: str = "sandbox-secret"  # noqa: S105 - not a secret: it guards play money


def check_key(request: Request, credentials: Credentials) -> None:
    """Refuse a missing, malformed or unknown API key."""
    key = request.headers.get("x-mbx-apikey", "")
    if not KEY_FORMAT.fullmatch(key):
        raise ApiFailure(BAD_KEY_FORMAT)
    if not hmac.compare_digest(key, credentials.key):
        raise ApiFailure(UNKNOWN_KEY)


def check_signed(request: Request, credentials: Credentials, now_ms: int) -> None:
    """Refuse a request that is not signed with the secret, or is not of now."""
    check_key(request, credentials)
    timestamp = request.params.integer("timestamp")
    if not hmac.compare_digest(signature(request, credentials), request.params.text("signature")):
        raise ApiFailure(BAD_SIGNATURE)
    window_ms = request.params.optional_integer("recvWindow") or DEFAULT_RECV_WINDOW_MS
    if timestamp >= now_ms + LEAD_MS:
        raise ApiFailure(TIMESTAMP_AHEAD)
    if now_ms - timestamp > window_ms:
        raise ApiFailure(TIMESTAMP_TOO_OLD)


def signature(request: Request, credentials: Credentials) -> str:
    """Sign query and body as they were sent, without the signature itself."""
    payload = "".join(_unsigned(part) for part in (request.query, request.body))
    return hmac.new(credentials.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def _unsigned(part: str) -> str:
    return "&".join(pair for pair in part.split("&") if not pair.startswith("signature="))
