from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_archive.model.backoff import NextVisit, back_off
from tests.unit.factories import NOW

MAX_CHAIN = 10
MAX_DELAY_SECONDS = 900

hops = st.integers(min_value=0, max_value=MAX_CHAIN)
quiets = st.integers(min_value=0, max_value=10_000)
jitters = st.floats(min_value=0, max_value=1, exclude_max=True)
retry_afters = st.one_of(st.just(0.0), st.floats(min_value=0, max_value=3600))


def planned(**parts: Any) -> NextVisit:
    return back_off(**{"now": NOW, "hop": 0, "unchanged": 0, "jitter": 0.5, **parts})


def test_a_chain_of_messages_ends_after_ten() -> None:
    hop, chain = 0, []
    while (plan := planned(hop=hop)).hop is not None:
        hop = plan.hop
        chain.append(hop)
    assert chain == list(range(1, MAX_CHAIN + 1))


@given(hop=st.integers(min_value=MAX_CHAIN, max_value=10**9), unchanged=quiets, jitter=jitters)
def test_past_its_chain_a_call_is_parked_and_the_tick_may_queue_it_once_it_is_due(
    hop: int, unchanged: int, jitter: float
) -> None:
    plan = planned(hop=hop, unchanged=unchanged, jitter=jitter)
    assert (plan.hop, plan.next_visit_at) == (None, plan.due_at)


@given(hop=hops, unchanged=quiets, jitter=jitters, asked=retry_afters)
def test_no_message_is_delayed_longer_than_sqs_can(
    hop: int, unchanged: int, jitter: float, asked: float
) -> None:
    plan = planned(hop=hop, unchanged=unchanged, jitter=jitter, retry_after_seconds=asked)
    assert plan.hop is None or 1 <= plan.delay_seconds <= MAX_DELAY_SECONDS


@given(hop=hops, unchanged=quiets, jitter=jitters, asked=retry_afters)
def test_nothing_is_asked_for_sooner_than_the_provider_wants(
    hop: int, unchanged: int, jitter: float, asked: float
) -> None:
    plan = planned(hop=hop, unchanged=unchanged, jitter=jitter, retry_after_seconds=asked)
    assert plan.due_at - NOW >= timedelta(seconds=asked)


def test_a_pause_longer_than_sqs_can_delay_is_parked() -> None:
    assert planned(retry_after_seconds=901).hop is None


@given(hop=hops, unchanged=quiets, jitter=jitters, asked=retry_afters)
def test_a_visit_is_due_when_its_message_arrives(
    hop: int, unchanged: int, jitter: float, asked: float
) -> None:
    plan = planned(hop=hop, unchanged=unchanged, jitter=jitter, retry_after_seconds=asked)
    assert plan.due_at == NOW + timedelta(seconds=plan.delay_seconds)


@given(hop=st.integers(min_value=0, max_value=MAX_CHAIN - 1), unchanged=st.integers(0, 9))
def test_the_tick_leaves_a_call_whose_message_is_on_its_way_alone_for_a_lease(
    hop: int, unchanged: int
) -> None:
    plan = planned(hop=hop, unchanged=unchanged, lease=timedelta(seconds=77))
    assert plan.next_visit_at - plan.due_at == timedelta(seconds=77)


@pytest.mark.parametrize(
    ("unchanged", "seconds"), [(0, 5), (1, 10), (2, 20), (6, 320), (8, 900), (10_000, 3600)]
)
def test_each_quiet_visit_doubles_the_delay(unchanged: int, seconds: int) -> None:
    assert planned(unchanged=unchanged).delay_seconds == seconds


@given(unchanged=st.integers(min_value=3, max_value=7), jitter=jitters)
def test_jitter_spreads_a_delay_by_a_quarter_at_most(unchanged: int, jitter: float) -> None:
    middle = planned(unchanged=unchanged).delay_seconds
    assert abs(planned(unchanged=unchanged, jitter=jitter).delay_seconds - middle) <= 0.25 * middle + 1


def test_jitter_does_spread() -> None:
    assert planned(unchanged=6, jitter=0).delay_seconds < planned(unchanged=6, jitter=0.99).delay_seconds


@given(unchanged=quiets, jitter=jitters)
def test_what_is_parked_is_looked_at_within_the_hour(unchanged: int, jitter: float) -> None:
    assert planned(hop=MAX_CHAIN, unchanged=unchanged, jitter=jitter).delay_seconds <= 3600


@given(hop=hops, unchanged=quiets, jitter=jitters)
def test_the_look_comes_no_later_than_it_must(hop: int, unchanged: int, jitter: float) -> None:
    assert planned(hop=hop, unchanged=unchanged, jitter=jitter, at_latest_seconds=30).delay_seconds <= 30


@pytest.mark.parametrize(("jitter", "seconds"), [(0, 240), (0.25, 280), (0.5, 320), (1, 400)])
def test_jitter_is_spread_evenly_around_the_delay(jitter: float, seconds: int) -> None:
    assert planned(unchanged=6, jitter=jitter).delay_seconds == seconds


@pytest.mark.parametrize(("unchanged", "seconds"), [(0, 5), (1, 20), (2, 80), (3, 320)])
def test_delays_grow_by_the_factor_that_is_asked_for(unchanged: int, seconds: int) -> None:
    assert planned(unchanged=unchanged, factor=4).delay_seconds == seconds


@pytest.mark.parametrize(("asked", "seconds"), [(0, 1), (0.5, 1), (1.5, 2)])
def test_the_shortest_delay_is_a_second(asked: float, seconds: int) -> None:
    assert planned(at_latest_seconds=0, retry_after_seconds=asked).delay_seconds == seconds


def test_the_longest_delay_of_a_message_is_not_parked() -> None:
    assert planned(retry_after_seconds=900).hop == 1


def test_what_is_looked_at_seldom_needs_no_message() -> None:
    assert planned(unchanged=10).hop is None
