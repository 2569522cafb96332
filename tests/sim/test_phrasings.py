"""Promises of the phrasings: many, unambiguous, and none of the test's ever in training."""

from __future__ import annotations

import random
import re
from types import ModuleType

import pytest

from robots.skills import COLOURS
from sim.tasks import TASKS, BadPhrasing, UnknownTask, load_phrasings, make_task, sample
from sim.tasks.match_bowls import Matched
from sim.tasks.phrasings import lists, match_bowls, put_in_bowl, stack_tower, written
from sim.tasks.phrasings.augment import augment
from sim.tasks.phrasings.grammar import BadGrammar, Grammar, split_words
from sim.tasks.phrasings.heldout import test_templates as held_out_templates
from sim.tasks.phrasings.nouns import NOUNS, SHADES
from sim.tasks.phrasings.tower_parts import part
from sim.tasks.put_in_bowl import InBowl
from sim.tasks.stack_tower import Tower

WORDS: dict[str, ModuleType] = {
    "put_in_bowl": put_in_bowl,
    "stack_tower": stack_tower,
    "match_bowls": match_bowls,
}
GOALS = {
    "put_in_bowl": InBowl("red block", "blue bowl"),
    "stack_tower": Tower(("red block", "green block", "blue block")),
    "match_bowls": Matched(),
}


def colours_said(sentence: str) -> list[str]:
    """Colours in order of mention, shades by their plain name."""
    plain = {shade: colour for colour, shades in SHADES.items() for shade in shades}
    plain |= {colour: colour for colour in COLOURS}
    return [plain[w] for w in re.findall(r"[a-z]+", sentence.lower()) if w in plain]


@pytest.mark.parametrize("name", TASKS)
def test_training_has_many_thousands_of_sentences(name):
    rng = random.Random(0)
    goal = GOALS[name]
    said = {TASKS[name].say(goal, rng, "train").lower().strip(" .!?") for _ in range(6000)}
    assert len(said) > 4200  # of 6000 draws: the well is far from dry
    grammar = WORDS[name].grammar()
    assert sum(grammar.count(start) for start in WORDS[name].STARTS) > 1e9


@pytest.mark.parametrize("split", ("test", "validation"))
@pytest.mark.parametrize("name", TASKS)
def test_no_test_template_is_a_training_sentence(name, split):
    grammar, by_hand = WORDS[name].grammar(), written.grammar()
    templates = held_out_templates(name, split)
    assert len(set(templates)) >= 12
    for template in templates:
        bare = re.sub(r"\b(the|her|our) (?=\{)", "", template, flags=re.IGNORECASE)
        assert not any(grammar.accepts(start, bare) for start in WORDS[name].STARTS), template
        assert not any(by_hand.accepts(name, text) for text in (template, bare)), template


@pytest.mark.parametrize("name", TASKS)
def test_a_test_template_shares_at_most_part_of_its_words_with_any_written_one(name):
    rng = random.Random(7)
    trained = [
        frozenset(split_words(Grammar({"line": line}).expand("line", rng)))
        for line in written.templates()[name]
        for _ in range(3)
    ]
    for template in held_out_templates(name):
        words = frozenset(split_words(template))
        nearest = max(trained, key=lambda t: len(t & words) / len(t | words))
        assert len(nearest & words) / len(nearest | words) < 0.75, (template, sorted(nearest))


@pytest.mark.parametrize("name", TASKS)
def test_a_grammar_accepts_what_it_writes(name):  # or the test above would prove nothing
    rng = random.Random(1)
    grammar = WORDS[name].grammar()
    for start in WORDS[name].STARTS:
        for _ in range(50):
            assert grammar.accepts(start, grammar.expand(start, rng))


@pytest.mark.parametrize("name", TASKS)
def test_test_templates_use_some_words_never_trained_on(name):
    known = WORDS[name].grammar().words(*WORDS[name].STARTS)
    text = re.sub(r"\{\w+\}", "", " ".join(held_out_templates(name)).lower())
    assert len(set(re.findall(r"[a-z]+", text)) - known) >= 5


