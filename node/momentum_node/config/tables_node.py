"""Options of the node itself, its operators and its modules: name | type | default | scopes | remarks | meaning."""

GLOBAL = """
Hostname | string | - | G | P1 M3 | name in banner, EHLO and trace headers; unset = the host's
Pidfile | string | /var/run/ecelerity.pid | G | P2 M3 restart | file of the process id
SpoolBase | string | /var/spool/ecelerity | G | P1 M3 restart | directory of the spool
Spool_Mode | perms | 0640 | G | P2 M3 restart | mode of spool files
Force_Fsync | bool | true | G | P1 M3 | sync before the 250
_Unsafe_Spool | bool | false | G | P2 M3 | allow 250 without a spool file
Disk_Queue_Drain_Rate | int 0.. | 100 | G | P2 M3 | messages taken from the start-up scan per round
Unlink_On_Spool_In_Failure | bool | false | G | P2 M3 | remove spool entries that cannot be read
Memory_Goal | string | 90% | G | P2 M3 | memory budget
Memory_HWM | string | 95% | G | P2 M3 | above it new mail is refused for a while
Large_Message_Threshold | int 0.. | 131072 | G | P2 M3 | bytes from which a body is not kept in memory
Mail_Workers | int 1..16 | - | G | P0 ours restart | processes that handle mail; unset = CPUs, at most 16
Drain_Queue_Timeout | seconds 0..60 | 60 | G | P1 ours | a drain waits so long for mail to move
Log_Low_Space | int 0.. | - | G | P1 ours | free bytes below which a full log disk is warned of; unset = 10 % or 1 GiB
Log_Min_Space | int 0.. | - | G | P1 ours | free bytes below which new mail is refused; unset = 2 % or 128 MiB
Control_Client_Timeout | seconds | 60 | G | P1 M3 | a command sent to other nodes waits so long for its replies
Local_Changes_File | string | - | G | P1 M3 | file of changes made on the console; loaded last
Local_Changes_Only | bool | false | G | P1 M3 | write every change there
MasterDB_File | string | - | G | P2 M2 restart | accepted for compatibility
Scheduler | string | - | G | P2 M3 restart | accepted for compatibility
crypto_lock_method | string | - | G | P2 M3 restart | accepted for compatibility
keep_message_dicts_in_memory | bool | true | G | P2 M3 restart | accepted for compatibility
use_iflist_cache | int 0.. | 0 | G | P2 M3 restart | accepted for compatibility
trace_smtp_mode | perms | 0644 | G | P2 M3 restart | mode of trace files
Debug_Level | enum DEBUG INFO NOTICE WARNING ERROR CRITICAL | ERROR | G | P1 M3 | least severity that is logged
"""

SECURITY = """
User | string | ecuser | S | P0 M3 restart | user of the processes that handle mail
Group | string | ecuser | S | P0 M3 restart | group of the processes that handle mail
Capabilities | string | - | S | P0 M3 restart | Linux capabilities kept
Privileges | string | - | S | P0 M3 restart | Solaris privileges; ignored on Linux
Supplemental_Groups | array string | - | S | P2 M3 restart | further groups
Chroot | string | - | S | P2 M3 restart | directory to change the root to
"""

MODULES = """
Enabled | bool | true | module | P1 M3 | false = loaded but passive
Debug_Level | enum DEBUG INFO NOTICE WARNING ERROR CRITICAL | ERROR | module | P1 M3 | least severity that is logged
allow | array regex multi | - | RO | P0 M3 | commands the role may run
deny | array regex multi | - | RO | P1 M3 | commands the role may not run
Monitors | array monitor multi | - | IA | P1 M3 | counts of each client address, in these windows; `monitor` in 2.x
log_dir | string | /var/log/ecelerity/audit_series_logs | IA | P1 M3 | where series are written
serialize_dir | string | /var/log/ecelerity/audit_series_persist | IA | P1 M3 | where series survive a restart
maintenance_interval | seconds | 300 | IA | P1 M3 | pause between two clean-ups; 0 = the default
Backlog | int 0.. | 1024 | TP | P2 M3 restart | waiting jobs
Concurrency | int 0.. | 0 | TP | P2 M3 | threads
Stack_Size | int 0.. | 0 | TP | P2 M3 restart | stack of a thread
"""

