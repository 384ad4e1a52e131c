"""Routes are read for faults by measure: what the embedded router would do, not what a list of words says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.classifiers.embedded.encoder import Encoder
from plano.classifiers.embedded.judgement import THRESHOLD
from plano.evaluation.lint.finding import Finding
from plano.evaluation.lint.lint import lint

Lint = Callable[..., tuple[Finding, ...]]


@pytest.fixture(scope="module")
def read() -> Lint:
    """Lint of routes given as name and description, on the encoder that ships."""
    encoder = Encoder.load()

    def read(*routes: tuple[str, str]) -> tuple[Finding, ...]:
        return lint(_routes(routes), encoder.encode, THRESHOLD)

    return read


def _routes(routes: Sequence[tuple[str, str]]) -> list[Route]:
    return [Route(RouteName(name), description, ()) for name, description in routes]


def told(findings: Sequence[Finding]) -> list[tuple[str, int, str, int | None]]:
    return [(finding.code, finding.at, finding.part, finding.other) for finding in findings]


GOOD = {
    "work of several kinds": [
        ("code generation", "writing new functions, scripts and programs"),
        ("contract law", "clauses, liability and termination in contracts"),
        ("medical symptoms", "symptoms, pain, illnesses and medicines"),
        ("translation", "rendering sentences in another language, French or German"),
    ],
    "an office": [
        ("meetings", "scheduling, moving and cancelling meetings in the calendar"),
        ("travel", "flights, hotels and trains for business trips"),
        ("expenses", "receipts, reimbursements and travel costs to be refunded"),
        ("hiring", "job advertisements, interviews and applicants"),
    ],
    "two": [
        ("poetry", "poems, rhymes and song lyrics"),
        ("mathematics", "equations, proofs, percentages and probability"),
    ],
    "one": [("poetry", "poems, rhymes and song lyrics")],
}


@pytest.mark.parametrize("routes", GOOD.values(), ids=GOOD)
def test_good_routes_are_met_with_silence(read: Lint, routes: list[tuple[str, str]]) -> None:
    """A warning that says nothing teaches to read over the next one."""
    assert told(read(*routes)) == []


def test_routes_that_overlap_are_told_with_wordings_that_go_astray(read: Lint) -> None:
    """What they share is named, and what leaving it out would win."""
    (finding,) = read(
        ("code generation", "writing code, functions and scripts"),
        ("programming", "writing code and programs"),
        ("poetry", "poems and song lyrics"),
        ("contract law", "clauses and obligations in contracts"),
    )

    assert told([finding]) == [("overlap", 0, "route", 1)]
    assert "leave 'writing code' out" in finding.suggestion
    assert finding.measures["lead_as_suggested"] > finding.measures["lead"] + 0.05
    assert ("writing code" in finding.samples[0].text, finding.samples[0].lead < 0.1) == (True, True)


def test_a_route_whose_own_words_go_elsewhere_is_unreachable(read: Lint) -> None:
    """Two routes of one meaning: the one with the plainer name takes everything."""
    findings = read(
        ("code generation", "writing functions, scripts and programs"),
        ("programming help", "writing functions, scripts and programs"),
        ("poetry", "poems and song lyrics"),
    )

    assert told(findings) == [("unreachable", 0, "route", 1)]
    assert "merge it with 'programming help'" in findings[0].suggestion


def test_names_that_were_exchanged_are_told_once(read: Lint) -> None:
    """A slip of copying; everything still loads, and half of the turns go wrong."""
    (finding,) = read(
        ("translation", "poems, stories and song lyrics"),
        ("creative writing", "rendering text in another language, French or German phrases"),
        ("contract law", "clauses and obligations in contracts"),
    )

    assert told([finding]) == [("name", 0, "name", 1)]
    assert finding.suggestion.startswith("exchange the names of the two")
    assert finding.measures["lead_as_suggested"] > finding.measures["lead"]


def test_a_name_that_says_nothing_is_told_with_a_better_one(read: Lint) -> None:
    """The name is read with the description, so that an empty one dilutes it."""
    (finding,) = read(
        ("route_3", "symptoms, illnesses and medicines"),
        ("poetry", "poems and song lyrics"),
        ("contract law", "clauses and obligations in contracts"),
    )

    assert told([finding]) == [("name", 0, "name", 2)]
    assert finding.suggestion.startswith("name it after its description, as 'illnesses'")


def test_names_are_told_whose_exchange_would_mend_only_one(read: Lint) -> None:
    """Both are wrong, so both are told, each with a name that suits it."""
    findings = read(
        ("cooking", "contract clauses, termination, liability"),
        ("translation", "recipes, baking, how long to boil"),
        ("code generation", "writing new functions, scripts and programs"),
        ("poetry", "poems, rhymes and song lyrics"),
    )

    assert told(findings) == [("name", 0, "name", 1), ("name", 1, "name", 0)]
    assert "asks by that name go to 'translation'" in findings[0].message
    assert [finding.suggestion.split(":")[0] for finding in findings] == [
        "name it after its description, as 'contract clauses'",
        "name it after its description, as 'baking'",
    ]


EXCHANGED = {
    "an office": [
        ("travel", "receipts, reimbursements and refunds"),
        ("expenses", "flights, hotels and trains"),
        ("hiring", "job advertisements, interviews and applicants"),
    ],
    "descriptions of one thing": [
        ("cooking", "contract clauses"),
        ("contract law", "recipes"),
        ("poetry", "poems, rhymes and song lyrics"),
    ],
    "far apart": [
        ("mathematics", "symptoms, pain, illnesses and medicines"),
        ("medical symptoms", "equations, proofs, percentages and probability"),
        ("poetry", "poems, rhymes and song lyrics"),
    ],
}


@pytest.mark.parametrize("routes", EXCHANGED.values(), ids=EXCHANGED)
def test_one_slip_is_one_warning(read: Lint, routes: list[tuple[str, str]]) -> None:
    """What follows from exchanged names, such as wordings that go elsewhere, is not told beside them."""
    (finding,) = read(*routes)

    assert told([finding]) == [("name", 0, "name", 1)]
    assert finding.suggestion.startswith("exchange the names of the two")


def test_a_name_that_sends_its_asks_to_another_route_is_told_with_them(read: Lint) -> None:
    """The other route is well named in its own way, so that an exchange is no help."""
    (finding,) = read(
        ("translation", "contract clauses, termination, liability"),
        ("linguistics", "rendering sentences in another language, French or German"),
        ("poetry", "poems, rhymes and song lyrics"),
    )

    assert told([finding]) == [("name", 0, "name", 1)]
    assert "asks by that name go to 'linguistics'" in finding.message
    assert [sample.lead < -0.1 for sample in finding.samples] == [True] * 3
    assert finding.measures["lead"] < 0 < finding.measures["lead_as_suggested"]


def test_a_name_that_contradicts_its_description_is_told_where_nothing_takes_its_asks(read: Lint) -> None:
    """Then it costs what it does not add: what is listed would do no worse under no name at all."""
    (finding,) = read(
        ("mathematics", "symptoms, pain, illnesses and medicines"),
        ("code generation", "writing new functions, scripts and programs"),
        ("poetry", "poems, rhymes and song lyrics"),
    )

    assert told([finding]) == [("name", 0, "name", 1)]
    assert finding.measures["listed"] <= finding.measures["listed_unnamed"] + 0.05


def test_a_name_is_suggested_only_of_what_could_be_one(read: Lint) -> None:
    """A question or half a sentence is no name."""
    (finding,) = read(
        ("mathematics", "how long to boil an egg"),
        ("code generation", "writing new functions, scripts and programs"),
        ("poetry", "poems, rhymes and song lyrics"),
    )

    assert (finding.code, finding.suggestion) == ("name", "name it after what its description lists")


def test_a_name_that_shares_its_matter_with_its_description_is_let_be(read: Lint) -> None:
    """It may be nearer to a sibling's description, as long as it does not send asks there."""
    findings = read(
        ("contract drafting", "new clauses and agreements written from scratch"),
        ("contract review", "risks and missing terms in a contract the user supplies"),
        ("contract summarization", "the key points of a long contract"),
    )

    assert [finding.code for finding in findings if finding.code == "name"] == []


