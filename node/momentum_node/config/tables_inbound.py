"""Options of reception and of listeners: name | type | default | scopes | remarks | meaning (schema.py)."""

LISTENERS = """
Enable | bool | true | any L | P0 M3 | socket open or not
Listen_Backlog | int 1.. | 500 | any L | P0 M3 | backlog of listen()
Concurrency | int 0.. | 0 | any L | P2 M3 | accept threads; accepted for compatibility
Accept_Queue_Backlog | int 0.. | 0 | any L | P2 M3 restart | accepted for compatibility
Events_Per_Iter | int 0.. | 0 | any L | P2 M3 restart | accepted for compatibility
Pool_Name | string | - | any L | P2 M3 restart | accepted for compatibility
Event_Loop | string | - | any L | P2 M3 restart | accepted for compatibility
Disable_Nagle_Algorithm | bool | false | G any L | P2 M3 | TCP_NODELAY
TCP_Recv_Buffer_Size | int 0.. | 0 | any L | P2 M3 | 0 = the system decides
TCP_Send_Buffer_Size | int 0.. | 0 | any L | P2 M3 | 0 = the system decides
File_Mode | perms | 0660 | any L | P1 M3 | mode of a unix socket
Enable_Duravip | bool | false | L B | P0 M3 | the address belongs to the cluster
Duravip_Preference | string | - | L B | P1 M3 | nodes that should own the address, in order, when present
Duravip_Candidates | string | - | L B | P1 ours | the only nodes that may own the address; unset = all
Duravip_Apart | string | - | L B | P1 ours | addresses of one such group should be on different nodes
Duravip_Follow | string | - | L | P1 M3 | open this address where that binding is owned
Timeout | seconds | 60 | CL L | P1 M3 | idle control connection; 0 = none
acl | any | - | L | P0 ours | rule lists of 2.x that no set of Peers can say
Proxy_Protocol | bool | false | L | P1 ours | expect a PROXY header before the greeting
Proxy_Protocol_From | array cidr | - | L | P1 ours | clients whose PROXY header is believed
"""

