"""No mail is lost or read twice: over lost connections, freezes, restarts and rebuilt mailboxes."""

import pytest

from channels.email.channel import Email
from channels.email.folders import LARGE_MAIL_BYTES, MAX_MAIL_BYTES
from channels.state import PassingState
from tests.channels.slack_app import hearing
from tests.rigs.email.rig import OWNER_ADDRESS, MailRig, mail_from


def numbered(number: int) -> bytes:
    return mail_from(OWNER_ADDRESS, f"mail {number}").as_bytes()


def opened(mailbox: MailRig, state: PassingState, **options: str) -> Email:
    """A channel that goes on where the last one with this state ended."""
    channel = mailbox.channel(sent="none", **options)
    channel.keep_in(state)
    return channel


async def test_mail_that_came_while_nobody_listened_is_read_in_order_after_a_restart(mailbox: MailRig) -> None:
    state = PassingState()
    for begin in (0, 5):
        async with opened(mailbox, state) as channel, hearing(channel) as heard:
            for number in range(begin, begin + 5):
                await mailbox.arrives(numbered(number))
            await heard.next(5)
            assert [one.text for one in heard.messages] == [f"mail {number}" for number in range(begin, begin + 5)]


async def test_a_mail_that_was_not_taken_comes_again(mailbox: MailRig) -> None:
    state = PassingState()
    async with opened(mailbox, state) as channel:
        await mailbox.arrives(numbered(1))
        listening = channel.listen()
        assert (await anext(listening)).text == "mail 1"
        await listening.aclose()  # type: ignore[attr-defined]
    async with opened(mailbox, state) as channel, hearing(channel) as heard:
        assert (await heard.next()).text == "mail 1"


async def test_connections_that_break_again_and_again_lose_and_double_nothing(mailbox: MailRig) -> None:
    async with opened(mailbox, PassingState()) as channel, hearing(channel) as heard:
        for number in range(30):
            await mailbox.arrives(numbered(number))
            if number % 3 == 0:
                mailbox.imap.cut()
            if number % 7 == 0:
                await heard.next(number + 1)
        await heard.next(30)
        assert [one.text for one in heard.messages] == [f"mail {number}" for number in range(30)]


async def test_a_server_that_freezes_in_idle_is_left_and_found_again(mailbox: MailRig) -> None:
    async with opened(mailbox, PassingState()) as channel, hearing(channel) as heard:
        await mailbox.until(lambda: mailbox.imap.idling == 1)
        mailbox.imap.frozen = True
        await mailbox.arrives(numbered(1))
        mailbox.imap.cut()
        await mailbox.imap.thaw()
        assert (await heard.next()).text == "mail 1"


async def test_idle_is_renewed_and_a_server_that_answers_no_more_is_given_up(mailbox: MailRig) -> None:
    channel = opened(mailbox, PassingState())
    channel.idle_seconds = 1
    async with channel, hearing(channel) as heard:
        await mailbox.until(lambda: mailbox.imap.commands.count("IDLE") >= 3)
        assert mailbox.imap.logins == 2  # one to look around, one to read: renewing needs no new one
        await mailbox.arrives(numbered(1))
        assert (await heard.next()).text == "mail 1"


async def test_a_rebuilt_mailbox_is_read_on_and_nothing_twice(mailbox: MailRig) -> None:
    state = PassingState()
    async with opened(mailbox, state) as channel, hearing(channel) as heard:
        for number in range(3):
            await mailbox.arrives(numbered(number))
        await heard.next(3)
    mailbox.imap.rebuild()
    for mail in mailbox.imap.folders["INBOX"].mails:
        mail.day = "01-Jan-2099"
    async with opened(mailbox, state) as channel, hearing(channel) as heard:
        await mailbox.imap.put(numbered(3), day="01-Jan-2099")
        assert (await heard.next()).text == "mail 3"
    assert not any("BODY.PEEK[]" in command for command in mailbox.imap.commands[-12:] if "100" in command)


async def test_the_same_mail_in_two_folders_is_read_once(mailbox: MailRig) -> None:
    async with mailbox.channel() as channel, hearing(channel) as heard:
        mail = numbered(1)
        await mailbox.arrives(mail, "Sent")
        await heard.next()
        await mailbox.arrives(mail)
        await mailbox.arrives(numbered(2))
        assert (await heard.next(2)).text == "mail 2"


async def test_the_first_reading_goes_back_as_many_days_as_asked(mailbox: MailRig) -> None:
    await mailbox.imap.put(numbered(1), day="01-Jan-2001")
    await mailbox.imap.put(numbered(2), day="01-Jan-2099")
    async with opened(mailbox, PassingState(), days="7") as channel, hearing(channel) as heard:
        assert (await heard.next()).text == "mail 2"
    async with opened(mailbox, PassingState()) as channel, hearing(channel) as heard:
        await mailbox.arrives(numbered(3))
        assert (await heard.next()).text == "mail 3"


async def test_of_a_mail_that_is_too_large_the_beginning_is_read_and_said(mailbox: MailRig) -> None:
    mail = mail_from(OWNER_ADDRESS, "see the film")
    mail.add_attachment(b"x" * 3_000_000, maintype="video", subtype="mp4", filename="film.mp4")
    async with opened(mailbox, PassingState()) as channel:
        await mailbox.arrives(mail)
        mailbox.imap.folders["INBOX"].mails[0].told_size = MAX_MAIL_BYTES + 1
        async with hearing(channel) as heard:
            told = await heard.next()
    assert (told.text, told.files) == ("see the film", ())
    assert f"I read only its first {LARGE_MAIL_BYTES // 1_000_000} MB" in told.passages[-1].text


@pytest.mark.parametrize("capabilities", ["IMAP4rev1", "IMAP4rev1 IDLE"])
async def test_servers_that_can_little_are_asked_for_no_more(mailbox: MailRig, capabilities: str) -> None:
    mailbox.imap.capabilities = capabilities
    async with opened(mailbox, PassingState()) as channel, hearing(channel):
        await mailbox.until(lambda: any("SEARCH" in command for command in mailbox.imap.commands))
    assert not any(command.startswith("ID ") for command in mailbox.imap.commands)
