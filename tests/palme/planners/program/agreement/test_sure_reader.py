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
        SureReader(Fixed({PUT: "put(red block, in blue bowl)"}, 0.01)).read(PUT)
    assert SureReader(Fixed({PUT: "put(red block, in blue bowl)"}, 0.01), threshold=0.0).read(PUT)


def test_a_second_reading_in_plain_words_must_ask_for_the_same() -> None:
    said = "please put teh crimson cube in the blue bowl"
    agreed = {said: "put(red block, in blue bowl)", PUT: "put(red block, on blue bowl)"}
    disagreed = agreed | {PUT: "keep(red block)"}
    reader = Fixed(agreed)
    yes = SureReader(reader, sure_enough=1.0).assess(said)
    assert reader.asked == [said, PUT] and yes.doubts.agrees is True
    no = SureReader(Fixed(disagreed), sure_enough=1.0).assess(said)
    assert no.doubts.agrees is False
    assert (no.reading.confidence or 0) < (yes.reading.confidence or 0)


def test_no_second_reading_where_the_first_is_sure_enough() -> None:
    said = "please put teh crimson cube in the blue bowl"
    reader = Fixed({said: "put(red block, in blue bowl)"}, 0.999)
    assert SureReader(reader).assess(said).doubts.agrees is None
    assert reader.asked == [said]


@pytest.mark.parametrize("text", ["refuse(beyond)", "refuse(unclear)"])
def test_a_refusal_needs_no_confidence(text: str) -> None:
    reading = SureReader(Fixed({"wibble": text}, 0.01)).read("wibble")
    assert reading.program == parse(text)


@pytest.mark.parametrize(
    ("said", "text", "sure"),
    [
        ("don't touch the red block", "keep(red block)", True),
        ("leave the red block where it is", "keep(red block)", True),
        ("No red block may remain on the table. Bowl them.", "keep(all red block)", False),
        ("don't touch the red block", "keep(green block)", False),
        ("put the red block in the bowl", "keep(red block)", False),
    ],
)
def test_a_program_that_only_keeps_things_is_checked_too(said: str, text: str, sure: bool) -> None:
    assert bool(SureReader(Fixed({said: text})).assess(said).reading.confidence) is sure


class Several(Fixed):
    """A reader of one sentence with several programs, the most probable first."""

    def __init__(self, *programs: tuple[str, float], said: str = PUT) -> None:
        super().__init__({said: programs[0][0]}, programs[0][1])
        self.several, self.searches = programs, 0

    def alternatives(self, sentence: str, n: int) -> list[Reading]:
        self.searches += 1
        return [Reading(sentence, parse(text), p, (p, "red"), 0.1) for text, p in self.several[:n]]


RIGHT, WRONG = "put(red block, in blue bowl)", "put(green block, in blue bowl)"


def test_of_the_most_probable_programs_the_first_that_fits_is_taken() -> None:
    found = SureReader(Several((WRONG, 0.5), (RIGHT, 0.4))).assess(PUT)
    assert found.reading.program == parse(RIGHT) and not found.doubts.sure
    assert found.doubts.passed_over


def test_where_no_program_fits_the_most_probable_one_is_asked_about() -> None:
    with pytest.raises(NotSure, match="green"):
        SureReader(Several((WRONG, 0.5), ("put(green block, on blue bowl)", 0.4))).read(PUT)


def test_a_program_after_a_refusal_is_not_taken() -> None:
    found = SureReader(Several((WRONG, 0.5), ("refuse(absent)", 0.2), (RIGHT, 0.15))).assess(PUT)
    assert found.reading.program == parse(WRONG) and found.reading.confidence == 0


def test_a_much_less_probable_program_is_not_taken() -> None:
    found = SureReader(Several((WRONG, 0.9), (RIGHT, 0.05))).assess(PUT)
    assert found.reading.program == parse(WRONG) and found.reading.confidence == 0


def test_two_programs_that_fit_and_ask_for_different_things_are_less_sure() -> None:
    said = "replace the block that's in the bowl with the blue one"
    one, other = "put(blue block, instead of block [in bowl])", "put(block [in bowl], instead of blue block)"
    rival = SureReader(Several((one, 0.5), (other, 0.45), said=said)).assess(said)
    alone = SureReader(Several((one, 0.5), (WRONG, 0.45), said=said)).assess(said)
    assert rival.doubts.rival == pytest.approx(0.9) and alone.doubts.rival == 0
    assert (rival.reading.confidence or 0) < (alone.reading.confidence or 0)


def test_no_other_program_is_looked_for_where_the_first_is_clear() -> None:
    reader = Several((RIGHT, 0.95), (WRONG, 0.02))
    SureReader(reader).assess(PUT)
    assert reader.searches == 0


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
