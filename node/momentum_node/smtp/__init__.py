"""SMTP: what the two sides say, and the sockets they say it on."""
