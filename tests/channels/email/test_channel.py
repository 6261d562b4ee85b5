"""The channel reads mail as it arrives, answers in the thread, and takes answers to questions by their code."""

import pytest

from channels.contract import OutboundMessage, Undeliverable, Unusable
from core.trust.approvals import Choice
from tests.channels.slack_app import hearing
from tests.rigs.email.rig import ADDRESS, OWNER_ADDRESS, MailRig, mail_from, text_of

CHOICES = (Choice("q7:once", "Yes, once"), Choice("q7:no", "No"))


async def test_a_mail_is_heard_as_it_arrives_and_the_answer_stands_in_its_thread(mailbox: MailRig) -> None:
    async with mailbox.channel() as channel, hearing(channel) as heard:
        await mailbox.until(lambda: mailbox.imap.idling == 2)
        mail = mail_from(f"Ada <{OWNER_ADDRESS}>", "What is on today?\n", "A question")
        await mailbox.arrives(mail)
        told = await heard.next()
        assert (told.sender, told.name, told.text) == (OWNER_ADDRESS, "Ada", "A question\n\nWhat is on today?")
        assert told.parent == await channel.direct(OWNER_ADDRESS)
        name = await channel.send(OutboundMessage(told.conversation, "**Nothing** at all.", "chat/1:0"))
        answer = await mailbox.answer()
    assert (answer["To"], answer["Subject"], answer["Message-ID"]) == (OWNER_ADDRESS, "Re: A question", name)
    assert answer["In-Reply-To"] == answer["References"] == mail["Message-ID"]
    assert answer["Auto-Submitted"] == "auto-replied"
    assert text_of(answer).startswith("**Nothing** at all.\n\n> A question")
    page = answer.get_body(("html",))
    assert page
    assert "<strong>Nothing</strong>" in page.get_content()
    assert [one.seen for one in mailbox.imap.folders["INBOX"].mails] == [False]
    assert len(mailbox.imap.folders["Sent"].mails) == 1


async def test_an_answer_to_ours_is_in_the_same_conversation_without_what_it_quotes(mailbox: MailRig) -> None:
    async with mailbox.channel() as channel, hearing(channel) as heard:
        await mailbox.arrives(mail_from(OWNER_ADDRESS, "Hello", "Tokyo"))
        first = await heard.next()
        await channel.send(OutboundMessage(first.conversation, "Good morning", "chat/1:0"))
        ours = await mailbox.answer()
        said = "Thanks!\n\nOn Tue, 1 Dec 2026 at 09:00, Stoa <helper@example.org> wrote:\n> Good morning\n"
        await mailbox.arrives(mail_from(OWNER_ADDRESS, said, answers=ours))
        second = await heard.next(2)
    assert (second.text, second.passages, second.conversation) == ("Thanks!", (), first.conversation)
    assert second.reply_to == ours["Message-ID"]


async def test_a_question_is_answered_by_its_code_and_not_without(mailbox: MailRig) -> None:
    async with mailbox.channel() as channel, hearing(channel) as heard:
        await channel.send(OutboundMessage(OWNER_ADDRESS, "May I?", "q7", CHOICES))
        question = await mailbox.answer()
        lines = [line for line in text_of(question).splitlines() if line.startswith("- `")]
        code = lines[1].split("`")[1]
        await mailbox.arrives(mail_from(OWNER_ADDRESS, "yes", answers=question))
        reminder = await mailbox.answer(2)
        assert "code" in text_of(reminder)
        await mailbox.arrives(mail_from(OWNER_ADDRESS, f"{code}\n\n> May I?", answers=question))
        pressed = await heard.next()
    assert (pressed.choice, pressed.reply_to) == ("q7:no", question["Message-ID"])
    assert len(heard.messages) == 1


async def test_a_mail_of_ours_that_bounces_is_told_with_the_reason(mailbox: MailRig) -> None:
    async with mailbox.channel() as channel, hearing(channel) as heard:
        await channel.send(OutboundMessage(OWNER_ADDRESS, "Hello", "chat/1:0"))
        ours = await mailbox.answer()
        await mailbox.arrives(BOUNCE.format(id=ours["Message-ID"]).encode())
        told = await heard.next()
    assert (told.kind, told.conversation) == ("lost", OWNER_ADDRESS)
    assert "550 5.1.1 no such user" in told.text


BOUNCE = """Return-Path: <>
From: Mail Delivery System <mailer-daemon@example.org>
To: helper@example.org
Subject: Undelivered
Message-ID: <bounce@example.org>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

It failed.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; example.org

Final-Recipient: rfc822; ada@example.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user
--b
Content-Type: text/rfc822-headers

Message-ID: {id}
Subject: Hello
--b--
"""


