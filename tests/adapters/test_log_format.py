"""Log lines on Freqtrade's real handlers: JSON on request, never a secret.

Bugs planted by hand, each caught by the test named:

1. `_SafeRecord` redacts only the message, not the exception ->
   test_no_secret_gets_out_of_any_handler[exception]
2. `exc_info` is kept although its text was redacted ->
   test_a_formatter_with_its_own_tracebacks_gets_no_secret
3. the message is redacted before its arguments are put in ("token=%s" loses its place) ->
   test_a_message_with_a_place_for_a_secret_keeps_its_place
4. a second `install` wraps the first (secrets of the first forgotten) ->
   test_the_secrets_of_an_earlier_configuration_stay_secret
5. short secrets are replaced inside words -> test_a_short_secret_is_replaced_as_a_whole_word_only
6. alternatives in the order of the set, shortest first ->
   test_a_secret_that_begins_with_another_is_replaced_whole
7. local time instead of UTC -> test_the_time_is_utc_with_milliseconds
8. Freqtrade's console handler only gets the formatter (prefix and wrapping stay) ->
   test_json_on_the_console_is_one_line_without_a_prefix
9. the buffer of FreqUI's log page is replaced as well -> test_the_log_page_still_has_its_records
10. url-encoded spelling not known -> test_every_spelling_of_a_secret_is_replaced
"""

import io
import json
import logging
import logging.handlers
from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from freqtrade.loggers.buffering_handler import FTBufferingHandler
from freqtrade.loggers.ft_rich_handler import FtRichHandler
from freqtrade.rpc import RPC
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from freqtrade_ext.adapters import _log_format
from freqtrade_ext.adapters._log_format import JsonLinesFormatter, SecretRedactor

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
PASSWORD = "two words & a/slash"
TELEGRAM = "123456:ABC-DEF1234ghIkl"
DATABASE_PASSWORD = "pg-pass-word"
CONFIG = {
    "exchange": {"name": "binance", "key": KEY, "secret": SECRET, "password": ""},
    "telegram": {"enabled": True, "token": TELEGRAM, "chat_id": "998877"},
    "api_server": {"username": "freqtrader", "password": PASSWORD, "ws_token": ["tok-en-one"]},
    "discord": {"webhook_url": "https://discord.com/api/webhooks/1/abcdef"},
    "webhook": {"url": "https://hooks.example.com/T000/B000"},
    "db_url": f"postgresql://bot:{DATABASE_PASSWORD}@db:5432/freqtrade",
}
SECRETS = [
    KEY,
    SECRET,
    PASSWORD,
    TELEGRAM,
    "tok-en-one",
    "998877",
    "T000/B000",
    "webhooks/1/abcdef",
]

logger = logging.getLogger("freqtrade_ext.test")


@pytest.fixture(autouse=True)
def _logging_as_found():
    """Freqtrade configures logging for the whole process: put everything back."""
    root, factory = logging.root, logging.getLogRecordFactory()
    handlers, level = root.handlers[:], root.level
    root.handlers, root.level = [], logging.DEBUG
    root.manager._clear_cache()
    yield
    root.handlers, root.level = handlers, level
    root.manager._clear_cache()
    logging.setLogRecordFactory(factory)


def install(config, log_format):
    """As in a process of its own: without pytest's handlers."""
    ours = [each for each in logging.root.handlers if "pytest" not in type(each).__module__]
    logging.root.handlers = ours
    _log_format.install(config, log_format)


