"""150 mails in the forms of the common mail programs and in twenty languages, each with what is new in it.

The texts are ours; the lines around them are those that the programs write.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

OLD = "Können wir uns am Dienstag um 14:00 treffen?\nDas Hotel kostet 120 € je Nacht."
NEW = "Sounds good: let's take it.\n\nPlease book for two."
WRITER = "Bob Sommer <bob@example.net>"


class Language(NamedTuple):
    """The words of one language in mail programs."""

    code: str
    sender: str
    sent: str
    to: str
    subject: str
    wrote: str
    """With {date} and {who}."""
    forwarded: str
    """Gmail's or Thunderbird's line, without dashes."""
    begin: str
    """Apple's line; empty where it has none of its own."""
    prefix: str
    date: str


LANGUAGES = (
    Language("en", "From", "Sent", "To", "Subject", "On {date}, {who} wrote:", "Forwarded message",
             "Begin forwarded message:", "Fwd", "Mon, 30 Nov 2026 at 10:15"),
    Language("de", "Von", "Gesendet", "An", "Betreff", "Am {date} schrieb {who}:", "Weitergeleitete Nachricht",
             "Anfang der weitergeleiteten Nachricht:", "WG", "Montag, 30. November 2026 10:15"),
    Language("fr", "De", "Envoyé", "À", "Objet", "Le {date}, {who} a écrit :", "Message transféré",
             "Début du message transféré :", "TR", "lundi 30 novembre 2026 10:15"),
    Language("es", "De", "Enviado", "Para", "Asunto", "El {date}, {who} escribió:", "Mensaje reenviado",
             "Inicio del mensaje reenviado:", "RV", "lunes, 30 de noviembre de 2026 10:15"),
    Language("it", "Da", "Inviato", "A", "Oggetto", "Il {date}, {who} ha scritto:", "Messaggio inoltrato",
             "Inizio messaggio inoltrato:", "I", "lunedì 30 novembre 2026 10:15"),
    Language("pt", "De", "Enviada em", "Para", "Assunto", "Em {date}, {who} escreveu:", "Mensagem encaminhada",
             "Início da mensagem encaminhada:", "ENC", "segunda-feira, 30 de novembro de 2026 10:15"),
    Language("nl", "Van", "Verzonden", "Aan", "Onderwerp", "Op {date} schreef {who}:", "Doorgestuurd bericht",
             "Begin doorgestuurd bericht:", "FW", "maandag 30 november 2026 10:15"),
    Language("sv", "Från", "Skickat", "Till", "Ämne", "Den {date} skrev {who}:", "Vidarebefordrat meddelande",
             "Vidarebefordrat brev:", "VB", "den 30 november 2026 10:15"),
    Language("da", "Fra", "Sendt", "Til", "Emne", "Den {date} skrev {who}:", "Videresendt meddelelse",
             "Start på videresendt besked:", "VS", "30. november 2026 10:15"),
    Language("no", "Fra", "Sendt", "Til", "Emne", "{date} skrev {who}:", "Videresendt melding",
             "Videresendt melding:", "VS", "mandag 30. november 2026 10:15"),
    Language("fi", "Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe", "{who} kirjoitti {date}:", "Välitetty viesti",
             "Välitetty viesti alkaa:", "VL", "maanantai 30. marraskuuta 2026 10.15"),
    Language("pl", "Od", "Wysłano", "Do", "Temat", "{date}, {who} napisał(a):", "Przekazana wiadomość",
             "Początek przekazywanej wiadomości:", "PD", "poniedziałek, 30 listopada 2026 10:15"),
    Language("cs", "Od", "Odesláno", "Komu", "Předmět", "Dne {date} {who} napsal(a):", "Přeposlaná zpráva",
             "Začátek přeposílané zprávy:", "FW", "pondělí 30. listopadu 2026 10:15"),
    Language("ru", "От", "Отправлено", "Кому", "Тема", "{date}, {who} написал:", "Пересылаемое сообщение",
             "Начало переадресованного сообщения:", "FW", "30 ноября 2026 г. 10:15"),
    Language("uk", "Від", "Надіслано", "Кому", "Тема", "{date}, {who} пише:", "Переслане повідомлення",
             "", "FW", "понеділок, 30 листопада 2026 р. 10:15"),
    Language("tr", "Kimden", "Gönderildi", "Kime", "Konu", "{who}, {date} tarihinde şunu yazdı:", "İletilmiş ileti",
             "İletilen ileti başlangıcı:", "İLT", "30 Kasım 2026 Pazartesi 10:15"),
    Language("ja", "差出人", "送信日時", "宛先", "件名", "{date} {who}のメール:", "転送メッセージ",
             "転送されたメッセージ:", "FW", "2026年11月30日 10:15"),
    Language("zh", "发件人", "发送时间", "收件人", "主题", "{who} 于{date}写道：", "转发的邮件",
             "以下是转发的邮件：", "转发", "2026年11月30日 10:15"),
    Language("ko", "보낸 사람", "보낸 날짜", "받는 사람", "제목", "{date}, {who}님이 작성:", "전달된 메시지",
             "전달된 메시지:", "전달", "2026년 11월 30일 오전 10:15"),
    Language("hu", "Feladó", "Elküldve", "Címzett", "Tárgy", "{who} ezt írta ({date}):", "Továbbított üzenet",
             "", "TOV", "2026. november 30., hétfő 10:15"),
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """A mail's text, and what is to be understood of it."""

    name: str
    text: str
    subject: str
    new: str
    foreign: str = OLD
    author: str = "bob@example.net"
    kind: str = "forwarded"
    answers: bool = False


def quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def block(language: Language, star: str = "") -> str:
    pairs = [(language.sender, WRITER), (language.sent, language.date)]
    pairs += [(language.to, "Ada <ada@example.com>"), (language.subject, "Hotel")]
    return "\n".join(f"{star}{label}:{star} {value}" for label, value in pairs)


def samples() -> Iterator[Sample]:
    for language in LANGUAGES:
        yield from _of(language)
    yield from _others()


def _of(one: Language) -> Iterator[Sample]:
    forward, answer = f"{one.prefix}: Hotel", "Re: Hotel"
    head = block(one)
    line = f"---------- {one.forwarded} ---------"
    yield Sample(f"{one.code} Gmail forward", f"{NEW}\n\n{line}\n{head}\n\n\n{OLD}", forward, NEW)
    thunderbird = f"-------- {one.forwarded} --------\n{one.subject}:  Hotel\n{one.sent}:  {one.date}\n"
    thunderbird += f"{one.sender}:  {WRITER}\n{one.to}:  Ada <ada@example.com>"
    yield Sample(f"{one.code} Thunderbird forward", f"{NEW}\n\n\n{thunderbird}\n\n\n\n{OLD}", forward, NEW)
    yield Sample(f"{one.code} Outlook forward", f"{NEW}\n\n{head}\n\n{OLD}", forward, NEW)
    starred = f"{'_' * 32}\n{block(one, '*')}"
    yield Sample(f"{one.code} Outlook answer", f"{NEW}\n\n{starred}\n\n{OLD}", answer, NEW, kind="quoted", answers=True)
    wrote = one.wrote.format(date=one.date, who=WRITER)
    said = f"{NEW}\n\n{wrote}\n\n{quoted(OLD)}\n"
    yield Sample(f"{one.code} answer with marks", said, answer, NEW, kind="quoted", answers=True)
    if one.begin:
        apple = f"{NEW}\n\n{one.begin}\n\n{quoted(f'{head}{chr(10)}{chr(10)}{OLD}')}\n"
        yield Sample(f"{one.code} Apple forward", apple, forward, NEW)
    bare = f"{one.begin or line}\n\n{head}\n\n{OLD}"
    yield Sample(f"{one.code} forward without a word", bare, forward, "")


def _others() -> Iterator[Sample]:
    english = LANGUAGES[0]
    head = block(english)
    wrote = english.wrote.format(date=english.date, who=WRITER)
    signed = f"{NEW}\n\n-- \nAda Löw\nHead of trips\n\n{wrote}\n{quoted(OLD)}"
    yield Sample("signature above the quote", signed, "Re: Hotel", NEW, kind="quoted", answers=True)
    phone = f"{NEW}\n\nSent from my iPhone\n\n{wrote}\n\n{quoted(OLD)}"
    yield Sample("telephone's line", phone, "Re: Hotel", NEW, kind="quoted", answers=True)
    outlook = f"{NEW}\n\nGet Outlook for iOS<https://aka.ms/o0ukef>\n{'_' * 32}\n{head}\n\n{OLD}"
    yield Sample("Outlook on a telephone", outlook, "Re: Hotel", NEW, kind="quoted", answers=True)
    wrapped = (
        f"{NEW}\n\nOn Mon, 30 Nov 2026 at 10:15, Bob Sommer with a long name\n<bob@example.net> wrote:\n\n{quoted(OLD)}"
    )
    yield Sample("attribution over two lines", wrapped, "Re: Hotel", NEW, kind="quoted", answers=True)
    below = f"{wrote}\n{quoted(OLD)}\n\n{NEW}"
    yield Sample("answer below the quote", below, "Re: Hotel", NEW, kind="quoted", answers=True)
    original = f"{NEW}\n\n-----Original Message-----\n{head}\n\n{OLD}"
    yield Sample("Original Message", original, "RE: Hotel", NEW, kind="quoted", answers=True)
    no_quote = f"{NEW}\n\n{wrote}\n{OLD}"
    yield Sample("quote without marks", no_quote, "Re: Hotel", NEW, kind="quoted", answers=True)
    for name, text in PLAIN.items():
        yield Sample(f"plain: {name}", text, "Hotel", text, foreign="")


PLAIN = {
    "a colon": "Here is what I need:\n\n- a room\n- a train\n\nFrom Monday to Friday.",
    "a time": "We meet at 14:00. To: be decided.",
    "said somebody": "Bob wrote a book. He wrote:\nnothing of use.",
    "a list of labels": "Subject: maths\n\nI need help with it.",
    "dashes": "First part\n\n-----\n\nSecond part",
    "the word forwarded": "I forwarded the message to Bob.",
    "one line": "Yes",
    "a German text": "Von mir aus gern. Am Montag schrieb ich dir schon.",
    "a date": "On 3 December 2026 we leave.",
    "an address": "Ask bob@example.net about it: he knows.",
    "a French text": "Le train part à 10:15. De rien.",
    "a list with dashes": "To do:\n- pack\n- pay\n-- and leave",
}
