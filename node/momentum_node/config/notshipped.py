"""Names that Momentum knows and this product does not ship (configuration §8.3): told from typing errors,
a stanza of such a name is skipped with one warning (W06)."""

_SCOPES_AND_MODULES = """
adaptive adaptive_backstore_leveldb adaptive_backstore_riak alerting alias antivirus apn apn_logger as_logger
auth_ds auth_ldap auth_mysql auth_radius av_fsecure beik bounce_classifier bounce_classifier_override brightmail
bzip2io cassandra_client chunk_logger cidr_server cidrdb clamav cloudmark commtouch_ctasd compress_spool config
conntrol csapi datasource delay_dsn dk_sign dk_validate dkim_sign dkim_validate dnsbuf ds_cdb ds_core ds_csv
ds_iowrapper ds_ldap ds_mysql ds_odbc ds_pgsql ds_sqlite eleven engagement_tracker event_hydrant eventloop
exim_logger fbl fingerprint fsecure gcm gcm_logger host_fingerprint http_io http_listener http_logger httpsrv
icu ilf_logger imageanalyzer jlog kaspersky mail_loop maildir mc_db mc_gen mc_log mc_logger mc_mgr mc_sched
mc_smtp_out messagescope mm1 mm3 mm7 mm7_serv mms_bounce_logger mms_logger msc_logger msg_gen msgc_client
msgc_server msgcserver_listener mstore mtamark mxip networking opendkim outbound_audit outbound_smtp_auth
pe2_logger persist_io pickup pipe_io pipe_transport pop3_listener postfix_logger reception_timing_logger regex_binding
response_transcode restinjector rtstats sched scriptlet securecreds seedlist senderid sendmail_logger sieve
sievelib smpp smpp_bounce_logger smpp_logger smtp_auth_proxy smtp_cbv snmp snmp_traps spf_macros spf_v1
static_routes statp substitution_engine suppress_spool syslog_io url_ripper vctx_filter xmpp xmpp_listener
xmpp_logger
"""

_IGNORED = """
worker_io_concurrency async_event_concurrency async_io_concurrency async_batch_concurrency
batch_unlink_concurrency extensions_dir
"""

# Options and small stanzas of those modules.
_OPTIONS = """
ac_auth alias_schemes campaign click_tracking_enabled delivery_pool delivery_response_timeout destination dkim ecstream
enable_fbl_header_insertion exclude_vctx_mess http_basic_auth http_host http_method http_uri http_version
maintainer_pool open_tracking_enabled reception_timing trap_destination use_ip watch_variables
"""
_PREFIXES = (
    "adaptive_",
    "apn_",
    "ecstream_",
    "gcm_",
    "mcmt_",
    "mm7_",
    "opendkim_",
    "outbound_smtp_auth_",
    "response_transcode_",
    "smpp_",
    "xmpp_",
)

SCOPES_AND_MODULES = frozenset(_SCOPES_AND_MODULES.split())
OPTIONS = frozenset(_OPTIONS.split())
IGNORED = frozenset(_IGNORED.split())


def is_ignored(name: str) -> bool:
    """A 2.x option that is accepted and has no meaning any more (W03); lower-cased name."""
    return name in IGNORED or name.startswith("async_")


def is_known(name: str) -> bool:
    """A scope, module or option Momentum knows and we do not ship; lower-cased name."""
    return name in SCOPES_AND_MODULES or name in OPTIONS or name.startswith(_PREFIXES)