class Handlers:
    """Freqtrade's console, file and log-page handlers, as its logging setup makes them."""

    def __init__(self, folder):
        text = logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s")
        self.console = io.StringIO()
        self.rich = FtRichHandler(console=Console(file=self.console, width=60))
        self.rich.setFormatter(logging.Formatter("%(message)s"))
        self.path = folder / "freqtrade.log"
        self.file = logging.handlers.RotatingFileHandler(self.path, maxBytes=10**7, delay=True)
        self.file.setFormatter(text)
        self.buffer = FTBufferingHandler(1000)
        self.buffer.setFormatter(text)
        logging.root.handlers = [self.rich, self.file, self.buffer]

    def lines(self):
        return self.path.read_text().splitlines()

    def everything(self):
        records = "\n".join(self.buffer.format(record) for record in self.buffer.buffer)
        return "\n".join([self.path.read_text(), self.console.getvalue(), records])


@pytest.fixture
def handlers(tmp_path):
    made = Handlers(tmp_path)
    yield made
    made.file.close()


def parsed(handlers):
    return [json.loads(line) for line in handlers.lines()]


def fail_with(text):
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("request failed")


WAYS_OUT = {
    "message": lambda: logger.info(f"key {KEY} secret {SECRET}"),
    "argument": lambda: logger.info("key %s of %s", KEY, {"secret": SECRET}),
    "named": lambda: logger.info("key %(key)s", {"key": KEY}),
    "exception": lambda: fail_with(f"GET /fapi?apiKey={KEY}&secret={SECRET}"),
    "error-as-argument": lambda: logger.warning("failed: %s", ValueError(SECRET)),
    "error-as-message": lambda: logger.warning(ValueError(SECRET)),
    "signature": lambda: logger.info("GET https://x/fapi/v3/account?a=1&signature=0f9a77be&b=2"),
    "header": lambda: logger.info("headers {'X-MBX-APIKEY': 'unknownkey123'}"),
    "telegram": lambda: logger.info("POST https://api.telegram.org/bot%s/getMe", TELEGRAM),
    "database": lambda: logger.info("Using DB %s", CONFIG["db_url"]),
}


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_secret_gets_out_of_any_handler(handlers, way, log_format):
    install(CONFIG, log_format)
    WAYS_OUT[way]()
    shown = handlers.everything()
    for secret in [*SECRETS, "0f9a77be", "unknownkey123", DATABASE_PASSWORD]:
        assert secret not in shown
    assert "***" in handlers.path.read_text()


def test_the_rest_of_a_signed_address_stays_readable(handlers):
    install(CONFIG, "text")
    WAYS_OUT["signature"]()
    assert "GET https://x/fapi/v3/account?a=1&signature=***&b=2" in handlers.lines()[0]


def test_a_traceback_stays_readable(handlers):
    install(CONFIG, "text")
    fail_with(f"no answer for {KEY}")
    text = handlers.path.read_text()
    assert "Traceback (most recent call last)" in text
    assert "ValueError: no answer for ***" in text


def test_a_formatter_with_its_own_tracebacks_gets_no_secret(handlers):
    class Own(logging.Formatter):
        def format(self, record):
            return super().formatException(record.exc_info) if record.exc_info else "no traceback"

    handlers.file.setFormatter(Own())
    install(CONFIG, "text")
    fail_with(KEY)
    assert handlers.lines() == ["no traceback"]


def test_a_traceback_without_a_secret_is_left_to_the_handlers(handlers):
    install(CONFIG, "text")
    fail_with("harmless")
    assert handlers.buffer.buffer[0].exc_info is not None


def test_a_stack_with_a_secret_is_redacted(handlers):
    install({"exchange": {"secret": "stack_info=True"}}, "json")
    logger.info("here", stack_info=True)
    (line,) = parsed(handlers)
    assert "stack_info=True" not in line["stack"]
    assert "***" in line["stack"]


def test_a_message_with_a_place_for_a_secret_keeps_its_place(handlers):
    install(CONFIG, "text")
    logger.info("token=%s, then %d", "abc", 7)
    assert handlers.lines()[0].endswith("token=***, then 7")


def test_arguments_that_do_not_fit_the_message_show_no_secret(handlers, capsys):
    install(CONFIG, "text")
    logger.info("no place", KEY)  # noqa: PLE1205 - that is the mistake
    told = capsys.readouterr().err
    assert "not all arguments converted" in told
    assert "Arguments: ('***',)" in told


