"""The laws of leases: nothing lost, nothing twice, every arrival in exactly one place."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from prakerja_load.arrivals.lease import Lease, LeaseBook, LeaseTotals, Span


class Book(RuleBasedStateMachine):
    """Any order of issuing, reporting, finishing, losing and joining, against a plain dictionary of arrivals."""

    leases = Bundle("leases")
    workers = Bundle("workers")

    def __init__(self) -> None:
        super().__init__()
        self.count = 200
        self.book = LeaseBook(self.count, chunk=7)
        self.place = dict.fromkeys(range(self.count), "waiting")
        self.started: Counter[int] = Counter()
        self.reported: dict[Lease, int] = {}
        self.due = 0
        self.hired = 0

    @rule(target=workers)
    def join(self) -> int:
        self.hired += 1
        self.book.join(self.hired)
        return self.hired

    @rule(target=leases, ahead=st.integers(0, 60))
    def issue(self, ahead: int) -> object:
        made = self.book.issue(self.due + ahead)
        for lease in made:
            self.reported[lease] = 0
            for index in range(lease.start, lease.stop):
                assert self.place[index] == "waiting", "an arrival is issued once"
                self.place[index] = "open"
        still = [i for i, where in self.place.items() if where == "waiting" and i < self.due + ahead]
        assert not still or not self.book.workers
        return multiple(*made)

    @rule(lease=leases, share=st.floats(0, 1))
    def report(self, lease: Lease, share: float) -> None:
        if lease in self.reported:
            self.reported[lease] = max(self.reported[lease], int(share * len(lease)))
            self.book.handled(lease, int(share * len(lease)))

    @rule(lease=consumes(leases), share=st.one_of(st.none(), st.floats(0, 1)))
    def finish(self, lease: Lease, share: float | None) -> None:
        if lease not in self.reported:
            return
        count = None if share is None else int(share * len(lease))
        self.book.finish(lease, count)
        before = self.reported.pop(lease)
        self.close(lease, max(before, len(lease) if count is None else count), self.count)

    @rule(worker=consumes(workers), again=st.booleans())
    def lose(self, worker: int, again: bool) -> None:
        border = self.due if again else None
        expected = sorted((lease, done) for lease, done in self.reported.items() if lease.worker == worker)
        missing = self.book.lose(worker, border)
        assert missing == tuple(Span(le.start + done, le.stop) for le, done in expected if done < len(le))
        for lease, done in expected:
            del self.reported[lease]
            self.close(lease, done, self.count if border is None else border)

    @rule(step=st.integers(0, 40))
    def pass_time(self, step: int) -> None:
        self.due = min(self.count, self.due + step)

    def close(self, lease: Lease, done: int, border: int) -> None:
        for index in range(lease.start, lease.stop):
            if index < lease.start + done:
                self.place[index] = "handled"
            else:
                self.place[index] = "waiting" if index >= border else "not started"

    @invariant()
    def every_arrival_has_one_place(self) -> None:
        totals = self.book.totals
        assert totals.issued + totals.not_issued == totals.count == self.count
        assert totals.issued == totals.open + totals.handled + totals.not_started
        open_handled = sum(self.reported.values())
        places = Counter(self.place.values())
        assert totals.not_issued == places["waiting"]
        assert totals.not_started == places["not started"]
        assert totals.handled == places["handled"] + open_handled
        assert totals.open == places["open"] - open_handled

    @invariant()
    def what_is_not_started_is_named(self) -> None:
        named = [index for span in self.book.not_started for index in range(span.start, span.stop)]
        assert named == [index for index, where in self.place.items() if where == "not started"]


TestLeaseBook = Book.TestCase
TestLeaseBook.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)


def test_chunks_go_round_the_workers_in_turn() -> None:
    book = LeaseBook(100, workers=[0, 1, 2], chunk=10)

    first, second = book.issue(35), book.issue(60)

    assert first == (Lease(0, 10, 0), Lease(10, 20, 1), Lease(20, 30, 2), Lease(30, 35, 0))
    assert second == (Lease(35, 45, 1), Lease(45, 55, 2), Lease(55, 60, 0))


def test_the_same_arrivals_are_issued_for_any_number_of_workers() -> None:
    for workers in (1, 2, 7):
        book = LeaseBook(1000, range(workers), chunk=16)
        issued = [index for until in (10, 400, 2000) for le in book.issue(until) for index in range(le.start, le.stop)]

        assert issued == list(range(1000))


def test_nothing_is_issued_twice_or_past_the_end() -> None:
    book = LeaseBook(5, [1], chunk=2)

    assert [len(lease) for lease in book.issue(10**9)] == [2, 2, 1]
    assert book.issue(10**9) == ()


def test_without_workers_nothing_is_issued_and_nothing_lost() -> None:
    book = LeaseBook(50)

    assert book.issue(50) == ()
    assert book.totals.not_issued == 50
    book.join(4)
    assert sum(map(len, book.issue(50))) == 50


def test_a_lost_worker_returns_what_it_had_not_reported() -> None:
    book = LeaseBook(40, [0, 1], chunk=10)
    first, *_ = book.issue(40)
    book.handled(first, 4)

    missing = book.lose(0)

    assert missing == (Span(4, 10), Span(20, 30)) == book.not_started
    assert book.workers == (1,)
    assert book.totals.not_started == 16
    assert book.issue(40) == (), "nothing is redistributed silently"


def test_only_what_is_not_due_yet_is_issued_again_and_first() -> None:
    book = LeaseBook(60, [0, 1], chunk=10)
    book.issue(40)

    missing = book.lose(0, again_from=25)

    assert missing == (Span(0, 10), Span(20, 30))
    assert book.not_started == (Span(0, 10), Span(20, 25))
    assert book.issue(60) == (Lease(25, 30, 1), Lease(40, 50, 1), Lease(50, 60, 1))


def test_a_worker_told_to_stop_closes_its_lease_short() -> None:
    book = LeaseBook(10, [0], chunk=10)
    (lease,) = book.issue(10)

    book.finish(lease, 6)

    assert book.not_started == (Span(6, 10),)
    assert (book.totals.handled, book.totals.open) == (6, 0)


def test_losing_a_worker_that_holds_nothing_changes_nothing() -> None:
    book = LeaseBook(10, [0, 1])

    assert book.lose(1) == ()
    assert book.lose(99) == ()
    assert book.totals.not_issued == 10


def test_a_lease_is_not_closed_twice() -> None:
    book = LeaseBook(10, [0])
    (lease,) = book.issue(10)
    book.finish(lease)

    with pytest.raises(KeyError):
        book.finish(lease)
    with pytest.raises(KeyError):
        book.handled(lease, 1)


@pytest.mark.parametrize("count", [-1, 11])
def test_a_report_beyond_the_lease_is_refused(count: int) -> None:
    book = LeaseBook(10, [0])
    (lease,) = book.issue(10)

    with pytest.raises(ValueError, match="does not have"):
        book.handled(lease, count)


def test_a_worker_joins_once() -> None:
    book = LeaseBook(10, [0])

    with pytest.raises(ValueError, match="takes part already"):
        book.join(0)


@pytest.mark.parametrize(("count", "chunk"), [(-1, 1), (1, 0)])
def test_a_book_of_nothing_sensible_is_refused(count: int, chunk: int) -> None:
    with pytest.raises(ValueError, match="lease book"):
        LeaseBook(count, chunk=chunk)


def test_a_book_of_some_ranges_issues_those_and_counts_nothing_else() -> None:
    book = LeaseBook(100, [0, 1], chunk=8, only=[Span(40, 50), Span(3, 6), Span(90, 100)])
    leases = [*book.issue(45), *book.issue(100)]

    assert [(lease.start, lease.stop) for lease in leases] == [(3, 6), (40, 45), (45, 50), (90, 98), (98, 100)]
    for lease in leases:
        book.finish(lease)
    assert book.totals == LeaseTotals(count=23, not_issued=0, open=0, handled=23, not_started=0)


def test_a_book_of_no_range_has_nothing_to_issue() -> None:
    book = LeaseBook(100, [0], only=[])

    assert book.issue(100) == ()
    assert book.totals == LeaseTotals(0, 0, 0, 0, 0)
