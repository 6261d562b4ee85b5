"""A certificate for `localhost` and the authority that signed it, made once a run."""

import datetime
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """Where the files are."""

    authority: str
    chain: str
    key: str


@cache
def certificate(host: str = "localhost") -> Certificate:
    folder = Path(mkdtemp(prefix="mail-rig-"))
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _signed(_name("Test authority"), _name("Test authority"), authority_key, authority_key, [])
    leaf = _signed(_name(host), authority.subject, key, authority_key, [host])
    place = Certificate(str(folder / "ca.pem"), str(folder / "chain.pem"), str(folder / "key.pem"))
    Path(place.authority).write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    Path(place.chain).write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    Path(place.key).write_bytes(key.private_bytes(pem, form, plain))
    return place


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    hosts: list[str],
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    built = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    built = built.serial_number(x509.random_serial_number())
    built = built.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
    built = built.add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
    if hosts:
        built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in hosts]), critical=False)
    return built.sign(signer, hashes.SHA256())
