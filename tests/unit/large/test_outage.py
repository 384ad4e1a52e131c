"""What an outage costs is counted over every minute, not on the average."""

from __future__ import annotations

import pytest

from tests.large.outage import Answered, complaints, worst_minute


def at(sent_s: float, attempts: int = 1, model: str = "openai/gpt-second") -> Answered:
    return Answered(sent_s, attempts, model, is_whole=True, took_s=0.0)


SPANS = [
    pytest.param([at(second) for second in range(180)], 1.0, id="one each"),
    pytest.param([at(second, 1 + (second < 6)) for second in range(180)], 1.1, id="dear in the beginning"),
    pytest.param(
        [at(second, 1 + (57 <= second < 63)) for second in range(180)],
        1.1,
        id="dear where two minutes meet",
    ),
    pytest.param([at(-1.0, 3), *(at(second) for second in range(60))], 1.0, id="before the outage"),
    pytest.param([at(0, 2), at(1, 1)], 1.5, id="less than a minute"),
]


@pytest.mark.parametrize(("answers", "worst"), SPANS)
def test_the_worst_minute_may_begin_anywhere(answers: list[Answered], worst: float) -> None:
    """Minutes on the clock would split a burst in two."""
    assert worst_minute(answers) == pytest.approx(worst)


def test_each_limit_is_complained_of_by_itself() -> None:
    """Attempts in a minute, attempts for one request, and answers that are none."""
    broken = Answered(0.0, 4, "openai/gpt-second", is_whole=False, took_s=0.0)

    told = complaints([broken, at(1)], worst=1.3, most=4)

    assert [each.split(" ", 1)[0] for each in told] == ["Answered(sent_s=0.0,", "1.300", "4"]
