"""Email: an IMAP server of the tests' own and aiosmtpd, over real sockets with TLS.

hoodiecrow, which npm has, knows no TLS certificate of ours, cannot be frozen and never rebuilds a mailbox; Debian's
dovecot needs root and a configuration for each of these faults. Against dovecot a test of its own is run where it is
installed.
"""
