"""The rules of a 2.x access list (configuration §8.5): words like `personality [ … ]` become options of a Peer."""

from collections.abc import Iterable
from typing import cast

from momentum_node.config import schema
from momentum_node.config.merge import Builder
from momentum_node.config.syntax import Array, Dict, Element, Entry, Scalar, Value
from momentum_node.config.tree import AclRule, Scope
from momentum_node.config.values import TRUE

_SETS = frozenset({"personality", "limits", "options"})  # `options` is how an acl is printed
_ALIASES = {"message_size": "Max_Message_Size"}
_EXTENSIONS = frozenset({"xclient", "xremoteip", "xdumpcontext", "xsetcontext", "enhancedstatuscodes"})
_AUTH = {
    "login": "AuthLoginParameters",
    "plain": "AuthPlainParameters",
    "cram-md5": "AuthCramMD5Parameters",
    "digest-md5": "AuthDigestMD5Parameters",
}
_AUTH_KEYS = frozenset({"uri", "realm", "stored_cleartext", "log_authentication"})
_TLS = {
    "certificate": "TLS_Certificate",
    "key": "TLS_Key",
    "clientca": "TLS_Client_CA",
    "ciphers": "TLS_Ciphers",
    "verify_mode": "TLS_Verify_Mode",
}
_KNOWN = """
personality limits continue relay_hosts relay_for_sending_domains context XCLIENT XREMOTEIP XDUMPCONTEXT XSETCONTEXT
ENHANCEDSTATUSCODES LOGIN PLAIN CRAM-MD5 DIGEST-MD5 TLS SSL ALWAYS-ALLOW Authorization
"""
_WORDS = _KNOWN.split()


def rule_list(builder: Builder, found: AclRule, elements: Iterable[Element]) -> None:
    """The elements of one rule list become the options of its rule."""
    rules = _Rules(builder, found)
    for element in elements:
        rules.apply(element)
    rules.finish()


class _Rules:
    """One rule list. What its elements add up (context, extensions) is set once, at the end."""

    def __init__(self, builder: Builder, found: AclRule) -> None:
        self._builder, self._found = builder, found
        self._scope: Scope = found.scope
        self._contexts: dict[str, Entry] = {}
        self._extensions: dict[str, Element] = {}
        self._word, self._body = Scalar(""), cast("Value | None", None)

    def finish(self) -> None:
        if self._contexts:
            context = Dict(tuple(self._contexts.values()), self._scope.at)
            self._builder.option(self._scope, Scalar("Context", self._scope.at), context)
        if self._extensions:
            extensions = Array(tuple(self._extensions.values()), self._scope.at)
            self._builder.option(self._scope, Scalar("SMTP_Extensions", self._scope.at), extensions)

    def apply(self, element: Element) -> None:
        self._word, self._body = element.scalar, element.body
        word = self._word.text.lower()
        if word == "continue":
            self._found.continues = True
        elif word in _SETS:
            self._options()
        elif word == "relay_hosts":
            self._found.unites_relay_hosts = True
            self._set("Relay_Hosts", self._body if isinstance(self._body, Array) else None)
        elif word == "relay_for_sending_domains":
            self._relay()
        elif word == "context":
            self._context()
        elif word in _EXTENSIONS:
            self._extend(self._given("extension") or self._word)
        else:
            self._security(word)

    def _security(self, word: str) -> None:
        if word in _AUTH:
            self._authentication()
        elif word in {"tls", "ssl"}:
            self._encryption(word)
        elif word == "always-allow":
            self._switch("Always_Allow")
        elif word == "authorization":
            self._switch("Enable_Authorization")
            self._set("AuthorizationParameters", self._body if isinstance(self._body, Dict) else None)
        else:
            self._unknown()

    def _unknown(self) -> None:
        near = [known for known in _WORDS if schema.distance(self._word.text.lower()[:64], known.lower()) <= 2]
        hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(_WORDS)}"
        self._builder.report.error(self._word.at, "S001", f"'{self._word.text}' is not a rule", hint)

    # --- the words ---

    def _options(self) -> None:
        for entry in self._entries():
            lowered = entry.key.text.lower()
            if lowered == "context" and isinstance(entry.value, Dict):
                self._contexts.update((inner.key.text, inner) for inner in entry.value.entries)
            elif lowered == "smtp_extensions" and isinstance(entry.value, Array):
                self._extensions.update((element.scalar.text.lower(), element) for element in entry.value.elements)
            else:
                name = _ALIASES.get(lowered, entry.key.text)
                self._builder.option(self._scope, entry.key._replace(text=name), entry.value)

    def _relay(self) -> None:
        if self._body is None:
            self._switch("Open_Relay")
            return
        if isinstance(self._body, Array):
            self._set("Relay_For_Sending_Domains", self._body)
            return
        domains = tuple(Element(entry.key) for entry in self._entries() if _is_true(entry.value))
        self._set("Relay_For_Sending_Domains", Array(domains, self._word.at))

    def _context(self) -> None:
        for entry in self._entries():
            self._contexts[entry.key.text] = entry

    def _authentication(self) -> None:
        mechanism = self._given("extension_argument") or self._word
        option = _AUTH.get(mechanism.text.lower())
        if option is None:
            text = f"'{mechanism.text}' is not an authentication mechanism"
            self._builder.report.error(mechanism.at, "V005", text, f"known are {', '.join(_AUTH)}")
            return
        if self._given("extension") is not None:
            self._extend(mechanism._replace(text=f"AUTH {mechanism.text.upper()}", quote='"'))
        parameters = tuple(entry for entry in self._entries() if entry.key.text.lower() in _AUTH_KEYS)
        self._set(option, Dict(parameters, self._word.at))
        self._switch("Enable_Authentication", again=True)

    def _encryption(self, word: str) -> None:
        if word == "ssl":
            self._switch("Use_SSL")
        elif self._given("extension") is not None:
            self._extend(self._given("extension") or self._word)
        for entry in self._entries():
            option = _TLS.get(entry.key.text.lower())
            if option is not None:
                self._builder.option(self._scope, entry.key._replace(text=option), entry.value)
            elif entry.key.text.lower() != "extension":
                text = f"'{entry.key.text}' is not a parameter of {self._word.text}"
                self._builder.report.error(entry.key.at, "S001", text, f"known are extension, {', '.join(_TLS)}")

    # --- the options they set ---

    def _entries(self) -> tuple[Entry, ...]:
        return self._body.entries if isinstance(self._body, Dict) else ()

    def _given(self, name: str) -> Scalar | None:
        for entry in self._entries():
            if entry.key.text.lower() == name and isinstance(entry.value, Scalar):
                return entry.value
        return None

    def _set(self, name: str, value: Value | None) -> None:
        if value is None:
            self._builder.report.error(self._word.at, "V001", f"'{self._word.text}' needs a value")
        else:
            self._builder.option(self._scope, self._word._replace(text=name), value)

    def _switch(self, name: str, *, again: bool = False) -> None:
        if not (again and name.lower() in self._scope.settings):
            self._set(name, Scalar("true", self._word.at))

    def _extend(self, extension: Scalar) -> None:
        self._extensions[extension.text.lower()] = Element(extension)


def _is_true(value: Value) -> bool:
    return isinstance(value, Scalar) and value.text.lower() in TRUE
