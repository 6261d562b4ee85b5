"""Markdown as Slack's mrkdwn."""

from channels.markdown import ADDRESS, BOLD, LIKE_ADDRESS, Dialect, around, leads_there, unfenced


class Mrkdwn(Dialect):
    """Slack's own; there is no way to write a literal star in it, but mentions and links are only what we make."""

    limit = 3_900

    def text(self, text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def bold(self, text: str) -> str:
        return around("*", BOLD.sub(r"\1\2", text))  # in a heading, say: marks within marks end them

    def italic(self, text: str) -> str:
        return around("_", text)

    def strike(self, text: str) -> str:
        return around("~", text)

    def code(self, text: str) -> str:
        return f"`{self.text(text)}`"

    def fence(self, text: str, info: str) -> str:
        return f"```\n{unfenced(self.text(text))}\n```"

    def link(self, shown: str, plain: str, url: str) -> str:
        if not ADDRESS.match(url):
            return super().link(shown, plain, self.text(url))
        target = self.text(url).replace("|", "%7C")
        words = self.text(plain).replace("|", "\u00a6")
        if plain in (url, ""):
            return f"<{target}>"
        if LIKE_ADDRESS.match(plain) and not leads_there(plain, url):
            return f"{words} (<{target}>)"
        return f"<{target}|{words}>"
