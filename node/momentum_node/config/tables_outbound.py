"""Options of delivery: name | type | default | scopes | meaning. Scope letters: schema.py. Seconds are seconds."""

OUTBOUND = """
Bind_Address | addr | * | G BG B | source of outbound connections; * = the kernel chooses
EHLO_Hostname | string | __hostname__ | out | name in our EHLO; __message__ = domain of the envelope sender
Match_Domain | array string multi | - | B | envelope sender domains that choose this binding
Default_Binding | enum normal suspended none | normal | G | fate of mail that no binding claims
Suspend_Delivery | bool | false | out | accept and keep, open no connection
Retry_Interval | seconds | 1200 | out | base of the back-off between attempts
Max_Retry_Interval | seconds | 43200 | out | longest single delay between attempts
Max_Retries | retries | auto | out | retries before giving up: auto, none or a number
Message_Expiration | seconds | 86400 | out | life time of a message
Never_Attempt_Expired_Messages | bool | false | out | look at the age before an attempt
Never_Retry | bool | false | out | the first transient failure is final
Delayed_Queue_Scan_Interval | seconds | 15 | G | pause between two looks at the delayed queue
Reserve_Maintenance_Interval | seconds | 15 | G | pause between two sweeps with the reserve connections
Delayed_Binding_Domain_Fuzz | seconds | 0 | G BG B | spread of a requeue of many messages
Inline_Transfail_Processing | int 0.. | 1 | G | accepted for compatibility
Transfail_Drain_Rate | int 0.. | 100 | G | accepted for compatibility
Max_Resident_Transfails | int 0.. | 100 | G | accepted for compatibility
Blackhole | enum false true inline internal | false | out | drop mail: at RCPT (inline, true) or later (internal)
Connect_Timeout_To_Delay | seconds | 900 | out | no contact for so long: all active mail of the domain is delayed
MX_Failures_To_Delay | int 0.. | 50 | G D | failures in a row on every MX until the domain is delayed; 0 = off
Gateway | string | - | out | smart host: name, address or [IPv6], with an optional :port
Routes | array string | - | G D | hosts to use instead of the domain's MX records
Delivery_Method | enum ESMTP SMTP LMTP | ESMTP | out | protocol of delivery
Remote_SMTP_Port | int 1..65535 | 25 | out | port of delivery by SMTP
LMTP_Port | int 1..65535 | 2003 | out | port of delivery by LMTP
Prohibited_Hosts | array cidr | - | G | never connect there
Host_Failure_Retry | seconds | 120 | G D | rest for an address after a failure
MX_Failures_Fallback_To_A | int 0.. | 3 | G D | failed MX queries before the address record is tried
DNS_Failures_To_Purge | int 0.. | 10 | G D | failed look-ups before mail is returned
Fully_Resolve_Before_SMTP | bool | true | out | wait for all MX hosts before the first connection
Only_Use_Best_MX_For_Relay_Domains | bool | true | G | lowest preference only, for relay and bounce domains
Use_IPv6 | bool | false | G | use AAAA records for delivery
Min_DNS_TTL | seconds | 0 | G | shortest life of a cached answer
Max_DNS_TTL | seconds | 4294967295 | G | longest life of a cached answer
DNS_Expire_Interval | seconds | 10 | G | pause between two looks for expired answers
DNS_Cache_Purge_Interval | seconds | 60 | G | pause between two purges of the cache
Resolv_Conf | string | - | G | path of the resolver's configuration
Max_Received_Headers | int 0.. | 100 | G | more Received headers are a loop (ours)
Server_Max_Outbound_Connections | int -1.. | 20000 | G BG B | most outbound connections of this node
Server_Reserve_Outbound_Connections | int 0.. | 200 | G | extra connections for domains without one
Max_Outbound_Connections | int -1.. | 32 | out H | most connections to one domain (Host: to one MX host)
Scope_Max_Outbound_Connections | int -1.. | - | out H | most connections counted where it is set
Cluster_Server_Max_Outbound_Connections | int -1.. | - | G BG B | most outbound connections of all nodes
Cluster_Max_Outbound_Connections | int -1.. | -1 | G D B H | Max_Outbound_Connections over all nodes
Cluster_Scope_Max_Outbound_Connections | int -1.. | - | out H | Scope_Max_Outbound_Connections over all nodes
Connection_Allocation_Aggressiveness | aggressiveness | normal | out | how fast connections grow with the queue
Migrate_Connections_Between_Sibling_Domains | bool | true | G | let an idle connection serve a domain with the same MX
Server_Max_File_Descriptors | int 0.. | 3000000 | G | limit of descriptors
Outbound_Throttle_Messages | throttle | - | out | delivery attempts per window
Outbound_Throttle_Connections | throttle | - | out | connects per window
Cluster_Outbound_Throttle_Messages | throttle | - | BG B D G | delivery attempts per window, all nodes
Cluster_Outbound_Throttle_Connections | throttle | - | BG B D G | connects per window, all nodes
Connect_Timeout | seconds | 300 | out | wait for a TCP connection
EHLO_Timeout | seconds | 300 | out | wait for the banner and the reply to EHLO
MailFrom_Timeout | seconds | 300 | out | wait for the reply to MAIL FROM
RcptTo_Timeout | seconds | 300 | out | wait for the reply to RCPT TO
Body_Timeout | seconds | 600 | out | wait after the final dot
RSET_Timeout | seconds | 30 | out | wait for the reply to RSET
Idle_Timeout | seconds | 5 | out | keep an idle connection so long
Max_Deliveries_Per_Connection | int 0.. | 0 | out | messages per connection; 0 = no limit
Max_Recipients_Per_Batch | int 1.. | 100 | out | recipients of one transaction
TLS | enum no ifavailable required | no | out | STARTTLS towards the remote host
TLS_Ifavailable_Fallback | bool | true | out | go on in plain text when the negotiation fails
TLS_Verify | enum no ca host | no | out | check of the remote certificate
TLS_CA | string | - | out | path of the certificates that are trusted
XCLIENT | enum no ifavailable required | no | out | pass the client's address on
Send_8BitMime | enum no ifavailable | no | out | send BODY=8BITMIME
Transform_8BitMime_Content | enum no ifneeded strict strip | ifneeded | out | rewrite 8-bit content
TCP_Buffer_Size | int 0.. | 32768 | G | socket buffers of delivery
Generate_Bounces | bool | true | out | send a DSN for mail that failed after acceptance
Bounces_Inline_Original | enum none headers all | headers | out | part of the original in a DSN
MailerDaemon | string | - | out | From of a DSN
MDN_Failures_Notify | string | - | out | copy of the notice when the sender was empty
Generate_Delay_DSN | bool | false | out | warn the sender of a delay
Delay_DSN_Retry_Interval | seconds | 3600 | out | first pause between delay warnings
Delay_DSN_Max_Retry_Interval | seconds | 43200 | out | longest pause between delay warnings
Bounce_Domains | array string | - | G PW | recipient domains whose mail is a bounce
Bounce_Pattern | regex | - | G D | address of the original sender of a bounce
Bounce_Behavior | enum pass blackhole | pass | G D | fate of a recognised bounce
Bounce_Suppress_List | array string | - | G | never taken for the original recipient
Generate_Bounces_For_Multi_Recipient_Policy_Rejections | bool | true | G PW | bounce, do not refuse a part
Max_Resident_Active_Queue | int 0.. | 250 | G out | messages of one queue in memory
Max_Resident_Messages | int 0.. | 32768 | G | messages in memory
Drop_Body_After_Trans_Fail | int 0.. | 3 | G out | failures after which a body leaves memory
"""
