"""A convention's Markdown becomes a description and recipes, of which an agent is shown those it can carry out."""

import pytest

from core.errors import InvalidInput
from core.models.embeddings import LocalEmbedder
from core.models.frames import Framed, parse_changes
from core.models.recipes import Recipe, asked, bind, examples, nearest, parse, usable

TASKS = """# Task list
Each atom is one task.

## Words
A task is *free* when nothing blocks it.

## Recipes

### Add a task
> add buy milk to my tasks
> I need to buy milk
```python
what = "buy milk"
space.put(what, comment=f"added {what}")
print(f"Added: {what}.")
```

### List the tasks
> show my tasks
```python
print(len(space.search(limit=50)))
```

## Recipes for what agents write

### Pass a report on
> report: all done
```python
print(change.content)
```
"""
READ = frozenset({"get", "search", "history"})


def recipe(code: str, **other: object) -> Recipe:
    return Recipe("Try", ("try it",), code, **other)  # type: ignore[arg-type]


def test_the_prose_is_the_description_and_the_recipes_are_told_apart_by_who_asks() -> None:
    convention = parse(TASKS)
    assert convention.name == "Task list"
    assert convention.description == ("Each atom is one task.\n\n## Words\nA task is *free* when nothing blocks it.")
    assert [(r.title, r.speaker, len(r.asks)) for r in convention.recipes] == [
        ("Add a task", "owner", 2),
        ("List the tasks", "owner", 1),
        ("Pass a report on", "agent", 1),
    ]


@pytest.mark.parametrize(
    "spoiled, words",
    [
        ("Just prose.", "begins with a line '# Name'"),
        (TASKS.replace("> show my tasks\n", ""), "'List the tasks' has no ask"),
        (TASKS.replace("```python\nprint(len", "```\nprint(len"), "'List the tasks' has 0 python blocks"),
        (TASKS.replace("print(change.content)", "print(change.content"), "'Pass a report on' does not parse"),
        (TASKS.replace("> I need to buy milk", "> I need to buy bread"), "lacks 'buy milk'"),
        (TASKS.replace("print(len(space.search(limit=50)))", 'print(f"{space.search()}")'), "inside an f-string"),
    ],
)
def test_a_malformed_recipe_is_refused_by_its_title(spoiled: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words.replace("(", r"\(")):
        parse(spoiled)


def test_a_recipe_is_bound_to_a_space_by_its_name_and_texts_stay_as_they_are() -> None:
    bound = bind(recipe('print("space é", space.name, space)\nspaces["space"].put("space")\n'), "to-do")
    assert bound.code == 'print("space é", spaces["to-do"].name, spaces["to-do"])\nspaces["space"].put("space")\n'
    assert bound.space == "to-do"


@pytest.mark.parametrize(
    "code, fits",
    [
        ('spaces["tasks"].search()', True),
        ('spaces["tasks"].put("x")', False),
        ('spaces["secret"].search()', False),
        ("spawn(task=str(1))", False),
        ("import time\nfor hit in search('x'):\n    print(hit.content, time)", True),
        ("def double(n):\n    return n + n\nprint(double(len(changes)), change.content)", True),
        ("try:\n    now()\nexcept ValueError as problem:\n    print(problem)", True),
        ("space.search()", False),
    ],
)
def test_a_recipe_is_usable_where_everything_it_names_is_held(code: str, fits: bool) -> None:
    assert usable(recipe(code), {"tasks": READ}, frozenset({"search", "now"})) is fits


async def test_the_same_words_with_other_values_are_nearest_then_what_means_alike(embedder: LocalEmbedder) -> None:
    recipes = [r for r in parse(TASKS).recipes if r.speaker == "owner"]
    found = await nearest(recipes, "I need to call Ana about the flat in Lisbon", embedder)
    assert [(example.recipe.title, example.ask) for example in found] == [
        ("Add a task", "I need to buy milk"),
        ("List the tasks", "show my tasks"),
    ]
    assert found[0].score > 1 > found[1].score
    alike = await nearest(recipes, "which tasks are there to see?", embedder, limit=1)
    assert alike[0].recipe.title == "List the tasks"


async def test_recipes_for_different_asks_are_different_though_their_code_is_the_same(embedder: LocalEmbedder) -> None:
    refusal = Recipe("Tell of a refusal", ("reminder refused: no",), "print(change.content)\n", "agent")
    report = Recipe("Pass a report on", ("report: all done",), "print(change.content)\n", "agent")
    for comment, title in [("reminder refused: there is none", refusal.title), ("report: it rains", report.title)]:
        found = await nearest([refusal, report, refusal], comment, embedder)
        assert [example.recipe.title for example in found] == [title]


async def test_examples_are_turns_that_ask_and_are_answered_with_code(embedder: LocalEmbedder) -> None:
    recipes = [bind(r, "tasks") for r in parse(TASKS).recipes]
    changed = [
        Framed(0, "chat", "owner", "owner", "a1", "put", "", "add eggs to my tasks"),
        Framed(1, "dm-x", "agent-x", "agent", "a2", "put", "report: nothing", "nothing"),
    ]
    turns = await examples(recipes, changed, embedder)
    assert all(turn.example for turn in turns)
    asks = [parse_changes(turn.text)[0] for turn in turns[::2]]
    assert [(ask.space, ask.origin, asked(ask)[1]) for ask in asks] == [
        ("chat", "owner", "add buy milk to my tasks"),
        ("tasks", "agent", "report: all done"),
    ]
    assert turns[1].text.startswith('```python\nwhat = "buy milk"\nspaces["tasks"].put(')


async def test_what_guests_say_is_answered_by_recipes_for_everybody_only(embedder: LocalEmbedder) -> None:
    greeting = "## Recipes for everybody\n\n### Greet\n> hello\n```python\nprint('Hello!')\n```\n"
    recipes = [*parse(TASKS).recipes, *parse(f"# Room\n{greeting}").recipes]
    for text in ("hello", "add buy milk to my tasks"):
        said = Framed(0, "hall", "bob", "outside", "a1", "put", f"Bob: {text}", text)
        shown, code = await examples([bind(recipe, "hall") for recipe in recipes], [said], embedder)
        (framed,) = parse_changes(shown.text)
        assert (framed.space, framed.origin, framed.content) == ("hall", "outside", "hello")
        assert "Hello!" in code.text


def test_a_task_is_asked_for_in_full_and_outside_text_is_a_guest_s() -> None:
    long = "x" * 400
    assert asked(Framed(0, "dm", "boss", "agent", "a", "put", "task: xx…", long)) == ("agent", f"task: {long}")
    assert asked(Framed(0, "chat", "stranger", "outside", "a", "put", "hi", "remind me")) == ("guest", "remind me")
