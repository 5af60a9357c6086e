"""Schedulers that speak TLS, those that should, and what is said where the two sides do not come together."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import dask
import distributed  # noqa: F401  # its configuration must be there before a test adds to it
import pytest
from distributed import LocalCluster

from mocrop.pipeline import RunOptions, TlsFiles
from mocrop.pipeline.errors import ClusterError, SettingsError
from mocrop.pipeline.run import clusters
from mocrop.pipeline.run.executors import open_executor
from mocrop.pipeline.run.tls import security, warning_of
from tests.pipeline.run.certificates import Authority, Certificates, locked_key
from tests.pipeline.run.test_clusters import STAGE, UNIT

cloudpickle.register_pickle_by_value(sys.modules[STAGE.function.__module__])

TLS = "tls://10.0.0.1:8786"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Authority().sign(tmp_path_factory.mktemp("cluster"))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of another authority."""
    return Authority().sign(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="module")
def addresses(certificates: Certificates) -> Iterator[SimpleNamespace]:
    """Of a scheduler that speaks TLS alone, and of one that does not; each with a worker."""
    shared: dict[str, Any] = {"n_workers": 1, "processes": False, "host": "127.0.0.1", "dashboard_address": None}
    with (
        clusters._quiet_logs(),
        LocalCluster(security=certificates.security(), protocol="tls", **shared) as secured,
        LocalCluster(protocol="tcp", **shared) as plain,
    ):
        yield SimpleNamespace(tls=secured.scheduler_address, plain=plain.scheduler_address)


def error_of(scheduler: str, tls: TlsFiles) -> str:
    """The line in which an executor says that it cannot be opened."""
    with pytest.raises((ClusterError, SettingsError)) as error, open_executor(1, scheduler, tls=tls):
        pass
    assert "\n" not in str(error.value)
    return str(error.value)


def test_units_run_over_tls(addresses: SimpleNamespace, certificates: Certificates, tmp_path: Path) -> None:
    with open_executor(1, addresses.tls, tls=certificates.files) as executor:
        assert executor._client.scheduler.address.startswith("tls://")  # type: ignore[attr-defined]
        executor.submit(STAGE, UNIT, str(tmp_path))
        assert [outcome.status for outcome in executor.next_finished().outcomes or ()] == ["done"]


def test_certificates_may_come_from_the_configuration_of_dask(
    addresses: SimpleNamespace, certificates: Certificates
) -> None:
    configured = {
        "distributed.comm.tls.ca-file": str(certificates.ca),
        "distributed.comm.tls.client.cert": str(certificates.cert),
        "distributed.comm.tls.client.key": str(certificates.key),
    }
    with dask.config.set(configured), open_executor(1, addresses.tls):
        pass
    texts = {name: Path(file).read_text() for name, file in configured.items()}  # which Dask takes too
    with dask.config.set(texts), open_executor(1, addresses.tls):
        pass


def test_an_option_goes_before_the_configuration_of_dask(
    addresses: SimpleNamespace, certificates: Certificates, strangers: Certificates
) -> None:
    with (
        dask.config.set({"distributed.comm.tls.ca-file": str(strangers.ca)}),
        open_executor(1, addresses.tls, tls=certificates.files),
    ):
        pass


