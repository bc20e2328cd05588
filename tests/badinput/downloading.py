"""How a download is tried: its bytes, or the sentence that refuses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from call_archive.errors import ArchiveError
from tests.badinput.conftest import SECRETS

if TYPE_CHECKING:
    from call_archive.provider.download import Downloads
    from tests.raw_server import RawServer

WAV = b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 28
LINK = "/a.wav?Expires=1&Signature=s&Key-Pair-Id=k"


def fetched(downloads: Downloads, raw_server: RawServer) -> bytes:
    with downloads.open(raw_server.url + LINK, seconds=60) as download:
        return b"".join(iter(download.read, b""))


def refused(downloads: Downloads, raw_server: RawServer, error: type[ArchiveError]) -> str:
    """Why the download was refused: one short sentence that tells no link."""
    with pytest.raises(ArchiveError) as caught:
        fetched(downloads, raw_server)
    assert type(caught.value) is error, caught.value
    text = str(caught.value)
    assert not [secret for secret in SECRETS if secret in text]
    assert "\n" not in text
    assert len(text) < 200
    return text
