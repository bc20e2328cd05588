"""Messages come twice and operators run things again: nothing is stored twice, nothing is asked twice."""

import json

import pytest

from call_archive.model.call import Call, TranscriptStatus
from call_archive.model.message import VisitMessage
from tests.integration.running_archive import RunningArchive, Slice


@pytest.fixture(scope="module")
def repeated(archive: RunningArchive) -> Slice:
    assert archive.backfill(archive.parts["repeated"])[0] == 0
    return archive.parts["repeated"]


def is_complete(call: Call) -> bool:
    """Without a transcript that a backfill would look for once more."""
    transcripts = [file.transcript for file in call.files.values() if file.transcript]
    return call.settled and all(each.status is TranscriptStatus.ARCHIVED for each in transcripts)


def redeliver(archive: RunningArchive, ids: list[str]) -> None:
    """To the queue as SQS might, and to the function itself, whose answer says that it is done with them."""
    messages = [VisitMessage(reference_id=each) for each in ids]
    archive.deployment.queue(archive.deployment.fetch_queue_url).send(messages)
    records = [
        {"messageId": str(number), "body": message.to_json(), "eventSource": "aws:sqs"}
        for number, message in enumerate(messages)
    ]
    answer = archive.deployment.connection.client("lambda").invoke(
        FunctionName=archive.deployment.fetcher_function, Payload=json.dumps({"Records": records}).encode()
    )
    assert json.loads(answer["Payload"].read()) == {"batchItemFailures": []}


def test_messages_delivered_again_and_a_backfill_run_again_store_and_ask_nothing_new(
    archive: RunningArchive, repeated: Slice
) -> None:
    known = archive.ledger_of(archive.files(repeated))
    complete = [name for name, call in known.items() if is_complete(call)]
    assert len(complete) >= 10
    keys = archive.keys(known)
    heard = archive.heard_of(keys)
    asked = len(archive.simulator.requests)

    redeliver(archive, complete)
    assert archive.backfill(repeated)[0] == 0

    assert archive.versions(known) == dict.fromkeys(keys, 1)
    assert archive.heard_of(keys) == heard == dict.fromkeys(keys, 1)
    about = {request.path.rpartition("/")[2] for request in archive.asked(since=asked)}
    assert not about & set(complete)
