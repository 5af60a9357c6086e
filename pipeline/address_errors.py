"""What servers and networks say, as one line for people: the address, the fact and the way out, and no credentials."""

from __future__ import annotations

import errno
import os
import re

from mocrop.pipeline.errors import AddressError, causes

# Errors of botocore and aiohttp, by the names of their classes, so that neither needs to be there.
_PASSING = {
    "HTTPClientError",
    "ConnectionError",
    "IncompleteReadError",
    "ClientConnectionError",
    "ClientPayloadError",
    "FSTimeoutError",
}
_NO_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "NoAuthTokenError"}
_PASSING_NUMBERS = (errno.EBUSY, errno.EIO, getattr(errno, "EREMOTEIO", errno.EIO), errno.EPIPE, errno.ECONNRESET)
_BUSY = (408, 425, 429)  # status codes beside those of 500 and more
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "FSSPEC_S3_SECRET", "FSSPEC_S3_TOKEN")
AGAIN = "then run the same command again"


def may_pass(error: BaseException) -> bool:
    """Whether another attempt may end better: nobody answered, the line broke, or the server was too busy."""
    error = _of_network(error)
    status = _status(error)
    if status is not None:
        return status >= 500 or status in _BUSY
    if isinstance(error, FileNotFoundError | PermissionError | FileExistsError) or _kinds(error) & _NO_CREDENTIALS:
        return False
    if _kinds(error) & _PASSING or isinstance(error, ConnectionError | TimeoutError):
        return True
    return isinstance(error, OSError) and error.errno in _PASSING_NUMBERS


def is_missing_bucket(error: BaseException) -> bool:
    """Whether S3 has answered that there is no such bucket."""
    return _code(error) == "NoSuchBucket"


def as_address_error(error: BaseException, address: str, *, attempts: int = 1) -> AddressError:
    """One line for what was raised.

    Args:
        address: of the file or folder.
        attempts: how often it was tried.
    """
    error = _of_network(error)
    status, kinds, code = _status(error), _kinds(error), _code(error)
    if is_missing_bucket(error):
        return AddressError(
            f"{address}: there is no such bucket; see its name, and AWS_ENDPOINT_URL if it is not Amazon's; {AGAIN}",
            missing=True,
        )
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return AddressError(f"{address}: it is not there; see that the address is right; {AGAIN}", missing=True)
    if kinds & _NO_CREDENTIALS:
        return AddressError(
            f"{address}: no credentials were found; set those of the environment, such as AWS_PROFILE, or "
            f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (docs/cloud.md); {AGAIN}"
        )
    if isinstance(error, PermissionError) or status in (401, 403):
        said = f" ({code})" if code and not code.isdigit() else ""
        return AddressError(
            f"{address}: access is denied{said}; see that the credentials in the environment have the right to it "
            f"(docs/cloud.md); {AGAIN}"
        )
    tries = f" after {attempts} attempts" if attempts > 1 else ""
    if may_pass(error):
        return AddressError(
            f"{address}: the server or the line to it failed{tries} ({_words(error)}); see that the network and the "
            f"server work; {AGAIN}"
        )
    return AddressError(f"{address}: the server refused{tries} ({_words(error)}); {AGAIN} once that is mended")


def without_secrets(text: str) -> str:
    """A text without credentials: those of the environment, in addresses, and in signed queries.

    >>> without_secrets("http://me:pw@host/a?X-Amz-Signature=12ab&x=1 is away")
    'http://***@host/a?*** is away'
    """
    for name in _SECRETS:
        if len(secret := os.environ.get(name, "")) > 3:
            text = text.replace(secret, "***")
    text = re.sub(r"(://)[^/@\s]*@", r"\1***@", text)
    return re.sub(r"(://[^\s?\"']*\?)[^\s\"'>)]*", r"\1***", text)


def _words(error: BaseException) -> str:
    said = " ".join(str(error).split())
    return without_secrets(said[:300] or type(error).__name__).rstrip(".")


def _of_network(error: BaseException) -> BaseException:
    """What lies under an error: fsspec says that a file is missing where its server could not be asked."""
    for each in causes(error) if isinstance(error, FileNotFoundError) else ():
        if type(each).__module__.split(".")[0] == "aiohttp":
            return each
    return error


def _kinds(error: BaseException) -> set[str]:
    return {each.__name__ for each in type(error).__mro__}


def _status(error: BaseException) -> int | None:
    status = getattr(error, "status", None)  # of aiohttp
    return status if isinstance(status, int) else None


def _code(error: BaseException) -> str:
    """What S3 calls an error, such as AccessDenied."""
    for each in causes(error):
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return ""