def test_handlers_that_are_added_later_are_covered(tmp_path):
    install(CONFIG, "text")
    late = Handlers(tmp_path)
    WAYS_OUT["argument"]()
    late.file.close()
    assert KEY not in late.everything()


def test_the_secrets_of_an_earlier_configuration_stay_secret(handlers):
    install(CONFIG, "text")
    install({"exchange": {"key": "another-long-key"}}, "text")
    logger.info("%s another-long-key", KEY)
    assert handlers.lines()[0].endswith("*** ***")
    factory = logging.getLogRecordFactory()
    assert factory.func is _log_format._SafeRecord
    assert len(factory.args) == 1


def test_text_leaves_handlers_and_formatters_alone(handlers):
    before = [(handler, handler.formatter) for handler in logging.root.handlers[:3]]
    install(CONFIG, "text")
    assert [(handler, handler.formatter) for handler in logging.root.handlers] == before


# JSON lines


def test_a_line_of_json_has_everything_that_is_known(handlers):
    install(CONFIG, "json")
    extra = {"spread": "ETH-BTC", "leg": "A", "trade": 7, "client_order_id": "fx-1"}
    logger.info("[EXECUTION] sent %s", "buy", extra=extra)
    (line,) = parsed(handlers)
    line.pop("timestamp")
    assert line == {
        "level": "INFO",
        "logger": "freqtrade_ext.test",
        "category": "EXECUTION",
        "message": "sent buy",
        **extra,
    }


@pytest.mark.parametrize(
    ("text", "category", "message"),
    [
        ("[STRATEGY] z 2.1", "STRATEGY", "z 2.1"),
        ("[SAFETY] recovery", "SAFETY", "recovery"),
        ("[OTHER] text", None, "[OTHER] text"),
        ("late [SAFETY] text", None, "late [SAFETY] text"),
        ("plain", None, "plain"),
    ],
)
def test_the_category_is_the_prefix_of_the_message(handlers, text, category, message):
    install(CONFIG, "json")
    logger.info(text)
    assert [(line["category"], line["message"]) for line in parsed(handlers)] == [
        (category, message)
    ]


def test_what_a_record_does_not_have_is_left_out(handlers):
    install(CONFIG, "json")
    logger.info("x", extra={"spread": None})
    assert parsed(handlers)[0].keys() == {"timestamp", "level", "logger", "category", "message"}


def test_the_time_is_utc_with_milliseconds():
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "x", None, None)
    east = timezone(timedelta(hours=9))
    record.created = datetime(2024, 5, 1, 9, 0, 0, 123_400, tzinfo=east).timestamp()
    line = json.loads(JsonLinesFormatter(SecretRedactor({})).format(record))
    assert line["timestamp"] == "2024-05-01T00:00:00.123Z"


