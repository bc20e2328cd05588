"""Who is allowed everything is still refused a put that might overwrite what is archived.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.proofs.permissions.users import EVERYTHING, User, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.proofs.permissions.enforced_stack import EnforcedStack


@pytest.fixture
def spare(stack: EnforcedStack) -> Iterator[dict[str, str]]:
    """A key among what is archived, where nothing lies before or afterwards."""
    bucket, key = stack.deployment.bucket, "recordings/2026/01/31/SPARE/spare.wav"
    yield {"Bucket": bucket, "Key": key}
    s3 = stack.client("s3")
    for version in s3.list_object_versions(Bucket=bucket, Prefix=key).get("Versions", []):
        s3.delete_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])


@pytest.fixture(scope="module")
def s3(stack: EnforcedStack) -> Any:
    user = User.create(stack, "puts-over")
    user.allow([EVERYTHING])
    return user.client("s3")


def test_a_put_that_may_overwrite_is_refused(s3: Any, spare: dict[str, str]) -> None:
    put = partial(s3.put_object, **spare, Body=b"RIFF")
    told_not_to = partial(put, IfNoneMatch="*")
    assert [refusal(each) for each in (put, told_not_to, told_not_to, put)] == [
        *("AccessDenied", "", "PreconditionFailed", "AccessDenied")
    ]


def test_an_upload_in_parts_that_may_overwrite_is_refused_at_its_end(s3: Any, spare: dict[str, str]) -> None:
    upload = spare | {"UploadId": s3.create_multipart_upload(**spare)["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=b"RIFF")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    complete = partial(s3.complete_multipart_upload, **upload, MultipartUpload=parts)
    assert [refusal(each) for each in (complete, partial(complete, IfNoneMatch="*"))] == ["AccessDenied", ""]
