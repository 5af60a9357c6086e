"""The certificates by which this process and a Dask scheduler know each other, checked before anything connects."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.system_errors import file_error

if TYPE_CHECKING:
    from distributed.security import Security

ENCRYPTED = ("tls", "wss")  # schemes of Dask's addresses
IN_THIS_MACHINE = ("inproc", "unix")  # no network
CONFIGURED = {"ca": "ca-file", "cert": "client.cert", "key": "client.key"}  # below distributed.comm.tls, by option


@dataclass(frozen=True, kw_only=True)
class TlsFiles:
    """Files in PEM format; None: as Dask's own configuration has it."""

    ca: Path | None = None  # certificate of who has signed those of the cluster
    cert: Path | None = None  # certificate of this process
    key: Path | None = None  # its private key; None: in the file of the certificate

    @property
    def given(self) -> list[str]:
        """Names of the options that are given."""
        return [f"--tls-{name}" for name in CONFIGURED if getattr(self, name) is not None]


NO_FILES = TlsFiles()


@dataclass(frozen=True)
class _Pem:
    """One of the three: a file, or as Dask's configuration may have it, its text."""

    name: str  # for messages: the option or the key of the configuration, and the file
    file: Path | None
    text: str

    def has(self, what: str) -> bool:
        return any(line.startswith("-----BEGIN ") and what in line for line in self.text.splitlines())


def require_fitting(scheduler: str | None, tls: TlsFiles) -> None:
    """Refuse options of TLS that would do nothing. Raises: SettingsError."""
    if not tls.given:
        return
    names, verb = " and ".join(tls.given), "is" if len(tls.given) == 1 else "are"
    if scheduler is None:
        raise SettingsError(
            f"{names} {verb} for a Dask scheduler, and none is named; pass --scheduler tls://HOST:PORT, or nothing: "
            "workers on this machine have certificates of their own"
        )
    if scheme_of(scheduler) not in ENCRYPTED:
        raise SettingsError(
            f"{names} {verb} for a scheduler that speaks TLS, and --scheduler {scheduler} asks for none; pass "
            f"--scheduler tls://{scheduler.rpartition('://')[2]}, or leave {names} out"
        )


def security(scheduler: str, tls: TlsFiles) -> Security | None:
    """What Dask needs to speak TLS to a scheduler; None for an address without TLS.

    Raises: SettingsError if a file is missing, cannot be read, or holds something else.
    """
    if scheme_of(scheduler) not in ENCRYPTED:
        return None
    from distributed.security import Security

    ca, cert, key = (_pem(name, getattr(tls, name)) for name in CONFIGURED)
    if ca is None or cert is None:
        raise SettingsError(_lacking(scheduler, [f"--tls-{n}" for n, pem in (("ca", ca), ("cert", cert)) if not pem]))
    _require_authority(ca)
    _require_pair(cert, key)
    made = Security(
        require_encryption=True,
        tls_ca_file=_for_dask(ca),
        tls_client_cert=_for_dask(cert),
        tls_client_key=None if key is None else _for_dask(key),
    )
    try:
        made.get_connection_args("client")
    except (ssl.SSLError, ValueError) as error:
        raise SettingsError(
            f"{cert.name}: OpenSSL does not take it with its key and {ca.name} ({_first_line(error)}); make them anew"
        ) from error
    return made


def scheme_of(scheduler: str) -> str:
    """The scheme of an address; Dask takes one without for tcp.

    >>> scheme_of("tls://10.0.0.1:8786"), scheme_of("10.0.0.1:8786")
    ('tls', 'tcp')
    """
    scheme, separator, _ = scheduler.rpartition("://")
    return scheme.lower() if separator else "tcp"


def host_of(scheduler: str) -> str:
    """The host of an address.

    >>> host_of("tcp://[::1]:8786"), host_of("node7:8786"), host_of("tcp://10.0.0.1")
    ('::1', 'node7', '10.0.0.1')
    """
    place = scheduler.rpartition("://")[2]
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place if place.count(":") > 1 else place.partition(":")[0]


