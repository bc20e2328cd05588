"""The certificate of one local endpoint, and the bundle of authorities that trusts it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_FOR = timedelta(days=825)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    certificate: Path
    key: Path
    bundle: Path  # the public authorities and this certificate: what AWS_CA_BUNDLE takes


def write_certificate(folder: Path) -> Certificate:
    """A fresh self-signed certificate for localhost and 127.0.0.1, in PEM files in `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = _self_signed(key).public_bytes(serialization.Encoding.PEM)
    written = Certificate(
        certificate=folder / "endpoint.crt", key=folder / "endpoint.key", bundle=folder / "ca-bundle.pem"
    )
    written.key.touch(mode=0o600)
    written.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    written.certificate.write_bytes(pem)
    written.bundle.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + pem)
    return written


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "call-archive local")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALID_FOR)
    )
    hosts = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))])
    # OpenSSL 3 trusts a self-signed leaf from a bundle only if it names its own key as its authority's.
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        builder.add_extension(hosts, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(key_id, critical=False)
        .sign(key, hashes.SHA256())
    )
