"""May this recipient be accepted from this client? Pure; the rules of `Relay_Hosts` and its kin, in their order."""

from fnmatch import fnmatchcase

from momentum_node.config.model import Address, InboundOptions
from momentum_node.smtp.address import Mailbox


def matches_glob(domain: str, globs: tuple[str, ...]) -> bool:
    """`*.a.test` matches sub-domains only, `*a.test` also `a.test` and `bada.test`."""
    return bool(globs) and any(domain == glob or ("*" in glob and fnmatchcase(domain, glob)) for glob in globs)


def relays_for(options: InboundOptions, sender: Mailbox) -> bool:
    """Whoever brings mail of this sender may send it to anybody."""
    return bool(sender.domain) and matches_glob(sender.domain, options.relay_for_sending_domains)


def may_relay(options: InboundOptions, client: Address) -> bool:
    """The client itself is trusted, whoever sends and receives."""
    return options.open_relay or any(client in network for network in options.relay_hosts)


def is_accepted(options: InboundOptions, trusted: bool, sender: Mailbox, recipient: Mailbox) -> bool:
    """Whether `recipient` is taken; `trusted` is what `may_relay` said for this session."""
    if trusted or not recipient.domain:  # <postmaster>: RFC 5321 §4.5.1, always
        return True
    if relays_for(options, sender):
        return True
    return matches_glob(recipient.domain, options.relay_domains) or matches_glob(
        recipient.domain, options.bounce_domains
    )