async def test_a_file_comes_with_its_bytes_and_one_is_sent(mailbox: MailRig) -> None:
    async with mailbox.channel() as channel, hearing(channel) as heard:
        mail = mail_from(OWNER_ADDRESS, "See the plan", "Plan")
        mail.add_attachment(b"we meet at nine", maintype="text", subtype="plain", filename="plan.txt")
        await mailbox.arrives(mail)
        (file,) = (await heard.next()).files
        assert (file.name, file.size, await channel.read(file)) == ("plan.txt", 15, b"we meet at nine")
        other = mailbox.channel()
        async with other:
            assert await other.read(file) == b"we meet at nine"
        await channel.send_file(OWNER_ADDRESS, "a.pdf", "application/pdf", b"%PDF", "chat/1:1")
        (sent,) = (await mailbox.answer()).iter_attachments()
    assert (sent.get_filename(), sent.get_content()) == ("a.pdf", b"%PDF")


async def test_mail_is_known_to_be_sent_by_its_key(mailbox: MailRig) -> None:
    async with mailbox.channel() as channel:
        sent = OutboundMessage(OWNER_ADDRESS, "Hello", "chat/1:0")
        name = await channel.send(sent)
        assert await channel.find(sent) == name
        assert await channel.find(OutboundMessage(OWNER_ADDRESS, "Hello", "chat/2:0")) is None


async def test_what_the_server_refuses_is_told_as_it_is(mailbox: MailRig) -> None:
    async with mailbox.channel() as channel:
        mailbox.refusal = "552 5.2.2 over quota"
        with pytest.raises(Undeliverable, match="mailbox there is full"):
            await channel.send(OutboundMessage(OWNER_ADDRESS, "Hello"))
        with pytest.raises(Undeliverable, match="'nowhere' is not an email address"):
            await channel.send(OutboundMessage("nowhere", "Hello"))
        mailbox.refusal = ""
        mailbox.imap.full = True
        await channel.send(OutboundMessage(OWNER_ADDRESS, "Hello"))  # it is sent, if not filed
    assert len(mailbox.sent) == 1


async def test_two_programs_that_answer_each_other_come_to_an_end(mailbox: MailRig) -> None:
    async with mailbox.channel(sent="none") as channel:
        for number in range(20):
            await channel.send(OutboundMessage(f"{OWNER_ADDRESS}/t1", f"{number}"))
        with pytest.raises(Undeliverable, match="20 mails in this thread"):
            await channel.send(OutboundMessage(f"{OWNER_ADDRESS}/t1", "one more"))


async def test_a_wrong_password_and_a_folder_that_is_gone_are_told_with_the_mend(mailbox: MailRig) -> None:
    mailbox.imap.password = "another"
    with pytest.raises(Unusable, match=r"does not let email in as helper@example\.org.*stoa setup email"):
        async with mailbox.channel():
            pass
    mailbox.imap.password = "secret"
    with pytest.raises(Unusable, match=r"no folder 'Travel'.*There are: INBOX, Sent"):
        async with mailbox.channel(folders="INBOX,Travel"):
            pass


async def test_a_certificate_for_another_host_or_of_an_unknown_authority_is_refused(mailbox: MailRig) -> None:
    imap = f"127.0.0.1:{mailbox.imap.port}"
    with pytest.raises(Unusable, match=r"certificate of 127\.0\.0\.1 cannot be trusted"):
        async with mailbox.channel(imap=imap):
            pass
    account = mailbox.account()
    options = {name: value for name, value in account.options.items() if name != "ca"}
    channel = type(mailbox.channel())(account.model_copy(update={"options": options}), mailbox.secrets())
    with pytest.raises(Unusable, match="certificate of localhost cannot be trusted"):
        async with channel:
            pass


async def test_what_will_not_work_is_said_with_the_mend(mailbox: MailRig) -> None:
    del mailbox.imap.folders["Sent"]
    account = mailbox.account()
    options = {name: value for name, value in account.options.items() if name != "authserv"}
    async with type(mailbox.channel())(account.model_copy(update={"options": options}), mailbox.secrets()) as channel:
        assert [note.split(",")[0] for note in channel.notes] == [
            "email has no option authserv",
            "email has no folder for sent mail",
        ]


async def test_a_mail_only_copied_to_us_is_no_instruction(mailbox: MailRig) -> None:
    async with mailbox.channel() as channel, hearing(channel) as heard:
        await mailbox.arrives(mail_from(OWNER_ADDRESS, "Do it", "Plan", To="bob@example.net", Cc=ADDRESS))
        assert (await heard.next()).sender == ""
