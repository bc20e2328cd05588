"""Errors by consequence. Their texts say what happened and what to do, and never hold a url or a credential."""


class ArchiveError(Exception):
    """The root of every error that this package raises on purpose."""


class ConfigError(ArchiveError):
    """A setting is missing or wrong; the text lists every one of them."""


class MalformedMessageError(ArchiveError):
    """A queue message is not one of ours. It fails alone and ends in the dead-letter queue."""


class RetryableError(ArchiveError):
    """It may work later: try again, at the earliest after `retry_after_seconds`."""

    def __init__(self, text: str, *, retry_after_seconds: float = 0) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class RefusedError(RetryableError):
    """The provider refuses our credentials or our request; only an operator can resolve it."""


class StaleTokenError(RetryableError):
    """A page's token is no longer accepted: the window must be listed from its first page."""


class SchemaError(RetryableError):
    """An item of the ledger has a schema that this version does not read: it stays as it is until a version is
    deployed that does."""


class UnknownCallError(ArchiveError):
    """The provider does not know the reference id (404)."""


class InvalidBodyError(ArchiveError):
    """What was served is not a recording (an HTML page, no bytes, no WAVE header). Tried a few times."""


class PermanentError(ArchiveError):
    """It will not work, however often it is tried."""
