"""Data comes back letter for letter: paths, patterns, products and code are not read as markup."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from channels.markdown import Dialect, DiscordMarkdown, literal
from channels.slack.markdown import Mrkdwn
from channels.telegram.markdown import TelegramHTML
from tests.channels.readers import read_discord, read_plain, read_slack, read_telegram

READERS = [
    (Dialect(), read_plain),
    (Mrkdwn(), read_slack),
    (TelegramHTML(), read_telegram),
    (DiscordMarkdown(), read_discord),
]
DATA = [
    "/var/*/log/*.gz",
    "rm /var/*/log/*.gz and /tmp/*",
    "2*3*4=24",
    "match ^a.*b.*$",
    r"C:\Users\*.txt",
    r"\\server\share\*",
    "pkg/__init__.py",
    "__init__ and __main__.py",
    "snake_case_name and _private_name",
    "a~b~c and ~/notes",
    "<tag> &amp; &lt; <b>bold</b>",
    "https://x.example/a_b_c/__init__.py?q=*x*&r=_y_#L3",
    "see (https://x.example/a_(b)) or <https://x.example/c_d_e>.",
    ":white_check_mark: and $x_1$ + $y_2$",
    r"\d+\.\d* and \[.*\] and ^\s*(\w+)\s*=\s*(.*)$",
    "f(*args, **kwargs) and {**a,**b}",
    "*.txt,*.md and (*.c|*.h) and **/*.py",
    "x**2 + y**2 = 2**3**4",
    "arr[0](x) and [a-z](b) and m[i][j](k)",
    "*/5 * * * * /usr/bin/job",
    "[1]: https://x.example",
    "Name: ______",
    "5 * 3 * 2 and 5*3 and ~5 minutes",
    "foo \\",
    "1986. A great year",
]
TRICKY = st.text(
    st.one_of(
        st.sampled_from("*_~`[]()<>#|-+=:.!&\\/ \n0123456789aäé漢：xX?{}^$'\""),
        st.characters(exclude_categories=["C", "Z"]),
    ),
    max_size=60,
)


def shown_by(dialect: Dialect, markdown: str) -> str:
    return "\n\n".join(dialect.messages(markdown))


def lines_of(text: str) -> list[str]:
    return [line.rstrip() for line in text.split("\n")]


@pytest.mark.parametrize("data", DATA)
def test_data_that_nobody_marked_is_shown_letter_for_letter(data: str) -> None:
    for dialect, read in READERS:
        assert read(shown_by(dialect, f"You noted: {data}")) == f"You noted: {data}", type(dialect).__name__


@pytest.mark.parametrize("data", [*DATA, "# of chairs", "* * * * * job"])
def test_data_in_a_list_is_shown_letter_for_letter(data: str) -> None:
    for dialect, read in READERS:
        shown = read(shown_by(dialect, f"- {data}\n- other"))
        assert shown.removeprefix(dialect.bullet) == f"{data}\n{dialect.bullet}other", type(dialect).__name__


@given(TRICKY)
@example("*a*")
@example("a\n\n\n    b")
@example("# a\n> b\n- c\n1. d\n```\ne\n```\n| f | g |\n|---|---|")
@example("`a` ``b`` ```")
@example("[a](b.c) ![d](https://e.f)")
def test_what_is_marked_as_data_is_shown_letter_for_letter(data: str) -> None:
    for dialect, read in READERS:
        shown = read(shown_by(dialect, literal(data)))
        assert lines_of(shown) == (lines_of(data) if shown else [""]), type(dialect).__name__


@given(TRICKY, st.sampled_from(["You noted: {}", "- {}", "**Note**: {} *end*", "> {}", "1. {}"]))
def test_what_is_marked_as_data_keeps_its_letters_within_other_text(data: str, frame: str) -> None:
    words = " ".join(data.split())
    for dialect, read in READERS:
        assert words in read(shown_by(dialect, frame.format(literal(words)))), type(dialect).__name__


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("這是**粗體**文字", "這是<b>粗體</b>文字"),
        ("**重要：**请注意", "<b>重要：</b>请注意"),
        ("说*重要*的事", "说<i>重要</i>的事"),
        ("**굵게**는", "<b>굵게</b>는"),
        ("un**believ**able", "un<b>believ</b>able"),
        ("**20%**off", "<b>20%</b>off"),
        ("**Note:**text", "<b>Note:</b>text"),
        ("**a**,**b**", "<b>a</b>,<b>b</b>"),
        ("*it* _it_ __bold__ ***both***", "<i>it</i> <i>it</i> <b>bold</b> <i><b>both</b></i>"),
        ("(*par*) “**quoted**”, ~~gone~~!", "(<i>par</i>) “<b>quoted</b>”, <s>gone</s>!"),
        ("**see /var/*/log/*.gz now**", "<b>see /var/*/log/*.gz now</b>"),
    ],
)
def test_what_is_meant_as_emphasis_is_read_as_it(markdown: str, html: str) -> None:
    assert TelegramHTML().messages(markdown) == [html]


@pytest.mark.parametrize("text", ["這是**粗體**文字", "**重要：**请注意", "un**believ**able", "**20%**off"])
def test_no_star_touches_a_letter_outside_of_it_in_slack(text: str) -> None:
    (shown,) = Mrkdwn().messages(text)
    assert read_slack(shown) == text.replace("*", "")
    assert "**" not in shown


def test_a_backslash_takes_the_meaning_of_a_mark() -> None:
    assert Dialect().messages(r"\*not slanted\*, \[no](https://link.example) and \`no code\`") == [
        "*not slanted*, [no](https://link.example) and `no code`"
    ]