def test_commands_that_cost_nothing_are_let_be(read: Lint) -> None:
    """The custom is nouns; the measure finds no reason to insist."""
    findings = read(
        ("code generation", "write new functions, generate scripts, fix bugs"),
        ("poetry", "poems and song lyrics"),
        ("contract law", "clauses and obligations in contracts"),
    )

    assert told(findings) == []


VAGUE = [
    (
        "coding",
        "anything related to coding, such as functions, scripts and bugs",
        "coding, functions, scripts and bugs",
    ),
    ("law", "general questions about law, contracts and courts", "law, contracts and courts"),
    ("medicine", "various things about symptoms, medicines and so on", "symptoms, medicines"),
]


@pytest.mark.parametrize(("name", "description", "better"), VAGUE)
def test_vague_words_are_told_with_what_they_cost(
    read: Lint, name: str, description: str, better: str
) -> None:
    """And with the description as it would be without them, ready to be copied."""
    (finding,) = read(
        (name, description), ("poetry", "poems and song lyrics"), ("travel", "flights, hotels and trains")
    )

    assert told([finding]) == [("vague", 0, "description", None)]
    assert finding.suggestion == f"write: {better}"
    assert finding.measures["lead_as_suggested"] >= finding.measures["lead"] + 0.03


@pytest.mark.parametrize(
    ("description", "said"),
    [("", "is empty"), ("coding", "says no more"), ("anything related to coding", "says no more")],
)
def test_a_bare_name_is_told_with_what_descriptions_are_worth(
    read: Lint, description: str, said: str
) -> None:
    """Measured on its neighbours: how much worse they would do without theirs."""
    (finding,) = read(
        ("coding", description), ("poetry", "poems and song lyrics"), ("travel", "flights, hotels and trains")
    )

    assert (told([finding]), said in finding.message) == ([("bare", 0, "description", None)], True)
    assert finding.measures["described"] > finding.measures["undescribed"] + 0.2