def test_the_time_does_not_follow_the_servers_time_zone(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert _log_format._timestamp(0.0) == "1970-01-01T00:00:00.000Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_exception_is_a_field_and_the_line_stays_one_line(handlers):
    install(CONFIG, "json")
    fail_with("two\nlines\u2028three")
    (line,) = parsed(handlers)
    assert line["exception"].startswith("Traceback")
    assert "two\nlines\u2028three" in line["exception"]


def test_extras_of_any_type_are_written_and_redacted(handlers):
    install(CONFIG, "json")
    logger.info("x", extra={"client_order_id": f"a{KEY}", "spread": float("nan"), "leg": object})
    (line,) = parsed(handlers)
    assert (line["client_order_id"], line["spread"]) == ("a***", "nan")


def test_json_on_the_console_is_one_line_without_a_prefix(handlers):
    install(CONFIG, "json")
    logger.info("[SAFETY] %s", "word " * 60)
    (text,) = handlers.console.getvalue().splitlines()
    assert json.loads(text)["category"] == "SAFETY"


def test_the_consoles_level_filters_and_place_are_kept(handlers):
    handlers.rich.setLevel(logging.ERROR)
    handlers.rich.addFilter(logging.Filter("freqtrade_ext"))
    install(CONFIG, "json")
    twin, *rest = logging.root.handlers
    assert (twin.level, twin.filters) == (logging.ERROR, handlers.rich.filters)
    assert rest == [handlers.file, handlers.buffer]


def test_installing_twice_changes_nothing_more(handlers):
    install(CONFIG, "json")
    install(CONFIG, "json")
    logger.info("once")
    assert [line["message"] for line in parsed(handlers)] == ["once"]
    assert len(handlers.console.getvalue().splitlines()) == 1


def test_the_log_page_still_has_its_records(handlers, monkeypatch):
    monkeypatch.setattr("freqtrade.rpc.rpc.bufferHandler", handlers.buffer)
    install(CONFIG, "json")
    logger.info("key %s", KEY)
    (row,) = RPC._rpc_get_logs(None)["logs"]
    assert row[2:] == ["freqtrade_ext.test", "INFO", "key ***"]


# Which values are secrets


def test_every_spelling_of_a_secret_is_replaced():
    redact = SecretRedactor(CONFIG)
    login = b64encode(f"freqtrader:{PASSWORD}".encode()).decode()
    for text in (PASSWORD, quote(PASSWORD, safe=""), PASSWORD.replace(" ", "+"), login):
        assert PASSWORD not in redact(f"x {text} y")
    assert redact(f"x {quote(PASSWORD, safe='')} y") == "x *** y"
    assert redact(f"Authorization: Basic {login}") == "Authorization: Basic ***"


@pytest.mark.parametrize("secret", ['quo"te-and\\slash', "new\nline-secret", "umlaut-pässword"])
def test_secrets_that_json_writes_differently_are_replaced(secret):
    redact = SecretRedactor({"exchange": {"secret": secret}})
    assert redact(json.dumps({"x": secret})) == '{"x": "***"}'
    assert redact(f"{[secret]}") in ("['***']", '["***"]')


def test_a_short_secret_is_replaced_as_a_whole_word_only():
    redact = SecretRedactor({"api_server": {"password": "trade"}})
    assert redact("trades of a trade: trade") == "trades of a ***: ***"


def test_a_secret_that_begins_with_another_is_replaced_whole():
    secrets = {"exchange": {"key": "abcdefgh", "secret": "abcdefgh12345"}}
    assert SecretRedactor(secrets)("see abcdefgh12345") == "see ***"


def test_names_that_are_no_secrets_stay_readable():
    redact = SecretRedactor(CONFIG)
    text = (
        "binance freqtrader postgresql sqlite:///user_data/trades.sqlite https://fapi.binance.com/x"
    )
    assert redact(text) == text


def test_a_configuration_without_secrets_replaces_nothing():
    config = {"exchange": {"key": "", "secret": None, "password": False}, "api_server": None}
    assert SecretRedactor(config)("nothing *here* None False") == "nothing *here* None False"


def test_numbers_that_are_secrets_are_replaced():
    assert SecretRedactor({"telegram": {"chat_id": 12345678}})("chat 12345678") == "chat ***"


@given(st.text(min_size=8, max_size=40), st.text(max_size=30), st.text(max_size=30))
@example("aaaaaaaa", "aaa", "aaa")
def test_no_long_secret_survives_in_any_surroundings(secret, before, after):
    redacted = SecretRedactor({"exchange": {"secret": secret}})(f"{before}{secret}{after}")
    assert secret not in redacted or secret in f"{before}***{after}"


def test_the_lines_of_a_day_are_in_order_of_time():
    moments = [datetime(2024, 5, 1, hour, tzinfo=UTC).timestamp() for hour in range(24)]
    stamps = [_log_format._timestamp(moment) for moment in moments]
    assert stamps == sorted(stamps)
