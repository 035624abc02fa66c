"""A certificate for the real exchange's name that nobody but a rehearsing client trusts."""

import datetime as dt
import os
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VALID_FOR = dt.timedelta(days=30)


def write_certificate(host: str, today: dt.datetime, file: Path) -> ssl.SSLContext:
    """
    Make a self-signed certificate for `host`.

    Parameters
    ----------
    host : str
        Name that the certificate is for.
    today : datetime
        Middle of the certificate's validity.
    file : Path
        Receives the certificate, for clients to trust. The private key is kept in memory.

    Returns
    -------
    ssl.SSLContext
        Server side of connections that present it.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_signed(host, today, key).public_bytes(serialization.Encoding.PEM)
    file.write_bytes(certificate)
    return _context(certificate, key)


def _self_signed(
    host: str, today: dt.datetime, key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    public = key.public_key()
    usage = {
        "digital_signature": True,
        "key_cert_sign": True,
        "content_commitment": False,
        "key_encipherment": False,
        "data_encipherment": False,
        "key_agreement": False,
        "crl_sign": False,
        "encipher_only": False,
        "decipher_only": False,
    }
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - VALID_FOR)
        .not_valid_after(today + VALID_FOR)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _context(certificate: bytes, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The ssl module reads keys from files only; this one is gone before anybody connects.
    handle, name = tempfile.mkstemp(prefix="sandbox-key-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(certificate + secret)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
    return context