def test_both_things_are_named_once_in_every_put_in_bowl_sentence():
    rng = random.Random(2)
    for split in ("train", "test"):
        for _ in range(500):
            task, _ = sample("put_in_bowl", rng, split)
            colours = [task.goal.block.split()[0], task.goal.bowl.split()[0]]
            assert sorted(colours_said(task.instruction)) == sorted(colours), task.instruction


def test_either_mention_order_is_frequent():
    rng = random.Random(3)
    first = [
        colours_said(TASKS["put_in_bowl"].say(InBowl("red block", "blue bowl"), rng, "train"))[0]
        for _ in range(600)
    ]
    assert 60 < first.count("blue") < 400


def test_every_block_is_named_in_every_tower_sentence():
    rng = random.Random(4)
    for split in ("train", "test"):
        for _ in range(500):
            task, _ = sample("stack_tower", rng, split)
            assert set(colours_said(task.instruction)) == {b.split()[0] for b in task.goal.blocks}


def test_a_direction_cue_never_meets_the_list_of_the_other_order():
    """Cues of either side meet only the list of that side."""
    rng = random.Random(5)
    grammar = stack_tower.grammar()
    for side, other in (("up", "top_to_bottom"), ("down", "bottom_to_top")):
        for rule in (f"{side}_frame", f"{side}_say"):
            assert not any(other in grammar.expand(rule, rng) for _ in range(300))


def test_no_cue_may_be_read_both_ways():
    """What the grammar says of an upward list it never says of a downward one."""
    rng = random.Random(6)
    grammar = stack_tower.grammar()
    for up, down in (("up_cue", "down_cue"), ("up_clause", "down_clause"), ("up_cue", "down_clause")):
        for _ in range(150):
            cue = grammar.expand(up, rng)
            assert not grammar.accepts(down, cue), cue
            cue = grammar.expand(down, rng)
            assert not grammar.accepts(up, cue), cue


def test_slots_of_towers_mean_what_they_say():
    rng = random.Random(0)
    items = ["a", "b", "c"]
    for _ in range(30):
        assert re.findall(r"\b[abc]\b", part("on_chain", items, rng)) == ["c", "b", "a"]
        assert re.findall(r"\b[abc]\b", part("under_chain", items, rng)) == ["a", "b", "c"]
        assert re.findall(r"\b[abc]\b", part("rest_up", items, rng)) == ["b", "c"]
        assert re.findall(r"\b[abc]\b", part("rest_down", items, rng)) == ["b", "a"]
    assert part("bottom", items, rng) == "a"
    assert part("top", items, rng) == "c"


def test_lists_keep_their_order():
    rng = random.Random(0)
    blocks = ("red block", "green block", "blue block", "pink block")
    for _ in range(200):
        assert colours_said(lists.plain(blocks, rng)) == ["red", "green", "blue", "pink"]
        spoken = lists.spoken(lists.items_of(blocks, rng), rng)
        assert colours_said(spoken) == ["red", "green", "blue", "pink"]


def test_nouns_of_different_kinds_are_never_the_same_word():
    for kind, nouns in NOUNS.items():
        for other, words in NOUNS.items():
            assert kind == other or not set(nouns) & set(words)


# templates from a file -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("put {block} in {bowl}", "put the red block in the blue bowl"),
        ("Put the {block} in your {bowl}.", "Put the red block in your blue bowl."),
        ("{bowl}: {block}", "the blue bowl: the red block"),
    ],
)
def test_a_slot_brings_its_article_unless_there_is_one(template, said):
    assert make_task("put_in_bowl", GOALS["put_in_bowl"], template).instruction == said