def test_the_environment_of_dask_is_its_configuration(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, file in (("CA_FILE", "ca"), ("CLIENT__CERT", "cert"), ("CLIENT__KEY", "key")):
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{name}", str(getattr(certificates, file)))
    found = dask.config.collect_env()
    names = [f"distributed.comm.tls.{name}" for name in ("ca_file", "client.cert", "client.key")]
    with dask.config.set({name: dask.config.get(name, config=found) for name in names}):
        made: Any = security(TLS, TlsFiles())
    assert (made.tls_ca_file, made.tls_client_cert) == (str(certificates.ca), str(certificates.cert))


def test_key_and_certificate_may_be_in_one_file(
    addresses: SimpleNamespace, certificates: Certificates, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    for first, second in ((certificates.cert, certificates.key), (certificates.key, certificates.cert)):
        both.write_bytes(first.read_bytes() + second.read_bytes())
        with open_executor(1, addresses.tls, tls=TlsFiles(ca=certificates.ca, cert=both)):
            pass


# where the two sides do not come together


def test_a_scheduler_that_is_not_there_is_said_to_be_so(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 0.5)
    message = error_of("tls://127.0.0.1:9", certificates.files)
    assert message.startswith("no Dask scheduler answers at tls://127.0.0.1:9 (Connection refused); check --scheduler")


def test_a_host_of_no_name_is_said_to_be_so(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 0.5)
    assert "no Dask scheduler answers at tls://no.such.invalid:1 (" in error_of(
        "tls://no.such.invalid:1", certificates.files
    )


def test_a_scheduler_that_another_authority_vouches_for_is_not_trusted(
    addresses: SimpleNamespace, certificates: Certificates, strangers: Certificates
) -> None:
    files = TlsFiles(ca=strangers.ca, cert=certificates.cert, key=certificates.key)
    message = error_of(addresses.tls, files)
    assert "TLS refused: the certificate of the scheduler" in message
    assert "is not one that --tls-ca vouches for" in message


def test_a_scheduler_that_does_not_trust_this_process_says_so(
    addresses: SimpleNamespace, certificates: Certificates, strangers: Certificates, tmp_path: Path
) -> None:
    files = TlsFiles(ca=certificates.ca, cert=strangers.cert, key=strangers.key)
    assert "does not take the certificate of this process (" in error_of(addresses.tls, files)


def test_a_plain_scheduler_at_an_address_with_tls(addresses: SimpleNamespace, certificates: Certificates) -> None:
    message = error_of(addresses.plain.replace("tcp://", "tls://"), certificates.files)
    assert "TLS refused: what answers at tls://127.0.0.1:" in message
    assert "does not speak TLS" in message


def test_a_scheduler_with_tls_at_a_plain_address(addresses: SimpleNamespace) -> None:
    message = error_of(addresses.tls.replace("tls://", "tcp://"), TlsFiles())
    assert "speaks TLS alone; pass --scheduler tls://127.0.0.1:" in message


def test_something_else_at_a_plain_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes what comes and closes, as one of another kind may."""
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"220 mail\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        message = error_of(f"tcp://127.0.0.1:{server.getsockname()[1]}", TlsFiles())
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert "is no Dask scheduler that this process understands (" in message


# files


def test_what_is_missing_is_named(certificates: Certificates) -> None:
    with pytest.raises(SettingsError, match=r"asks for TLS, and --tls-ca and --tls-cert are missing; pass .*CA_FILE"):
        security(TLS, TlsFiles())
    with pytest.raises(SettingsError, match=r"asks for TLS, and --tls-cert is missing;"):
        security(TLS, TlsFiles(ca=certificates.ca))


@pytest.mark.parametrize("option", ["ca", "cert", "key"])
def test_a_file_that_is_not_there_cannot_be_read_or_is_no_pem_is_named(
    certificates: Certificates, tmp_path: Path, option: str
) -> None:
    whole = {name: getattr(certificates, name) for name in ("ca", "cert", "key")}
    for name, content, words in (
        ("missing", None, "No such file"),
        ("folder", "", "Is a directory"),
        ("empty.pem", b"", "in PEM format"),
        ("bytes.pem", bytes(range(256)), "in PEM format"),
    ):
        file = tmp_path / name
        if content == "":
            file.mkdir()
        elif content is not None:
            file.write_bytes(content)  # type: ignore[arg-type]
        with pytest.raises(SettingsError, match=words) as error:
            security(TLS, TlsFiles(**{**whole, option: file}))
        assert f"--tls-{option}" in str(error.value)
        assert str(file) in str(error.value)
        assert "\n" not in str(error.value)


def test_a_certificate_cut_off_is_refused(certificates: Certificates, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pem"
    cut.write_bytes(certificates.ca.read_bytes()[:200])
    with pytest.raises(SettingsError, match=r"OpenSSL does not take .*cut\.pem"):
        security(TLS, TlsFiles(ca=cut, cert=certificates.cert, key=certificates.key))


def test_the_key_of_another_certificate_is_refused(certificates: Certificates, strangers: Certificates) -> None:
    with pytest.raises(SettingsError, match=r"--tls-key .*key\.pem does not belong to --tls-cert .*cert\.pem"):
        security(TLS, TlsFiles(ca=certificates.ca, cert=certificates.cert, key=strangers.key))


def test_a_certificate_alone_lacks_its_key(certificates: Certificates) -> None:
    with pytest.raises(SettingsError, match=r"--tls-cert .*cert\.pem holds no private key.*; pass --tls-key FILE"):
        security(TLS, TlsFiles(ca=certificates.ca, cert=certificates.cert))


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(certificates: Certificates, tmp_path: Path) -> None:
    """OpenSSL would ask for it on the terminal, in the middle of everything."""
    key = tmp_path / "locked.pem"
    key.write_bytes(locked_key(b"secret"))
    with pytest.raises(SettingsError, match=r"locked\.pem is locked by a password.*openssl pkey"):
        security(TLS, TlsFiles(ca=certificates.ca, cert=certificates.cert, key=key))


# options


def test_options_that_would_do_nothing_are_refused() -> None:
    file = Path("x.pem")
    with pytest.raises(SettingsError, match=r"--tls-ca is for a Dask scheduler, and none is named"):
        RunOptions(tls=TlsFiles(ca=file))
    with pytest.raises(SettingsError, match=r"--tls-cert and --tls-key are for .* pass --scheduler tls://h:1, or"):
        RunOptions(scheduler="tcp://h:1", tls=TlsFiles(cert=file, key=file))
    with pytest.raises(SettingsError, match=r"pass --scheduler tls://h:1"):
        RunOptions(scheduler="h:1", tls=TlsFiles(ca=file))
    RunOptions(scheduler="tls://h:1", tls=TlsFiles(ca=file))


@pytest.mark.parametrize(
    ("scheduler", "warned"),
    [
        ("tcp://10.0.0.1:8786", True),
        ("node7:8786", True),
        ("ws://node7:8786", True),
        ("tcp://[fe80::1]:8786", True),
        ("tcp://127.0.0.1.example.org:8786", True),  # a name that only looks like an address
        ("tls://10.0.0.1:8786", False),
        ("wss://node7:8786", False),
        ("tcp://127.0.0.1:8786", False),
        ("tcp://127.8.9.1:8786", False),
        ("tcp://[::1]:8786", False),
        ("LOCALHOST:8786", False),
        ("inproc://10.0.0.1/1/1", False),
    ],
)
def test_whoever_sends_work_over_a_network_in_the_clear_is_warned(scheduler: str, warned: bool) -> None:
    assert bool(warning_of(scheduler)) is warned


def test_the_command_line_warns_once_and_hands_its_files_on(capsys: pytest.CaptureFixture[str]) -> None:
    from mocrop.cli import ClusterOptions

    assert ClusterOptions(scheduler="tcp://10.0.0.1:1").run().scheduler == "tcp://10.0.0.1:1"
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("warning: tcp://10.0.0.1:1 is not encrypted") == 1
    given = ClusterOptions(scheduler=TLS, tls_ca=Path("a"), tls_cert=Path("b"), tls_key=Path("c")).run()
    assert given.tls == TlsFiles(ca=Path("a"), cert=Path("b"), key=Path("c"))
    assert capsys.readouterr().err == ""