LOGGING = """
mainlog | string | /var/log/ecelerity/mainlog.ec | EL CU | P0 M3 | destination of the main log
paniclog | string | /var/log/ecelerity/paniclog.ec | EL CU | P1 M3 | destination of the panic log
rejectlog | string | /var/log/ecelerity/rejectlog.ec | EL | P0 M3 | destination of the reject log
acctlog | string | /var/log/ecelerity/acctlog.ec | EL | P1 M3 | destination of the accounting log
importlog | string | - | EL | P2 M3 | destination of the import log
mainlog_mode | perms | 0644 | EL CU | P1 M3 | mode of the file
paniclog_mode | perms | 0644 | EL CU | P1 M3 | mode of the file
rejectlog_mode | perms | 0644 | EL | P1 M3 | mode of the file
acctlog_mode | perms | 0644 | EL | P1 M3 | mode of the file
acctlog_log_mode | perms | 0644 | EL | P1 M3 | documented spelling of acctlog_mode
importlog_mode | perms | 0644 | EL | P1 M3 | mode of the file
heartbeat | seconds | 60 | EL BL | P1 M3 | pause between heartbeat lines; 0 = off
record_format | enum 3 2.2 2.1 | 3 | EL | P1 ours | version of the line format
log_receptions | bool | true | EL CU | P0 M3 | log receptions
log_deliveries | bool | true | EL CU | P0 M3 | log deliveries
log_transient_failures | bool | true | EL BL CU | P0 M3 | log transient failures
log_permanent_failures | bool | true | EL CU | P0 M3 | log permanent failures
log_rejections | bool | true | EL CU | P0 M3 | log rejections
log_errors | bool | true | EL CU | P0 M3 | log errors
bouncelog | string | /var/log/ecelerity/bouncelog.ec | BL | P1 M3 | destination of the bounce log
bouncelog_mode | perms | 0644 | BL | P1 M3 | mode of the file
log_inband_bounces | bool | true | BL | P1 M3 | log failures of our own sessions
log_outofband_bounces | bool | true | BL | P1 M3 | log bounces that were received
user_string | string | - | BL | P1 M3 | appended to each line
concurrency | int 1.. | 1 | CU | P2 M3 | threads of the logger
thread_pool | string | - | CU | P0 M3 | pool of the logger
namespace | string | custom_logger,sieve | CU | P0 M3 | where unknown macros are looked up
sanitize | string | - | CU | P0 M3 | what is made safe in a line
log_xfers | bool | true | CU | P2 M3 | log hand-overs to another node
Logfile | string | - | LG MN ND | P0 M3 | destination with placeholders
File_Mode | perms | 0640 | LG MN ND | P1 M3 | mode of new files
Dir_Mode | perms | 0755 | LG MN ND | P0 M3 | mode of new directories
Max_Open | int 1.. | 128 | LG | P0 M3 | open files
Max_Idle | seconds | 10 | LG | P0 M3 | close a file after so much silence
Control_Cache | string | /var/log/eccluster/control.cache | LG | P0 M3 | cache of answers
Subscriber | array string | - | LG MN ND | P0 M3 | subscriber names to try
TimeZone | string | - | LG | P2 ours | time zone of file names
"""

REPLICATION_TYPES = (
    "inbound_cidr",
    "outbound_cidr",
    "outbound_domains",
    "outbound_binding_domains",
    "OBTM",
    "OBTC",
    "shared_named_throttles",
    "cache",
    "metrics",
    "eccmgr_metrics",
)

CUSTOM_STAGES = ("reception", "delivery", "transient_failure", "permanent_failure", "rejection", "xfer")

CUSTOM_STAGE = """
{stage}_logfile | string | - | CU | P0 M3 | destination of the stage
{stage}_format | string | - | CU | P0 M3 | format of the line; setting it switches the stage on
{stage}_log_mode | perms | 0644 | CU | P0 M3 | mode of the file
"""