def test_either_direction_of_a_tower_can_be_asked_for():
    rng = random.Random(0)
    up = ["red", "green", "blue"]
    for slot, order in (("bottom_to_top", up), ("top_to_bottom", up[::-1])):
        task = make_task("stack_tower", GOALS["stack_tower"], f"tower: {{{slot}}}", rng)
        assert colours_said(task.instruction) == order


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("put_in_bowl", "put {block} away"),
        ("put_in_bowl", "put {block} in {bowl} and {cup}"),
        ("put_in_bowl", "put {block in {bowl}"),
        ("stack_tower", "stack {bottom_to_top} as {top_to_bottom}"),
        ("match_bowls", "match {bowl}"),
    ],
)
def test_a_template_with_wrong_slots_is_refused_with_the_right_ones(name, template):
    with pytest.raises(BadPhrasing, match="needs"):
        make_task(name, GOALS[name], template)


def test_a_phrasings_file_replaces_the_templates(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("put_in_bowl:\n  - 'I say: {block}, {bowl}!'\nmatch_bowls: ['sort it']\n")
    mine = load_phrasings(path)
    task, _ = sample("put_in_bowl", random.Random(0), "test", templates=mine["put_in_bowl"])
    assert task.instruction == f"I say: the {task.goal.block}, the {task.goal.bowl}!"
    assert mine["match_bowls"] == ("sort it",)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("- a\n- b\n", BadPhrasing),
        ("put_in_bowl: 'one'\n", BadPhrasing),
        ("put_in_bowl: [3]\n", BadPhrasing),
        ("put_in_bowl: ['put {block}']\n", BadPhrasing),
        ("put_in_bowls: ['put {block} in {bowl}']\n", UnknownTask),
        ("put_in_bowl: [\n", BadPhrasing),
    ],
)
def test_a_bad_phrasings_file_is_refused_by_name(tmp_path, text, error):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(error):
        load_phrasings(path)


# noise and grammar -----------------------------------------------------------------------------------


def test_noise_changes_words_but_no_colour_noun_or_direction():
    rng = random.Random(8)
    meaning = re.compile(r"\b(top|bottom|under|on|in|into|first|last|block|bowl|up|down|base|from)\b")
    changed = 0
    for _ in range(300):
        task, _ = sample("stack_tower", rng)
        noisy = augment(task.instruction, rng, rate=1.0)
        changed += noisy != task.instruction
        assert colours_said(noisy) == colours_said(task.instruction)
        assert set(meaning.findall(task.instruction.lower())) <= set(meaning.findall(noisy.lower()))
    assert changed > 280


def test_a_grammar_refuses_what_it_cannot_read():
    for rules in ({"a": "( b"}, {"a": "b )"}, {"a": "<b>"}, {"a": "<b>", "b": "x <a>"}):
        with pytest.raises(BadGrammar):
            Grammar(rules)


def test_a_grammar_writes_all_of_its_choices():
    grammar = Grammar({"a": "2* put | <b> [now]", "b": "take ( it | that )"})
    rng = random.Random(0)
    said = {grammar.expand("a", rng) for _ in range(200)}
    assert said == {"put", "take it", "take that", "take it now", "take that now"}
    assert grammar.count("a") == 5
    assert grammar.words("a") == {"put", "take", "it", "that", "now"}


# templates written by hand ---------------------------------------------------------------------------


def test_written_templates_have_the_slots_of_their_kind_in_every_choice():
    rng = random.Random(9)
    slots = {kind: {frozenset(names)} for kind, names in written.TOWERS.values()}
    slots |= {name: set(family.slots) for name, family in TASKS.items()}
    assert set(written.templates()) == set(slots)
    for kind, lines in written.templates().items():
        for line in lines:
            grammar = Grammar({"line": line})
            for _ in range(6):
                found = re.findall(r"\{(\w+)\}", grammar.expand("line", rng))
                assert len(set(found)) == len(found) and frozenset(found) in slots[kind], line


def test_written_templates_name_no_colour_of_their_own():
    colours = re.compile(rf"\b({'|'.join([*SHADES, *(s for x in SHADES.values() for s in x)])})\b")
    for lines in written.templates().values():
        for line in lines:
            assert not colours.search(line.lower()), line


def test_both_ways_of_a_tower_are_written_alike_often():
    lines = written.templates()["stack_tower"]
    up = sum("{bottom_to_top}" in line for line in lines)
    assert len(lines) > 2000
    assert 0.45 < up / len(lines) < 0.55
