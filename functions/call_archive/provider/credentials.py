"""The provider's credentials, read from the secret at run time so that a rotated key is picked up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError

from call_archive.errors import RefusedError, RetryableError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

SECRET_MAX_AGE_SECONDS = 300
"""A rotated key is picked up after so long, or at once when the provider refuses the old one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    customer_id: str
    api_key: str = field(repr=False)


def read_credentials(provider: SecretsProvider, secret_id: str, *, renew: bool) -> Credentials:
    """The provider's credentials; RefusedError, without a word of the secret, when it does not hold them."""
    try:
        secret: Any = provider.get(
            secret_id, max_age=SECRET_MAX_AGE_SECONDS, transform="json", force_fetch=renew
        )
    except TransformParameterError:
        secret = None
    except GetParameterError:
        raise RetryableError("the secret with the provider's credentials cannot be read") from None
    fields = secret if isinstance(secret, dict) else {}
    customer_id, api_key = fields.get("customer_id"), fields.get("api_key")
    if not (isinstance(customer_id, str) and customer_id and isinstance(api_key, str) and api_key):
        raise RefusedError(
            'the secret does not hold {"customer_id": "...", "api_key": "..."}: put them there'
        )
    return Credentials(customer_id=customer_id, api_key=api_key)
