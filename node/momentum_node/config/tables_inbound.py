"""Options of reception and of listeners: name | type | default | scopes | meaning. Scope letters: schema.py."""

LISTENERS = """
Enable | bool | true | any L | socket open or not
Listen_Backlog | int 1.. | 500 | any L | backlog of listen()
Concurrency | int 0.. | 0 | any L | accept threads; accepted for compatibility
Accept_Queue_Backlog | int 0.. | 0 | any L | accepted for compatibility
Events_Per_Iter | int 0.. | 0 | any L | accepted for compatibility
Pool_Name | string | - | any L | accepted for compatibility
Event_Loop | string | - | any L | accepted for compatibility
Disable_Nagle_Algorithm | bool | false | G any L | TCP_NODELAY
TCP_Recv_Buffer_Size | int 0.. | 0 | any L | 0 = the system decides
TCP_Send_Buffer_Size | int 0.. | 0 | any L | 0 = the system decides
File_Mode | perms | 0660 | any L | mode of a unix socket
Enable_Duravip | bool | false | L B | the address belongs to the cluster
Duravip_Preference | string | - | L B | node that should own the address when it is present
Duravip_Follow | string | - | L | open this address where that binding is owned
Timeout | seconds | 60 | CL L | idle control connection; 0 = none
acl | any | - | L | rule lists of 2.x that no set of Peers can say (ours)
Proxy_Protocol | bool | false | L | expect a PROXY header before the greeting (ours)
Proxy_Protocol_From | array cidr | - | L | clients whose PROXY header is believed (ours)
"""

INBOUND = """
Idle_Time | seconds | 300 | in | close after so much silence; 0 = never
Banner_Hostname | string | - | in | name in the greeting and in the reply to EHLO
Static_Banner | string | - | in | the whole greeting line
Received_Hostname | string | - | in | name in the Received header
Reconfig_Message | string | 4.3.2 Reconfiguration in progress | ES | text after 421 when the configuration changed
Listener_Sessions | int 0.. | 0 | in | most sessions on this socket; 0 = no limit
Service_Sessions | int 0.. | 0 | in | most sessions on all sockets of the service
Max_Message_Size | int 0.. | 0 | in | bytes of the largest message; 0 = no limit
Max_Receptions_Per_Connection | int 0.. | 0 | G in | messages per session
Max_Recipients_Per_Connection | int 0.. | 0 | G in out | recipients per session
Max_Recipients_Per_Message | int 0.. | 0 | in | recipients per message
Inbound_Throttle_Messages | throttle | - | G PW | accepted messages per window
Require_EHLO | bool | false | G in | refuse commands before EHLO
Allow_NULL_Envelope_Sender | bool | true | G in | accept MAIL FROM:<>
Allow_IP_Literal | bool | true | G in | accept user@[1.2.3.4]
Allow_Trailing_Whitespace_In_Commands | bool | false | G in | accept blanks behind a command
Domain_For_Unqualified_Sender_Address | string | - | G in | completes a sender without domain
Domain_For_Unqualified_Recipient_Addresses | string | - | G in | completes a recipient without domain
Relay_Hosts | array cidr | - | G in | clients that may relay
Relay_Domains | array string | - | G PW | recipient domains accepted from anyone
Relay_For_Sending_Domains | array string | - | in | sender domains that may relay
Open_Relay | bool | false | in | everyone matched may relay
Context | dict | - | in | keys and values put into the session context
Pathway | string | default | ES L P | attach a set of inbound options
SMTP_Extensions | array string | - | in | extra extensions to offer
Always_Allow | bool | false | CL in | count as authenticated
Always_Deny | bool | false | CL in | refuse; beats Always_Allow
Max_Inbound_Connections | int 0.. | 0 | in | sessions of one block of addresses on this node (ours)
Cluster_Max_Inbound_Connections | int 0.. | 0 | in | sessions of one block of addresses on all nodes (ours)
Inbound_Connections_Mask | int 0..32 | 32 | in | size of the block for IPv4 (ours)
Inbound_Connections_Mask6 | int 0..128 | 64 | in | size of the block for IPv6 (ours)
RFC2822_Lone_LF_in_Headers | enum pedantic fix | pedantic | G PW | reject or repair
RFC2822_Lone_LF_in_Body | enum ignore pedantic fix | ignore | G PW | accept, reject or repair
RFC2822_Missing_Headers | enum reject allow | reject | G PW | fate of a message without headers
RFC2822_Date_Header | string | ifneeded | G PW | add a Date header
RFC2822_MessageID_Header | string | ifneeded | G PW | add a Message-ID header
RFC2822_Trace_Headers | bool | true | G PW | set Return-Path, add Received
RFC2822_Max_Line_Length | string | ignore | G PW | longest line of a message
RFC2822_Max_Line_Length_Policy | enum none fix reject | none | G PW | fate of longer lines
RFC2821_Pedantic_Address_Rules | bool | true | G PW | refuse addresses that break RFC 5321
RFC2821_Allow_Whitespace_In_Envelope | bool | false | G PW | accept blanks in MAIL FROM and RCPT TO
Enable_Authentication | bool | - | CL in | require (control) or offer (SMTP) authentication
AuthLoginParameters | dict | - | CL in | store of LOGIN: uri, realm, stored_cleartext, log_authentication
AuthPlainParameters | dict | - | CL in | store of PLAIN
AuthCramMD5Parameters | dict | - | CL in | store of CRAM-MD5
AuthDigestMD5Parameters | dict | - | CL in | store of DIGEST-MD5
Enable_Authorization | bool | - | CL L P | check console commands against Authorization
AuthorizationParameters | dict | - | CL in | uri that tells the roles of a user
TLS_Certificate | string | - | G in out | path of the certificate
TLS_Key | string | - | G in out | path of the key
TLS_Client_CA | string | - | G in | path of the certificates that client certificates are checked with
TLS_Ciphers | string | DEFAULT | G in out | cipher list of OpenSSL
TLS_Protocols | string | +ALL | G in out | protocol versions
TLS_Verify_Mode | enum none require | - | in | ask for a client certificate
TLS_Verified_Peer_Can_Relay | bool | false | in | a verified client certificate may relay
Use_SSL | bool | false | in | TLS from the first byte
STARTTLS_Injection_Policy | enum reject ignore allow | reject | in | fate of bytes behind STARTTLS
"""
