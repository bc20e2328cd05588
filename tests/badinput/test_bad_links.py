"""Signed links that lead elsewhere: each is refused in one sentence that does not repeat it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_archive.errors import PermanentError
from call_archive.provider.link import MAX_URL, parse_link
from tests.badinput.cases import cases
from tests.badinput.conftest import HOSTS

KIND = "links"
PATH = "/x.wav?Expires=1&Signature=s&Key-Pair-Id=k"

REFUSED = {
    "empty": "",
    "a blank": " ",
    "a word": "recording",
    "a path": PATH,
    "without a scheme": "//a.tlsn.io" + PATH,
    "without slashes": "https:a.tlsn.io" + PATH,
    "with one slash": "https:/a.tlsn.io" + PATH,
    "with three slashes": "https:///a.tlsn.io" + PATH,
    "with a backslash for each slash": "https:\\\\a.tlsn.io" + PATH,
    "ftp": "ftp://a.tlsn.io" + PATH,
    "file": "file:///etc/passwd",
    "a file of a host": "file://a.tlsn.io/etc/passwd",
    "gopher": "gopher://a.tlsn.io:443/_GET",
    "data": "data:audio/wav;base64,UklGRg==",
    "javascript": "javascript:alert(1)",
    "s3": "s3://a.tlsn.io/x.wav",
    "ws": "wss://a.tlsn.io" + PATH,
    "a scheme that begins well": "httpsx://a.tlsn.io" + PATH,
    "two schemes": "https://https://a.tlsn.io" + PATH,
    "a url prefix": "url:https://a.tlsn.io" + PATH,
    "another host": "https://evil.example" + PATH,
    "a suffix without its dot": "https://eviltelesign.com" + PATH,
    "a suffix with a hyphen": "https://evil-tlsn.io" + PATH,
    "a host that goes on": "https://telesign.com.evil.example" + PATH,
    "a host that goes on in letters": "https://tlsn.iox" + PATH,
    "the suffix in the path": "https://evil.example/telesign.com" + PATH,
    "the suffix in the query": "https://evil.example/?.telesign.com",
    "the suffix in the fragment": "https://evil.example/#.telesign.com",
    "the suffix as a user": "https://telesign.com@evil.example" + PATH,
    "the suffix as a user and password": "https://telesign.com:443@evil.example" + PATH,
    "a user before the suffix": "https://user@a.tlsn.io" + PATH,
    "an empty user": "https://@a.tlsn.io" + PATH,
    "two at signs": "https://a@evil.example@a.tlsn.io" + PATH,
    "an encoded at sign": "https://a.tlsn.io%40evil.example" + PATH,
    "an encoded slash": "https://evil.example%2f.tlsn.io.x" + PATH,
    "an encoded dot": "https://a.tlsn%2eio" + PATH,
    "an encoded NUL": "https://evil.example%00.tlsn.iox" + PATH,
    "a backslash before the suffix": "https://evil.example\\.tlsn.io" + PATH,
    "a semicolon before the suffix": "https://evil.example;tlsn.io" + PATH,
    "a top-level domain": "https://io" + PATH,
    "the suffix's own parent": "https://com" + PATH,
    "dots alone": "https://.." + PATH,
    "a host that begins with a dot": "https://.tlsn.io" + PATH,
    "two dots within": "https://a..tlsn.io" + PATH,
    "a label of 64 letters": f"https://{'a' * 64}.tlsn.io" + PATH,
    "another port": "https://a.tlsn.io:8443" + PATH,
    "port 80": "https://a.tlsn.io:80" + PATH,
    "port 0": "https://a.tlsn.io:0" + PATH,
    "port 22": "https://a.tlsn.io:22" + PATH,
    "port 65536": "https://a.tlsn.io:65536" + PATH,
    "a negative port": "https://a.tlsn.io:-443" + PATH,
    "a port with a sign": "https://a.tlsn.io:+443" + PATH,
    "a port in words": "https://a.tlsn.io:https" + PATH,
    "a port of 5,000 digits": "https://a.tlsn.io:" + "4" * 5000 + PATH,
    "two ports": "https://a.tlsn.io:443:443" + PATH,
    "http": "http://a.tlsn.io" + PATH,
    "http on port 443": "http://a.tlsn.io:443" + PATH,
    "IPv4": "https://13.32.0.1" + PATH,
    "IPv4 of metadata": "https://169.254.169.254/latest/meta-data",
    "IPv4 in decimal": "https://2852039166/latest/meta-data",
    "IPv4 in hex": "https://0xa9fea9fe/latest/meta-data",
    "IPv4 in octal": "https://0251.0376.0251.0376/latest",
    "IPv4 in parts of hex": "https://0xa9.0xfe.0xa9.0xfe/latest",
    "IPv4 in three parts": "https://169.254.43518/latest",
    "IPv4 with a dot at its end": "https://169.254.169.254./latest",
    "IPv4 with leading noughts": "https://169.254.169.0254/latest",
    "loopback in decimal": "https://2130706433" + PATH,
    "loopback in short": "https://127.1" + PATH,
    "nought": "https://0" + PATH,
    "IPv6": "https://[2600:9000::1]" + PATH,
    "IPv6 of metadata": "https://[fd00:ec2::254]/latest",
    "IPv6 that maps metadata": "https://[::ffff:169.254.169.254]/latest",
    "IPv6 with a zone": "https://[fe80::1%25eth0]" + PATH,
    "IPv6 that is not closed": "https://[::1" + PATH,
    "IPv6 that is none": "https://[::g]" + PATH,
    "IPv6 of a future form": "https://[v1.fe80::a]" + PATH,
    "a name of metadata": "https://metadata.google.internal/computeMetadata",
    "a name for loopback": "https://localtest.me" + PATH,
    "a name of an address": "https://169.254.169.254.nip.io/latest",
    "localhost that goes on": "https://localhost.evil.example" + PATH,
    "a homograph": "https://teleѕign.com" + PATH,
    "a homograph in Punycode": "https://xn--teleign-g4g.com" + PATH,
    "full-width letters": "https://ｔlsn.io" + PATH,
    "another full stop": "https://a.tlsn。io" + PATH,
    "a circled letter": "https://ⓣlsn.io" + PATH,
    "a soft hyphen": "https://tl\u00adsn.io" + PATH,
    "a sharp s in the path": "https://a.tlsn.io/ß",
    "an accent in the query": "https://a.tlsn.io/?a=é",
    "half a surrogate pair": "https://a.tlsn.io/\ud83d",
    "a line feed at its end": "https://a.tlsn.io/x\n",
    "a header behind CR and LF": "https://a.tlsn.io/x HTTP/1.1\r\nHost: evil.example\r\n",
    "a tab in its host": "https://a.tl\tsn.io" + PATH,
    "a line feed in its scheme": "ht\ntps://a.tlsn.io" + PATH,
    "a blank before it": " https://a.tlsn.io" + PATH,
    "a control character before it": "\x01https://a.tlsn.io" + PATH,
    "a blank in its path": "https://a.tlsn.io/a b",
    "a NUL": "https://a.tlsn.io/\0",
    "a delete": "https://a.tlsn.io/\x7f",
    "a byte too long": "https://a.tlsn.io/" + "x" * (MAX_URL - 17),
    "a megabyte long": "https://a.tlsn.io/" + "x" * 10**6,
    "another host of a megabyte": f"https://{'a.' * 500_000}example" + PATH,
    "a list": '["https://a.tlsn.io/x"]',
    "in angle brackets": "<https://a.tlsn.io/x>",
    "in quotes": '"https://a.tlsn.io/x"',
    "a template": "https://{host}/x",
    "a word for none": "null",
}


@cases(KIND, "link", REFUSED)
@pytest.mark.parametrize("loopback", [False, True], ids=["on AWS", "beside a local provider"])
def test_a_link_that_leads_elsewhere_is_final(
    link: str,
    loopback: bool,  # noqa: FBT001 - pytest's parameter
) -> None:
    with pytest.raises(PermanentError) as caught:
        parse_link(link, hosts=HOSTS, loopback=loopback)
    text = str(caught.value)
    assert text.startswith("the provider's link ")
    assert not [part for part in ("://", "Signature", "Expires", "latest") if part in text]
    assert text.isprintable()
    assert len(text) < 200


TAKEN = {
    "a suffix itself": ("https://tlsn.io/x", "tlsn.io", "/x"),
    "a deep name": ("https://a.b.c.telesign.com/x", "a.b.c.telesign.com", "/x"),
    "capitals": ("HTTPS://A.TLSN.IO/X", "a.tlsn.io", "/X"),
    "its own port": ("https://a.tlsn.io:443/x", "a.tlsn.io", "/x"),
    "an empty port": ("https://a.tlsn.io:/x", "a.tlsn.io", "/x"),
    "a dot at its end": ("https://a.tlsn.io./x", "a.tlsn.io", "/x"),
    "an address within its name": ("https://127.0.0.1.tlsn.io/x", "127.0.0.1.tlsn.io", "/x"),
    "an underscore": ("https://a_b.tlsn.io/x", "a_b.tlsn.io", "/x"),
    "a url in its query": (
        "https://a.tlsn.io/?u=https://evil.example/",
        "a.tlsn.io",
        "/?u=https://evil.example/",
    ),
    "an at sign in its path": ("https://a.tlsn.io/@evil.example/", "a.tlsn.io", "/@evil.example/"),
    "a fragment": ("https://a.tlsn.io/x#@evil.example", "a.tlsn.io", "/x"),
    "steps in its path": ("https://a.tlsn.io/a/../../x", "a.tlsn.io", "/a/../../x"),
    "nothing but its host": ("https://a.tlsn.io", "a.tlsn.io", "/"),
    "a wrong encoding": ("https://a.tlsn.io/%zz%", "a.tlsn.io", "/%zz%"),
    "the longest": ("https://a.tlsn.io/" + "x" * 8174, "a.tlsn.io", "/" + "x" * 8174),
}


@cases(KIND, "link,host,target", {f"good: {name}": case for name, case in TAKEN.items()})
def test_an_odd_link_that_leads_to_the_provider_is_used_byte_for_byte(
    link: str, host: str, target: str
) -> None:
    taken = parse_link(link, hosts=HOSTS, loopback=False)
    assert (taken.host, taken.port, taken.secure, taken.target) == (host, 443, True, target)


PARTS = st.sampled_from(
    [
        "https",
        "http",
        "://",
        ":",
        "/",
        "//",
        "\\",
        "@",
        "#",
        "?",
        ".",
        "tlsn.io",
        "telesign.com",
        "evil.example",
        "127.0.0.1",
        "[::1]",
        "localhost",
        "443",
        "%2e",
        "%40",
        "\t",
        "\n",
        " ",
        "a",
        "-",
        "。",
        "\0",
    ]
)


@given(st.lists(PARTS, max_size=12).map("".join) | st.text())
def test_any_link_leads_to_an_allowed_host_over_tls_or_nowhere(link: str) -> None:
    try:
        taken = parse_link(link, hosts=HOSTS, loopback=False)
    except PermanentError:
        return
    assert (taken.secure, taken.port) == (True, 443)
    assert any(f".{taken.host}".endswith(f".{suffix}") for suffix in HOSTS)
    assert taken.target.startswith("/")
    assert all("!" <= character <= "~" for character in taken.host + taken.target)
