"""Options of delivery: name | type | default | scopes | remarks | meaning (schema.py)."""

OUTBOUND = """
Bind_Address | addr | * | G BG B | P0 M3 | source of outbound connections; * = the kernel chooses
EHLO_Hostname | string | __hostname__ | out | P1 M3 | name in our EHLO; __message__ = domain of the envelope sender
Match_Domain | array string multi | - | B | P0 M3 | envelope sender domains that choose this binding
Default_Binding | enum normal suspended none | normal | G | P1 M3 | fate of mail that no binding claims
Policy_File | string | - | G | P1 ours | Python file whose assign(message, session) chooses bindings
Policy_Timeout | int 1..60 | 1 | G | P1 ours | seconds for one answer of the policy; then the rules decide
DKIM_Keys | dict | - | G | P1 ours | From domain = selector:path of a PEM key, several with blanks between
DKIM_Headers | array string | - | G | P1 ours | headers that are signed; unset = those of RFC 6376 §5.4.1
DKIM_Sign | bool | true | out | P1 ours | sign with the keys of the From domain
Bounce_Classifications | array string | - | G | P1 ours | files of classification rules, asked before the built-in ones
Suspend_Delivery | bool | false | out | P1 M3 | accept and keep, open no connection
Retry_Interval | seconds | 1200 | out | P1 M3 | base of the back-off between attempts
Max_Retry_Interval | seconds | 43200 | out | P1 M3 | longest single delay between attempts
Max_Retries | retries | auto | out | P1 M3 | retries before giving up: auto, none or a number
Message_Expiration | seconds | 86400 | out | P1 M3 | life time of a message
Never_Attempt_Expired_Messages | bool | false | out | P1 M3 | look at the age before an attempt
Never_Retry | bool | false | out | P1 M3 | the first transient failure is final
Delayed_Queue_Scan_Interval | seconds | 15 | G | P1 M3 | pause between two looks at the delayed queue
Reserve_Maintenance_Interval | seconds | 15 | G | P2 M3 | pause between two sweeps with the reserve connections
Delayed_Binding_Domain_Fuzz | seconds | 0 | G BG B | P2 M3 | spread of a requeue of many messages
Inline_Transfail_Processing | int 0.. | 1 | G | P2 M3 | accepted for compatibility
Transfail_Drain_Rate | int 0.. | 100 | G | P2 M3 | accepted for compatibility
Max_Resident_Transfails | int 0.. | 100 | G | P2 M3 | accepted for compatibility
Blackhole | enum false true inline internal | false | out | P1 M3 | drop at RCPT (inline, true) or later (internal)
Connect_Timeout_To_Delay | seconds | 900 | out | P1 M3 | no contact for so long: all mail of the domain is delayed
MX_Failures_To_Delay | int 0.. | 50 | G D | P1 M3 | failures in a row on every MX until the domain is delayed; 0 = off
Gateway | string | - | out | P0 M3 | smart host: name, address or [IPv6], with an optional :port
Routes | array string | - | G D | P0 M3 | hosts to use instead of the domain's MX records
Delivery_Method | enum ESMTP SMTP LMTP | ESMTP | out | P1 M3 | protocol of delivery
Remote_SMTP_Port | int 1..65535 | 25 | out | P1 M3 | port of delivery by SMTP
LMTP_Port | int 1..65535 | 2003 | out | P1 M3 | port of delivery by LMTP
Prohibited_Hosts | array cidr | - | G | P1 M3 | never connect there
Host_Failure_Retry | seconds | 120 | G D | P1 M3 | rest for an address after a failure
MX_Failures_Fallback_To_A | int 0.. | 3 | G D | P1 M3 | failed MX queries before the address record is tried
DNS_Failures_To_Purge | int 0.. | 10 | G D | P1 M3 | failed look-ups before mail is returned
Fully_Resolve_Before_SMTP | bool | true | out | P2 M3 | wait for all MX hosts before the first connection
Only_Use_Best_MX_For_Relay_Domains | bool | true | G | P2 M3 | lowest preference only, for relay and bounce domains
Use_IPv6 | bool | false | G | P1 M3 | use AAAA records for delivery
Min_DNS_TTL | seconds | 0 | G | P2 M3 | shortest life of a cached answer
Max_DNS_TTL | seconds | 4294967295 | G | P2 M3 | longest life of a cached answer
DNS_Expire_Interval | seconds | 10 | G | P2 M3 | pause between two looks for expired answers
DNS_Cache_Purge_Interval | seconds | 60 | G | P2 M3 | pause between two purges of the cache
Resolv_Conf | string | - | G | P2 M3 | path of the resolver's configuration
Max_Received_Headers | int 0.. | 100 | G | P1 ours | more Received headers are a loop
Server_Max_Outbound_Connections | int -1.. | 20000 | G BG B | P1 M3 | most outbound connections of this node
Server_Reserve_Outbound_Connections | int 0.. | 200 | G | P1 M3 | extra connections for domains without one
Max_Outbound_Connections | int -1.. | 32 | out H | P1 M3 | most connections to one domain (Host: to one MX host)
Scope_Max_Outbound_Connections | int -1.. | - | out H | P1 M3 | most connections counted where it is set
Cluster_Server_Max_Outbound_Connections | int -1.. | - | G BG B | P1 M3 | most outbound connections of all nodes
Cluster_Max_Outbound_Connections | int -1.. | -1 | G D B H | P1 M3 | Max_Outbound_Connections over all nodes
Cluster_Scope_Max_Outbound_Connections | int -1.. | - | out H | P1 M3 | Scope_Max_Outbound_Connections over all nodes
Connection_Allocation_Aggressiveness | aggressiveness | normal | out | P1 M3 | how fast connections grow with the queue
Migrate_Connections_Between_Sibling_Domains | bool | true | G | P1 M3 | an idle one may serve a domain of the same MX
Server_Max_File_Descriptors | int 256.. | 3000000 | G | P1 M3 restart | most descriptors of a mail process
Outbound_Throttle_Messages | throttle | - | out | P1 M3 | delivery attempts per window
Outbound_Throttle_Connections | throttle | - | out | P1 M3 | connects per window
Cluster_Outbound_Throttle_Messages | throttle | - | BG B D G | P1 M3 | delivery attempts per window, all nodes
Cluster_Outbound_Throttle_Connections | throttle | - | BG B D G | P1 M3 | connects per window, all nodes
Connect_Timeout | seconds | 300 | out | P1 M3 | wait for a TCP connection
EHLO_Timeout | seconds | 300 | out | P1 M3 | wait for the banner and the reply to EHLO
MailFrom_Timeout | seconds | 300 | out | P1 M3 | wait for the reply to MAIL FROM
RcptTo_Timeout | seconds | 300 | out | P1 M3 | wait for the reply to RCPT TO
Body_Timeout | seconds | 600 | out | P1 M3 | wait after the final dot
RSET_Timeout | seconds | 30 | out | P1 M3 | wait for the reply to RSET
Idle_Timeout | seconds | 5 | out | P1 M3 | keep an idle connection so long
Max_Deliveries_Per_Connection | int 0.. | 0 | out | P1 M3 | messages per connection; 0 = no limit
Max_Recipients_Per_Batch | int 1.. | 100 | out | P1 M3 | recipients of one transaction
TLS | enum no ifavailable required | no | out | P1 M3 | STARTTLS towards the remote host
TLS_Ifavailable_Fallback | bool | true | out | P1 M3 | go on in plain text when the negotiation fails
TLS_Verify | enum no ca host | no | out | P1 M3 | check of the remote certificate
TLS_CA | string | - | out | P1 M3 | path of the certificates that are trusted
XCLIENT | enum no ifavailable required | no | out | P1 M3 | pass the client's address on
Send_8BitMime | enum no ifavailable | no | out | P2 M3 | send BODY=8BITMIME
Transform_8BitMime_Content | enum no ifneeded strict strip | ifneeded | out | P2 M3 | rewrite 8-bit content
TCP_Buffer_Size | int 0.. | 32768 | G | P2 M3 | socket buffers of delivery
Generate_Bounces | bool | true | out | P1 M3 | send a DSN for mail that failed after acceptance
Bounces_Inline_Original | enum none headers all | headers | out | P1 M3 | part of the original in a DSN
MailerDaemon | string | - | out | P1 M3 | From of a DSN
MDN_Failures_Notify | string | - | out | P2 M3 | copy of the notice when the sender was empty
Generate_Delay_DSN | bool | false | out | P2 M3 | warn the sender of a delay
Delay_DSN_Retry_Interval | seconds | 3600 | out | P2 M3 | first pause between delay warnings
Delay_DSN_Max_Retry_Interval | seconds | 43200 | out | P2 M3 | longest pause between delay warnings
Bounce_Domains | array string | - | G PW | P2 M3 | recipient domains whose mail is a bounce
Bounce_Pattern | regex | - | G D | P2 M3 | address of the original sender of a bounce
Bounce_Behavior | enum pass blackhole | pass | G D | P2 M3 | fate of a recognised bounce
Bounce_Suppress_List | array string | - | G | P2 M3 | never taken for the original recipient
Generate_Bounces_For_Multi_Recipient_Policy_Rejections | bool | true | G PW | P2 M3 | bounce, do not refuse a part
Max_Resident_Active_Queue | int 0.. | 250 | G out | P2 M3 | messages of one queue in memory
Max_Resident_Messages | int 0.. | 32768 | G | P2 M3 | messages in memory
Drop_Body_After_Trans_Fail | int 0.. | 3 | G out | P2 M3 | failures after which a body leaves memory
"""
