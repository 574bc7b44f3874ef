"""Changes of a job on one side of the line arrive on the other, and large arrays travel once."""

from __future__ import annotations

import pickle
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dr_transformer.engine.process.wire import LARGE, FieldReceiver, FieldSender, dumps, is_job, loads

ARRAYS = [np.full(size, number, dtype=float) for number, size in enumerate((3, LARGE // 8, LARGE // 8 + 7))]

values = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(ARRAYS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def nameless(_: object) -> None:
    return None


def unknown(name: object) -> object:
    raise AssertionError(name)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), values), max_size=6))
def test_after_any_changes_both_sides_hold_the_same(steps: list[dict[str, Any]]) -> None:
    there, here = SimpleNamespace(a=0, b=0, c=0), SimpleNamespace(a=0, b=0, c=0)
    sender, receiver = FieldSender(there, nameless), FieldReceiver(unknown)
    for step in steps:
        vars(there).update(step)
        receiver.take(here, pickle.loads(pickle.dumps(sender.changes())))
        for field in "abc":
            np.testing.assert_equal(getattr(here, field), getattr(there, field))
    assert sender.changes() == ({}, {})


def test_a_large_array_is_sent_once_and_a_small_one_may_be_changed_in_place() -> None:
    large, small = np.zeros(LARGE), np.zeros(3)
    job = SimpleNamespace(frames=[large], figures=small)
    here = SimpleNamespace(frames=[], figures=None)
    sender, receiver = FieldSender(SimpleNamespace(), nameless), FieldReceiver(unknown)
    sender._job = job
    first = sender.changes()
    assert list(map(len, first.new.values())) == [LARGE]
    receiver.take(here, first)
    job.frames.append(large + 1)
    small[1] = 7
    second = sender.changes()
    assert len(second.new) == 1
    assert second.fields.keys() == {"frames", "figures"}
    receiver.take(here, second)
    assert [frame[0] for frame in here.frames] == [0, 1]
    assert here.figures.tolist() == [0, 7, 0]


def test_who_waits_for_an_event_is_woken() -> None:
    there, here = (SimpleNamespace(done=threading.Event(), error=None) for _ in range(2))
    sender, receiver, waited_for = FieldSender(there, nameless), FieldReceiver(unknown), here.done
    there.done.set()
    receiver.take(here, sender.changes())
    assert waited_for.is_set()
    assert here.done is waited_for


def test_fields_that_are_not_shown_and_those_of_each_side_stay() -> None:
    job = SimpleNamespace(owners={"me"}, working=True, secret=1, found=1, NOT_SHOWN=frozenset({"secret", "NOT_SHOWN"}))
    sender = FieldSender(job, nameless)
    assert is_job(job)
    job.owners, job.working, job.secret, job.found = set(), False, 2, 2
    assert sender.changes().fields.keys() == {"found"}


def test_what_has_a_name_travels_as_its_name() -> None:
    thing, lock = SimpleNamespace(), threading.Lock()
    content = dumps({"thing": thing, "lock": lock}, lambda each: ("thing", 1) if each is thing else None)
    found = loads(content, lambda name: name)
    assert found["thing"] == ("thing", 1)
    assert found["lock"].acquire(blocking=False)
