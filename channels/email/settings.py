"""The options of an email account, and what the large providers make of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from channels.email.imap import MailServer
from core.errors import InvalidInput

ADDRESS_OPTION = r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+"
SERVER_OPTION = r"[^\s/:]+(:\d{1,5})?"
OPTIONS = {
    "address": (ADDRESS_OPTION, "an address, such as helper@example.org"),
    "imap": (SERVER_OPTION, "host:port, such as imap.example.org:993"),
    "smtp": (SERVER_OPTION, "host:port, such as smtp.example.org:465"),
    "login": (r"\S.{0,200}", "the name to log in with"),
    "authserv": (r"[\w.-]{1,255}", "the name at the beginning of your server's Authentication-Results"),
    "folders": (r"[^,]+(,[^,]+)*", "names of folders with commas between, such as INBOX,Travel"),
    "sent": (r"\S.{0,200}", "the name of the folder for sent mail, or `none`"),
    "days": (r"\d{1,4}", "a number of days"),
    "name": (r"[^<>@\"\r\n]{1,80}", "a name to write as"),
    "signature": (r".{1,2000}", "a text to put under each mail"),
    "auth": (r"password|xoauth2", "password or xoauth2"),
    "oauth_url": (r"https://\S+", "the provider's address for new access tokens"),
    "oauth_client": (r"\S{1,300}", "the client id of your OAuth app"),
    "ca": (r"/\S+", "the path of a file with certificates to trust"),
}
"""Option of an account -> how it is spelled, as a pattern and in words."""
TLS_PORT, STARTTLS_PORTS = 993, (143, 587, 25, 2525)
SMTP_PORT = 465


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider's servers."""

    imap: str
    smtp: str
    authserv: str
    oauth_url: str = ""


GMAIL = Provider("imap.gmail.com:993", "smtp.gmail.com:465", "mx.google.com", "https://oauth2.googleapis.com/token")
OUTLOOK = Provider(
    "outlook.office365.com:993",
    "smtp-mail.outlook.com:587",
    "unnamed",
    "https://login.microsoftonline.com/common/oauth2/v2.0/token",
)
ICLOUD = Provider("imap.mail.me.com:993", "smtp.mail.me.com:587", "dmarc.icloud.com")
FASTMAIL = Provider("imap.fastmail.com:993", "smtp.fastmail.com:465", ".messagingengine.com")
PROVIDERS = {
    **dict.fromkeys(("gmail.com", "googlemail.com"), GMAIL),
    **dict.fromkeys(("outlook.com", "hotmail.com", "live.com", "msn.com"), OUTLOOK),
    **dict.fromkeys(("icloud.com", "me.com", "mac.com"), ICLOUD),
    **dict.fromkeys(("fastmail.com", "fastmail.fm"), FASTMAIL),
}
"""Domain of an address -> its provider."""


@dataclass(frozen=True, slots=True)
class MailSettings:
    """The options of an account, with what they leave out filled in."""

    address: str
    imap: MailServer
    smtp: MailServer
    authserv: str = ""
    folders: tuple[str, ...] = ("INBOX",)
    sent: str = ""
    """The folder for sent mail; empty for the one that the server marks so, `none` for none."""
    days: int = 0
    """How far back the first reading goes."""
    name: str = ""
    signature: str = ""
    oauth_url: str = ""
    """Set where we log in with tokens."""
    oauth_client: str = ""

    @property
    def domain(self) -> str:
        return self.address.partition("@")[2]


def check_options(options: Mapping[str, str]) -> None:
    """Raises `InvalidInput` for an unknown option, a value that it cannot have, or a missing address."""
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise InvalidInput(f"Email has no option {unknown[0]!r}; it has {', '.join(OPTIONS)}.")
    for name, value in options.items():
        if not re.fullmatch(OPTIONS[name][0], value):
            raise InvalidInput(f"The option {name} is {OPTIONS[name][1]}, not {value!r}.")
    if "address" not in options:
        raise InvalidInput("Which mailbox? Give its address: --option address=helper@example.org")
    if "ca" in options and not Path(options["ca"]).is_file():
        raise InvalidInput(f"There is no file {options['ca']} with certificates.")
    if options.get("auth") == "xoauth2" and not _oauth(options):
        raise InvalidInput("With auth=xoauth2 give oauth_url and oauth_client, too.")


def _oauth(options: Mapping[str, str]) -> bool:
    known = PROVIDERS.get(options["address"].lower().partition("@")[2])
    return bool(options.get("oauth_client") and (options.get("oauth_url") or (known and known.oauth_url)))


def mail_settings(options: Mapping[str, str]) -> MailSettings:
    """The settings of an account; raises `InvalidInput` as `check_options` does."""
    check_options(options)
    address = options["address"].lower()
    domain = address.partition("@")[2]
    known = PROVIDERS.get(domain, Provider(f"imap.{domain}:993", f"smtp.{domain}:465", ""))
    login, ca = options.get("login", address), options.get("ca", "")
    xoauth2 = options.get("auth") == "xoauth2"
    return MailSettings(
        address=address,
        imap=_server(options.get("imap", known.imap), TLS_PORT, login, ca),
        smtp=_server(options.get("smtp", known.smtp), SMTP_PORT, login, ca),
        authserv=options.get("authserv", known.authserv).lower(),
        folders=tuple(name.strip() for name in options.get("folders", "INBOX").split(",")),
        sent=options.get("sent", ""),
        days=int(options.get("days", "0")),
        name=options.get("name", ""),
        signature=options.get("signature", ""),
        oauth_url=options.get("oauth_url", known.oauth_url) if xoauth2 else "",
        oauth_client=options.get("oauth_client", ""),
    )


def _server(place: str, port: int, login: str, ca: str) -> MailServer:
    host, _, given = place.partition(":")
    number = int(given or port)
    return MailServer(host, number, login, number in STARTTLS_PORTS, ca)
