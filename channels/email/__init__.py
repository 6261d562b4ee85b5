"""Email: mail read over IMAP, answers sent over SMTP."""
