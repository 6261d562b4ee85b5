"""1,000 mails made to hurt: none breaks the reading, and each becomes one message."""

import random

from channels.email.folders import FoundMail
from channels.email.mime import all_files, read_mail
from channels.email.reading import inbound
from channels.email.settings import mail_settings
from channels.email.threads import Threading

SETTINGS = mail_settings({"address": "helper@example.org", "authserv": "mx.example.org"})
HEADERS = (
    "Subject: =?utf-8?q?Caf=C3=A9?=",
    "Subject: =?nothing?b?!!!?= =?utf-8?b?w4?=",
    "Subject: " + "x" * 50_000,
    "From: Ada <ada@example.com>",
    "From: @@@,,;:<>",
    "From: =?utf-8?b?AAAA?= <a@b",
    "To: undisclosed-recipients:;",
    "Date: Mon, 99 Foo 99999 99:99:99 +9999",
    "Date: ",
    "Message-ID: <<<>>>",
    "References: " + "<a@b> " * 500,
    "Content-Type: multipart/mixed",
    'Content-Type: multipart/mixed; boundary=""',
    "Content-Type: text/html; charset=x-unknown",
    "Content-Type: multipart/alternative; boundary=b",
    "Content-Type: multipart/report; boundary=b; report-type=delivery-status",
    "Content-Type: message/rfc822",
    "Content-Type: application/ms-tnef; name=winmail.dat",
    "Content-Type: text/calendar",
    "Content-Type: text/plain; charset=utf-16",
    "Content-Type: text/plain; charset=utf-7; format=flowed",
    "Content-Type: a",
    "Content-Disposition: attachment; filename*=utf-8''%ZZ%00..%2F",
    "Content-Transfer-Encoding: base64",
    "Content-Transfer-Encoding: quoted-printable",
    "Content-Transfer-Encoding: x-uuencode",
    'Authentication-Results: ((;="',
)
BODIES = (
    b"plain \xff\xfe\x00 text",
    b"--b\nContent-Type: text/html\n\n<div><blockquote><b>" + b"<div>" * 3_000 + b"\n--b--",
    b"--b\n\n--b\n--b\nContent-Type: message/delivery-status\n\nAction: failed\n--b--",
    b"x\x9f>\x22" + b"\0" * 300,
    b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:19000101T000000Z\nRRULE:FREQ=SECONDLY\nEND:VEVENT\nEND:VCALENDAR",
    b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:nonsense\nEND:VCALENDAR",
    b"=E2=82" * 1_000,
    b"QUJD=" * 1_000,
    b"",
    b"--b\nContent-Type: message/rfc822\n\n" * 40 + b"From: x\n\nhi",
    b"begin 644 a\n#0V%T\n`\nend\n",
    b"<!--" * 2_000,
)


def nasty(chance: random.Random) -> bytes:
    headers = chance.sample(HEADERS, chance.randint(1, 8))
    raw = "\n".join(headers).encode() + b"\n\n" + chance.choice(BODIES) + chance.choice(BODIES)
    for _ in range(chance.randint(0, 5)):
        place = chance.randrange(len(raw))
        raw = raw[:place] + bytes([chance.randrange(256)]) + raw[place + chance.randint(0, 3) :]
    return raw[: chance.randint(1, len(raw))] if chance.random() < 0.2 else raw


def test_a_thousand_nasty_mails_each_become_one_message() -> None:
    chance = random.Random(20261201)
    for number in range(1_000):
        raw = nasty(chance)
        found = FoundMail(read_mail(raw), "INBOX", 1, number)
        message = inbound(found, SETTINGS, Threading("t"))
        assert message.id
        assert message.sender == ""
        assert len(message.files) == len(list(all_files(found.mail)))
        assert "\0" not in message.text
