"""The rules of a 2.x access list (configuration §8.5): words like `personality [ … ]` become options of a Peer."""

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


def rule(builder: Builder, found: AclRule, element: Element) -> None:
    """Add one element of a rule list to the options of its rule."""
    _Rule(builder, found, element).apply()


class _Rule:
    def __init__(self, builder: Builder, found: AclRule, element: Element) -> None:
        self._builder, self._found = builder, found
        self._word, self._body = element.scalar, element.body
        self._scope: Scope = found.scope

    def apply(self) -> None:
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
            name = _ALIASES.get(entry.key.text.lower(), entry.key.text)
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
        before = self._scope.settings.get("context")
        kept = before.value.entries if before is not None and isinstance(before.value, Dict) else ()
        mine = {entry.key.text for entry in self._entries()}
        entries = (*(entry for entry in kept if entry.key.text not in mine), *self._entries())
        self._scope.settings.pop("context", None)
        self._set("Context", Dict(entries, self._word.at))

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
        value = Array((Element(extension),), extension.at)
        self._builder.option(self._scope, self._word._replace(text="SMTP_Extensions"), value, more=True)


def _is_true(value: Value) -> bool:
    return isinstance(value, Scalar) and value.text.lower() in TRUE