def warning_of(scheduler: str) -> str:
    """What people should know of an address before work goes there; empty for one that is safe.

    >>> warning_of("tls://10.0.0.1:8786"), warning_of("tcp://127.0.0.1:8786"), warning_of("localhost:8786")
    ('', '', '')
    """
    if scheme_of(scheduler) in (*ENCRYPTED, *IN_THIS_MACHINE) or _is_loopback(host_of(scheduler)):
        return ""
    return (
        f"warning: {scheduler} is not encrypted: whoever reaches that port can read along and run programs as you on "
        "all its workers; keep it in a network that you trust, or start the scheduler with certificates and pass "
        "--scheduler tls://... with --tls-ca, --tls-cert and --tls-key"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _pem(name: str, option: Path | None) -> _Pem | None:
    """One of the three, from its option or from Dask's configuration. Raises: SettingsError if it cannot be read."""
    import dask
    import distributed  # noqa: F401  # which has the configuration

    if option is not None:
        return _read(f"--tls-{name}", option)
    configured = dask.config.get(f"distributed.comm.tls.{CONFIGURED[name]}", default=None)
    origin = f"distributed.comm.tls.{CONFIGURED[name]} in Dask's configuration"
    if not configured:
        return None
    return _Pem(origin, None, configured) if "\n" in str(configured) else _read(origin, Path(configured))


def _read(origin: str, file: Path) -> _Pem:
    try:
        return _Pem(f"{origin} {file}", file, file.read_text(encoding="ascii", errors="replace"))
    except OSError as error:
        raise SettingsError(f"{origin}: {file_error(error, file)}") from error


def _lacking(scheduler: str, options: list[str]) -> str:
    return (
        f"--scheduler {scheduler} asks for TLS, and {' and '.join(options)} {'is' if len(options) == 1 else 'are'} "
        "missing; pass --tls-ca, --tls-cert and --tls-key, or name the files in Dask's configuration: "
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and ...__CLIENT__KEY"
    )


def _require_authority(ca: _Pem) -> None:
    if not ca.has("CERTIFICATE"):
        raise SettingsError(
            f"{ca.name} holds no certificate in PEM format; name the one that signs those of the cluster"
        )


def _require_pair(cert: _Pem, key: _Pem | None) -> None:
    """Raises: SettingsError if there are no certificate and key, or they are no pair."""
    if not cert.has("CERTIFICATE"):
        raise SettingsError(f"{cert.name} holds no certificate in PEM format; name that of this process")
    holder = key or cert
    if not holder.has("PRIVATE KEY"):
        way_out = "name another file" if key else "pass --tls-key FILE"
        raise SettingsError(f"{holder.name} holds no private key in PEM format; {way_out}")
    if holder.has("ENCRYPTED PRIVATE KEY") or "Proc-Type: 4,ENCRYPTED" in holder.text:
        raise SettingsError(
            f"{holder.name} is locked by a password, for which Dask cannot ask; write it without one, as by "
            "`openssl pkey -in LOCKED -out OPEN`"
        )
    if not _belong_together(cert, holder):
        raise SettingsError(f"{holder.name} does not belong to {cert.name}: it is the key of another certificate")


def _belong_together(cert: _Pem, key: _Pem) -> bool:
    """Whether a key is that of a certificate; what cryptography cannot read is left to OpenSSL to refuse."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    try:
        public = load_pem_x509_certificate(cert.text.encode()).public_key()
        return bool(public == load_pem_private_key(_key_block(key.text).encode(), password=None).public_key())
    except ValueError:
        return True


def _key_block(text: str) -> str:
    """The private key alone, from a file that may hold certificates too."""
    lines = text.splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if line.startswith("-----BEGIN ") and "PRIVATE KEY" in line)
    return "".join(lines[first:])


def _for_dask(pem: _Pem) -> str:
    return pem.text if pem.file is None else str(pem.file)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