def test_examples_make_up_for_a_bare_name() -> None:
    """They say what belongs to the route as well as a description does."""
    routes = _routes([("coding", ""), ("poetry", "poems and song lyrics")])
    routes[0] = Route(RouteName("coding"), "", (), examples=("write a parser", "fix my loop"))

    assert told(lint(routes, Encoder.load().encode, THRESHOLD)) == []


def test_a_route_for_the_rest_that_does_not_catch_it_is_told(read: Lint) -> None:
    """What is said of it has no meaning of its own to be near to."""
    routes = [("coding", "functions, scripts and bugs"), ("poetry", "poems and song lyrics")]

    (finding,) = read(*routes, ("fallback", "anything that does not fit the other routes"))

    assert told([finding]) == [("catch-all", 2, "route", None)]
    assert (finding.measures["caught"] < 9, "default: true" in finding.suggestion) == (True, True)
    assert "write 'other: anything else', which catches 1" in finding.suggestion


def test_a_route_for_the_rest_that_catches_it_is_let_be(read: Lint) -> None:
    """The measure decides, not the word."""
    routes = [("coding", "functions, scripts and bugs"), ("poetry", "poems and song lyrics")]

    assert told(read(*routes, ("other", "anything else"))) == []


def test_actions_in_one_domain_without_the_domain_are_told(read: Lint) -> None:
    """What is asked about contracts in general goes to one of them by chance."""
    findings = read(
        ("contract drafting", "new clauses and agreements written from scratch"),
        ("contract review", "risks and missing terms in a contract the user supplies"),
        ("contract summarization", "the key points of a long contract"),
    )

    assert told(findings) == [("no-domain", 0, "routes", None)]
    assert "contract" in findings[0].suggestion
    assert findings[0].measures["lead_as_suggested"] > findings[0].measures["lead"] + 0.05


def test_a_route_for_the_domain_settles_it(read: Lint) -> None:
    """The suggestion, taken, is not made again."""
    findings = read(
        ("contract drafting", "new clauses and agreements written from scratch"),
        ("contract review", "risks and missing terms in a contract the user supplies"),
        ("contract summarization", "the key points of a long contract"),
        ("contract questions", "questions about contract, what to know about contract"),
    )

    assert [finding.code for finding in findings if finding.code == "no-domain"] == []


def test_commands_are_told_where_nouns_would_do_better(read: Lint) -> None:
    """With the encoder that ships they seldom would."""
    routes = [
        ("code", "write functions, fix bugs, review pull requests"),
        ("law", "explain clauses, draft contracts, check obligations"),
        ("mail", "reply to mails, summarize threads"),
        ("math", "solve equations, prove theorems"),
    ]

    (finding,) = read(*routes)

    assert told([finding]) == [("verbs", 3, "description", None)]
    assert finding.suggestion == "write: solving equations, proving theorems"


def test_findings_stand_in_the_order_of_the_routes(read: Lint) -> None:
    """As the file is read, and mended, from its top."""
    findings = read(
        ("fallback", "anything that does not fit the other routes"),
        ("medicine", "various things about symptoms, medicines and so on"),
        ("poetry", ""),
    )

    assert [(finding.at, finding.code) for finding in findings] == [
        (0, "catch-all"),
        (1, "vague"),
        (2, "bare"),
    ]
