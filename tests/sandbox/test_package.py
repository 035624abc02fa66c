"""What the package promises as a whole: its names, its imports, its certificate."""

import datetime as dt
import inspect
import socket
import ssl
import subprocess
import sys
import threading

import pytest

import freqtrade_ext.sandbox as package
from freqtrade_ext.sandbox import engine, wire
from freqtrade_ext.sandbox._certificate import write_certificate


@pytest.mark.parametrize("foreign", ["freqtrade", "ccxt"])
def test_it_loads_neither_freqtrade_nor_ccxt(foreign):
    code = f"import sys, freqtrade_ext.sandbox; sys.exit({foreign!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_engine_needs_neither_a_web_framework_nor_a_clock():
    code = (
        "import sys, freqtrade_ext.sandbox.market, freqtrade_ext.sandbox.journal;"
        "import freqtrade_ext.sandbox.engine as e;"
        "names = {n for m in list(sys.modules.values()) if m.__name__.startswith(e.__name__)"
        " for n in vars(m)};"
        "sys.exit(bool(names & {'time', 'datetime', 'socket', 'random', 'asyncio'}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("module", [package, engine, wire], ids=lambda module: module.__name__)
def test_public_names_exist_once(module):
    assert len(module.__all__) == len(set(module.__all__))
    assert all(hasattr(module, name) for name in module.__all__)


def test_public_names_are_documented():
    for name in package.__all__:
        member = getattr(package, name)
        if inspect.isclass(member) or inspect.isfunction(member):
            assert member.__doc__, name


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> dict:
    """Let two contexts meet over a pair of sockets; answers the certificate the client saw."""
    left, right = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(left, server_side=True) as connection:
                connection.recv(1)
        except (ssl.SSLError, OSError):
            left.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(right, server_hostname=host) as connection:
            seen = connection.getpeercert()
            connection.sendall(b"x")
            return seen
    finally:
        right.close()
        thread.join()


class TestCertificate:
    HOST = "fapi.binance.com"

    @pytest.fixture
    def made(self, tmp_path):
        file = tmp_path / "certificate.pem"
        return write_certificate(self.HOST, dt.datetime.now(dt.UTC), file), file

    def test_is_accepted_by_those_who_trust_it(self, made):
        server, file = made
        client = ssl.create_default_context(cafile=str(file))
        client.verify_flags |= ssl.VERIFY_X509_STRICT
        seen = handshake(server, client, self.HOST)
        assert seen["subjectAltName"] == (("DNS", self.HOST),)

    def test_is_refused_by_those_who_do_not(self, made):
        server, _ = made
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(server, ssl.create_default_context(), self.HOST)

    def test_is_refused_under_another_name(self, made):
        server, file = made
        client = ssl.create_default_context(cafile=str(file))
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            handshake(server, client, "api.binance.com")

    def test_keeps_its_key_to_itself(self, made):
        _, file = made
        assert b"PRIVATE KEY" not in file.read_bytes()
        assert list(file.parent.iterdir()) == [file]
