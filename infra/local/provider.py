"""Which provider a local archive reads, checked before anything is started."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from infra.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost")
HOST_SUFFIX = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    url: str
    customer_id: str
    api_key: str = field(repr=False)


def provider_from_options(url: str | None, customer_id: str | None, api_key: str | None) -> Provider | None:
    """None when none of the three is given: the simulated provider is meant."""
    options = {
        "--provider-url": url,
        "--customer-id": customer_id,
        "--api-key (or CALL_ARCHIVE_API_KEY)": api_key,
    }
    missing = [name for name, value in options.items() if not value]
    if len(missing) == len(options) or not (url or customer_id):
        return None
    if not (url and customer_id and api_key):
        raise InputError(f"A provider needs its url and its credentials: give {' and '.join(missing)} too.")
    if ":" in customer_id:
        raise InputError("A customer id holds no colon: HTTP Basic ends it at the first one.")
    return Provider(url=checked_url(url), customer_id=customer_id, api_key=api_key)


def checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(
            "--provider-url is not a url; it looks like https://rest-ww.telesign.com."
        ) from error
    if parts.scheme not in {"http", "https"} or not host or not re.fullmatch(r"[!-~]+", url):
        raise InputError("--provider-url must be http://… or https://…, like https://rest-ww.telesign.com.")
    if parts.username is not None or parts.password is not None:
        raise InputError("--provider-url must hold no credentials: use --customer-id and --api-key.")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise InputError("--provider-url must end after the host and port: /v2/… is added to it.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise InputError(f"--provider-url would send the API key unencrypted to {host}: use https://.")
    return url.rstrip("/")


def checked_hosts(suffixes: Sequence[str]) -> tuple[str, ...]:
    """The hosts that recordings may come from: this machine, and names that end as given."""
    hosts = [suffix.lower().lstrip(".") for suffix in suffixes]
    for given, host in zip(suffixes, hosts, strict=True):
        if not (HOST_SUFFIX.fullmatch(host) and ("." in host or host == "localhost")):
            raise InputError(
                f"--recording-host {given!r} is not the end of a host name; it looks like tlsn.io, without a port."
            )
    return tuple(dict.fromkeys([*LOOPBACK, *hosts]))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
