"""Why a Dask scheduler cannot be reached: nobody answers, TLS is refused, or something else answers."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mocrop.pipeline.run.tls import ENCRYPTED, host_of, scheme_of

if TYPE_CHECKING:
    from distributed.security import Security

SECONDS = 5.0  # for each step: there is an error already, and this only says more of it
DASK_PORT = 8786  # where an address names none


@dataclass(frozen=True)
class Unreachable:
    """What is wrong with an address, and what to do about it."""

    fact: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.fact}; {self.way_out}"


def why_unreachable(scheduler: str, security: Security | None, error: Exception) -> Unreachable:
    """Look at an address at which Dask has found no scheduler.

    Args:
        security: what was used to speak TLS; None: it was not spoken.
        error: what Dask has said.
    """
    said = (str(error).splitlines() or [type(error).__name__])[0]
    other = Unreachable(
        f"what answers at {scheduler} is no Dask scheduler that this process understands ({said})",
        "check --scheduler, and that Dask has the same version there as here",
    )
    if scheme_of(scheduler) not in ("tcp", *ENCRYPTED):  # of a plugin of Dask, which alone knows what is there
        return Unreachable(f"no Dask scheduler answers at {scheduler} ({said})", "check --scheduler")
    try:
        with socket.create_connection(_place(scheduler), timeout=SECONDS) as connection:
            if security is not None:
                return _tls_refused(scheduler, connection, security) or other
            return _only_tls(scheduler, connection) or other
    except (OSError, ValueError, OverflowError) as unheard:
        return Unreachable(
            f"no Dask scheduler answers at {scheduler} ({getattr(unheard, 'strerror', None) or unheard})",
            "check --scheduler, that `dask scheduler` runs there, and that no firewall is in between",
        )


def _place(scheduler: str) -> tuple[str, int]:
    port = scheduler.rpartition(":")[2]
    return host_of(scheduler), int(port) if port.isdecimal() else DASK_PORT


def _tls_refused(scheduler: str, connection: socket.socket, security: Security) -> Unreachable | None:
    """Why TLS does not come about; None: it does."""
    context: ssl.SSLContext = security.get_connection_args("client")["ssl_context"]
    try:
        with context.wrap_socket(connection) as secured:
            secured.recv(1)  # a scheduler speaks first, and only now says that it does not take our certificate
    except ssl.SSLCertVerificationError as error:
        return Unreachable(
            f"TLS refused: the certificate of the scheduler at {scheduler} is not one that --tls-ca vouches for "
            f"({error.verify_message})",
            "pass the --tls-ca that signed the scheduler's certificate",
        )
    except ssl.SSLError as error:
        if "ALERT" in (error.reason or ""):
            return Unreachable(
                f"TLS refused: the scheduler at {scheduler} does not take the certificate of this process "
                f"({(error.reason or '').replace('_', ' ').lower()})",
                "pass a --tls-cert and --tls-key that its --tls-ca-file vouches for",
            )
        return Unreachable(
            f"TLS refused: what answers at {scheduler} does not speak TLS",
            "start the scheduler with --protocol tls and certificates, or pass its address as tcp://",
        )
    except OSError:  # closed or silent: no more is known
        return None
    return None


def _only_tls(scheduler: str, connection: socket.socket) -> Unreachable | None:
    """Whether what answers to a plain call speaks TLS; None: it does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent or believed
    try:
        with context.wrap_socket(connection):
            pass
    except OSError:
        return None
    return Unreachable(
        f"the scheduler at {scheduler} speaks TLS alone",
        f"pass --scheduler tls://{scheduler.rpartition('://')[2]} with --tls-ca, --tls-cert and --tls-key",
    )
