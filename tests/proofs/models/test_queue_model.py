"""How messages come, from the model and from the real queue."""

from call_archive.model.message import VisitMessage
from tests.proofs.models.conftest import MAX_RECEIVES, VISIBILITY_SECONDS, System

MESSAGES = [VisitMessage(reference_id=f"call-{number}") for number in range(12)]
BODIES = [message.to_json() for message in MESSAGES]


def taken(system: System) -> list[str]:
    """All that can be received now; none is deleted."""
    bodies: list[str] = []
    while received := system.receive():
        bodies += [each.body for each in received]
    return bodies


def test_what_is_sent_is_received_in_whatever_order(system: System) -> None:
    system.queue.send(MESSAGES)
    assert sorted(taken(system)) == sorted(BODIES)


def test_a_received_message_is_hidden_for_a_while(system: System) -> None:
    system.queue.send(MESSAGES[:1])
    first = taken(system)
    hidden = taken(system)
    system.passes(VISIBILITY_SECONDS + 0.5)
    assert (first, hidden, taken(system)) == (BODIES[:1], [], BODIES[:1])


def test_a_deleted_message_does_not_come_back(system: System) -> None:
    system.queue.send(MESSAGES[:1])
    for each in system.receive():
        each.delete()
    system.passes(VISIBILITY_SECONDS + 0.5)
    assert taken(system) == []


def test_a_delayed_message_comes_later(system: System) -> None:
    system.queue.send(MESSAGES[:1], delay_seconds=1)
    at_once = taken(system)
    system.passes(1.5)
    assert (at_once, taken(system)) == ([], BODIES[:1])


def test_what_waits_or_is_hidden_makes_the_length(system: System) -> None:
    system.queue.send(MESSAGES[:1])
    taken(system)
    system.queue.send(MESSAGES[:2])
    system.queue.send(MESSAGES[:3], delay_seconds=60)
    assert system.queue.length() == 3


def test_a_message_that_fails_too_often_is_dead(system: System) -> None:
    system.queue.send(MESSAGES[:1])
    received = []
    for _ in range(MAX_RECEIVES + 1):
        received += taken(system)
        system.passes(VISIBILITY_SECONDS + 0.2)
    assert (received, system.dead()) == (BODIES[:1] * MAX_RECEIVES, BODIES[:1])
