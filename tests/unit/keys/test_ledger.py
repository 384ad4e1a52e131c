"""What Redis has not been told: told once, or said to be lost."""

from __future__ import annotations

from itertools import count

from plano.keys.ledger import Batch, Ledger, Owed, told_with
from plano.keys.shared import Entry


class Book:
    """A ledger with a clock and a tally of what it lost."""

    def __init__(self) -> None:
        self.now = 100.0
        self.lost = 0
        marks = count(1)
        self.ledger = Ledger(lambda: self.now, lambda: f"mark-{next(marks)}", self.lose)

    def lose(self, answers: int) -> None:
        self.lost += answers

    def note(self, **had: int) -> None:
        """One answer, by the windows that it counts in."""
        lasting = {"tokens": 60, "usd": 86_400}
        self.ledger.note([Entry(name, lasting[name], tells=amount) for name, amount in had.items()])


def test_answers_are_added_up_and_taken_together() -> None:
    """What waits does not grow with traffic."""
    book = Book()
    book.note(tokens=3)
    book.note(tokens=4, usd=5)

    owed = book.ledger.owed_to("tokens")
    batch = book.ledger.take()

    assert owed == 7
    assert batch == Batch("mark-1", {"tokens": Owed(60, 160.0, 7, 2), "usd": Owed(86_400, 86_500.0, 5, 1)}, 2)
    assert (bool(book.ledger), book.ledger.take(), book.lost) == (False, None, 0)


def test_what_comes_back_is_told_again_as_the_same() -> None:
    """Nobody knows whether it was counted; what has come since has a mark of its own."""
    book = Book()
    book.note(tokens=3)
    batch = book.ledger.take()
    assert batch is not None
    book.note(tokens=4)

    book.ledger.put_back(batch)

    assert book.ledger.owed_to("tokens") == 7
    assert book.ledger.take() == batch
    assert book.ledger.take() == Batch("mark-2", {"tokens": Owed(60, 160.0, 4, 1)}, 1)


def test_what_is_on_its_way_is_owed_until_it_was_told() -> None:
    """Redis may die before it arrives, and then nobody but this worker knows of it."""
    book = Book()
    book.note(tokens=3)
    batch = book.ledger.take()
    assert batch is not None

    on_its_way = book.ledger.owed_to("tokens"), bool(book.ledger)
    book.ledger.told(batch)

    assert (on_its_way, book.ledger.owed_to("tokens"), book.ledger.drop()) == ((3, False), 0, 0)


def test_what_belongs_to_a_window_that_is_over_is_lost_and_the_rest_is_kept() -> None:
    """Tokens of a minute ago stand in nobody's way; the day's money does."""
    book = Book()
    book.note(tokens=3)
    book.note(usd=5)
    batch = book.ledger.take()
    assert batch is not None
    book.ledger.put_back(batch)

    book.now += 60.0

    assert book.ledger.take() == Batch("mark-1", {"usd": Owed(86_400, 86_500.0, 5, 1)}, 1)
    assert book.lost == 1


def test_a_new_minute_begins_its_own_sum() -> None:
    """While Redis is away for long."""
    book = Book()
    book.note(tokens=3)
    book.now += 60.0

    book.note(tokens=4)

    assert (book.ledger.owed_to("tokens"), book.lost) == (4, 1)


def test_what_is_left_at_the_end_is_counted_as_lost() -> None:
    """Nothing goes without a word."""
    book = Book()
    book.note(tokens=3)
    book.ledger.take()
    book.note(tokens=3)
    book.note(usd=5)

    assert (book.ledger.drop(), book.lost, book.ledger.owed_to("tokens")) == (3, 3, 0)


def test_an_answer_is_lost_once_in_however_many_windows_it_counts() -> None:
    """People compare it with the number of requests. First a minute is over, then a day."""
    book = Book()
    book.note(tokens=3, usd=5)
    book.note(usd=5)
    lost = []

    for later in (60.0, 86_400.0):
        book.now += later
        batch = book.ledger.take()
        if batch is not None:
            book.ledger.put_back(batch)
        lost.append(book.lost)

    assert (lost, book.ledger.drop()) == ([1, 2], 0)


def test_what_is_owed_goes_along_with_what_is_asked() -> None:
    """Windows that are asked about come first: the verdict names them by their place."""
    asked = (Entry("tokens", 60, most=9), Entry("requests", 60, most=5, takes=1))
    batch = Batch("mark-1", {"tokens": Owed(60, 160.0, 7, 1), "yesterday": Owed(86_400, 200.0, 5, 1)}, 2)

    assert told_with(asked, batch) == (
        Entry("tokens", 60, most=9, tells=7),
        Entry("requests", 60, most=5, takes=1),
        Entry("yesterday", 86_400, tells=5),
    )