CLUSTER = """
nodename | string | - | C | P0 M3 restart | name of this node
nodeaddr | addr | - | C | P0 M3 | address of this node
mbus_daemon | string | 4803 | C | P0 M2 | where the group bus listens; deprecated
cluster_group | string | ec_cluster | C | P0 M3 restart | group that agrees on the ownership of addresses
control_group | string | ec_console | C | P0 M3 | group of console commands
logs | dict | - | C | P0 M3 | log streams offered to the collector
dml | dict | - | C | P0 M2 | statistics of the 2.x web interface; ignored
arp_all_hosts | bool | true | C | P1 M3 | announce a moved address to everybody
heartbeat_start_delay | seconds | 15 | C | P1 M3 | wait after start before heartbeats
heartbeats_per_sec | rate | 1 | C | P1 M3 | heartbeats per second
if_check_interval | seconds | 30 | C | P1 M3 | pause between two checks of the addresses
if_down_limit | int 1.. | 4 | C | P1 M3 | seconds that a link which came back must stay up before it carries addresses
view_mature_time | seconds | 5 | C | P1 M3 | a view unchanged so long is mature
view_balance_interval | seconds | 10 | C | P1 M3 | pause between two steps of balancing
view_broadcast_interval | seconds | 0 | C | P2 M3 | repeat the announcement of the view; 0 = never
duravip_balance_set_size | int 1.. | 1 | C | P1 M3 | addresses per step of balancing
unconditional_rebind | bool | true | C | P1 M3 | assign the binding again for every moved message
log_active_interval | seconds | 1 | C | P1 M3 | pause of the log shipper between segments
log_idle_interval | seconds | 10 | C | P1 M3 | pause of the log shipper when idle
log_group | string | - | C | P2 M3 | group that gets the lines of the panic log
tcp_buffer_size | int 0.. | 32768 | C | P2 M3 | socket buffers between nodes
subcluster | string | - | C | P2 M3 | deprecated
duravip_release_grace | seconds | 5 | C | P1 ours | time for open sessions on an address that is given up
duravip_probe | bool | true | C | P0 ours | ask the wire before plumbing
duravip_addr_lifetime | seconds | - | C | P0 ours | lease of plumbed addresses in the kernel; 0 = for ever
duravip_self_drop | seconds | 10 | C | P1 ours | silence of the bus after which all addresses are given up; 0 = never
duravip_failback_delay | seconds | 60 | C | P1 ours | stability asked of a returning preferred node
partition_policy | enum both quorum | both | C | P0 ours | who may own addresses in a split network
cluster_size | int 1.. | - | C | P0 ours | MTA nodes meant to exist
duravip_weights | dict | - | C | P1 ours | node = 1 to 100: it takes addresses in that proportion; unnamed = 1
max_duravips | int 1.. | 10240 | C | P1 ours | more addresses are an error
Mmove_Max_Connections | int 1.. | 8 | C | P1 ours | connections that move mail to one node
Mmove_Throttle_Messages | throttle | 100 | C | P1 ours | messages moved in the background
interface | string | - | T | P0 M3 | network interface of addresses in this network
cidrmask | int 0..128 | - | T | P0 M3 | prefix length of the address; unset = one host
probe_gateway | addr | - | T | P1 ours | where this host does not answer, a node is the last choice for the addresses
type | replication | - | R | P0 M3 | what is replicated; unset = the instance name
class | replication | - | R | P0 M3 | the type when the name is free
parameters | string | - | R | P0 M3 | ;-separated parameters
max_delay | float 0.. | 1.0 | R | P0 M3 | longest time a change waits
max_pending | int 1.. | 100 | R | P0 M3 | changes that force a flush
max_size | int -1.. | -1 | R | P0 M3 | entries of a cache; -1 = no limit
binding_group | string | - | R | P0 M3 | count only this group
replication_name | string | - | R | P1 M2 | name of a cache in 2.x
"""