INBOUND = """
Idle_Time | seconds | 300 | in | P0 M3 | close after so much silence; 0 = never
Banner_Hostname | string | - | in | P0 M3 | name in the greeting and in the reply to EHLO
Static_Banner | string | - | in | P1 M3 | the whole greeting line
Received_Hostname | string | - | in | P1 M3 | name in the Received header
Reconfig_Message | string | 4.3.2 Reconfiguration in progress | ES | P1 M3 | text behind 421 after a reload
Listener_Sessions | int 0.. | 0 | in | P1 M3 | most sessions on this socket; 0 = no limit
Service_Sessions | int 0.. | 0 | in | P1 M3 | most sessions on all sockets of the service
Max_Message_Size | int 0.. | 0 | in | P1 M3 | bytes of the largest message; 0 = no limit
Max_Receptions_Per_Connection | int 0.. | 0 | G in | P1 M3 | messages per session
Max_Recipients_Per_Connection | int 0.. | 0 | G in out | P1 M3 | recipients per session
Max_Recipients_Per_Message | int 0.. | 0 | in | P1 M3 | recipients per message
Inbound_Throttle_Messages | throttle | - | G PW | P1 M3 | accepted messages per window
Require_EHLO | bool | false | G in | P1 M3 | refuse commands before EHLO
Allow_NULL_Envelope_Sender | bool | true | G in | P1 M3 | accept MAIL FROM:<>
Allow_IP_Literal | bool | true | G in | P2 M3 | accept user@[1.2.3.4]
Allow_Trailing_Whitespace_In_Commands | bool | false | G in | P2 M3 | accept blanks behind a command
Domain_For_Unqualified_Sender_Address | string | - | G in | P2 M3 | completes a sender without domain
Domain_For_Unqualified_Recipient_Addresses | string | - | G in | P2 M3 | completes a recipient without domain
Relay_Hosts | array cidr | - | G in | P0 M3 | clients that may relay
Relay_Domains | array string | - | G PW | P1 M3 | recipient domains accepted from anyone
Relay_For_Sending_Domains | array string | - | in | P1 M3 | sender domains that may relay
Open_Relay | bool | false | in | P1 M3 | everyone matched may relay
Context | dict | - | in | P1 M3 | keys and values put into the session context
Pathway | string | default | ES L P | P0 M3 | attach a set of inbound options
SMTP_Extensions | array string | - | in | P1 M3 | extra extensions to offer
Always_Allow | bool | false | CL in | P1 M3 | count as authenticated
Always_Deny | bool | false | CL in | P1 M3 | refuse; beats Always_Allow
Max_Inbound_Connections | int 0.. | 0 | in | P1 ours | sessions of one block of addresses on this node
Cluster_Max_Inbound_Connections | int 0.. | 0 | in | P1 ours | sessions of one block of addresses on all nodes
Inbound_Connections_Mask | int 0..32 | 32 | in | P0 ours | size of the block for IPv4
Inbound_Connections_Mask6 | int 0..128 | 64 | in | P0 ours | size of the block for IPv6
RFC2822_Lone_LF_in_Headers | enum pedantic fix | pedantic | G PW | P2 M3 | reject or repair
RFC2822_Lone_LF_in_Body | enum ignore pedantic fix | ignore | G PW | P2 M3 | accept, reject or repair
RFC2822_Missing_Headers | enum reject allow | reject | G PW | P2 M3 | fate of a message without headers
RFC2822_Date_Header | enum ifneeded none | ifneeded | G PW | P2 M3 | add a Date header
RFC2822_MessageID_Header | enum ifneeded none | ifneeded | G PW | P2 M3 | add a Message-ID header
RFC2822_Trace_Headers | bool | true | G PW | P1 M3 | set Return-Path, add Received
RFC2822_Max_Line_Length | linelength | ignore | G PW | P2 M3 | longest line of a message
RFC2822_Max_Line_Length_Policy | enum none fix reject | none | G PW | P2 M3 | fate of longer lines
RFC2821_Pedantic_Address_Rules | bool | true | G PW | P2 M3 | refuse addresses that break RFC 5321
RFC2821_Allow_Whitespace_In_Envelope | bool | false | G PW | P2 M3 | accept blanks in MAIL FROM and RCPT TO
Enable_Authentication | bool | - | CL in | P1 M3 | require (control) or offer (SMTP) authentication
AuthLoginParameters | dict | - | CL in | P1 M3 | store of LOGIN: uri, realm, stored_cleartext, log_authentication
AuthPlainParameters | dict | - | CL in | P1 M3 | store of PLAIN
AuthCramMD5Parameters | dict | - | CL in | P1 M3 | store of CRAM-MD5
AuthDigestMD5Parameters | dict | - | CL in | P1 M3 | store of DIGEST-MD5
Auth_Requires_TLS | bool | true | in | P1 ours | offer PLAIN and LOGIN over TLS only
Enable_Authorization | bool | - | CL L P | P1 M3 | check console commands against Authorization
AuthorizationParameters | dict | - | CL in | P1 M3 | uri that tells the roles of a user
TLS_Certificate | string | - | G in out | P1 M3 | path of the certificate
TLS_Key | string | - | G in out | P1 M3 | path of the key
TLS_Client_CA | string | - | G in | P1 M3 | path of the certificates that client certificates are checked with
TLS_Ciphers | string | DEFAULT | G in out | P1 M3 | cipher list of OpenSSL
TLS_Protocols | string | +ALL | G in out | P1 M3 | protocol versions
TLS_Verify_Mode | enum none require | - | in | P1 M3 | ask for a client certificate
TLS_Verified_Peer_Can_Relay | bool | false | in | P1 M3 | a verified client certificate may relay
Use_SSL | bool | false | in | P1 M3 | TLS from the first byte
STARTTLS_Injection_Policy | enum reject ignore allow | reject | in | P1 M3 | fate of bytes behind STARTTLS
"""
