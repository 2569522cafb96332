"""A reading is acted on only where its words, a second reading and its probability agree."""

import pytest

from palme.language.programs.parser import parse
from palme.planners.program.agreement.spoken import spoken
from palme.planners.program.agreement.sure_reader import SureReader
from palme.planners.program.reader import NotRead, NotSure, Reading


class Fixed:
    """A reader with one program for each sentence; others are not read."""

    def __init__(self, programs: dict[str, str], probability: float = 0.99) -> None:
        self.programs, self.probability = programs, probability
        self.asked: list[str] = []

    def read(self, sentence: str) -> Reading:
        self.asked.append(sentence)
        if sentence not in self.programs:
            raise NotRead(f"I do not understand {sentence!r}")
        program = parse(self.programs[sentence])
        return Reading(sentence, program, self.probability, (self.probability, "red"), 0.1)


PUT = "put the red block in the blue bowl"


def test_a_clear_reading_is_passed_on_with_its_confidence() -> None:
    reading = SureReader(Fixed({PUT: "put(red block, in blue bowl)"})).read(PUT)
    assert reading.program == parse("put(red block, in blue bowl)")
    assert reading.confidence is not None and 0.5 < reading.confidence <= 1


def test_words_that_do_not_fit_are_named_and_it_is_asked_what_was_meant() -> None:
    with pytest.raises(
        NotSure, match=r"green.*Do you mean: put the green block in the blue bowl\?"
    ) as raised:
        SureReader(Fixed({PUT: "put(green block, in blue bowl)"})).read(PUT)
    assert raised.value.reading is not None and raised.value.reading.confidence == 0


def test_a_word_that_is_not_known_is_named_and_nothing_is_proposed() -> None:
    said = "frobnicate the red block in the blue bowl"
    with pytest.raises(NotSure, match="frobnicate.*in other words"):
        SureReader(Fixed({said: "put(red block, in blue bowl)"})).read(said)


def test_an_improbable_reading_is_not_acted_on() -> None:
    with pytest.raises(NotSure):
        SureReader(Fixed({PUT: "put(red block, in blue bowl)"}, 0.05)).read(PUT)
    assert SureReader(Fixed({PUT: "put(red block, in blue bowl)"}, 0.05), threshold=0.0).read(PUT)


def test_a_second_reading_in_plain_words_must_ask_for_the_same() -> None:
    said = "please put teh crimson cube in the blue bowl"
    agreed = {said: "put(red block, in blue bowl)", PUT: "put(red block, on blue bowl)"}
    disagreed = agreed | {PUT: "keep(red block)"}
    reader = Fixed(agreed)
    yes = SureReader(reader).assess(said)
    assert reader.asked == [said, PUT] and yes.doubts.agrees is True
    no = SureReader(Fixed(disagreed)).assess(said)
    assert no.doubts.agrees is False
    assert (no.reading.confidence or 0) < (yes.reading.confidence or 0)


def test_no_second_reading_where_the_first_is_sure_enough() -> None:
    said = "please put teh crimson cube in the blue bowl"
    reader = Fixed({said: "put(red block, in blue bowl)"}, 0.999)
    assert SureReader(reader, sure_enough=0.99).assess(said).doubts.agrees is None
    assert reader.asked == [said]


@pytest.mark.parametrize("text", ["refuse(beyond)", "nothing()", "keep(red block)"])
def test_what_moves_nothing_needs_no_confidence(text: str) -> None:
    reading = SureReader(Fixed({"wibble": text}, 0.01)).read("wibble")
    assert reading.program == parse(text)


def test_what_is_unsafe_is_refused_unread() -> None:
    reader = Fixed({"throw the red block at the wall": "put(red block, side behind)"})
    assert SureReader(reader).read("throw the red block at the wall").program == parse("refuse(unsafe)")
    assert not reader.asked


@pytest.mark.parametrize(
    ("text", "words"),
    [("put(small red block, in blue bowl)", "put the small red block in the blue bowl"),
     ("put(all block [not red], on table); empty(bowl [leftmost])",
      "put all blocks that is not red on the table, then empty the leftmost bowl"),
     ("move(red block, left 10 away 5)", "move the red block 10 cm to the left and 5 cm away from you"),
     ("count(red block)", "say how many red blocks there are")],
)  # fmt: skip
def test_a_program_is_said_back_in_words(text: str, words: str) -> None:
    assert spoken(parse(text)) == words
