"""`make demo`: three nodes on one wire, mail to an address that moves, and a timeline of what happened when."""
