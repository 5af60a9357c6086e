"""A server that speaks S3, on any address of this machine: moto's, in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PROGRAM = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address=sys.argv[1], port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()  # until whoever started it ends
"""
SIGNED = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


@dataclass(frozen=True)
class Server:
    """Where it listens. It checks no signatures, and forgets everything at its end."""

    host: str
    port: int

    @property
    def env(self) -> dict[str, str]:
        """By which clients find it; the credentials are none."""
        return {
            "AWS_ENDPOINT_URL": f"http://{self.host}:{self.port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """What it answers to one request. Raises: RuntimeError if that is a refusal."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        with contextlib.closing(connection):
            headers = {"Authorization": SIGNED, "Content-Length": str(len(body))}
            connection.request(method, urllib.parse.quote(path, safe="/?=&"), body=body, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: status {answer.status}")
        return content

    def names(self, bucket: str, prefix: str) -> list[str]:
        """Names of the objects of a bucket that begin so, without the beginning."""
        listed = self.ask("GET", f"/{bucket}?list-type=2&max-keys=10000&prefix={prefix}").decode()
        return [key.removeprefix(prefix) for key in re.findall("<Key>(.*?)</Key>", listed)]


@contextlib.contextmanager
def s3_server(address: str, *, buckets: Sequence[str]) -> Iterator[Server]:
    """Start a server with empty buckets, and end it."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            server = Server(address, int(process.stdout.readline()))
            for bucket in buckets:
                server.ask("PUT", f"/{bucket}")
            yield server
        finally:
            process.kill()
