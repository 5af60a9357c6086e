"""Certificates for tests: an authority and what it signs, in PEM format, made on the spot."""

from __future__ import annotations

import datetime
import inspect
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from distributed.security import Security

from mocrop.pipeline.run.tls import TlsFiles

NOW = datetime.datetime.now(tz=datetime.UTC)


@dataclass(frozen=True)
class Certificates:
    """Three files: of an authority, of what it has signed, and of the key to that."""

    ca: Path
    cert: Path
    key: Path

    @property
    def files(self) -> TlsFiles:
        return TlsFiles(ca=self.ca, cert=self.cert, key=self.key)

    @property
    def arguments(self) -> list[str]:
        """As options of mocrop."""
        return [*("--tls-ca", str(self.ca)), *("--tls-cert", str(self.cert)), *("--tls-key", str(self.key))]

    @property
    def of_dask(self) -> list[str]:
        """As options of `dask scheduler` and `dask worker`."""
        return ["--tls-ca-file", *self.arguments[1:]]

    def security(self) -> Security:
        """For a cluster in this process."""
        pair = {f"tls_{role}_{kind}": str(getattr(self, kind)) for role in ROLES for kind in ("cert", "key")}
        return Security(require_encryption=True, tls_ca_file=str(self.ca), **pair)


ROLES = ("client", "scheduler", "worker")


class Authority:
    """Signs certificates of a cluster, whose processes know each other by that."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def sign(self, folder: Path) -> Certificates:
        """Write a new certificate, its key and that of the authority into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        mine = ec.generate_private_key(ec.SECP256R1())
        files = Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
        files.ca.write_bytes(_signed("authority", self._key.public_key(), self._key, authority=True))
        files.cert.write_bytes(_signed("mine", mine.public_key(), self._key, authority=False))
        files.key.write_bytes(mine.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files


def locked_key(password: bytes) -> bytes:
    """A private key that only a password opens."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))


def _signed(name: str, key: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePrivateKey, *, authority: bool) -> bytes:
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if authority:
        uses = dict.fromkeys(inspect.signature(x509.KeyUsage).parameters, False)
        certificate = certificate.add_extension(x509.KeyUsage(**{**uses, "key_cert_sign": True}), critical=True)
    return certificate.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)
